import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { accessible, account, enter, expect, newEmail, PASSWORD, picture, test } from './shop';

const NEW = 'a better horse';

/** Waits for the mail to this address with this subject; returns the path of its link. */
async function link(email: string, subject: string): Promise<string> {
  const folder = process.env['MAIL_DIR'] ?? '';
  let found = '';
  await expect(() => {
    const mails = readdirSync(folder).map((file) =>
      // decodes only what matters of quoted-printable
      readFileSync(join(folder, file), 'utf8').replaceAll('=\r\n', '').replaceAll('=3D', '='),
    );
    const mail = mails.find((text) => text.includes(`To: ${email}`) && text.includes(`Subject: ${subject}`)) ?? '';
    found = /^https?:\/\/[^/]+(\/\S+#token=\S+)/m.exec(mail)?.[1] ?? '';
    expect(found, `the mail to ${email} with a link`).not.toBe('');
  }).toPass();
  return found;
}

test('a forgotten password is set anew by a mailed link, once', async ({ page, context, watch }) => {
  test.setTimeout(240_000);
  watch.expects(/401/, /422/);
  const email = newEmail();
  await account(context, 'Fay Forgetful', email);
  await page.goto('/login');
  await context.clearCookies();
  await page.evaluate(() => localStorage.removeItem('shop.session'));
  await page.goto('/login');
  await page.getByRole('link', { name: 'Forgotten your password?' }).click();
  await expect(page.getByRole('heading', { name: 'Forgotten your password?' })).toBeVisible();
  await picture(page, 'forgot-password');
  await page.getByLabel('E-mail address').fill('fay@nowhere');
  await page.getByRole('button', { name: 'Send the link' }).click();
  await expect(page.locator('.field .error')).toBeVisible();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Send the link' }).click();
  await expect(page.getByText('Look into your mailbox')).toBeVisible();

  const reset = await link(email, 'Set a new password');
  await page.goto(reset);
  await page.getByLabel('New password').fill('password');
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByText('Many people use this password')).toBeVisible();
  await picture(page, 'reset-password');
  await page.getByLabel('New password').fill(NEW);
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByText('Your password is set')).toBeVisible();
  await page.getByRole('link', { name: 'Log in' }).last().click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(NEW);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByLabel('Account of Fay Forgetful')).toBeVisible();

  await page.goto('/');
  await page.goto(reset);
  await page.getByLabel('New password').fill('yet another horse');
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByText('This link has been used or has run out')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Ask for a new link' })).toBeVisible();
  await accessible(page);
});

test('an address is confirmed, and a password changed, on the account’s page', async ({ page, context, browser, watch }) => {
  test.setTimeout(240_000);
  watch.expects(/401/, /422/);
  const email = newEmail();
  await account(context, 'Vera Verified', email);
  // another session, which the page must list
  const other = await browser.newContext();
  await enter(other, email, PASSWORD);
  await other.close();
  await page.goto('/');
  await page.getByLabel('Account of Vera Verified').click();
  await page.getByRole('link', { name: 'Account' }).click();
  await expect(page.getByText('Not confirmed')).toBeVisible();
  await page.getByRole('button', { name: 'Send the mail again' }).click();
  await expect(page.getByText('Look into your mailbox')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Log out everywhere else' })).toBeVisible();
  await picture(page, 'account');

  const confirm = await link(email, 'Confirm your e-mail address');
  await page.goto(confirm);
  await expect(page.getByRole('button', { name: 'Confirm address' })).toBeVisible();
  await picture(page, 'verify-email');
  await page.getByRole('button', { name: 'Confirm address' }).click();
  await expect(page.getByText('Your address is confirmed')).toBeVisible();
  await page.goto('/account');
  await expect(page.getByText('Confirmed', { exact: true })).toBeVisible();

  await page.getByLabel('Current password').fill('not the password');
  await page.getByLabel('New password').fill(NEW);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('This is not your current password')).toBeVisible();
  await accessible(page);
  await page.getByLabel('Current password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('Your password is changed')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Account of Vera Verified')).toBeVisible();
});
