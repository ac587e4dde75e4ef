import { expect, test } from 'vitest';

import { headline } from './health';

test('a headline says no more than was checked', () => {
  expect(headline(['holds', 'holds'])).toEqual({ tone: 'good', title: 'All 2 checks passed' });
  expect(headline(['holds', 'not checked', 'not checked'])).toEqual({
    tone: 'doubt',
    title: 'No violation found · 2 checks did not run',
  });
  expect(headline(['holds', 'warning', 'not checked']).title).toBe('No violation found · 1 warning · 1 check did not run');
  expect(headline(['violated', 'not checked'])).toEqual({ tone: 'bad', title: '1 check failed · 1 check did not run' });
});
