import { beforeAll, expect, test, vi } from 'vitest';

type CartModule = typeof import('./cart');
let cart: CartModule;

beforeAll(async () => {
  // the module reads the stored cart when it is loaded
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  vi.stubGlobal('addEventListener', () => undefined);
  cart = await import('./cart');
});

const mug = { product_id: 'p1', slug: 'mug', name: 'Mug' };
const pan = { product_id: 'p2', slug: 'pan', name: 'Pan' };

test('another content is another order, and gets another key', () => {
  const empty = cart.emptyCart();
  const one = cart.withQuantity(empty, mug, 1);
  const two = cart.withQuantity(one, mug, 2);
  expect(new Set([empty.key, one.key, two.key]).size).toBe(3);
  expect(two.lines).toEqual([{ ...mug, quantity: 2 }]);
});

test('quantities stay within what makes sense, and none takes a line out', () => {
  const full = cart.withQuantity(cart.emptyCart(), mug, 1_000);
  expect(full.lines[0]?.quantity).toBe(cart.MOST);
  const both = cart.withQuantity(full, pan, 1.9);
  expect(both.lines[1]?.quantity).toBe(1);
  expect(cart.withQuantity(both, mug, 0).lines).toEqual([{ ...pan, quantity: 1 }]);
  expect(cart.withQuantity(both, mug, -3).lines).toHaveLength(1);
  expect(cart.countOf(both)).toBe(cart.MOST + 1);
});

test('what cannot be read is an empty cart', () => {
  for (const text of [null, '', 'null', '{}', '[]', '{"key": 1, "lines": []}', '{"key": "k", "lines": 3}']) {
    expect(cart.parseCart(text).lines).toEqual([]);
  }
  const odd = JSON.stringify({ key: 'k', lines: [{ ...mug, quantity: 2 }, { ...pan, quantity: -1 }, { quantity: 1 }] });
  expect(cart.parseCart(odd)).toEqual({ key: 'k', lines: [{ ...mug, quantity: 2 }], sentBy: null, agreed: null, sentAt: null });
});

test('a cart that was sent is set aside for its user, and nobody else sees it', () => {
  const agreed = { amount: 1290, currency: 'EUR' };
  cart.setQuantity(mug, 1);
  const sent = cart.markSent('ann', agreed);
  expect(cart.markSent('ann', { amount: 9900, currency: 'EUR' }).agreed, 'repeated as it was sent').toEqual(agreed);
  cart.setQuantity(pan, 5);
  expect(cart.currentCart().lines, 'it does not change').toEqual([{ ...mug, quantity: 1 }]);
  cart.setAside();
  expect(cart.currentCart().lines).toEqual([]);
  expect(cart.cartAside('bob')).toBeNull();
  expect(cart.cartAside('ann')).toEqual(sent);
  const mine = cart.cartAside('ann');
  if (mine) cart.settleAside('ann', mine, true);
  expect(cart.cartAside('ann')).toBeNull();
  expect(cart.currentCart(), 'refused: it is a cart again').toEqual({ ...sent, sentBy: null, agreed: null, sentAt: null });
});

test('a cart whose key the shop has forgotten is not sent again under it', () => {
  const day = 24 * 3_600_000;
  const sent = { ...cart.withQuantity(cart.emptyCart(), mug, 1), sentBy: 'ann', sentAt: 1_000 };
  expect(cart.isForgotten(sent, 1_000 + 5 * day)).toBe(false);
  expect(cart.isForgotten(sent, 1_000 + 7 * day)).toBe(true);
  expect(cart.isForgotten(cart.emptyCart(), 1_000 + 70 * day)).toBe(false);
});

test('a cart of an earlier release, which does not say when it was sent, counts from now', () => {
  const old = JSON.stringify({ key: 'k', lines: [{ ...mug, quantity: 1 }], sentBy: 'ann', agreed: null });
  expect(cart.isForgotten(cart.parseCart(old))).toBe(false);
  expect(cart.parseCart(old).sentAt).not.toBeNull();
});
