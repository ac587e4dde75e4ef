/**
 * A page over plain HTTP under a host name: `crypto.randomUUID` and `navigator.locks` do not exist
 * there.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const kept = new Map<string, string>();
const { crypto } = globalThis;

beforeEach(() => {
  kept.clear();
  vi.resetModules();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal(
    'BroadcastChannel',
    class {
      postMessage() {}
      addEventListener() {}
    },
  );
  vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) });
  vi.stubGlobal('navigator', { onLine: true });
});

afterEach(() => vi.unstubAllGlobals());

test('a cart has a key that is a random UUID', async () => {
  const { emptyCart } = await import('./cart');
  const keys = Array.from({ length: 50 }, () => emptyCart().key);
  for (const key of keys) expect(key).toMatch(UUID);
  expect(new Set(keys).size).toBe(50);
});

test('a session is renewed without locks', async () => {
  kept.set('shop.session', '1');
  const tokens = { access_token: 'token', expires_in: 900, user: { id: 'u', roles: [] } };
  const send = vi.fn(() => Promise.resolve(new Response(JSON.stringify(tokens), { status: 200 })));
  vi.stubGlobal('fetch', send);
  const { accessToken } = await import('./session');
  expect(await accessToken()).toBe('token');
  expect(send).toHaveBeenCalledTimes(1);
});
