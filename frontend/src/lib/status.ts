/** Words for every state that an order can be in. */
import type { Order, StatusChange } from './api/orders';
import type { Transaction } from './api/payments';

export type Tone = 'calm' | 'busy' | 'good' | 'over' | 'doubt';

export interface Words {
  label: string;
  text: string;
  tone: Tone;
}

/** What the order's state means to the person who waits for it. */
export function describe(order: Pick<Order, 'status' | 'canceling'>, transaction?: Transaction | null): Words {
  if (order.status === 'completed') {
    return { label: 'Completed', text: 'It is paid and on its way to you.', tone: 'good' };
  }
  if (order.status === 'canceled') {
    return { label: 'Canceled', text: 'Nothing was charged.', tone: 'over' };
  }
  if (transaction?.status === 'paid') {
    return { label: 'Paid', text: 'Your payment arrived. We are completing your order.', tone: 'busy' };
  }
  if (order.canceling || transaction?.status === 'canceled') {
    return { label: 'Canceling', text: 'We are taking your order back and releasing what it held.', tone: 'busy' };
  }
  if (order.status === 'pending') {
    return {
      label: 'Confirming',
      text: 'Your order is placed. We are setting up its payment; this page follows by itself.',
      tone: 'busy',
    };
  }
  return { label: 'Awaiting payment', text: 'Everything is reserved for you. Pay to complete it.', tone: 'calm' };
}

export const isOver = (order: Pick<Order, 'status'>): boolean =>
  order.status === 'completed' || order.status === 'canceled';

/** One line of the timeline. */
export function describeChange(change: StatusChange): string {
  switch (change.status) {
    case 'pending':
      return 'Order placed';
    case 'awaiting_payment':
      return 'Payment ready';
    case 'completed':
      return 'Paid and completed';
    case 'canceling':
      return 'Cancellation began';
    case 'canceled':
      return 'Canceled';
    default:
      return change.status;
  }
}

/** The order after a change that was heard of. */
export function applyChange(order: Order, number: number, change: StatusChange): Order {
  // changes are numbered from 1, and the history has them all
  if (number <= order.history.length) return order;
  const history = [...order.history, change];
  if (change.status === 'canceling') return { ...order, canceling: true, history };
  const over = change.status === 'completed' || change.status === 'canceled';
  return { ...order, status: change.status, canceling: over ? false : order.canceling, history };
}
