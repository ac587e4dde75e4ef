/** Turns the cart into exactly one order, despite failures on the way. */
import { mayPass, Refusal } from './api/client';
import { createOrder, type Order } from './api/orders';
import { type Cart, cartAside, currentCart, isForgotten, markOrdered, markRefused, markSent, settleAside } from './cart';
import type { Money } from './format';
import { createStore, useStore } from './store';

const underWay = new Map<string, Promise<Order>>();
/** The keys of orders that were requested and not answered. */
const unanswered = createStore<readonly string[]>([]);

/** Delays between attempts, milliseconds; the last one repeats for ever. */
const DELAYS = [500, 1_000, 2_000, 4_000, 8_000];

/** Whether it is unknown if this cart became an order. */
export const useUnanswered = (cart: Cart): boolean => useStore(unanswered).includes(cart.key);

function setUnanswered(key: string, doubtful: boolean): void {
  const others = unanswered.get().filter((other) => other !== key);
  if (doubtful || others.length !== unanswered.get().length) unanswered.set(doubtful ? [...others, key] : others);
}

/**
 * Places the order for the total that the user agreed to. Without an answer, it repeats the request
 * under the same key. Throws the shop's refusal.
 */
export function placeOrder(user: string, agreed: Money | null): Promise<Order> {
  const cart = currentCart();
  return (
    underWay.get(cart.key) ??
    begin(markSent(user, agreed), (refused) => (refused ? markRefused(cart.key) : markOrdered(cart.key)))
  );
}

/**
 * Resolves the carts that this user sent: the current one, and one that was set aside when another
 * person used this browser. Calls `ordered` for each that became an order.
 */
export async function resumeOrders(user: string, ordered: (order: Order) => void): Promise<void> {
  const placing: Promise<Order>[] = [];
  if (currentCart().sentBy === user) placing.push(placeOrder(user, null));
  const aside = cartAside(user);
  if (aside) placing.push(underWay.get(aside.key) ?? begin(aside, (refused) => settleAside(user, aside, refused)));
  // a refusal unlocks the cart, and its pages show the reason
  for (const placed of await Promise.allSettled(placing)) if (placed.status === 'fulfilled') ordered(placed.value);
}

function begin(cart: Cart, settled: (refused: boolean) => void): Promise<Order> {
  const placing = insist(cart, settled).finally(() => {
    underWay.delete(cart.key);
    setUnanswered(cart.key, false);
  });
  underWay.set(cart.key, placing);
  return placing;
}

/** The cart was sent so long ago that sending it again could make a second order. */
export class Forgotten extends Error {
  constructor() {
    super('We do not know any more whether this became an order. Look at your orders before you order again.');
  }
}

async function insist(cart: Cart, settled: (refused: boolean) => void): Promise<Order> {
  const { key, lines, agreed } = cart;
  const items = lines.map(({ product_id, quantity }) => ({ product_id, quantity }));
  for (let attempt = 0; ; attempt++) {
    // true also after the computer slept for days between two attempts
    if (isForgotten(cart)) {
      settled(true);
      throw new Forgotten();
    }
    try {
      const order = await createOrder(key, items, agreed);
      settled(false);
      return order;
    } catch (error) {
      const inFlight = error instanceof Refusal && error.slug === 'idempotency-key-in-flight';
      const sessionOver = error instanceof Refusal && error.status === 401;
      // an earlier attempt may have made the order: the cart stays sent until its user is back
      if (sessionOver && attempt > 0) throw error;
      if (!mayPass(error) && !inFlight) {
        settled(true);
        throw error;
      }
      setUnanswered(key, true);
      const asked = error instanceof Refusal && error.retryAfter !== null ? error.retryAfter * 1_000 : 0;
      await pause(Math.max(asked, DELAYS[Math.min(attempt, DELAYS.length - 1)] ?? 0));
    }
  }
}

/** Waits for this time, or until the signal aborts. */
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
