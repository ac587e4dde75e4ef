import { afterEach, expect, test, vi } from 'vitest';

import { spread, STREAMS, takeStream } from './streams';

afterEach(() => vi.unstubAllGlobals());

/** The locks of one browser: a name is held until its holder's promise settles. */
function lockManager() {
  const held = new Set<string>();
  return {
    async request(name: string, _options: unknown, hold: (lock: object | null) => Promise<void> | void) {
      if (held.has(name)) return hold(null);
      held.add(name);
      await hold({ name });
      held.delete(name);
    },
  };
}

test('so many streams and no more, and an ended one makes room', async () => {
  vi.stubGlobal('navigator', { locks: lockManager() });
  const signal = new AbortController().signal;
  const taken = [];
  for (let n = 0; n < STREAMS; n++) taken.push(await takeStream(signal));
  expect(taken.every((release) => release !== null)).toBe(true);
  expect(await takeStream(signal)).toBeNull();
  taken[1]?.();
  await vi.waitFor(async () => expect(await takeStream(signal)).not.toBeNull());
});

test('a browser without locks streams', async () => {
  const denied = () => Promise.reject(new DOMException('Access to the Locks API is denied.', 'SecurityError'));
  for (const navigator of [{}, { locks: { request: denied } }]) {
    vi.stubGlobal('navigator', navigator);
    expect(await takeStream(new AbortController().signal)).not.toBeNull();
  }
});

test('pauses between tries are spread from half to all', () => {
  expect(spread(1_000, () => 0)).toBe(500);
  expect(spread(1_000, () => 1)).toBe(1_000);
});
