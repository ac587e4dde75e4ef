/** Many tabs of one browser, which opens at most six connections to a host over HTTP/1.1. */
import { account, expect, order, state, test } from './shop';

const TABS = 8;

test('eight tabs of a live order starve none, and each hears the end', async ({ page, context }) => {
  await account(context);
  await order(page);
  await expect(state(page)).toHaveText('Awaiting payment');
  const tabs = [page];
  while (tabs.length < TABS) {
    const tab = await context.newPage();
    await tab.goto(page.url());
    await expect(state(tab)).toHaveText('Awaiting payment');
    tabs.push(tab);
  }
  const live = async () => {
    const said = await Promise.all(tabs.map((tab) => tab.locator('[data-live]').count()));
    return said.filter((count) => count > 0).length;
  };
  await expect.poll(live, 'four streams, and the others ask').toBe(4);
  // a request in the last tab must get a connection
  const last = tabs.at(-1) ?? page;
  await last.getByRole('button', { name: /^Pay / }).click();
  for (const tab of tabs) await expect(state(tab)).toHaveText('Completed');
});
