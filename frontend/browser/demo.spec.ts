import type { Page } from '@playwright/test';

import { account, expect, order, state, test } from './shop';

/** Chooses how payments behaves, and waits until the panel confirms it. */
async function choose(page: Page, mode: RegExp): Promise<void> {
  const radio = page.getByRole('radio', { name: mode });
  await radio.click();
  await expect(radio).toBeChecked();
}

test('whoever breaks payments and kills a worker in the panel sees the order wait, and heal', async ({ page, context, faults }) => {
  await account(context);
  await page.goto('/');
  await page.getByText('Break something').click();
  const kill = page.getByRole('button', { name: 'Kill worker-payments' });
  await expect(kill).toBeVisible();
  await faults.payments('ok'); // from now on the fixture repairs what the test leaves broken
  await choose(page, /^Down/);
  await order(page);
  await expect(state(page)).toHaveText('Confirming');
  await page.getByText('Break something').click();
  await choose(page, /^Slow/); // slower than the call timeout here
  await choose(page, /^As usual/);
  await expect(state(page)).toHaveText('Awaiting payment');

  await kill.click();
  await expect(page.getByRole('button', { name: 'Start worker-payments' })).toBeVisible();
  await page.getByRole('button', { name: /^Pay/ }).click();
  await expect(state(page)).toHaveText('Paid');
  await page.getByRole('button', { name: 'Start worker-payments' }).click();
  await expect(state(page)).toHaveText('Completed');
  await expect(kill).toBeVisible();
});

test('where nobody gives an address for faults there is no panel', async ({ page }) => {
  await page.route('**/api/settings', async (route) => {
    const answer = await route.fetch();
    const { demo_url: demo, ...rest } = (await answer.json()) as Record<string, unknown>;
    expect(demo, 'here is one').toBeTruthy();
    await route.fulfill({ response: answer, json: rest });
  });
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/state')) asked.push(request.url());
  });
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Enamel Mug/ })).toBeVisible();
  await expect(page.getByText('A demonstration shop')).toBeVisible();
  await expect(page.getByText('Break something')).toHaveCount(0);
  expect(asked).toEqual([]);
});
