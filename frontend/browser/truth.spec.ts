/** The pages show the truth: prices, quantities, failures, and whose cart it is. */
import type { Page } from '@playwright/test';

import { accessible, account, BY_NAME, edit, enter, expect, newEmail, order, PASSWORD, PAYMENTS, people, product, putInCart, register, state, test } from './shop';

const orders = (page: Page) => page.locator('main').getByRole('button', { name: /^Place order/ });

test('a price that changed is shown before the order, and asked about', async ({ page, context, watch }) => {
  watch.expects(/409/);
  await account(context);
  const slug = await product({ price: 1290, stock: 10 });
  await putInCart(page, slug);
  await page.goto('/checkout');
  await expect(page.locator('tfoot')).toContainText('€12.90');
  await edit(slug, { price: { amount: 9900, currency: 'EUR' } });
  await orders(page).click();
  const notice = page.getByRole('alert');
  await expect(notice).toContainText('The price has changed');
  await expect(notice).toContainText('€99.00');
  await expect(notice).toContainText('€12.90');
  await expect(page.locator('tfoot')).toContainText('€99.00');
  await accessible(page);
  await expect(page).toHaveURL(/\/checkout$/);
  await page.getByRole('button', { name: 'Place order for €99.00' }).click();
  await expect(state(page)).toHaveText('Awaiting payment');
  await expect(page.getByRole('button', { name: 'Pay €99.00' })).toBeVisible();
});

test('a quantity can be typed, and counts when it is left', async ({ page }) => {
  await page.goto('/products/enamel-mug');
  const box = page.getByRole('textbox', { name: 'Quantity' });
  await box.click();
  await page.keyboard.press('End');
  await page.keyboard.press('Backspace');
  await page.keyboard.type('3');
  await expect(box).toHaveValue('3');
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.goto('/cart');
  const inCart = page.getByRole('textbox', { name: 'Quantity of Enamel Mug' });
  await inCart.click();
  await page.keyboard.press('End');
  await page.keyboard.press('Backspace');
  await expect(page.locator('.summary-sum'), 'half a number is none').toContainText('€38.70');
  await page.keyboard.type('2');
  await page.keyboard.press('Enter');
  await expect(page.locator('.summary-sum')).toContainText('€25.80');
  for (const [typed, kept] of [['2.5', '2'], ['-3', '2'], ['', '2'], ['abc', '2'], ['500', '99']] as const) {
    await inCart.fill(typed);
    await inCart.press('Tab');
    await expect(inCart, typed).toHaveValue(kept);
  }
  await inCart.fill('0');
  await inCart.press('Enter');
  await expect(page.getByText('Your cart is empty')).toBeVisible();
});

test('a cart in doubt is its user’s alone, and is asked about when they are back', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  const email = newEmail();
  const token = await account(context, 'Ann Absent', email);
  await putInCart(page, 'wool-blanket');
  await page.goto('/checkout');
  await page.route('**/api/orders', (route) => (route.request().method() === 'POST' ? route.abort() : route.fallback()));
  await orders(page).click();
  await expect(page.getByText('Still confirming your order')).toBeVisible();
  await accessible(page);
  await page.goto('/products/wool-blanket');
  await expect(page.getByText('We’re still confirming your order')).toBeVisible();
  const add = page.getByRole('button', { name: 'Add to cart' });
  await expect(add).toHaveAttribute('aria-disabled', 'true');
  const looks = (name: string) => page.getByRole('button', { name }).evaluate((button) => getComputedStyle(button).backgroundColor);
  const disabled = await looks('Add to cart');
  await page.getByLabel('Account of Ann Absent').click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: 'Log in' })).toBeVisible();

  // a guest in the same browser has a cart of their own
  await page.goto('/cart');
  await expect(page.getByText('Your cart is empty')).toBeVisible();
  await putInCart(page, 'enamel-mug');
  expect(await looks('Add to cart'), 'enabled looks another way').not.toBe(disabled);
  await page.goto('/cart');
  await expect(page.getByText('Wool Blanket')).toHaveCount(0);

  // so does another user
  await register(page, 'Bob Beside');
  await page.unroute('**/api/orders');
  await page.goto('/orders');
  await expect(page.getByText('You have not ordered anything yet')).toBeVisible();
  await page.getByLabel('Account of Bob Beside').click();
  await page.getByRole('button', { name: 'Log out' }).click();

  // Ann is back, on any page: her order is placed exactly once
  await page.getByRole('link', { name: 'Log in' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByLabel('Account of Ann Absent')).toBeVisible();
  await expect(async () => {
    const mine = await context.request.get('/api/orders', { headers: { authorization: `Bearer ${token}` } });
    expect(((await mine.json()) as { items: unknown[] }).items).toHaveLength(1);
  }).toPass();
  await page.goto('/products/wool-blanket');
  await expect(page.getByText('We’re still confirming your order')).toHaveCount(0);
});

