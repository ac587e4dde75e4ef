/**
 * Pages with long words, without rows and with two hundred rows, while they load and when they fail
 * to.
 */
import type { Page } from '@playwright/test';

import { accessible, account, enter, expect, newEmail, order, people, picture, product, putInCart, state, test } from './shop';

/** 60 letters without a space. */
const LONG = 'Geschirrspülmaschinenbesteckkorbgriffverlängerungsstangenset'.padEnd(60, 'n').slice(0, 60);
const URL_TEXT = `Look at https://example.com/${'a-very-long-path-without-a-space/'.repeat(8)}`;

/** Elements whose text overflows their box sideways. */
async function overflows(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = [];
    for (const element of document.querySelectorAll<HTMLElement>('main *, header *')) {
      if (element.closest('.scroll, .plan, .hidden, svg, .command') || element.clientWidth === 0) continue;
      if (getComputedStyle(element).display.startsWith('inline')) continue;
      if (['INPUT', 'SELECT', 'TEXTAREA'].includes(element.tagName)) continue;
      if (element.scrollWidth > element.clientWidth + 1) wrong.push(`${element.tagName}.${element.className}: ${element.scrollWidth} in ${element.clientWidth}`);
    }
    return wrong;
  });
}

async function fits(page: Page, name: string): Promise<void> {
  for (const width of [1280, 375]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await overflows(page), `${name} at ${width} px`).toEqual([]);
  }
}

async function looked(page: Page, name: string): Promise<void> {
  await fits(page, name);
  await picture(page, name);
}

/** Like {@link looked}, on a phone and without pictures. */
async function glanced(page: Page, name: string): Promise<void> {
  await fits(page, name);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow, `${name} fits a phone`).toBeLessThanOrEqual(0);
  await accessible(page);
}

test('names of sixty letters without a space break no page', async ({ page, context }) => {
  test.setTimeout(600_000);
  const token = await account(context, LONG);
  expect(token).not.toBe('');
  const slug = await product({ price: 123_456_789, stock: 50, name: LONG, description: URL_TEXT });
  await page.goto(`/?search=${encodeURIComponent(LONG)}`);
  await expect(page.getByRole('link', { name: new RegExp(LONG.slice(0, 20)) }).first()).toBeVisible();
  await looked(page, 'long-catalog');
  await putInCart(page, slug);
  await looked(page, 'long-product');
  await page.goto('/cart');
  await expect(page.getByRole('link', { name: 'Check out' })).toBeVisible();
  await looked(page, 'long-cart');
  await page.getByRole('link', { name: 'Check out' }).click();
  await expect(page.getByRole('button', { name: 'Place order' })).toBeVisible();
  await looked(page, 'long-checkout');
  await page.getByRole('button', { name: 'Place order' }).click();
  await expect(state(page)).toHaveText('Awaiting payment');
  await looked(page, 'long-order');
  await page.goto('/orders');
  await expect(page.locator('.order-row')).toHaveCount(1);
  await looked(page, 'long-orders');
  await page.getByLabel(/^Account of/).click();
  await expect(page.getByRole('button', { name: 'Log out' })).toBeVisible();
  await looked(page, 'long-account');
  await page.goto('/account');
  await expect(page.getByText('This browser')).toBeVisible();
  await glanced(page, 'long-account-page');
});

test('names of sixty letters without a space break no page of admins', async ({ page, context }) => {
  test.setTimeout(120_000);
  const slug = await product({ price: 500, stock: 5, name: LONG, description: URL_TEXT });
  await enter(context, people.admin);
  await page.goto('/admin/products');
  await page.getByLabel('Search').fill(LONG);
  await expect(page.getByRole('row')).not.toHaveCount(1);
  await looked(page, 'long-admin-products');
  await page.goto(`/admin/products/${slug}`);
  await expect(page.getByLabel('Stock')).toBeVisible();
  await looked(page, 'long-admin-product');
});

