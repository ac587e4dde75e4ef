/**
 * After every action the focus stays on the page: from `body` the keyboard would start at the top
 * again.
 */
import type { Locator, Page } from '@playwright/test';

import { account, edit, enter, expect, newEmail, order, PASSWORD, people, product, publish, putInCart, state, test } from './shop';

/**
 * Presses an element with the keyboard, waits for the result (or until the element is gone), and
 * checks the focus.
 */
async function act(page: Page, what: Locator, leadsTo: Locator | 'gone', key = 'Enter'): Promise<void> {
  const message = `focus after ${String(what)}`;
  await what.focus();
  await page.keyboard.press(key);
  if (leadsTo === 'gone') await expect(what).toHaveCount(0);
  else await expect(leadsTo.first()).toBeVisible();
  await expect.poll(() => page.evaluate(() => document.activeElement?.tagName ?? 'BODY'), { message }).not.toBe('BODY');
}

/** Answers a list as if it had a second, empty page. */
async function inTwoPages(page: Page, call: string): Promise<void> {
  await page.route(call, async (route) => {
    if (new URL(route.request().url()).searchParams.has('cursor')) return route.fulfill({ json: { items: [] } });
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), next_cursor: 'next' } });
  });
}

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });

test('the focus is never lost in the shop', async ({ page, watch }) => {
  test.setTimeout(120_000);
  watch.expects(/401/, /409/);
  const slug = await product({ price: 500, stock: 50 });
  await page.goto('/');
  await page.getByRole('searchbox').fill('zzzz');
  await act(page, button(page, 'Show all products'), page.locator('.card'));
  await act(page, button(page, /^Theme/), button(page, /^Theme: light/));
  await page.goto('/login');
  await page.getByLabel('E-mail address').fill('a@example.com');
  await page.getByLabel('Password').fill('not the password');
  await act(page, button(page, 'Log in'), page.getByRole('alert'));
  await page.goto(`/register?next=/products/${slug}`);
  await page.getByLabel('Name').fill('Flo Focus');
  const email = newEmail();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await act(page, button(page, 'Create account'), page.getByRole('heading', { name: 'Look into your mailbox' }));
  await page.getByRole('main').getByRole('link', { name: 'Log in' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await act(page, button(page, 'Log in'), page.getByRole('heading', { name: /^Teapot/ }));
  await act(page, button(page, 'Increase quantity'), page.getByRole('textbox', { name: 'Quantity' }));
  await act(page, button(page, 'Decrease quantity'), page.getByRole('textbox', { name: 'Quantity' }));
  await act(page, button(page, 'Add to cart'), page.getByText('Added to cart.'));
  await putInCart(page, 'enamel-mug');
  await act(page, page.getByRole('link', { name: 'View cart' }), page.getByRole('heading', { name: 'Cart' }));
  await act(page, button(page, 'Remove Enamel Mug'), page.locator('.line'));
  await expect(page.locator('.line')).toHaveCount(1);
  const box = page.getByRole('textbox', { name: /^Quantity of/ });
  await box.fill('0');
  await act(page, box, page.getByText('Your cart is empty'));
  await putInCart(page, slug);
  await page.goto('/cart');
  await act(page, page.getByRole('link', { name: 'Check out' }), button(page, 'Place order'));
  await act(page, button(page, 'Place order'), button(page, /^Pay/));
  await act(page, button(page, /^Pay/), page.getByText('Paid. Thank you'));
  await order(page, slug);
  await expect(button(page, 'Cancel order')).toBeVisible();
  await act(page, button(page, 'Cancel order'), page.getByText('Nothing was charged.'));
  await page.getByLabel('Account of Flo Focus').click();
  await act(page, button(page, 'Log out'), page.getByRole('link', { name: 'Log in' }));
  await page.evaluate(() =>
    localStorage.setItem('shop.cart', JSON.stringify({ key: 'k', sentBy: 'u', lines: [{ product_id: 'p', slug: 'enamel-mug', name: 'M', quantity: 1 }] })),
  );
  await page.goto('/cart');
  await act(page, button(page, 'Start a new cart'), page.getByText('Your cart is empty'));
});

test('the heading of a page has the focus as soon as it is there', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('link', { name: /^Cart/ }).focus();
  const focused = page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        new MutationObserver((_, observer) => {
          if (document.querySelector('h1')?.textContent !== 'Cart') return;
          observer.disconnect();
          resolve(document.activeElement?.tagName ?? '');
        }).observe(document.body, { childList: true, subtree: true, characterData: true });
      }),
  );
  await page.keyboard.press('Enter');
  expect(await focused).toBe('H1');
});

