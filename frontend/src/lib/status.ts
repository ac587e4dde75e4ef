/** Labels for every state of an order. */
import type { CancelCause, Order, StatusChange } from './api/orders';
import type { Transaction } from './api/payments';
import { entryOf, valuesOf } from './closed';

export type Tone = 'calm' | 'busy' | 'good' | 'over' | 'doubt';

export interface Words {
  label: string;
  text: string;
  tone: Tone;
}

/** What an order's page shows: the order's status, refined by its transaction. */
type Stage = 'confirming' | 'awaiting_payment' | 'paid' | 'canceling' | 'completed' | 'canceled';

const FOR_CUSTOMER: Record<Stage, Words> = {
  confirming: {
    label: 'Confirming',
    text: 'Your order is placed and its payment is being set up. This page updates automatically.',
    tone: 'busy',
  },
  awaiting_payment: { label: 'Awaiting payment', text: 'Your items are reserved. Pay to complete your order.', tone: 'calm' },
  paid: { label: 'Paid', text: 'We received your payment and are completing your order.', tone: 'busy' },
  canceling: { label: 'Canceling', text: 'Canceling your order…', tone: 'busy' },
  completed: { label: 'Completed', text: 'Paid. Thank you for your order.', tone: 'good' },
  canceled: { label: 'Canceled', text: 'Nothing was charged.', tone: 'over' },
};

const FOR_STAFF: Record<Stage, string> = {
  confirming: 'The payment is being set up.',
  awaiting_payment: 'Waiting for the customer to pay.',
  paid: FOR_CUSTOMER.paid.text,
  canceling: 'The order is being canceled.',
  completed: 'The customer has paid.',
  canceled: FOR_CUSTOMER.canceled.text,
};

type Standing = Pick<Order, 'status' | 'canceling'>;

function stageOf(order: Standing, transaction?: Transaction | null): Stage {
  switch (order.status) {
    case 'completed':
    case 'canceled':
      return order.status;
    case 'pending':
      return liveStageOf(order, transaction) ?? 'confirming';
    case 'awaiting_payment':
      return liveStageOf(order, transaction) ?? 'awaiting_payment';
  }
  return order.status satisfies never;
}

/** Payments decides: what it says of the transaction comes before what the shop was asked for. */
function liveStageOf(order: Standing, transaction?: Transaction | null): Stage | null {
  const status = transaction?.status;
  switch (status) {
    case 'paid':
      return 'paid';
    case 'canceled':
      return 'canceling';
    case 'pending':
    case undefined:
      return order.canceling ? 'canceling' : null;
  }
  return status satisfies never;
}

/** The order's state, described for its customer. */
export function describe(order: Standing, transaction?: Transaction | null): Words {
  const stage = stageOf(order, transaction);
  // only a newer release knows the status: it is shown as it is
  return entryOf(FOR_CUSTOMER, stage) ?? { label: stage, text: 'This page updates automatically.', tone: 'busy' };
}

/** The order's state, described for staff. */
export function describeToStaff(order: Standing): Words {
  const words = describe(order);
  return { ...words, text: entryOf(FOR_STAFF, stageOf(order)) ?? words.text };
}

/** The statuses that a list can be filtered by, with their labels. */
const STATUS: Record<Order['status'], { label: string; over: boolean }> = {
  pending: { label: FOR_CUSTOMER.confirming.label, over: false },
  awaiting_payment: { label: FOR_CUSTOMER.awaiting_payment.label, over: false },
  completed: { label: FOR_CUSTOMER.completed.label, over: true },
  canceled: { label: FOR_CUSTOMER.canceled.label, over: true },
};

export const STATUSES = valuesOf(STATUS).map((status) => [status, STATUS[status].label] as const);

export const isOver = (order: Pick<Order, 'status'>): boolean => entryOf(STATUS, order.status)?.over ?? false;

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
  }
  return change.status satisfies never;
}

/** The reason for a cancellation, described for the customer or for staff. */
export function describeReason(reason: string, cause: CancelCause | null | undefined, mine: boolean): string {
  switch (cause) {
    case 'requested':
    case 'operator':
      return 'This order was canceled.';
    case 'payment_canceled':
      return mine ? 'You canceled this order.' : 'The customer canceled this order.';
    case 'deadline_passed':
      return 'Payment wasn’t received in time.';
    case 'refused':
    case 'budget_spent':
    case null:
    case undefined: // an earlier release canceled it
      return `Reason: ${reason}`;
  }
  cause satisfies never;
  return `Reason: ${reason}`;
}

/** Applies a received change to the order. */
export function applyChange(order: Order, number: number, change: StatusChange): Order {
  // changes are numbered from 1, and the history contains all of them
  if (number <= order.history.length) return order;
  const history = [...order.history, change];
  const { status } = change;
  if (status === 'canceling') return { ...order, canceling: true, history };
  return { ...order, status, canceling: isOver({ status }) ? false : order.canceling, history };
}
