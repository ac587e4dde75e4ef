import { account, expect, JAEGER, order, state, test } from './shop';

test('the order page leads to its one trace, which holds the shop, the worker and payments', async ({ page, context, browser }) => {
  await account(context);
  await order(page, 'pour-over-kettle');
  await expect(state(page)).toHaveText('Awaiting payment');
  await page.getByRole('button', { name: /Pay/ }).click();
  await expect(state(page)).toHaveText('Completed');
  await page.getByText('Details for support').click();
  const link = page.locator(`a[href^="${JAEGER}/trace/"]`);
  const url = (await link.getAttribute('href')) ?? '';
  // not watched: the viewer's console messages are not ours
  const viewer = await browser.newContext();
  const traces = await viewer.newPage();
  // spans are exported every few seconds
  await expect(async () => {
    await traces.goto(url);
    for (const span of ['place_order', 'init_payment', '/transactions', 'payments_events']) {
      await expect(traces.getByText(span).first()).toBeVisible({ timeout: 1_000 });
    }
  }).toPass({ timeout: 30_000 });
  await expect(traces.getByText('payments', { exact: true }).first()).toBeVisible();
  await traces.screenshot({ path: 'test-results/pictures/jaeger.png', fullPage: true });
  await viewer.close();
});