test('names of sixty letters without a space break no page of an order or a saga', async ({ page, context, browser }) => {
  test.setTimeout(120_000);
  const slug = await product({ price: 500, stock: 5, name: LONG });
  const shopping = await browser.newContext();
  const email = newEmail();
  await account(shopping, LONG, email);
  const buyer = await shopping.newPage();
  const id = await order(buyer, slug);
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await shopping.close();
  await enter(context, people.admin);
  await page.goto(`/admin/orders?find=${encodeURIComponent(email)}`);
  await expect(page.locator('.order-row')).toHaveCount(1);
  await glanced(page, 'long-admin-orders');
  for (const path of [`/admin/orders/${id}`, `/ops/orders/${id}`]) {
    await page.goto(path);
    await expect(page.getByText(email)).toBeVisible();
    await glanced(page, path);
  }
  await page.goto(`/ops/sagas?find=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByLabel('Action', { exact: true }).selectOption('cancel');
  await page.getByLabel('Reason').fill('the customer called');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.locator('.effects')).toContainText(LONG);
  await glanced(page, 'long-saga');
});

test('amounts of any currency are written in its minor units', async ({ page }) => {
  for (const [currency, price, text] of [['JPY', 500, /500$/], ['KWD', 1250, /1\.250$/]] as const) {
    const slug = await product({ price, stock: 5, currency });
    await page.goto(`/products/${slug}`);
    await expect(page.locator('.price')).toHaveText(text);
    await putInCart(page, slug);
    await page.goto('/cart');
    await expect(page.locator('.summary-sum strong')).toHaveText(text);
    await page.getByRole('button', { name: /^Remove/ }).click();
  }
});

const order200 = (n: number) => ({
  id: `0192f0c0-0000-7000-8000-${String(n).padStart(12, '0')}`,
  status: 'completed',
  canceling: false,
  transaction_id: `0192f0c0-0000-7000-8000-${String(n).padStart(12, '0')}`,
  items: [{ product_id: 'p', name: 'Enamel Mug', quantity: 1 + (n % 3), unit_price: { amount: 1290, currency: 'EUR' } }],
  total: { amount: 1290 * (1 + (n % 3)), currency: 'EUR' },
  created_at: '2026-01-01T10:00:00Z',
  history: [],
  trace_id: 'x',
  saga_id: `0192f0c0-0000-7000-8000-${String(n).padStart(12, '0')}`,
  customer: { user_id: 'u', name: 'Tess', email: 'tess@shop.example' },
});
const saga200 = (n: number) => ({
  saga_id: `0192f0c0-0000-7000-8000-${String(n).padStart(12, '0')}`,
  plan: 'checkout',
  plan_version: 1,
  state: 'waiting',
  step: 'await_payment',
  paused: false,
  revision: 3,
  attempt: 0,
  created_at: '2026-01-01T10:00:00Z',
  updated_at: '2026-01-01T10:00:01Z',
  trace_id: 'x',
  cause: 'waiting-for-signal',
  stuck: false,
});
const many = <T>(make: (n: number) => T): T[] => Array.from({ length: 200 }, (_, n) => make(n));

test('lists of no rows and of two hundred', async ({ page, context }) => {
  test.setTimeout(600_000);
  await enter(context, people.admin);
  const product200 = (n: number) => ({ id: `p${n}`, slug: `mug-${n}`, name: `Mug ${n}`, description: '', price: { amount: 1290, currency: 'EUR' }, in_stock: n % 5 > 0, available: n % 5, version: 1 });
  const lists = [
    { path: '/', call: '**/api/products?*', make: product200, empty: 'There are no products yet', name: 'catalog' },
    { path: '/orders', call: '**/api/orders?*', make: order200, empty: 'You have not ordered anything yet', name: 'orders' },
    { path: '/admin/products', call: '**/api/products?*', make: product200, empty: 'No matching products', name: 'admin-products' },
    { path: '/admin/orders', call: '**/api/admin/orders?*', make: order200, empty: 'No matching orders', name: 'admin-orders' },
    { path: '/ops/sagas', call: '**/api/sagas?*', make: saga200, empty: 'No matching sagas', name: 'ops-sagas' },
  ];
  for (const { path, call, make, empty, name } of lists) {
    await page.route(call, (route) => route.fulfill({ json: { items: [] } }));
    await page.goto(path);
    await expect(page.getByText(empty)).toBeVisible();
    await looked(page, `none-${name}`);
    await page.unroute(call);
    await page.route(call, (route) => route.fulfill({ json: { items: many<unknown>(make) } }));
    await page.goto(path);
    await expect(page.locator('.card, .order-row, tbody tr')).toHaveCount(200);
    await looked(page, `many-${name}`);
    await page.unroute(call);
  }
});

test('two hundred failed messages in twenty groups', async ({ page, context }) => {
  await enter(context, people.operator);
  const message = (n: number) => ({ id: order200(n).id, attempts: 8, routing_key: 'transaction_completed' });
  const groups = Array.from({ length: 20 }, (_, n) => ({
    count: 10,
    queue: 'payments_events_queue',
    reason: `undecodable: line ${n}`,
    messages: Array.from({ length: 10 }, (_, m) => message(n * 10 + m)),
  }));
  await page.route('**/api/failed', (route) => route.fulfill({ json: { count: 200, more: true, groups } }));
  await page.goto('/ops/failed');
  await expect(page.locator('.check')).toHaveCount(20);
  for (const summary of await page.getByText('Show messages').all()) await summary.click();
  await glanced(page, 'many-ops-failed');
});

test('pages that load and pages that cannot', async ({ page, context, watch }) => {
  test.setTimeout(600_000);
  watch.expects(/Failed to load resource/);
  await enter(context, people.admin);
  const pages = [
    ['/', '**/api/products?*', 'catalog'],
    ['/products/enamel-mug', '**/api/products/*', 'product'],
    ['/orders', '**/api/orders?*', 'orders'],
    ['/admin/products', '**/api/products?*', 'admin-products'],
    ['/admin/products/enamel-mug', '**/api/admin/products/*', 'admin-product'],
    ['/admin/orders', '**/api/admin/orders?*', 'admin-orders'],
    ['/ops/sagas', '**/api/sagas?*', 'ops-sagas'],
    ['/ops/failed', '**/api/failed', 'ops-failed'],
    ['/ops/doctor', '**/api/doctor', 'ops-doctor'],
  ] as const;
  for (const [path, call, name] of pages) {
    let leave = () => {};
    const held = new Promise<void>((resolve) => (leave = resolve));
    await page.route(call, async (route) => {
      await held;
      await route.abort();
    });
    await page.goto(path);
    await expect(page.getByRole('status', { name: 'Loading' })).toBeVisible();
    await looked(page, `loading-${name}`);
    leave();
    await expect(page.getByRole('alert')).toContainText('We can’t reach the server');
    await looked(page, `error-${name}`);
    await page.unroute(call);
  }
});

test('pages of one thing that load and that cannot', async ({ page, context, watch }) => {
  test.setTimeout(240_000);
  watch.expects(/Failed to load resource/);
  await enter(context, people.admin);
  await putInCart(page, 'enamel-mug');
  const id = '0192f0c0-0000-7000-8000-000000000001';
  const pages = [
    ['/cart', '**/api/products/*'],
    ['/checkout', '**/api/products/*'],
    [`/orders/${id}`, '**/api/orders/*'],
    ['/account', '**/api/me'],
    ['/problems/stale', '**/api/problems/*'],
    [`/admin/orders/${id}`, '**/api/admin/orders/*'],
    [`/ops/orders/${id}`, '**/api/admin/orders/*'],
    [`/ops/sagas/${id}`, '**/api/sagas/*'],
    [`/ops/failed/${id}`, '**/api/failed/*'],
  ] as const;
  for (const [path, call] of pages) {
    let leave = () => {};
    const held = new Promise<void>((resolve) => (leave = resolve));
    await page.route(call, async (route) => {
      await held;
      await route.abort();
    });
    await page.goto(path);
    await expect(page.getByRole('status', { name: 'Loading' }), path).toBeVisible();
    await glanced(page, `${path} while it loads`);
    leave();
    await expect(page.getByRole('alert'), path).toContainText('We can’t reach the server');
    await glanced(page, `${path} without an answer`);
    await page.unroute(call);
  }
});

test('the page of last resort and the page of others are accessible and fit', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/, /dynamically imported module/);
  await enter(context, people.admin);
  await page.goto('/');
  await expect(page.getByRole('link', { name: 'Products' })).toBeVisible();
  await page.route(/assets\/products-.*\.js$/, (route) => route.abort());
  await page.getByRole('link', { name: 'Products' }).click();
  await expect(page.getByRole('heading', { name: 'Something went wrong' })).toBeVisible();
  await looked(page, 'broken');
});

test('an order with many lines is readable', async ({ page, context }) => {
  await account(context);
  for (const slug of ['espresso-cups-set-of-four', 'olive-oil-cold-pressed', 'chef-s-knife', 'linen-apron']) await putInCart(page, slug);
  await order(page, 'enamel-mug');
  await expect(state(page)).toHaveText('Awaiting payment');
  await page.goto('/orders');
  await expect(page.getByText('and 2 more')).toBeVisible();
  await looked(page, 'orders-many-lines');
});
