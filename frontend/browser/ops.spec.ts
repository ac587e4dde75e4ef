import type { Page } from '@playwright/test';

import { account, drill, enter, expect, JAEGER, newEmail, order, people, picture, publish, state, tamper, test } from './shop';

/** Looks what an act would do, and does it. */
async function act(page: Page, what: RegExp, reason: string): Promise<void> {
  const option = page.getByLabel('What to do').locator('option').filter({ hasText: what });
  await page.getByLabel('What to do').selectOption((await option.getAttribute('value')) ?? '');
  await page.getByLabel('Reason').fill(reason);
  await page.getByRole('button', { name: 'Look what it would do' }).click();
  await page.getByRole('button', { name: 'Do it' }).click();
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
  // nothing will ever wake it: only somebody who looks can help
  tamper(`delete from messaging.outbox where saga_id = (select saga_id from commerce."order" where order_id = '${id}')`);
  await faults.payments('ok');
  await faults.start('worker-saga');

  await enter(context, people.operator);
  await page.goto('/');
  await page.getByRole('link', { name: 'Console' }).click();
  await page.getByLabel('Cause').selectOption('Stuck, whatever the cause');
  await expect(page).toHaveURL(/cause=stuck/);
  await expect(page.locator('.ops-list').getByText('job-lost')).toBeVisible();
  await page.getByLabel('Cause').selectOption('waiting-for-signal');
  await expect(page.locator('.ops-list').getByText('job-lost')).toHaveCount(0);
  await page.getByLabel('Cause').selectOption('job-lost');
  await page.reload();
  await expect(page.locator('.ops-list tbody tr')).toHaveCount(1);
  await page.locator('a[href^="/ops/sagas/"]').first().click();

  await expect(page.getByText('Nothing will ever wake it, since')).toBeVisible();
  await expect(page.getByText('That is certain')).toBeVisible();
  await expect(page.getByText(/shopctl saga retry/)).toBeVisible();
  await expect(page.getByText('init_payment got no usable answer, attempt 1')).toBeVisible();
  const runbook = (await page.getByRole('link', { name: 'Runbook of job-lost' }).getAttribute('href')) ?? '';
  expect(await (await context.request.get(runbook)).text()).toMatch(/^# job-lost\n/);

  await expect(page.locator(`a[href^="${JAEGER}/trace/"]`)).toBeVisible();

  await act(page, /Retry/, 'its entry was lost');
  await expect(page.getByText('Done. This page follows')).toBeVisible();
  await expect(page.getByText('retry: its entry was lost')).toBeVisible();
  await expect(page.getByText('Waits for a signal until')).toBeVisible();
  await expect(page.getByText('Waits for payments\' decision, since')).toBeVisible();
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await buyer.getByRole('button', { name: /Pay/ }).click();
  await expect(state(buyer)).toHaveText('Completed');
  await expect(page.getByText('It is at rest')).toBeVisible();
  await expect(page.getByLabel('Signals').getByText('applied')).toBeVisible();
  await shopping.close();
});

