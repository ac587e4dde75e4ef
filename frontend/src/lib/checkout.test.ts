import { beforeEach, expect, test, vi } from 'vitest';

const createOrder = vi.fn();
vi.mock('./api/orders', () => ({ createOrder }));

const DAY = 24 * 3_600_000;
const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  createOrder.mockReset();
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
  vi.stubGlobal('location', { href: 'http://shop.example/', origin: 'http://shop.example' });
});

function keep(sentAt: number): void {
  const lines = [{ product_id: 'p1', slug: 'mug', name: 'Mug', quantity: 1 }];
  kept.set('shop.cart', JSON.stringify({ key: 'k', lines, sentBy: 'ann', agreed: null, sentAt }));
}

test('a cart in doubt is sent again under its key', async () => {
  keep(Date.now() - DAY);
  createOrder.mockResolvedValue({ id: 'o' });
  const { resumeOrders } = await import('./checkout');
  const ordered = vi.fn();
  await resumeOrders('ann', ordered);
  expect(createOrder).toHaveBeenCalledWith('k', [{ product_id: 'p1', quantity: 1 }], null);
  expect(ordered).toHaveBeenCalledTimes(1);
});

test('a cart in doubt for eight days is not sent, and is free again under another key', async () => {
  keep(Date.now() - 8 * DAY);
  const { resumeOrders } = await import('./checkout');
  await resumeOrders('ann', vi.fn());
  expect(createOrder).not.toHaveBeenCalled();
  const cart = JSON.parse(kept.get('shop.cart') ?? '') as { key: string; sentBy: string | null; lines: unknown[] };
  expect(cart.sentBy).toBeNull();
  expect(cart.key).not.toBe('k');
  expect(cart.lines).toHaveLength(1);
});
