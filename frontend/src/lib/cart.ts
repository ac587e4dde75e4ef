/**
 * The cart: products and quantities, but no prices, which are the shop's. It carries the
 * idempotency key of its future order, so that tabs, reloads and double clicks make one order.
 *
 * A sent cart belongs to the user who sent it until the answer is known. When the session ends or
 * another user logs in, it is set aside: the next person at this browser starts with an empty cart.
 */
import type { Money } from './format';
import { readStored, removeStored, store as keep } from './storage';
import { createStore, useStore } from './store';
import { randomUuid } from './uuid';

export interface CartLine {
  product_id: string;
  slug: string;
  name: string;
  quantity: number;
}

export interface Cart {
  key: string;
  lines: CartLine[];
  /** The user who sent the cart; until the answer is known, the cart must not change. */
  sentBy: string | null;
  /** The total that the user agreed to when the cart was sent; repeats send the same total. */
  agreed: Money | null;
  /** When the cart was first sent, milliseconds since 1970. */
  sentAt: number | null;
}

/**
 * The shop keeps an order's key for seven days. A cart that was sent longer ago would make a second
 * order, so it is not sent again automatically. This limit leaves a day of margin.
 */
const KEY_LIFETIME = 6 * 24 * 3_600_000;

export const isForgotten = (cart: Cart, now = Date.now()): boolean =>
  cart.sentAt !== null && now - cart.sentAt > KEY_LIFETIME;

const PLACE = 'shop.cart';
/** Sent carts of users who are not logged in now, by user id. */
const ASIDE = 'shop.cart.sent';
export const MOST = 99;

export const emptyCart = (): Cart => ({ key: randomUuid(), lines: [], sentBy: null, agreed: null, sentAt: null });

function parseAgreed(value: unknown): Money | null {
  const money = value as Partial<Money> | null | undefined;
  if (!Number.isInteger(money?.amount) || typeof money?.currency !== 'string') return null;
  return { amount: money.amount ?? 0, currency: money.currency };
}

function toCart(value: unknown): Cart {
  const cart = value as Partial<Cart> | null;
  if (cart === null || typeof cart !== 'object' || typeof cart.key !== 'string' || !Array.isArray(cart.lines)) {
    return emptyCart();
  }
  const lines = cart.lines.filter(
    (line) =>
      typeof line.product_id === 'string' &&
      typeof line.slug === 'string' &&
      Number.isInteger(line.quantity) &&
      line.quantity > 0,
  );
  const sentBy = typeof cart.sentBy === 'string' ? cart.sentBy : null;
  // a cart of an earlier release has no sending time
  const sentAt = typeof cart.sentAt === 'number' ? cart.sentAt : sentBy === null ? null : Date.now();
  return { key: cart.key, lines, sentBy, agreed: parseAgreed(cart.agreed), sentAt };
}

/** The stored cart, or an empty one if it cannot be read. */
export function parseCart(text: string | null): Cart {
  try {
    return toCart(JSON.parse(text ?? ''));
  } catch {
    return emptyCart();
  }
}

/**
 * The cart with another quantity of a product; 0 removes the product. Changed contents make another
 * order.
 */
export function withQuantity(cart: Cart, line: Omit<CartLine, 'quantity'>, quantity: number): Cart {
  const count = Math.min(MOST, Math.max(0, Math.trunc(quantity)));
  const there = cart.lines.some((other) => other.product_id === line.product_id);
  const lines = there
    ? cart.lines.map((other) => (other.product_id === line.product_id ? { ...other, quantity: count } : other))
    : [...cart.lines, { ...line, quantity: count }];
  return { ...emptyCart(), lines: lines.filter((other) => other.quantity > 0) };
}

export const countOf = (cart: Cart): number => cart.lines.reduce((sum, line) => sum + line.quantity, 0);

const cartStore = createStore<Cart>(parseCart(readStored(PLACE)));

addEventListener('storage', (event) => {
  if (event.key === PLACE || event.key === null) cartStore.set(parseCart(event.newValue));
});

export const useCart = (): Cart => useStore(cartStore);

/** The cart as it is stored now: another tab may have changed it a moment ago. */
export function currentCart(): Cart {
  const cart = parseCart(readStored(PLACE));
  // parsing an empty cart yields a new key each time
  return cart.lines.length === 0 ? cartStore.get() : cart;
}

function save(cart: Cart): void {
  keep(PLACE, JSON.stringify(cart));
  cartStore.set(cart);
}

export function setQuantity(line: Omit<CartLine, 'quantity'>, quantity: number): void {
  const cart = currentCart();
  if (cart.sentBy === null) save(withQuantity(cart, line, quantity));
}

export function addToCart(line: Omit<CartLine, 'quantity'>, quantity: number): void {
  const cart = currentCart();
  const there = cart.lines.find((other) => other.product_id === line.product_id)?.quantity ?? 0;
  setQuantity(line, there + quantity);
}

/** Marks the cart as sent: until an answer arrives, it is unknown whether the order exists. */
export function markSent(user: string, agreed: Money | null): Cart {
  const cart = currentCart();
  // a cart that was sent before must be repeated unchanged, or the shop treats it as another
  // request
  const sent = cart.sentBy === user ? cart : { ...cart, sentBy: user, agreed, sentAt: Date.now() };
  save(sent);
  return sent;
}

/** Marks the cart as refused: no order exists. */
export function markRefused(key: string): void {
  const cart = currentCart();
  if (cart.key === key) save(unsent(cart));
}

/**
 * The cart as it was before it was sent. If the shop no longer knows its key, it gets a new one.
 */
function unsent(cart: Cart): Cart {
  const key = isForgotten(cart) ? emptyCart().key : cart.key;
  return { ...cart, key, sentBy: null, agreed: null, sentAt: null };
}

/** The order exists: its cart is replaced by an empty one. */
export function markOrdered(key: string): void {
  if (currentCart().key === key) save(emptyCart());
}

function asideCarts(): Record<string, unknown> {
  try {
    const carts = JSON.parse(readStored(ASIDE) ?? '{}') as unknown;
    return typeof carts === 'object' && carts !== null ? (carts as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Keeps a sent cart for its user, and starts an empty one. */
export function setAside(): void {
  const cart = currentCart();
  if (cart.sentBy !== null) keep(ASIDE, JSON.stringify({ ...asideCarts(), [cart.sentBy]: cart }));
  save(emptyCart());
}

/** The cart that was set aside for this user. */
export function cartAside(user: string): Cart | null {
  const carts = asideCarts();
  if (!Object.hasOwn(carts, user)) return null;
  const cart = toCart(carts[user]);
  return cart.lines.length > 0 ? cart : null;
}

/**
 * Discards the cart set aside, since its answer is known. A refused one becomes the user's cart
 * again if the current one is empty.
 */
export function settleAside(user: string, cart: Cart, refused: boolean): void {
  const carts = Object.entries(asideCarts()).filter(([of]) => of !== user);
  if (carts.length === 0) removeStored(ASIDE);
  else keep(ASIDE, JSON.stringify(Object.fromEntries(carts)));
  if (refused && currentCart().lines.length === 0) save(unsent(cart));
}