test('an expired session leaves a cart in doubt that a guest can set aside', async ({ page }) => {
  await page.goto('/');
  await page.evaluate(() =>
    localStorage.setItem(
      'shop.cart',
      JSON.stringify({
        key: 'k',
        sentBy: '0192f0c0-0000-7000-8000-000000000001',
        lines: [{ product_id: 'p', slug: 'enamel-mug', name: 'Enamel Mug', quantity: 1 }],
      }),
    ),
  );
  await page.goto('/cart');
  await expect(page.getByText('This cart is waiting for an order to be confirmed')).toBeVisible();
  await accessible(page);
  await expect(page.getByRole('button', { name: 'Remove Enamel Mug' })).toHaveAttribute('aria-disabled', 'true');
  await page.getByRole('button', { name: 'Start a new cart' }).click();
  await expect(page.getByText('Your cart is empty')).toBeVisible();
});

test('logging out leaves no cart behind', async ({ page, context }) => {
  await account(context, 'Carl Careful');
  await putInCart(page, 'enamel-mug');
  await page.getByLabel('Account of Carl Careful').click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: 'Log in' })).toBeVisible();
  await expect(page.getByLabel('Cart, 0 items')).toBeVisible();
});

test('the address decides what the catalog shows', async ({ page }) => {
  await page.goto('/');
  const search = page.getByRole('searchbox');
  const cards = page.getByRole('listitem').filter({ hasText: '€' });
  await search.fill('coffee');
  await expect(page).toHaveURL(/search=coffee/);
  await expect(page.getByRole('link', { name: /Hand Coffee Grinder/ })).toBeVisible();
  await page.getByRole('link', { name: 'Catalog' }).click();
  await expect(search).toHaveValue('');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  await page.goBack();
  await expect(search).toHaveValue('coffee');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toHaveCount(0);
  await page.getByRole('link', { name: 'Shop', exact: true }).click();
  await expect(search).toHaveValue('');
  expect(await cards.count()).toBeGreaterThan(5);
});

test('a page whose script is gone reloads once, then says so with a way out', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/, /dynamically imported module/);
  await enter(context, people.admin);
  await page.goto('/');
  await expect(page.getByRole('link', { name: 'Products' })).toBeVisible();
  let lost = 0;
  await page.route(/assets\/products-.*\.js$/, async (route) => {
    lost += 1;
    // an old tab: the first file is gone, the reload loads the new one
    if (lost === 1) await route.abort();
    else await route.continue();
  });
  await page.getByRole('link', { name: 'Products' }).click();
  await expect(page.getByRole('link', { name: 'Enamel Mug' })).toBeVisible();

  await page.route(/assets\/orders-.*\.js$/, (route) => route.abort());
  await page.getByRole('link', { name: 'All orders' }).click();
  await expect(page.getByRole('heading', { name: 'Something went wrong' })).toBeVisible();
  await expect(page.getByText(/dynamically imported/)).toHaveCount(0);
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  const button = page.getByRole('button', { name: 'Reload' });
  const box = await button.boundingBox();
  expect(box?.height ?? 999).toBeLessThan(60);
  await page.unroute(/assets\/orders-.*\.js$/);
  await button.click();
  await expect(page.getByRole('heading', { name: 'All orders' })).toBeVisible();
});

