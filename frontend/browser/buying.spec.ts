import { account, expect, mark, order, putInCart, register, state, test } from './shop';

test('from registration to a completed order, seen live, without a reload', async ({ page }) => {
  await page.goto('/');
  const unharmed = await mark(page);
  await register(page, 'Bea Buyer');

  await page.getByRole('searchbox').fill('enamle');
  await page.getByRole('link', { name: /Enamel Mug/ }).click();
  await page.getByRole('button', { name: 'Increase quantity' }).click();
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.getByRole('link', { name: 'View cart' }).click();
  await expect(page.getByText('€25.80').first()).toBeVisible();
  await page.getByRole('link', { name: 'Check out' }).click();
  await page.getByRole('button', { name: 'Place order' }).click();

  await expect(state(page)).toHaveText('Awaiting payment');
  await expect(page.getByText('Demo: no real payment is taken')).toBeVisible();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Pay €25.80' }).click();
  await expect(state(page)).toHaveText('Completed');
  await expect(page.getByText('Paid', { exact: true })).toBeVisible();
  await unharmed();

  await page.getByRole('link', { name: 'Orders' }).click();
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toContainText('Completed');
});

test('an order is canceled, and says so', async ({ page, context }) => {
  await account(context);
  await order(page);
  await expect(state(page)).toHaveText('Awaiting payment');
  await page.getByRole('button', { name: 'Cancel order' }).click();
  await expect(state(page)).toHaveText('Canceled');
  await expect(page.getByText('Nothing was charged.')).toBeVisible();
  await expect(page.getByRole('button', { name: /Pay/ })).toHaveCount(0);
});

test('an order that waits for payments is canceled by way of the shop', async ({ page, context, faults, watch }) => {
  watch.expects(/Failed to load resource.*(transactions|cancel)/);
  await account(context);
  await faults.payments('down');
  await order(page);
  await expect(state(page)).toHaveText('Confirming');
  const doubt = page.getByText('We’re not sure the order was canceled');
  // the page asks the shop, not payments: first the request is lost, then the answer
  await page.route('**/api/orders/*/cancel', (route) => route.abort());
  await page.getByRole('button', { name: 'Cancel order' }).click();
  await expect(doubt).toBeVisible();
  await expect(page.getByText('You can cancel again.')).toBeVisible();
  await expect(page.getByText('checking with the payment provider')).toHaveCount(0);
  await page.unroute('**/api/orders/*/cancel');
  await page.route('**/api/orders/*/cancel', async (route) => {
    await route.fetch();
    await route.abort();
  });
  await page.getByRole('button', { name: 'Cancel order' }).click();
  await expect(state(page)).toHaveText('Canceling');
  await expect(doubt).toHaveCount(0);
  await faults.payments('ok');
  await expect(state(page)).toHaveText('Canceled');
});

test('a payment whose answer is lost is in doubt, until payments is heard again', async ({ page, context, faults, watch }) => {
  watch.expects(/Failed to load resource: net::ERR_TIMED_OUT.*transactions/);
  await account(context);
  await order(page);
  await expect(state(page)).toHaveText('Awaiting payment');
  await expect(page.getByRole('button', { name: /Pay/ })).toBeVisible();
  // the payment succeeds, but the answer is lost. The event is held back as well, so that the doubt
  // lasts
  await faults.kill('worker-payments');
  await page.route('**/transactions/complete', async (route) => {
    await route.fetch();
    await faults.payments('silent');
    await route.abort('timedout');
  });
  await page.getByRole('button', { name: /Pay/ }).click();
  await expect(page.getByText('We’re not sure the payment went through')).toBeVisible();
  await expect(page.getByText(/checking with the payment provider|payment provider isn’t responding/)).toBeVisible();
  await faults.payments('ok');
  await expect(page.getByText(/Paid. Your order is being completed/)).toBeVisible();
  await expect(state(page)).toHaveText('Paid');
  await faults.start('worker-payments');
  await expect(state(page)).toHaveText('Completed');
});

test('a payment that never arrived can be tried again, and is paid once', async ({ page, context, faults, watch }) => {
  watch.expects(/Failed to load resource: net::ERR_.*transactions/);
  await account(context);
  await order(page);
  await expect(page.getByRole('button', { name: /Pay/ })).toBeVisible();
  await faults.payments('down');
  await page.getByRole('button', { name: /Pay/ }).click();
  await expect(page.getByText(/checking with the payment provider|payment provider isn’t responding/).first()).toBeVisible();
  await faults.payments('ok');
  await expect(page.getByText(/nothing was paid so far/)).toBeVisible();
  await page.getByRole('button', { name: /Pay/ }).click();
  await expect(state(page)).toHaveText('Completed');
});

test('a double click and a reload in the middle of checkout make one order', async ({ page, context, faults }) => {
  const token = await account(context);
  await putInCart(page, 'trail-bottle');
  await faults.payments('slow');
  await page.goto('/checkout');
  const keys = new Set<string | undefined>();
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/api/orders')) keys.add(request.headers()['idempotency-key']);
  });
  const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/api/orders'));
  await page.getByRole('button', { name: 'Place order' }).dblclick();
  await sent;
  await page.reload();
  await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/);
  await expect(state(page)).toHaveText(/Confirming|Awaiting payment/);
  expect(keys.size).toBe(1);
  const orders = await context.request.get('/api/orders', { headers: { authorization: `Bearer ${token}` } });
  const { items } = (await orders.json()) as { items: { id: string }[] };
  expect(items.map(({ id }) => id)).toEqual([page.url().split('/').at(-1)]);
  await page.goto('/cart');
  await expect(page.getByText('Your cart is empty')).toBeVisible();
});

