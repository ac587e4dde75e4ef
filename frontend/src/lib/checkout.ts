/** Turns the cart into an order, once, whatever happens on the way. */
import { mayPass, Refusal } from './api/client';
import { createOrder, type Order } from './api/orders';
import { type Cart, markOrdered, markRefused, markSent } from './cart';

const underWay = new Map<string, Promise<Order>>();

/** Delays between tries, milliseconds; the last one goes on for ever. */
const DELAYS = [500, 1_000, 2_000, 4_000, 8_000];

/**
 * Places the order. While no answer comes it asks again under the same key, and calls `onDoubt`.
 * Throws the shop's refusal.
 */
export function placeOrder(user: string, cart: Cart, onDoubt: () => void): Promise<Order> {
  const again = underWay.get(cart.key);
  if (again) return again;
  const placing = insist(user, onDoubt).finally(() => underWay.delete(cart.key));
  underWay.set(cart.key, placing);
  return placing;
}

async function insist(user: string, onDoubt: () => void): Promise<Order> {
  const { key, lines } = markSent(user);
  const items = lines.map(({ product_id, quantity }) => ({ product_id, quantity }));
  for (let attempt = 0; ; attempt++) {
    try {
      const order = await createOrder(key, items);
      markOrdered(key);
      return order;
    } catch (error) {
      const inFlight = error instanceof Refusal && error.slug === 'idempotency-key-in-flight';
      if (!mayPass(error) && !inFlight) {
        markRefused(key);
        throw error;
      }
      onDoubt();
      const asked = error instanceof Refusal && error.retryAfter !== null ? error.retryAfter * 1_000 : 0;
      await pause(Math.max(asked, DELAYS[Math.min(attempt, DELAYS.length - 1)] ?? 0));
    }
  }
}

/** Waits; not any longer once the signal says so. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, signal?.aborted ? 0 : milliseconds);
    signal?.addEventListener('abort', end);
  });
}
