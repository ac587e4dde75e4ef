/**
 * The cart: what and how many, never prices, which are the shop's. It carries the name of the order
 * that it is going to be (its idempotency key), so that tabs, reloads and double clicks make one order.
 */
import { createStore, useStore } from './store';

export interface CartLine {
  product_id: string;
  slug: string;
  name: string;
  quantity: number;
}

export interface Cart {
  key: string;
  lines: CartLine[];
  /** Who sent it; until the answer is known it must not change. */
  sentBy: string | null;
}

const PLACE = 'shop.cart';
export const MOST = 99;

export const emptyCart = (): Cart => ({ key: crypto.randomUUID(), lines: [], sentBy: null });

/** What is stored, or an empty cart when that cannot be read. */
export function parseCart(text: string | null): Cart {
  try {
    const cart = JSON.parse(text ?? '') as Partial<Cart> | null;
    if (cart === null || typeof cart.key !== 'string' || !Array.isArray(cart.lines)) return emptyCart();
    const lines = cart.lines.filter(
      (line) =>
        typeof line.product_id === 'string' &&
        typeof line.slug === 'string' &&
        Number.isInteger(line.quantity) &&
        line.quantity > 0,
    );
    return { key: cart.key, lines, sentBy: typeof cart.sentBy === 'string' ? cart.sentBy : null };
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
  return { key: crypto.randomUUID(), lines: lines.filter((other) => other.quantity > 0), sentBy: null };
}

export const countOf = (cart: Cart): number => cart.lines.reduce((sum, line) => sum + line.quantity, 0);

const store = createStore<Cart>(parseCart(localStorage.getItem(PLACE)));

addEventListener('storage', (event) => {
  if (event.key === PLACE || event.key === null) store.set(parseCart(event.newValue));
});

export const useCart = (): Cart => useStore(store);

/** What is stored now: another tab may have changed it a moment ago. */
export function currentCart(): Cart {
  const cart = parseCart(localStorage.getItem(PLACE));
  // an empty cart gets a new key each time it is read
  return cart.lines.length === 0 ? store.get() : cart;
}

function save(cart: Cart): void {
  localStorage.setItem(PLACE, JSON.stringify(cart));
  store.set(cart);
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

/** From now on nobody knows whether there is an order, until an answer comes. */
export function markSent(user: string): Cart {
  const cart = { ...currentCart(), sentBy: user };
  save(cart);
  return cart;
}

/** There is no order: it was refused. */
export function markRefused(key: string): void {
  const cart = currentCart();
  if (cart.key === key) save({ ...cart, sentBy: null });
}

/** There is an order: the cart that it was is gone. */
export function markOrdered(key: string): void {
  if (currentCart().key === key) save(emptyCart());
}
