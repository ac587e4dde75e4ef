/** Admins and operators: finding orders, edits that undo no sales, actions that run once. */
import { accessible, account, drill, edit, enter, expect, newEmail, order, people, product, state, test } from './shop';

test('an edit of the description keeps what was sold meanwhile', async ({ page, context, browser }) => {
  const slug = await product({ price: 500, stock: 10 });
  await enter(context, people.admin);
  await page.goto(`/admin/products/${slug}`);
  await expect(page.getByText('10 in stock, 0 reserved')).toBeVisible();
  const shopping = await browser.newContext();
  await account(shopping);
  const buyer = await shopping.newPage();
  await order(buyer, slug);
  await buyer.getByRole('button', { name: /^Pay/ }).click();
  await expect(state(buyer)).toHaveText('Completed');
  await shopping.close();
  await page.getByLabel('Description').fill('Pours even better.');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved.')).toBeVisible();
  await expect(page.getByText('Version 2 · 9 in stock, 0 reserved')).toBeVisible();
});

test('two admins: the second sees both versions and keeps their own', async ({ page, context, watch }) => {
  watch.expects(/412/);
  const slug = await product({ price: 500, stock: 10 });
  await enter(context, people.admin);
  await page.goto(`/admin/products/${slug}`);
  await page.getByLabel(/Price/).fill('6.00');
  await edit(slug, { price: { amount: 700, currency: 'EUR' }, stock: 12, stock_seen: 10 });
  await page.getByRole('button', { name: 'Save' }).click();
  const difference = page.getByRole('region', { name: 'Differences' });
  await expect(difference.getByRole('row', { name: /Price/ })).toHaveText(/€6\.00\s*€7\.00/);
  await accessible(page);
  await page.getByRole('button', { name: 'Keep my changes' }).click();
  await expect(page.getByLabel(/Price/)).toHaveValue('6.00');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Version 3 · 12 in stock')).toBeVisible();
  await expect(page.getByLabel(/Price/)).toHaveValue('6.00');
});

test('a price that is refused is told in the currency', async ({ page, context, watch }) => {
  watch.expects(/422/);
  await enter(context, people.admin);
  await page.goto('/admin/products/new');
  await page.getByLabel('Name').fill('Free Mug');
  await page.getByLabel(/Price/).fill('0');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Enter an amount from 0.01 EUR to 10000000.00 EUR.')).toBeVisible();
  await accessible(page);
  await expect(page.getByLabel(/Price/)).toBeFocused();
});

test('an order is found by its number, its transaction and its customer', async ({ page, context, browser, watch }) => {
  watch.expects(/422/);
  const shopping = await browser.newContext();
  watch.over(shopping);
  const email = newEmail();
  const token = await account(shopping, 'Fay Findable', email);
  const buyer = await shopping.newPage();
  const id = await order(buyer, 'fountain-pen');
  await expect(state(buyer)).toHaveText('Awaiting payment');
  const found = await shopping.request.get(`/api/orders/${id}`, { headers: { authorization: `Bearer ${token}` } });
  const { transaction_id: transaction } = (await found.json()) as { transaction_id: string };
  await shopping.close();
  const number = id.slice(-8).toUpperCase();

  await enter(context, people.operator);
  for (const sought of [number, `#${number}`, id, transaction, email.toUpperCase()]) {
    await page.goto('/ops/sagas');
    await page.getByLabel('Order', { exact: true }).fill(sought);
    await expect(page.locator('.ops-list tbody tr')).toHaveCount(1);
  }
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  // the link leads to the order, which an operator may read
  await page.getByLabel('Ids').getByRole('link', { name: new RegExp(number) }).click();
  await expect(page.getByRole('heading', { name: `Order ${number}` })).toBeVisible();
  await expect(page.getByText('Fay Findable')).toBeVisible();
  await expect(page.getByText('Waiting for the customer to pay.')).toBeVisible();
  await expect(page.getByText(email)).toBeVisible();
  await expect(page.getByRole('button', { name: /^Pay/ })).toHaveCount(0);
  await page.goto('/ops/sagas?find=nonsense');
  await expect(page.getByText(/Enter an order number/)).toBeVisible();
  await accessible(page);
  const other = await browser.newContext();
  await enter(other, people.admin);
  const admin = await other.newPage();
  for (const sought of [number, transaction, email]) {
    await admin.goto(`/admin/orders?find=${encodeURIComponent(sought)}`);
    await expect(admin.locator('.order-row')).toHaveCount(1);
    await expect(admin.locator('.order-row')).toContainText(email);
  }
  await admin.goto('/admin/orders?find=nobody@shop.example');
  await expect(admin.getByText('No matching orders')).toBeVisible();
  await accessible(admin);
  await other.close();
});

