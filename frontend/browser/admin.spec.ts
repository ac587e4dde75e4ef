import { account, enter, expect, order, people, test } from './shop';

test('an admin adds a product, edits it, is told of a conflict, and takes it out', async ({ page, context, watch }) => {
  watch.expects(/412/);
  await enter(context, people.admin);
  await page.goto('/admin/products');
  await page.getByRole('link', { name: 'New product' }).click();
  const name = `Teapot ${crypto.randomUUID().slice(0, 8)}`;
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Description').fill('Pours without a drop.');
  await page.getByLabel(/Price/).fill('abc');
  await page.getByLabel('Stock').fill('7');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Enter an amount, e.g. 12.90')).toBeVisible();
  await page.getByLabel(/Price/).fill('24.50');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name })).toBeVisible();
  await expect(page.getByText('Version 1 ·')).toBeVisible();

  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByLabel(/Price/).fill('22.00');
  await other.getByRole('button', { name: 'Save' }).click();
  await expect(other.getByText('Saved.')).toBeVisible();

  await page.getByLabel('Stock').fill('9');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('This product was changed by someone else')).toBeVisible();
  await page.getByRole('button', { name: 'Load the latest version' }).click();
  await expect(page.getByLabel(/Price/)).toHaveValue('22.00');

  await page.getByRole('button', { name: 'Remove from catalog' }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Products' })).toBeVisible();
  await page.getByLabel('Search').fill(name);
  await expect(page.getByText('No matching products')).toBeVisible();
});

test('an admin sees all orders and filters them by the address', async ({ page, context, browser, watch }) => {
  const buyer = await browser.newContext();
  watch.over(buyer);
  await account(buyer);
  const theirs = await buyer.newPage();
  const id = await order(theirs, 'linen-apron');
  await enter(context, people.admin);
  await page.goto('/admin/orders');
  await page.getByLabel('Status').selectOption('awaiting_payment');
  await expect(page).toHaveURL(/status=awaiting_payment/);
  await page.reload();
  await page.locator(`a[href="/admin/orders/${id}"]`).click();
  await expect(page.getByText('Linen Apron')).toBeVisible();
  await expect(page.getByRole('button', { name: /Pay/ })).toHaveCount(0);
  await buyer.close();
});

test('whoever is no admin finds neither menu nor page', async ({ page, context }) => {
  const token = await account(context);
  await page.goto('/admin/products');
  await expect(page.getByRole('heading', { name: 'You don’t have access to this page' })).toBeVisible();
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Products' })).toHaveCount(0);
  const refused = await context.request.get('/api/admin/orders', { headers: { authorization: `Bearer ${token}` } });
  expect(refused.status()).toBe(403);
});
