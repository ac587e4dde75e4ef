import { accessible, account, expect, newEmail, order, PASSWORD, people, putInCart, test } from './shop';

test('search forgives typing mistakes, and drops stale answers', async ({ page }) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route(/search=kettel/, async (route) => {
    await held;
    await route.continue().catch(() => undefined);
  });
  await page.goto('/');
  const search = page.getByRole('searchbox');
  const asked = page.waitForRequest(/search=kettel/);
  await search.fill('kettel');
  await asked;
  await search.fill('hamock');
  await expect(page.getByRole('link', { name: /Camping Hammock/ })).toBeVisible();
  release();
  await expect(page.getByRole('listitem').filter({ hasText: '€' })).toHaveCount(1);
  await expect(page).toHaveURL(/search=hamock/);
  await search.fill('no such thing at all');
  await expect(page.getByText('Nothing found for')).toBeVisible();
  await page.getByRole('button', { name: 'Show all products' }).click();
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
});

test('the cart survives a reload, is the same in all tabs, and has the shop’s prices', async ({ page, context }) => {
  await putInCart(page, 'enamel-mug');
  const other = await context.newPage();
  await other.goto('/cart');
  await other.getByRole('button', { name: 'Increase quantity' }).click();
  await expect(page.getByLabel('Cart, 2 items')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Cart, 2 items')).toBeVisible();
  expect(await page.evaluate(() => localStorage.getItem('shop.cart'))).not.toMatch(/price|amount|1290/);
  await page.goto('/cart');
  await expect(page.locator('.summary-sum')).toContainText('€25.80');
  await page.getByRole('button', { name: 'Remove Enamel Mug' }).click();
  await expect(page.getByText('Your cart is empty')).toBeVisible();
});

test('tokens are never stored, and a session goes on after a reload, in two tabs at once', async ({ page, context }) => {
  const email = newEmail();
  await page.goto('/register?next=/orders');
  await page.getByLabel('Name').fill('Sam Session');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('heading', { name: 'Look into your mailbox' })).toBeVisible();
  await page.getByRole('main').getByRole('link', { name: 'Log in' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('You have not ordered anything yet')).toBeVisible();
  const stored = await page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie]));
  expect(stored).not.toContain('eyJ');
  expect(stored).not.toContain('refresh');

  const other = await context.newPage();
  await other.goto('/orders');
  await Promise.all([page.reload(), other.reload()]);
  for (const tab of [page, other]) await expect(tab.getByLabel('Account of Sam Session')).toBeVisible();

  await page.getByLabel('Account of Sam Session').click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: 'Log in' })).toBeVisible();
  await expect(other.getByRole('heading', { name: 'Log in' })).toBeVisible();
});

test('a token that is not taken any more is renewed, and nobody notices', async ({ page, context, watch }) => {
  watch.expects(/401/);
  await account(context);
  let refused = 0;
  await page.route(/\/api\/orders(\?|$)/, async (route) => {
    if (refused > 0) return route.fallback();
    refused += 1;
    const problem = { type: '/problems/unauthenticated', title: 'Please log in', status: 401 };
    await route.fulfill({ status: 401, contentType: 'application/problem+json', json: problem });
  });
  let renewals = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/api/refresh')) renewals += 1;
  });
  await page.goto('/orders');
  await expect(page.getByText('You have not ordered anything yet')).toBeVisible();
  expect([refused, renewals], 'once at the start, and once in place of the refused one').toEqual([1, 2]);
});

test('whoever wants no motion sees none', async ({ page }) => {
  const moves = () =>
    page.evaluate(() =>
      Math.max(
        ...[...document.querySelectorAll('*')].flatMap((element) => {
          const { animationDuration, transitionDuration } = getComputedStyle(element);
          return `${animationDuration},${transitionDuration}`.split(',').map((time) => parseFloat(time));
        }),
      ),
    );
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  expect(await moves(), 'otherwise something does').toBeGreaterThan(0.05);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  expect(await moves()).toBeLessThan(0.001);
});

test('what is wrong with a form is said beside its fields', async ({ page, watch }) => {
  watch.expects(/401/, /422/);
  await page.goto('/register');
  await page.getByLabel('Name').fill('Dora Double');
  await page.getByLabel('E-mail address').fill(people.admin);
  await page.getByLabel('Password').fill('password');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByText('Many people use this password')).toBeVisible();
  await page.getByLabel('E-mail address').fill('dora@nowhere');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByLabel('Name').fill('   ');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.locator('.field .error').first()).toBeVisible();
  await accessible(page);
  await page.getByLabel('E-mail address').fill(people.admin);
  await page.getByLabel('Name').fill('Dora Double');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('heading', { name: 'Look into your mailbox' })).toBeVisible();
  await page.getByRole('link', { name: 'Log in' }).last().click();
  await page.getByLabel('E-mail address').fill(people.admin);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toHaveText(/Wrong e-mail address or password/);
  await accessible(page);
});

test('the back end goes away and comes back: pages say so, and heal by themselves', async ({ page, context, faults, watch }) => {
  watch.expects(/Failed to load resource/);
  await account(context);
  await order(page);
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  await faults.kill('api');
  await page.getByRole('searchbox').fill('lamp');
  await expect(page.getByText('We can’t reach the server')).toBeVisible();
  await faults.start('api');
  await expect(page.getByRole('link', { name: /Reading Lamp/ })).toBeVisible();

  await page.getByRole('link', { name: 'Orders' }).click();
  await page.getByRole('link', { name: /Enamel Mug/ }).click();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await faults.kill('api');
  await expect(page.getByText('Updating every 2 seconds')).toBeVisible();
  await faults.start('api');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
});

test('offline is said, and passes', async ({ page, context, watch }) => {
  watch.expects(/ERR_INTERNET_DISCONNECTED/);
  await page.goto('/');
  await context.setOffline(true);
  await expect(page.getByText(/You’re offline/)).toBeVisible();
  await accessible(page);
  await context.setOffline(false);
  await expect(page.getByText(/You’re offline/)).toHaveCount(0);
});

test('a demo panel that cannot be loaded takes nothing with it', async ({ page, watch }) => {
  watch.expects(/Failed to load resource.*assets\/demo/);
  let lost = 0;
  await page.route(/assets\/demo-.*\.js$/, async (route) => {
    lost += 1;
    await route.abort();
  });
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  await expect.poll(() => lost).toBeGreaterThan(0);
  await expect(page.getByText('A demonstration shop')).toBeVisible();
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
});

test('a deep link is served, and nothing jumps while a page loads', async ({ page }) => {
  const response = await page.goto('/products/fountain-pen');
  expect(response?.status()).toBe(200);
  const policy = response?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  await expect(page.getByRole('heading', { name: 'Fountain Pen' })).toBeVisible();
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  const shift = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let sum = 0;
        const observer = new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) sum += (entry as unknown as { value: number }).value;
        });
        observer.observe({ type: 'layout-shift', buffered: true });
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
      }),
  );
  expect(shift).toBeLessThan(0.05);
});