test('a failure that nothing repeats does not say that it is repeated', async ({ page, watch }) => {
  watch.expects(/Failed to load resource/);
  await page.goto('/login');
  await page.route('**/api/login', (route) => route.abort());
  await page.getByLabel('E-mail address').fill('a@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toContainText('We can’t reach the server');
  await expect(page.getByRole('alert')).not.toContainText('Retrying');
});

/** Starts to watch whether this text stays on the page. */
async function watchStay(page: Page, text: string): Promise<() => Promise<boolean>> {
  await page.evaluate((wanted) => {
    const seen = { stays: true };
    Object.assign(window, { seen });
    new MutationObserver(() => (seen.stays &&= document.body.innerText.includes(wanted))).observe(document.body, { childList: true, subtree: true, characterData: true });
  }, text);
  return () => page.evaluate(() => (window as unknown as { seen: { stays: boolean } }).seen.stays);
}

test('a failure stays while it is tried again, until there is an answer', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context);
  await putInCart(page, 'enamel-mug');
  for (const [path, call] of [['/', '**/api/products?*'], ['/cart', '**/api/products/*'], ['/checkout', '**/api/products/*']] as const) {
    await page.route(call, (route) => route.abort());
    await page.goto(path);
    await expect(page.getByRole('alert'), path).toContainText('Retrying…');
    const stays = await watchStay(page, 'Retrying…');
    for (let tries = 0; tries < 2; tries++) await page.waitForRequest(call);
    expect(await stays(), path).toBe(true);
    await page.unroute(call);
    await expect(page.getByRole('link', { name: /Enamel Mug/ }).or(orders(page))).toBeVisible();
  }
});

test('an order says that payments does not answer for as long as it does not', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context);
  await order(page);
  await expect(page.getByRole('button', { name: /^Pay/ })).toBeVisible();
  const call = `${PAYMENTS}/**`;
  await page.route(call, (route) => route.abort());
  await page.reload();
  await expect(page.getByText('The payment provider isn’t responding. Retrying…')).toBeVisible();
  const stays = await watchStay(page, 'Retrying…');
  for (let tries = 0; tries < 2; tries++) await page.waitForRequest(call);
  expect(await stays()).toBe(true);
  await page.unroute(call);
  await expect(page.getByText('Retrying…')).toHaveCount(0);
});

test('a session that cannot be taken up is tried again until it is', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context);
  await page.route('**/api/refresh', (route) => route.abort());
  await page.goto('/orders');
  await expect(page.getByRole('alert')).toContainText('We can’t reach the server');
  await expect(page.getByRole('link', { name: 'Log in' })).toBeVisible();
  await page.unroute('**/api/refresh');
  await expect(page.getByText('You have not ordered anything yet')).toBeVisible();
});

test('a page that was opened offline opens when the line is back', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context);
  let offline = true;
  await page.route('**/api/refresh', (route) => (offline ? route.abort('internetdisconnected') : route.fallback()));
  await page.goto('/orders');
  await context.setOffline(true);
  await expect(page.getByText('This page opens as soon as you are online again.')).toBeVisible();
  await accessible(page);
  offline = false;
  await context.setOffline(false);
  await expect(page.getByText('You have not ordered anything yet')).toBeVisible();
});

test('a log-out that the shop does not hear says so, and works when it does', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context, 'Lea Leaving');
  await page.goto('/');
  await page.route('**/api/logout', (route) => route.abort());
  await page.getByLabel('Account of Lea Leaving').click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('alert')).toContainText('You’re still logged in');
  await accessible(page);
  await page.unroute('**/api/logout');
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: 'Log in' })).toBeVisible();
});

