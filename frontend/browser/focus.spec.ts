/** After every action the focus stays on the page: on `body` the keyboard would begin at its top again. */
import type { Locator, Page } from '@playwright/test';

import { account, enter, expect, newEmail, order, PASSWORD, people, product, publish, putInCart, state, test } from './shop';

/** Presses it as the keyboard does, waits for what it leads to, and looks where the focus is. */
async function act(page: Page, what: Locator, leadsTo: Locator, key = 'Enter'): Promise<void> {
  await what.focus();
  await page.keyboard.press(key);
  await expect(leadsTo.first()).toBeVisible();
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.tagName ?? 'BODY'), { message: `focus after ${String(what)}` })
    .not.toBe('BODY');
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

test('the focus is never lost when a page is tried again', async ({ page, watch }) => {
  watch.expects(/Failed to load resource/);
  await page.route('**/api/products?*', (route) => route.abort());
  await page.goto('/');
  const again = button(page, 'Try again');
  await expect(again).toBeVisible();
  await page.unroute('**/api/products?*');
  await act(page, again, page.getByRole('link', { name: /Enamel Mug/ }));
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
  await act(page, button(page, /^Drop/).first(), dialog);
  await dialog.getByLabel('Reason').fill('not ours');
  await act(page, dialog.getByRole('button', { name: /^Drop/ }), page.getByText('1 dropped.'));
  await page.goto('/ops/doctor');
  await act(page, button(page, 'Check again'), page.locator('.check'));
});