test('a saga whose news could not be handled leads to the message that is in the way', async ({ page, context }) => {
  const saga = drill('message-failed', newEmail());
  await enter(context, people.operator);
  await page.goto('/ops/sagas?cause=message-failed');
  await page.locator(`a[href="/ops/sagas/${saga}"]`).click();
  await expect(page.getByText('The decision lies in failed, since')).toBeVisible();
  await page.locator('.why a[href^="/ops/failed/"]').click();
  // nobody can read that
  await expect(page.getByLabel('Body', { exact: true })).toHaveText(/one of these days/);
  await page.getByRole('button', { name: 'Drop' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('it has no time that could be read');
  await dialog.getByRole('button', { name: 'Drop this message' }).click();
  await expect(page.getByText('1 dropped.')).toBeVisible();
  await page.goto(`/ops/sagas/${saga}`);
  await expect(page.getByText('Payments\' decision is lost on the way, since')).toBeVisible();
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
      await page.getByRole('button', { name: 'Look again' }).click();
      await expect(group).toBeVisible({ timeout: 2_000 });
    }).toPass({ timeout: 30_000 });
  await inFailed();
  await expect(group).toContainText('payments_events_queue');
  await expect(group).toContainText('undecodable');

  await group.getByRole('button', { name: 'Send again' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: /^Send/ }).click();
  watch.expects(/422/);
  await expect(dialog.getByText('must have 1 to 1000 characters')).toBeVisible();
  await dialog.getByLabel('Reason').fill('perhaps it was the worker');
  await dialog.getByRole('button', { name: /^Send/ }).click();
  await expect(page.getByText('1 sent again.')).toBeVisible();
  // it was not the worker
  await inFailed();

  await group.getByText('Each of them').click();
  await group.locator(`a[href$="${id}"]`).click();
  await expect(page.getByLabel('Body', { exact: true })).toHaveText(/"no": "event"/);
  await page.getByRole('button', { name: 'Drop' }).click();
  await dialog.getByRole('button', { name: 'Leave it' }).click();
  await page.getByRole('button', { name: 'Drop' }).click();
  await dialog.getByLabel('Reason').fill('not ours');
  await dialog.getByRole('button', { name: 'Drop this message' }).click();
  await expect(page.getByText('1 dropped.')).toBeVisible();
  await page.getByRole('link', { name: 'All failed messages' }).click();
  await expect(page.getByRole('button', { name: 'Look again' })).toBeVisible();
  await expect(group).toHaveCount(0);
  await page.goto(`/ops/failed/${id}`);
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
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
  await page.getByLabel('What to do').selectOption('pause');
  await page.getByRole('button', { name: 'Look what it would do' }).click();
  await expect(page.getByText('must have 1 to 1000 characters')).toBeVisible();
  watch.expects(/422/);
  await act(page, /Pause/, 'looking into it');
  await expect(page.getByText('It is paused')).toBeVisible();
  await expect(page.getByText('An operator holds it, since')).toBeVisible();
  await expect(page.locator('.why').getByText('looking into it')).toBeVisible();
  await buyer.getByRole('button', { name: /Pay/ }).click();
  await expect(page.getByText('transaction_completed: kept')).toBeVisible();
  await act(page, /Resume/, 'looked into it');
  await expect(page.getByText('It is at rest')).toBeVisible();
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
  const away = page.getByText('The shop does not answer right now').first();
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
    await expect(page.getByRole('heading', { name: 'This is for others' })).toBeVisible();
  }
  await picture(page, 'for-others');
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Console' })).toHaveCount(0);
  for (const path of ['/api/sagas', '/api/sagas?stuck=true', '/api/failed', '/api/failed/m-1', '/api/doctor']) {
    const refused = await context.request.get(path, { headers: { authorization: `Bearer ${token}` } });
    expect(refused.status(), path).toBe(403);
  }
});

test('every page of the console is accessible and fits, in both themes', async ({ page, context, browser, watch }) => {
  test.setTimeout(120_000);
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
  await expect(page.getByText('No saga fits')).toBeVisible();
  await picture(page, 'ops-sagas-empty');
  await page.goto(`/ops/sagas?order=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByLabel('What to do').selectOption('cancel');
  await page.getByLabel('Reason').fill('the customer called');
  await page.getByRole('button', { name: 'Look what it would do' }).click();
  await expect(page.getByText('back in stock: 1 × Reading Lamp')).toBeVisible();
  await expect(page.locator('.why')).toBeVisible();
  await picture(page, 'ops-saga');
  await act(page, /Pause/, 'looking into it');
  await expect(page.getByText('An operator holds it, since')).toBeVisible();
  await picture(page, 'ops-saga-stuck');
  await act(page, /Cancel/, 'the customer called');
  const message = crypto.randomUUID();
  await publish('payments_events', 'transaction_completed', message, '{"no": "event"}');
  await page.getByRole('link', { name: 'Failed messages' }).click();
  await expect(async () => {
    await page.getByRole('button', { name: 'Look again' }).click();
    await expect(page.locator(`a[href$="${message}"]`)).toHaveCount(1, { timeout: 2_000 });
  }).toPass({ timeout: 30_000 });
  await page.getByText('Each of them').first().click();
  await picture(page, 'ops-failed');
  await page.getByRole('button', { name: 'Send again' }).first().click();
  await page.getByLabel('Reason').first().fill('the worker is mended');
  await picture(page, 'ops-failed-retry');
  await page.goto(`/ops/failed/${message}`);
  await expect(page.getByLabel('Body', { exact: true })).toBeVisible();
  await picture(page, 'ops-message');
  await page.route('**/api/failed', (route) => route.fulfill({ json: { groups: [], count: 0, more: false } }));
  await page.goto('/ops/failed');
  await expect(page.getByText('Nothing has failed')).toBeVisible();
  await picture(page, 'ops-failed-empty');
  await page.goto(`/ops/sagas?order=${id}`);
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await page.getByRole('link', { name: 'Doctor' }).click();
  await expect(page.getByText('No invariant is violated')).toBeVisible();
  await picture(page, 'ops-doctor');
  await page.goto('/ops/sagas/0192f0c0-0000-7000-8000-000000000000');
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
});