test('the focus is never lost when a page is tried again', async ({ page, watch }) => {
  watch.expects(/Failed to load resource/);
  await page.route('**/api/products?*', (route) => route.abort());
  await page.goto('/');
  await expect(button(page, 'Try again')).toBeVisible();
  await page.unroute('**/api/products?*');
  await act(page, button(page, 'Try again'), page.getByRole('link', { name: /Enamel Mug/ }));
});

test('the focus is never lost when a session is taken up late or not ended', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context, 'Lou Late');
  let away = true;
  await page.route('**/api/refresh', (route) => (away ? route.abort() : route.fallback()));
  await page.goto('/orders');
  await expect(button(page, 'Try again')).toBeVisible();
  away = false;
  await act(page, button(page, 'Try again'), page.getByText('You have not ordered anything yet'));
  await page.route('**/api/logout', (route) => route.abort());
  await page.getByLabel('Account of Lou Late').click();
  await act(page, button(page, 'Log out'), page.getByRole('alert'));
});

test('the focus is never lost where an order is refused, or a list goes on', async ({ page, context, watch }) => {
  test.setTimeout(120_000);
  watch.expects(/409/, /422/);
  await account(context);
  const slug = await product({ price: 500, stock: 5 });
  await page.goto(`/products/${slug}`);
  await page.getByRole('textbox', { name: 'Quantity' }).fill('3');
  await act(page, button(page, 'Add to cart'), page.getByText('Added to cart.'));
  await page.goto('/checkout');
  await expect(button(page, 'Place order')).toBeVisible();
  await edit(slug, { price: { amount: 600, currency: 'EUR' } });
  await act(page, button(page, 'Place order'), page.getByRole('alert'));
  await edit(slug, { stock: 2, stock_seen: 5 });
  await act(page, button(page, 'Place order for €18.00'), button(page, 'Set quantity to 2'));
  await act(page, button(page, 'Set quantity to 2'), 'gone');
  await edit(slug, { stock: 1, stock_seen: 2 });
  await page.goto('/cart');
  await act(page, button(page, 'Set to 1'), 'gone');
  await putInCart(page, 'linen-apron');
  await page.evaluate(() => {
    const cart = JSON.parse(localStorage.getItem('shop.cart') ?? '') as { lines: { product_id: string }[] };
    if (cart.lines[1]) cart.lines[1].product_id = '0192f0c0-0000-7000-8000-000000000009';
    localStorage.setItem('shop.cart', JSON.stringify(cart));
  });
  await page.goto('/checkout');
  await act(page, button(page, 'Place order'), page.getByRole('alert'));
  await act(page, button(page, 'Remove Linen Apron'), 'gone');
  await act(page, button(page, 'Place order'), button(page, /^Pay/));
  await inTwoPages(page, '**/api/orders?*');
  await page.goto('/orders');
  await act(page, button(page, 'Load older orders'), 'gone');
  await inTwoPages(page, '**/api/products?*');
  await page.goto('/');
  await act(page, button(page, 'Show more'), 'gone');
});