test('without site data the shop is there, and the cart lasts as long as the page', async ({ page }) => {
  await page.addInitScript(() => {
    const denied = { get: () => { throw new DOMException('Access is denied for this document.', 'SecurityError'); } };
    Object.defineProperty(window, 'localStorage', denied);
    Object.defineProperty(window, 'sessionStorage', denied);
    navigator.locks.request = () => Promise.reject(new DOMException('Access to the Locks API is denied.', 'SecurityError'));
  });
  // a token that expires at once: each call renews the session, which takes a lock
  await page.route('**/api/login', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), expires_in: 1 } });
  });
  await page.goto('/');
  await register(page, 'Nils Nodata');
  await page.getByRole('link', { name: /Enamel Mug/ }).click();
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await expect(page.getByLabel('Cart, 1 item')).toBeVisible();
  await page.getByRole('button', { name: /^Theme/ }).click();
  await page.getByRole('link', { name: 'View cart' }).click();
  await expect(page.locator('.summary-sum')).toContainText('€12.90');
  const renewed = page.waitForResponse('**/api/refresh');
  await page.getByRole('link', { name: 'Check out' }).click();
  await orders(page).click();
  await renewed;
  await expect(state(page)).toHaveText('Awaiting payment');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
});

test('over plain HTTP by the name of a host a person logs in, reloads and orders', async ({ page, context, watch }) => {
  // payments accepts only the shop's own origin
  await context.route(`${PAYMENTS}/**`, (route) => route.abort());
  watch.expects(/Failed to load resource: net::ERR_FAILED/, /Cross-Origin-Opener-Policy header has been ignored/, /blocked by CORS policy/);
  await page.goto(BY_NAME);
  expect(await page.evaluate(() => isSecureContext)).toBe(false);
  await register(page, 'Hanna Host');
  // without locks, two tabs renew the session at the same time
  const other = await context.newPage();
  await other.goto(BY_NAME);
  await Promise.all([page.reload(), other.reload()]);
  for (const tab of [page, other]) await expect(tab.getByLabel('Account of Hanna Host')).toBeVisible();
  await other.close();
  await page.getByRole('link', { name: /Enamel Mug/ }).click();
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.getByRole('link', { name: 'View cart' }).click();
  await page.getByRole('link', { name: 'Check out' }).click();
  await orders(page).click();
  await expect(state(page)).toHaveText('Awaiting payment');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
});

test('more than there is: the cart says so, and the quantity is set in one press', async ({ page, context, watch }) => {
  watch.expects(/409/);
  await account(context);
  const slug = await product({ price: 500, stock: 5 });
  await page.goto(`/products/${slug}`);
  await page.getByRole('textbox', { name: 'Quantity' }).fill('3');
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.goto('/checkout');
  await expect(orders(page)).toBeVisible();
  // in the meantime another buyer takes three pieces
  await edit(slug, { stock: 2, stock_seen: 5 });
  await orders(page).click();
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('Only 2 left in stock');
  await expect(alert).not.toContainText('Trace');
  await accessible(page);
  await page.getByRole('button', { name: 'Set quantity to 2' }).click();
  await expect(page.locator('tfoot')).toContainText('€10.00');
  await page.goto('/cart');
  const box = page.getByRole('textbox', { name: /^Quantity of/ });
  await expect(box).toHaveValue('2');
  await box.fill('9');
  await box.press('Enter');
  await expect(page.getByText('Only 2 left in stock.')).toBeVisible();
  await accessible(page);
  await expect(page.getByRole('link', { name: 'Check out' })).toHaveCount(0);
  await page.getByRole('button', { name: /^Set to 2/ }).click();
  await page.getByRole('link', { name: 'Check out' }).click();
  await orders(page).click();
  await expect(state(page)).toHaveText('Awaiting payment');
});