test('an order whose answer is lost is asked for again under its name', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource: net::ERR_.*api\/orders/);
  const token = await account(context);
  await putInCart(page, 'trail-bottle');
  await page.goto('/checkout');
  let lost = 0;
  await page.route('**/api/orders', async (route) => {
    if (route.request().method() !== 'POST' || lost > 0) return route.fallback();
    lost += 1;
    // the request arrives and is carried out, but the answer is lost
    await route.fetch();
    await route.abort('connectionreset');
  });
  await page.getByRole('button', { name: 'Place order' }).click();
  await expect(page.getByText('Still confirming your order')).toBeVisible();
  await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/);
  const orders = await context.request.get('/api/orders', { headers: { authorization: `Bearer ${token}` } });
  expect(((await orders.json()) as { items: unknown[] }).items).toHaveLength(1);
});

test('two tabs race to pay and to cancel: one wins, the other is told', async ({ page, context, watch }) => {
  watch.expects(/409/);
  await account(context);
  const id = await order(page);
  const other = await context.newPage();
  await other.goto(`/orders/${id}`);
  const pay = page.getByRole('button', { name: /Pay/ });
  const cancel = other.getByRole('button', { name: 'Cancel order' });
  await expect(pay).toBeVisible();
  await expect(cancel).toBeVisible();
  // both requests leave before either answer arrives
  let leave = () => {};
  const both = new Promise<void>((resolve) => (leave = resolve));
  let waiting = 0;
  await context.route(/\/transactions\/(complete|cancel)$/, async (route) => {
    if (route.request().method() === 'POST') {
      waiting += 1;
      if (waiting === 2) leave();
      await both;
    }
    await route.continue();
  });
  await Promise.all([pay.click(), cancel.click()]);
  await expect(state(page)).toHaveText(/Completed|Canceled/);
  const end = await state(page).innerText();
  await expect(state(other)).toHaveText(end);
  const [loser, winner] = end === 'Completed' ? [other, page] : [page, other];
  await expect(loser.getByText(end === 'Completed' ? 'Too late to cancel' : 'Too late to pay')).toBeVisible();
  await expect(winner.getByText(/Too late/)).toHaveCount(0);
});

test('somebody else’s order is not found', async ({ page, context, browser, watch }) => {
  watch.expects(/404/);
  await account(context);
  const id = await order(page);
  const stranger = await browser.newContext();
  watch.over(stranger);
  await account(stranger, 'Stan Stranger');
  const theirs = await stranger.newPage();
  await theirs.goto(`/orders/${id}`);
  await expect(theirs.getByRole('heading', { name: /not found/ })).toBeVisible();
  await stranger.close();
});

test('without the stream the order is followed by asking', async ({ page, context, watch }) => {
  watch.expects(/Failed to load resource: net::ERR_FAILED.*events/);
  await account(context);
  await page.route('**/events', (route) => route.abort());
  await order(page);
  await expect(page.getByText('Updating every 2 seconds')).toBeVisible();
  await page.getByRole('button', { name: /Pay/ }).click();
  await expect(state(page)).toHaveText('Completed');
});

test('a killed worker: the order waits, and goes on when there is one again', async ({ page, context, faults }) => {
  await account(context);
  await order(page);
  await faults.kill('worker-payments');
  await page.getByRole('button', { name: /Pay/ }).click();
  await expect(state(page)).toHaveText('Paid');
  await faults.start('worker-payments');
  await expect(state(page)).toHaveText('Completed');
});

test('only with the keyboard', async ({ page, context }) => {
  await account(context);
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  /** Presses Tab until the element with this name has the focus. */
  const tabTo = async (name: RegExp, most = 60) => {
    for (let step = 0; step < most; step++) {
      await press('Tab');
      const there = await page.evaluate(() => {
        const { activeElement: element } = document;
        return element === null ? '' : (element.getAttribute('aria-label') ?? element.textContent).trim();
      });
      if (name.test(there)) return;
    }
    throw new Error(`${name} is not reached by Tab`);
  };
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  await press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await press('Enter', 'Tab');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.keyboard.type('enamel mug');
  await expect(page.getByRole('listitem').filter({ hasText: '€' })).toHaveCount(1);
  await tabTo(/^Enamel Mug/);
  await press('Enter');
  await expect(page.getByRole('heading', { name: 'Enamel Mug' })).toBeFocused();
  await tabTo(/^Add to cart/);
  await press('Enter');
  await expect(page.getByText(/Added to cart/)).toBeVisible();
  await tabTo(/^View cart/);
  await press('Enter');
  await expect(page.getByRole('heading', { name: 'Cart' })).toBeFocused();
  await expect(page.getByRole('link', { name: 'Check out' })).toBeVisible();
  await tabTo(/^Check out/);
  await press('Enter');
  await expect(page.getByRole('button', { name: 'Place order' })).toBeVisible();
  await tabTo(/^Place order/);
  await press('Enter');
  await expect(state(page)).toHaveText('Awaiting payment');
  await tabTo(/^Pay €/);
  await press('Enter');
  await expect(state(page)).toHaveText('Completed');
});