test('the focus is never lost on the account and its links', async ({ page, context, browser, watch }) => {
  test.setTimeout(120_000);
  watch.expects(/401/, /422/, /429/, /Failed to load resource/);
  const email = newEmail();
  await account(context, 'Ada Account', email);
  for (let n = 0; n < 2; n++) {
    const other = await browser.newContext();
    await enter(other, email, PASSWORD);
    await other.close();
  }
  await page.goto('/account');
  await act(page, button(page, 'Send the mail again'), page.getByText('Look into your mailbox'));
  await act(page, button(page, /^Log out .*, logged in/).first(), page.getByText('This browser'));
  await expect(button(page, /^Log out .*, logged in/)).toHaveCount(1);
  await act(page, button(page, 'Log out everywhere else'), 'gone');
  await page.getByLabel('Current password').fill('not the password');
  await page.getByLabel('New password').fill('a better horse');
  await act(page, button(page, 'Change password'), page.getByText('This is not your current password'));
  await page.getByLabel('Current password').fill(PASSWORD);
  await act(page, button(page, 'Change password'), page.getByText('Your password is changed'));
  await page.goto('/forgot-password');
  await page.getByLabel('E-mail address').fill('ada@nowhere');
  await act(page, button(page, 'Send the link'), page.locator('.field .error'));
  await page.getByLabel('E-mail address').fill(email);
  await act(page, button(page, 'Send the link'), page.getByText('Look into your mailbox'));
  // links of mails: first with an invalid token, then with the token's acceptance simulated
  const reset = async () => {
    await page.goto('/');
    await page.goto('/reset-password#token=none');
    await page.getByLabel('New password').fill('a better horse');
  };
  await reset();
  await act(page, button(page, 'Set password'), page.getByRole('alert'));
  await page.route('**/api/password-reset/confirm', (route) => route.fulfill({ status: 204 }));
  await reset();
  await act(page, button(page, 'Set password'), page.getByText('Your password is set'));
  await page.goto('/verify-email#token=none');
  await act(page, button(page, 'Confirm address'), page.getByRole('alert'));
  await page.route('**/api/verify-email', (route) => route.fulfill({ status: 204 }));
  await page.goto('/');
  await page.goto('/verify-email#token=none');
  await act(page, button(page, 'Confirm address'), page.getByText('Your address is confirmed'));
});

test('the focus is never lost in the demo panel', async ({ page, faults }) => {
  await faults.payments('ok'); // from now on the fixture restarts what the test leaves killed
  await page.goto('/');
  await page.getByText('Break something').click();
  await act(page, button(page, 'Kill worker-payments'), button(page, 'Start worker-payments'));
  await act(page, button(page, 'Start worker-payments'), button(page, 'Kill worker-payments'));
});

test('the focus is never lost in the admin', async ({ page, context, watch }) => {
  watch.expects(/422/, /412/);
  const slug = await product({ price: 500, stock: 5 });
  await enter(context, people.admin);
  await page.goto(`/admin/products/${slug}`);
  await page.getByLabel(/Price/).fill('x');
  await act(page, button(page, 'Save'), page.getByText(/Enter an amount/));
  await page.getByLabel(/Price/).fill('6');
  await act(page, button(page, 'Save'), page.getByText('Saved.'));
  await act(page, button(page, 'Remove from catalog'), page.getByRole('dialog'));
  await act(page, page.getByRole('dialog').getByRole('button', { name: 'Cancel' }), button(page, 'Remove from catalog'));
  await act(page, button(page, 'Remove from catalog'), page.getByRole('dialog'));
  await act(page, page.getByRole('dialog').getByRole('button', { name: 'Remove' }), page.getByRole('heading', { name: 'Products' }));
  await inTwoPages(page, '**/api/products?*');
  await page.goto('/admin/products');
  await act(page, button(page, 'Show more'), 'gone');
  await inTwoPages(page, '**/api/admin/orders?*');
  await page.goto('/admin/orders');
  await act(page, button(page, 'Load older orders'), 'gone');
});

