import type { Page } from '@playwright/test';

import { account, enter, expect, order, people, picture, state, test } from './shop';

/** Looks what an act would do, and does it. */
async function act(page: Page, what: RegExp, reason: string): Promise<void> {
  const option = page.getByLabel('What to do').locator('option').filter({ hasText: what });
  await page.getByLabel('What to do').selectOption((await option.getAttribute('value')) ?? '');
  await page.getByLabel('Reason').fill(reason);
  await page.getByRole('button', { name: 'Look what it would do' }).click();
  await page.getByRole('button', { name: 'Do it' }).click();
}

test('an operator finds a stuck saga, reads why, retries it and sees it complete', async ({ page, context, browser, faults, watch }) => {
  watch.expects(/Failed to load resource/);
  const shopping = await browser.newContext();
  watch.over(shopping);
  await account(shopping);
  const buyer = await shopping.newPage();
  await faults.payments('down');
  await faults.kill('worker-saga');
  const id = await order(buyer);
  await expect(state(buyer)).toHaveText('Confirming');

  await enter(context, people.operator);
  await page.goto('/');
  await page.getByRole('link', { name: 'Console' }).click();
  await page.getByLabel('Order').fill(id);
  await expect(page).toHaveURL(new RegExp(`order=${id}`));
  await expect(page.getByText('payments gave no usable answer')).toBeVisible();
  await page.reload();
  await page.locator('a[href^="/ops/sagas/"]').first().click();
  await expect(page.getByText('init_payment got no usable answer, attempt 1')).toBeVisible();
  await faults.payments('ok');
  await act(page, /Retry/, 'payments is back');
  await expect(page.getByText('Done. This page follows')).toBeVisible();
  await expect(page.getByText('retry: payments is back')).toBeVisible();
  await faults.start('worker-saga');
  await expect(page.getByText('Waits for a signal until')).toBeVisible();
  await expect(state(buyer)).toHaveText('Awaiting payment');
  await buyer.getByRole('button', { name: /Pay/ }).click();
  await expect(state(buyer)).toHaveText('Completed');
  await expect(page.getByText('It is at rest')).toBeVisible();
  await shopping.close();
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
  await buyer.getByRole('button', { name: /Pay/ }).click();
  await expect(page.getByText('transaction_completed: kept')).toBeVisible();
  await act(page, /Resume/, 'looked into it');
  await expect(page.getByText('It is at rest')).toBeVisible();
  await expect(state(buyer)).toHaveText('Completed');
  await shopping.close();
});

test('whoever is no operator finds neither menu nor page', async ({ page, context }) => {
  const token = await account(context);
  await page.goto('/ops/sagas');
  await expect(page.getByRole('heading', { name: 'This is for others' })).toBeVisible();
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Console' })).toHaveCount(0);
  const refused = await context.request.get('/api/sagas', { headers: { authorization: `Bearer ${token}` } });
  expect(refused.status()).toBe(403);
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
  await picture(page, 'ops-saga');
  await page.getByRole('link', { name: 'Doctor' }).click();
  await expect(page.getByText('No invariant is violated')).toBeVisible();
  await picture(page, 'ops-doctor');
  await page.goto('/ops/sagas/0192f0c0-0000-7000-8000-000000000000');
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
});
