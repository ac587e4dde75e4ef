import { expect, test } from 'vitest';

import { type Checked, describeResult, headline } from './health';

const all = (...results: Checked['result'][]): Checked[] => results.map((result) => ({ result }));

test('a headline says no more than was checked', () => {
  expect(headline(all('holds', 'holds'))).toEqual({ tone: 'good', title: 'All 2 checks passed' });
  expect(headline(all('holds', 'not checked', 'not checked'))).toEqual({
    tone: 'doubt',
    title: 'No violation found · 2 checks did not run',
  });
  expect(headline(all('holds', 'warning', 'not checked')).title).toBe('No violation found · 1 warning · 1 check did not run');
  expect(headline(all('violated', 'not checked'))).toEqual({ tone: 'bad', title: '1 check failed · 1 check did not run' });
});

test('a check that saw a part is not green', () => {
  const partial: Checked = { result: 'holds', in_part: 'for 500 of 52000 orders' };
  expect(headline([...all('holds'), partial])).toEqual({ tone: 'doubt', title: 'No violation found · 1 check ran in part' });
  expect(describeResult(partial)).toEqual({ tone: 'doubt', label: 'OK in part' });
  expect(describeResult({ result: 'violated', in_part: 'for 500 of 52000 orders' }).label).toBe('Failed');
});
