import type { Page } from '@playwright/test';

import { accessible, account, drill, enter, expect, JAEGER, newEmail, order, people, picture, publish, state, tamper, test } from './shop';

/** Previews an action, and applies it. */
async function act(page: Page, what: RegExp, reason: string): Promise<void> {
  const option = page.getByLabel('Action', { exact: true }).locator('option').filter({ hasText: what });
  await page.getByLabel('Action', { exact: true }).selectOption((await option.getAttribute('value')) ?? '');
  await page.getByLabel('Reason').fill(reason);
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('button', { name: 'Apply' }).click();
}

test('an operator finds a stuck saga by its cause, reads why, retries it and sees it complete', async ({ page, context, browser, faults, watch }) => {
  watch.expects(/Failed to load resource/);
  const shopping = await browser.newContext();
  watch.over(shopping);
  await account(shopping);
  const buyer = await shopping.newPage();
  await faults.payments('down');
  await faults.kill('worker-saga');
  const id = await order(buyer);
  await expect(state(buyer)).toHaveText('Confirming');
  // without its outbox entry nothing will ever wake the saga: only an operator can help
  tamper(`delete from messaging.outbox where saga_id = (select saga_id from commerce."order" where order_id = '${id}')`);
  await faults.payments('ok');
  await faults.start('worker-saga');

  await enter(context, people.operator);
  await page.goto('/');
  await page.getByRole('link', { name: 'Console' }).click();
  await page.getByLabel('Cause').selectOption('Stuck (any cause)');
  await expect(page).toHaveURL(/cause=stuck/);
  await expect(page.locator('.ops-list').getByText('job-lost')).toBeVisible();
  await page.getByLabel('Cause').selectOption('waiting-for-signal');
  await expect(page.locator('.ops-list').getByText('job-lost')).toHaveCount(0);
  await page.getByLabel('Cause').selectOption('job-lost');
  await page.reload();
  await expect(page.locator('.ops-list tbody tr')).toHaveCount(1);
  await page.locator('a[href^="/ops/sagas/"]').first().click();

  await expect(page.getByText('Not scheduled: its job is missing, since')).toBeVisible();
  await expect(page.getByText('Confirmed.')).toBeVisible();
  await expect(page.getByText(/shopctl saga retry/)).toBeVisible();
  await expect(page.getByText('init_payment: no valid response, attempt 1')).toBeVisible();
  const runbook = (await page.getByRole('link', { name: 'Runbook: job-lost' }).getAttribute('href')) ?? '';
  expect(await (await context.request.get(runbook)).text()).toMatch(/^# job-lost\n/);

  await expect(page.locator(`a[href^="${JAEGER}/trace/"]`)).toBeVisible();

  await act(page, /Retry/, 'its entry was lost');
  await expect(page.getByText('Done.')).toBeVisible();
  await expect(page.getByText('retry: its entry was lost')).toBeVisible();
  await expect(page.getByText('Waiting for a signal until')).toBeVisible();
  await expect(page.getByText('Waits for a signal, since')).toBeVisible();
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await buyer.getByRole('button', { name: /Pay/ }).click();
  await expect(state(buyer)).toHaveText('Completed');
  await expect(page.getByText('Finished.')).toBeVisible();
  await expect(page.getByLabel('Signals').getByText('applied')).toBeVisible();
  await shopping.close();
});

test('a saga whose news could not be handled leads to the message that is in the way', async ({ page, context }) => {
  const saga = drill('message-failed', newEmail());
  await enter(context, people.operator);
  await page.goto('/ops/sagas?cause=message-failed');
  await page.locator(`a[href="/ops/sagas/${saga}"]`).click();
  await expect(page.getByText('The payment event failed to process, since')).toBeVisible();
  await page.locator('.why a[href^="/ops/failed/"]').click();
  // this time cannot be parsed
  await expect(page.getByLabel('Message body')).toHaveText(/one of these days/);
  await page.getByRole('button', { name: 'Drop' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('it has no time that could be read');
  await dialog.getByRole('button', { name: 'Drop this message' }).click();
  await expect(page.getByText('1 dropped.')).toBeVisible();
  await page.goto(`/ops/sagas/${saga}`);
  await expect(page.getByText('The payment event was lost, since')).toBeVisible();
  await expect(page.getByText(/shopctl saga signal .* transaction_completed/)).toBeVisible();
});

test('what could not be handled is found with its reason, sent again, looked at, and dropped', async ({ page, context, watch }) => {
  watch.expects(/404/);
  const id = crypto.randomUUID();
  await publish('payments_events', 'transaction_completed', id, '{"no": "event"}');
  await enter(context, people.operator);
  await page.goto('/');
  await page.getByRole('link', { name: 'Console' }).click();
  await page.getByRole('link', { name: 'Failed messages' }).click();
  const group = page.locator('.check').filter({ has: page.locator(`a[href$="${id}"]`) });
  const inFailed = () =>
    expect(async () => {
      await page.getByRole('button', { name: 'Refresh' }).click();
      await expect(group).toBeVisible({ timeout: 2_000 });
    }).toPass({ timeout: 30_000 });
  await inFailed();
  await expect(group).toContainText('payments_events_queue');
  await expect(group).toContainText('undecodable');

  await group.getByRole('button', { name: 'Send again' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: /^Send/ }).click();
  watch.expects(/422/);
  await expect(dialog.getByText('Enter a reason')).toBeVisible();
  await dialog.getByLabel('Reason').fill('perhaps it was the worker');
  await dialog.getByRole('button', { name: /^Send/ }).click();
  await expect(page.getByText('1 sent again.')).toBeVisible();
  // the worker was not the cause: the message fails again
  await inFailed();

  await group.getByText('Show messages').click();
  await group.locator(`a[href$="${id}"]`).click();
  await expect(page.getByLabel('Message body')).toHaveText(/"no": "event"/);
  await page.getByRole('button', { name: 'Drop' }).click();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Drop' }).click();
  await dialog.getByLabel('Reason').fill('not ours');
  await dialog.getByRole('button', { name: 'Drop this message' }).click();
  await expect(page.getByText('1 dropped.')).toBeVisible();
  await page.getByRole('link', { name: 'All failed messages' }).click();
  await expect(page.getByRole('button', { name: 'Refresh' })).toBeVisible();
  await expect(group).toHaveCount(0);
  await page.goto(`/ops/failed/${id}`);
  await expect(page.getByRole('heading', { name: /not found/ })).toBeVisible();
});

test('a paused saga keeps what comes in until an operator resumes it', async ({ page, context, browser, watch }) => {
  const shopping = await browser.newContext();
  watch.over(shopping);
  await account(shopping);
  const buyer = await shopping.newPage();
  const id = await order(buyer);
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await enter(context, people.operator);
  await page.goto(`/ops/sagas?order=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByLabel('Action', { exact: true }).selectOption('pause');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByText('Enter a reason')).toBeVisible();
  await accessible(page);
  watch.expects(/422/);
  await act(page, /Pause/, 'looking into it');
  await expect(page.getByText('Paused. Signals are kept')).toBeVisible();
  await expect(page.getByText('Paused by an operator, since')).toBeVisible();
  await expect(page.locator('.why').getByText('looking into it')).toBeVisible();
  await buyer.getByRole('button', { name: /Pay/ }).click();
  await expect(page.getByText('transaction_completed: kept')).toBeVisible();
  await act(page, /Resume/, 'looked into it');
  await expect(page.getByText('Finished.')).toBeVisible();
  await expect(state(buyer)).toHaveText('Completed');
  await shopping.close();
});

test('while the api or RabbitMQ is away the console says so, and heals by itself', async ({ page, context, faults, watch }) => {
  watch.expects(/Failed to load resource/);
  const buyer = await context.newPage();
  await account(context);
  const id = await order(buyer);
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await buyer.close();
  await enter(context, people.operator);
  await page.goto(`/ops/sagas?order=${id}`);
  const link = page.locator('a[href^="/ops/sagas/"]').first();
  await expect(link).toBeVisible();
  const away = page.getByText('We can’t reach the server').first();
  await faults.kill('api');
  await expect(away).toBeVisible();
  await expect(link, 'what was seen stays').toBeVisible();
  await faults.start('api');
  await expect(away).toHaveCount(0);
  await link.click();
  await expect(page.locator('.why').getByText('waiting-for-signal', { exact: true })).toBeVisible();
  await faults.kill('api');
  await expect(away).toBeVisible();
  await faults.start('api');
  await expect(away).toHaveCount(0);

  const detail = 'RabbitMQ cannot be used right now';
  await page.route('**/api/failed', (route) =>
    route.fulfill({ status: 503, contentType: 'application/problem+json', json: { type: '/problems/unavailable', title: 'Away', status: 503, detail } }),
  );
  await page.getByRole('link', { name: 'Failed messages' }).click();
  await expect(page.getByText(detail)).toBeVisible();
  await picture(page, 'ops-failed-away');
  await page.unroute('**/api/failed');
  await expect(page.getByText(detail)).toHaveCount(0);
});

test('whoever is no operator finds neither menu nor page', async ({ page, context }) => {
  const token = await account(context);
  for (const path of ['/ops/failed', '/ops/doctor', '/ops/sagas']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { name: 'You don’t have access to this page' })).toBeVisible();
  }
  await picture(page, 'for-others');
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Console' })).toHaveCount(0);
  for (const path of ['/api/sagas', '/api/sagas?stuck=true', '/api/failed', '/api/failed/m-1', '/api/doctor']) {
    const refused = await context.request.get(path, { headers: { authorization: `Bearer ${token}` } });
    expect(refused.status(), path).toBe(403);
  }
});

test('every page of the console is accessible and fits, in both themes', async ({ page, context, browser, watch }) => {
  test.setTimeout(600_000);
  watch.expects(/404/);
  const shopping = await browser.newContext();
  await account(shopping);
  const buyer = await shopping.newPage();
  const id = await order(buyer, 'reading-lamp');
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await shopping.close();
  await enter(context, people.operator);
  await page.goto('/ops/sagas');
  await expect(page.locator('.ops-list tbody tr').first()).toBeVisible();
  await picture(page, 'ops-sagas');
  await page.goto('/ops/sagas?text=zzzz');
  await expect(page.getByText('No matching sagas')).toBeVisible();
  await picture(page, 'ops-sagas-empty');
  await page.goto(`/ops/sagas?order=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByLabel('Action', { exact: true }).selectOption('cancel');
  await page.getByLabel('Reason').fill('the customer called');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByText('back in stock: 1 × Reading Lamp')).toBeVisible();
  await expect(page.locator('.why')).toBeVisible();
  await picture(page, 'ops-saga');
  await act(page, /Pause/, 'looking into it');
  await expect(page.getByText('Paused by an operator, since')).toBeVisible();
  await picture(page, 'ops-saga-stuck');
  await act(page, /Cancel/, 'the customer called');
  const message = crypto.randomUUID();
  await publish('payments_events', 'transaction_completed', message, '{"no": "event"}');
  await page.getByRole('link', { name: 'Failed messages' }).click();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await expect(page.locator(`a[href$="${message}"]`)).toHaveCount(1, { timeout: 2_000 });
  }).toPass({ timeout: 30_000 });
  await page.getByText('Show messages').first().click();
  await picture(page, 'ops-failed');
  await page.getByRole('button', { name: 'Send again' }).first().click();
  await page.getByLabel('Reason').first().fill('the worker is mended');
  await picture(page, 'ops-failed-retry');
  await page.goto(`/ops/failed/${message}`);
  await expect(page.getByLabel('Message body')).toBeVisible();
  await picture(page, 'ops-message');
  await page.route('**/api/failed', (route) => route.fulfill({ json: { groups: [], count: 0, more: false } }));
  await page.goto('/ops/failed');
  await expect(page.getByText('No failed messages')).toBeVisible();
  await picture(page, 'ops-failed-empty');
  await page.goto(`/ops/sagas?order=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByRole('link', { name: 'Health checks' }).click();
  await expect(page.getByText(/No violation found/)).toBeVisible();
  await picture(page, 'ops-doctor');
  await page.goto(`/ops/orders/${id}`);
  await expect(page.getByText('E-mail', { exact: true })).toBeVisible();
  await picture(page, 'ops-order');
  await page.goto('/ops/sagas/0192f0c0-0000-7000-8000-000000000000');
  await expect(page.getByRole('heading', { name: /not found/ })).toBeVisible();
});
