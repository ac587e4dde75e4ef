/**
 * The cart: products and quantities, never prices, which are the shop's. It carries the name of the
 * order that it is going to be (its idempotency key), so that tabs, reloads and double clicks make one
 * order.
 *
 * A cart that was sent belongs to the user who sent it until the answer is known. When the session ends
 * or another user comes, it is set aside: the next person at this browser begins with an empty one.
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
  /** The user who sent it; until the answer is known it must not change. */
  sentBy: string | null;
  /** The total that the user agreed to when it was sent; it is asked for again under the same one. */
  agreed: Money | null;
  /** When it was first sent, milliseconds since 1970. */
  sentAt: number | null;
}

/**
 * The shop knows an order's key for seven days. A cart that was sent longer ago would become a second order: it is not
 * sent again by itself.
 */
const KEY_LIFETIME = 6 * 24 * 3_600_000;

export const isForgotten = (cart: Cart, now = Date.now()): boolean =>
  cart.sentAt !== null && now - cart.sentAt > KEY_LIFETIME;

const PLACE = 'shop.cart';
/** Carts that were sent by users who are not logged in now, by the id of the user. */
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
  // one of an earlier release does not say when it was sent
  const sentAt = typeof cart.sentAt === 'number' ? cart.sentAt : sentBy === null ? null : Date.now();
  return { key: cart.key, lines, sentBy, agreed: parseAgreed(cart.agreed), sentAt };
}

/** The stored cart, or an empty one when that cannot be read. */
export function parseCart(text: string | null): Cart {
  try {
    return toCart(JSON.parse(text ?? ''));
  } catch {
    return emptyCart();
  }
}

/** The cart with another quantity of a product; none takes it out. Another content is another order. */
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

/** The cart that is stored now: another tab may have changed it a moment ago. */
export function currentCart(): Cart {
  const cart = parseCart(readStored(PLACE));
  // an empty cart gets a new key each time it is read
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

/** From now on it is unknown whether there is an order, until an answer comes. */
export function markSent(user: string, agreed: Money | null): Cart {
  const cart = currentCart();
  // sent before: the same request must be repeated, or the shop takes it for another one
  const sent = cart.sentBy === user ? cart : { ...cart, sentBy: user, agreed, sentAt: Date.now() };
  save(sent);
  return sent;
}

/** There is no order: it was refused. */
export function markRefused(key: string): void {
  const cart = currentCart();
  if (cart.key === key) save(unsent(cart));
}

/** As it was before it was sent. One whose key the shop has forgotten gets another one. */
function unsent(cart: Cart): Cart {
  const key = isForgotten(cart) ? emptyCart().key : cart.key;
  return { ...cart, key, sentBy: null, agreed: null, sentAt: null };
}

/** There is an order: the cart that it was is gone. */
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

/** Keeps a cart that was sent for its user, and begins a new one. */
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

/** The answer is known. A refused cart becomes the user's cart again, if that is empty. */
export function settleAside(user: string, cart: Cart, refused: boolean): void {
  const carts = Object.entries(asideCarts()).filter(([of]) => of !== user);
  if (carts.length === 0) removeStored(ASIDE);
  else keep(ASIDE, JSON.stringify(Object.fromEntries(carts)));
  if (refused && currentCart().lines.length === 0) save(unsent(cart));
}