test('an item that the shop no longer knows is named at checkout, and removed there', async ({ page, context, watch }) => {
  watch.expects(/422/);
  await account(context);
  await putInCart(page, 'enamel-mug');
  await putInCart(page, 'linen-apron');
  await page.goto('/checkout');
  await expect(page.locator('tfoot')).toContainText('€47.80');
  await page.evaluate(() => {
    const cart = JSON.parse(localStorage.getItem('shop.cart') ?? '') as { lines: { product_id: string }[] };
    if (cart.lines[1]) cart.lines[1].product_id = '0192f0c0-0000-7000-8000-000000000009';
    localStorage.setItem('shop.cart', JSON.stringify(cart));
  });
  await page.reload();
  await orders(page).click();
  await expect(page.getByRole('alert')).toContainText('An item is no longer available');
  await expect(page.getByRole('alert')).toContainText('Linen Apron');
  await accessible(page);
  await page.getByRole('button', { name: 'Remove Linen Apron' }).click();
  await orders(page).click();
  await expect(state(page)).toHaveText('Awaiting payment');
});

test('each item of an order stands in a line of its own', async ({ page, context }) => {
  await account(context);
  await putInCart(page, 'espresso-cups-set-of-four');
  await order(page, 'olive-oil-cold-pressed');
  await page.goto('/orders');
  await expect(page.locator('.order-name')).toHaveText(['Espresso Cups, Set of Four', 'Olive Oil, Cold Pressed']);
});

test('an order prints in ink on paper, without buttons', async ({ page, context }) => {
  await account(context);
  await order(page);
  await expect(state(page)).toHaveText('Awaiting payment');
  await page.evaluate(() => (document.documentElement.dataset['theme'] = 'dark'));
  await page.emulateMedia({ media: 'print' });
  await expect(page.getByRole('banner')).toBeHidden();
  await expect(page.getByRole('button', { name: /^Pay/ })).toBeHidden();
  const ink = await page.locator('.bill tbody th').evaluate((cell) => getComputedStyle(cell).color);
  const brightness = (ink.match(/\d+(\.\d+)?/g) ?? []).slice(0, 3).map(Number);
  expect(Math.max(...brightness), ink).toBeLessThan(90);
});

test('in forced colours the dots of a timeline are drawn', async ({ page, context }) => {
  await account(context);
  await order(page);
  await expect(state(page)).toHaveText('Awaiting payment');
  await expect(page.locator('.live[data-live]')).toBeVisible();
  await page.emulateMedia({ forcedColors: 'active' });
  const live = await page.locator('.live').evaluate((element) => {
    const probe = element.appendChild(document.createElement('i'));
    probe.style.cssText = 'background: Highlight; forced-color-adjust: none';
    const colors = [getComputedStyle(element, '::before').backgroundColor, getComputedStyle(probe).backgroundColor];
    probe.remove();
    return colors;
  });
  expect(live[0], 'the dot of "Live"').toBe(live[1]);
  const dot = await page.locator('.timeline li').first().evaluate((item) => {
    const style = getComputedStyle(item, '::before');
    const ground = getComputedStyle(document.body);
    return { dot: style.backgroundColor, adjust: style.forcedColorAdjust, ground: ground.backgroundColor };
  });
  expect(dot.adjust).toBe('none');
  expect(dot.dot).not.toBe(dot.ground);
  expect(await page.locator('.state').evaluate((panel) => getComputedStyle(panel).borderStyle)).toBe('solid');
});

test('small files that browsers and crawlers ask for are there, unknown addresses are 404', async ({ context }) => {
  for (const [path, type] of [['/robots.txt', 'text/plain'], ['/favicon.ico', 'image/x-icon'], ['/site.webmanifest', 'application/manifest+json']] as const) {
    const answer = await context.request.get(path);
    expect(answer.status(), path).toBe(200);
    expect(answer.headers()['content-type'], path).toContain(type);
  }
  // no sitemap exists: its addresses would have to contain the host
  for (const path of ['/nowhere', '/sitemap.xml']) expect((await context.request.get(path)).status(), path).toBe(404);
});

test('a problem’s type leads to its page', async ({ page }) => {
  await page.goto('/problems/stale');
  await expect(page.getByText('What happened.')).toBeVisible();
});