test('an act that is clicked twice happens once and says that it is done', async ({ page, context, browser }) => {
  const shopping = await browser.newContext();
  await account(shopping);
  const buyer = await shopping.newPage();
  const id = await order(buyer);
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await enter(context, people.operator);
  await page.goto(`/ops/sagas?find=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByLabel('Action', { exact: true }).selectOption('pause');
  await page.getByLabel('Reason').fill('looking into it');
  await page.getByRole('button', { name: 'Preview' }).click();
  // the second click comes before the answer
  let answer = () => {};
  const clicked = new Promise<void>((resolve) => (answer = resolve));
  await page.route('**/pause', async (route) => {
    await clicked;
    await route.continue();
  });
  const sent: string[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/pause')) sent.push(request.postData() ?? '');
  });
  await page.getByRole('button', { name: 'Apply' }).dblclick();
  answer();
  await expect(page.getByText('Done.')).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(sent).toHaveLength(1);

  // the page renews a stale preview by itself
  await page.unroute('**/pause');
  await page.getByLabel('Action', { exact: true }).selectOption('cancel');
  await page.getByLabel('Reason').fill('the customer called');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByRole('button', { name: 'Apply' })).toBeVisible();
  await buyer.getByRole('button', { name: /^Pay/ }).click();
  await expect(page.getByText('transaction_completed: kept')).toBeVisible();
  await page.getByRole('button', { name: 'Apply' }).click();
  await expect(page.getByText('Done.')).toBeVisible();
  await shopping.close();
});

test('a mismatch is told in euros, not in cents', async ({ page, context }) => {
  const saga = drill('payment-mismatch', newEmail());
  await enter(context, people.operator);
  await page.goto(`/ops/sagas/${saga}`);
  const cause = page.locator('.why');
  await expect(cause.getByText('payment-mismatch', { exact: true })).toBeVisible();
  await expect(cause).toContainText(/\d+\.\d\d EUR/);
  await expect(cause).not.toContainText(/\b\d{3,} EUR/);
});

test('health checks that ran in part or not at all are counted, and the headline is not green', async ({ page, context }) => {
  await enter(context, people.operator);
  await page.goto('/ops/doctor');
  const headline = page.locator('.notice').first();
  await expect(headline).toContainText(/No violation found · .*\d+ checks? did not run · \d+ checks ran in part/);
  await expect(headline).not.toHaveClass(/good/);
  await expect(page.locator('.check').filter({ hasText: 'I2' })).toContainText(/OK in part.*payments' database/s);
});

test('times of a saga have a date and milliseconds', async ({ page, context }) => {
  const saga = drill('paused-by', newEmail());
  await enter(context, people.operator);
  await page.goto(`/ops/sagas/${saga}`);
  await expect(page.locator('.happenings time').first()).toHaveText(/\d{1,2} \w{3,4} \d{4}.* \d\d:\d\d:\d\d[.,]\d{3}/);
  const badge = await page.locator('h2 .badge').first().evaluate((element) => getComputedStyle(element).fontFamily);
  expect(badge).toContain('Inter');
});

test('a trace is sent again with one press', async ({ page, context }) => {
  const saga = drill('paused-by', newEmail());
  await enter(context, people.operator);
  await page.goto(`/ops/sagas/${saga}`);
  await page.getByRole('button', { name: 'Send trace again' }).click();
  await expect(page.getByText(/Sent: \d+ spans\./)).toBeVisible();
});
