/** Labels for every state of an order. */
import type { Order, StatusChange } from './api/orders';
import type { Transaction } from './api/payments';

export type Tone = 'calm' | 'busy' | 'good' | 'over' | 'doubt';

export interface Words {
  label: string;
  text: string;
  tone: Tone;
}

/** The order's state, described for its customer. */
export function describe(order: Pick<Order, 'status' | 'canceling'>, transaction?: Transaction | null): Words {
  if (order.status === 'completed') {
    return { label: 'Completed', text: 'Paid. Thank you for your order.', tone: 'good' };
  }
  if (order.status === 'canceled') {
    return { label: 'Canceled', text: 'Nothing was charged.', tone: 'over' };
  }
  if (transaction?.status === 'paid') {
    return { label: 'Paid', text: 'We received your payment and are completing your order.', tone: 'busy' };
  }
  if (order.canceling || transaction?.status === 'canceled') {
    return { label: 'Canceling', text: 'Canceling your order…', tone: 'busy' };
  }
  if (order.status === 'pending') {
    return {
      label: 'Confirming',
      text: 'Your order is placed and its payment is being set up. This page updates automatically.',
      tone: 'busy',
    };
  }
  return { label: 'Awaiting payment', text: 'Your items are reserved. Pay to complete your order.', tone: 'calm' };
}

/** The order's state, described for staff. */
export function describeToStaff(order: Pick<Order, 'status' | 'canceling'>): Words {
  const words = describe(order);
  const texts: Record<string, string> = {
    'Awaiting payment': 'Waiting for the customer to pay.',
    Confirming: 'The payment is being set up.',
    Canceling: 'The order is being canceled.',
    Completed: 'The customer has paid.',
  };
  return { ...words, text: texts[words.label] ?? words.text };
}

export const isOver = (order: Pick<Order, 'status'>): boolean =>
  order.status === 'completed' || order.status === 'canceled';

/** Describes one entry of the timeline. */
export function describeChange(change: StatusChange): string {
  switch (change.status) {
    case 'pending':
      return 'Order placed';
    case 'awaiting_payment':
      return 'Waiting for payment';
    case 'completed':
      return 'Paid';
    case 'canceling':
      return 'Cancellation requested';
    case 'canceled':
      return 'Canceled';
    default:
      return change.status;
  }
}

/** The reason for a cancellation, described for the customer or for staff. */
export function describeReason(reason: string, mine: boolean): string {
  switch (reason) {
    case 'it was canceled':
      return 'This order was canceled.';
    case 'the payment was canceled':
      return mine ? 'You canceled this order.' : 'The customer canceled this order.';
    case 'it was not paid in time':
      return 'Payment wasn’t received in time.';
    default:
      return `Reason: ${reason}`;
  }
}

/** Applies a received change to the order. */
export function applyChange(order: Order, number: number, change: StatusChange): Order {
  // changes are numbered from 1, and the history contains all of them
  if (number <= order.history.length) return order;
  const history = [...order.history, change];
  if (change.status === 'canceling') return { ...order, canceling: true, history };
  const over = change.status === 'completed' || change.status === 'canceled';
  return { ...order, status: change.status, canceling: over ? false : order.canceling, history };
}