test('the focus is never lost when two admins save', async ({ page, context, watch }) => {
  watch.expects(/412/);
  await enter(context, people.admin);
  await page.goto('/admin/products/new');
  const name = `Kettle ${crypto.randomUUID().slice(0, 8)}`;
  await page.getByLabel('Name').fill(name);
  await page.getByLabel(/Price/).fill('5');
  await act(page, button(page, 'Save'), page.getByRole('heading', { name }));
  const slug = new URL(page.url()).pathname.split('/').at(-1) ?? '';
  await page.getByLabel(/Price/).fill('6');
  await edit(slug, { price: { amount: 700, currency: 'EUR' } });
  await act(page, button(page, 'Save'), button(page, 'Keep my changes'));
  await act(page, button(page, 'Keep my changes'), 'gone');
  await edit(slug, { price: { amount: 800, currency: 'EUR' } });
  await act(page, button(page, 'Save'), button(page, 'Load the latest version'));
  await act(page, button(page, 'Load the latest version'), page.getByText('Showing the latest version.'));
  await act(page, button(page, 'Remove from catalog'), page.getByRole('dialog'));
  await act(page, page.getByRole('dialog').getByRole('button', { name: 'Remove' }), page.getByRole('heading', { name: 'Products' }));
});

test('the focus is never lost in the console', async ({ page, context, browser, watch }) => {
  test.setTimeout(120_000);
  watch.expects(/422/);
  const shopping = await browser.newContext();
  await account(shopping);
  const buyer = await shopping.newPage();
  const id = await order(buyer);
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await shopping.close();
  await enter(context, people.operator);
  await page.goto('/ops/sagas?text=zzzz');
  await act(page, button(page, 'Clear filters'), page.locator('.ops-list'));
  await inTwoPages(page, '**/api/sagas?*');
  await page.goto('/ops/sagas');
  await act(page, button(page, 'Load newer sagas'), 'gone');
  await page.unroute('**/api/sagas?*');
  await page.goto(`/ops/sagas?find=${id}`);
  await act(page, page.locator('a[href^="/ops/sagas/"]').first(), page.getByRole('heading', { name: 'Actions' }));
  await page.getByLabel('Action', { exact: true }).selectOption('pause');
  await act(page, button(page, 'Preview'), page.getByText('Enter a reason'));
  await page.getByLabel('Reason').fill('looking into it');
  await act(page, button(page, 'Preview'), button(page, 'Apply'));
  await act(page, button(page, 'Apply'), page.getByText('Done.'));
  await act(page, button(page, 'Send trace again'), page.getByText(/Sent: \d+ spans/));
  await page.getByLabel('Action', { exact: true }).selectOption('resume');
  await page.getByLabel('Reason').fill('looked into it');
  await act(page, button(page, 'Preview'), button(page, 'Apply'));
  await act(page, button(page, 'Apply'), page.getByText('Done.'));
  await page.getByLabel('Action', { exact: true }).selectOption('cancel');
  await page.getByLabel('Reason').fill('the customer called');
  await act(page, button(page, 'Preview'), button(page, 'Apply'));
  await act(page, button(page, 'Apply'), page.getByText('Finished.'));
  const message = crypto.randomUUID();
  await publish('payments_events', 'transaction_completed', message, '{"no": "event"}');
  await page.goto('/ops/failed');
  await expect(async () => {
    await act(page, button(page, 'Refresh'), page.locator(`a[href$="${message}"]`).or(page.locator('main')));
    await expect(page.locator(`a[href$="${message}"]`)).toHaveCount(1, { timeout: 2_000 });
  }).toPass({ timeout: 30_000 });
  await page.goto(`/ops/failed/${message}`);
  const dialog = page.getByRole('dialog');
  await act(page, button(page, /^Send again/), dialog);
  await act(page, dialog.getByRole('button', { name: 'Cancel' }), button(page, /^Send again/));
  await act(page, button(page, /^Drop/).first(), dialog);
  await dialog.getByLabel('Reason').fill('not ours');
  await act(page, dialog.getByRole('button', { name: /^Drop/ }), page.getByText('1 dropped.'));
  await page.goto('/ops/doctor');
  await act(page, button(page, 'Check again'), page.locator('.check'));
});
