import { expect, test } from 'vitest';

import type { CancelCause, Order, StatusChange } from './api/orders';
import type { Transaction } from './api/payments';
import { valuesOf } from './closed';
import { applyChange, describe, describeReason, isOver } from './status';

const at = '2026-01-01T00:00:00Z';

function order(status: Order['status'], more: Partial<Order> = {}): Order {
  return {
    id: 'o',
    status,
    canceling: false,
    transaction_id: 't',
    items: [],
    total: { amount: 1, currency: 'EUR' },
    created_at: at,
    history: [{ status: 'pending', at }],
    trace_id: 'x',
    ...more,
  };
}

const transaction = (status: Transaction['status']): Transaction => ({
  transaction_id: 't',
  order_id: 'o',
  status,
  created_at: at,
});

test('every state has its words', () => {
  const label = (of: Order, paid?: Transaction) => describe(of, paid).label;
  expect(label(order('pending'))).toBe('Confirming');
  expect(label(order('awaiting_payment'))).toBe('Awaiting payment');
  expect(label(order('awaiting_payment'), transaction('pending'))).toBe('Awaiting payment');
  expect(label(order('awaiting_payment'), transaction('paid'))).toBe('Paid');
  expect(label(order('awaiting_payment'), transaction('canceled'))).toBe('Canceling');
  expect(label(order('pending', { canceling: true }))).toBe('Canceling');
  expect(label(order('completed'))).toBe('Completed');
  expect(label(order('canceled'))).toBe('Canceled');
});

test('payments decides: who is paid is not canceling, whatever was asked', () => {
  expect(describe(order('awaiting_payment', { canceling: true }), transaction('paid')).label).toBe('Paid');
});

test('a change moves the order once, however often it is heard of', () => {
  const change: StatusChange = { status: 'awaiting_payment', at };
  const moved = applyChange(order('pending'), 2, change);
  expect(moved.status).toBe('awaiting_payment');
  expect(moved.history).toHaveLength(2);
  expect(applyChange(moved, 2, change)).toBe(moved);
  expect(applyChange(moved, 1, { status: 'pending', at })).toBe(moved);
});

test('while it is being undone it keeps its status, until it is over', () => {
  const undone = applyChange(order('awaiting_payment'), 2, { status: 'canceling', at });
  expect([undone.status, undone.canceling, isOver(undone)]).toEqual(['awaiting_payment', true, false]);
  const canceled = applyChange(undone, 3, { status: 'canceled', at });
  expect([canceled.status, canceled.canceling, isOver(canceled)]).toEqual(['canceled', false, true]);
});

test('a cancellation is described by its cause, not by its sentence', () => {
  const words: Record<CancelCause, [mine: string, staff: string]> = {
    requested: ['This order was canceled.', 'This order was canceled.'],
    operator: ['This order was canceled.', 'This order was canceled.'],
    payment_canceled: ['You canceled this order.', 'The customer canceled this order.'],
    deadline_passed: ['Payment wasn’t received in time.', 'Payment wasn’t received in time.'],
    refused: ['Reason: so it is', 'Reason: so it is'],
    budget_spent: ['Reason: so it is', 'Reason: so it is'],
  };
  for (const cause of valuesOf(words)) {
    expect([true, false].map((mine) => describeReason('so it is', cause, mine))).toEqual(words[cause]);
  }
});

test('a cancellation without a known cause shows its sentence', () => {
  const newer = 'moved_away' as CancelCause;
  for (const cause of [null, undefined, newer]) {
    expect(describeReason('it was canceled', cause, true)).toBe('Reason: it was canceled');
  }
});
