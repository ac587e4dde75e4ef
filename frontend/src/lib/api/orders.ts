import { EventSourceParserStream } from 'eventsource-parser/stream';

import type { components, operations } from './generated/api';
import type { Money } from '../format';
import { answer, api, refusal, sendAuthorized, Unreachable } from './client';

export type Order = components['schemas']['Order'];
export type StaffOrder = components['schemas']['StaffOrder'];
export type StatusChange = components['schemas']['StatusChange'];
export type CancelCause = components['schemas']['OrderCancelCause'];
export type Line = components['schemas']['Line'];

/**
 * Places an order for the total that the user agreed to; refused with `price-changed` when the
 * total differs. Repeats with the same key make one order.
 */
export function createOrder(
  key: string,
  items: { product_id: string; quantity: number }[],
  agreed: Money | null,
): Promise<Order> {
  const body = { items, ...(agreed && { expected_total: agreed }) };
  return answer(api.POST('/api/orders', { params: { header: { 'Idempotency-Key': key } }, body }));
}

export function listOrders(cursor: string | null, signal: AbortSignal) {
  const query = { limit: 10, ...(cursor !== null && { cursor }) };
  return answer(api.GET('/api/orders', { params: { query }, signal }));
}

export function getOrder(id: string, signal: AbortSignal): Promise<Order> {
  return answer(api.GET('/api/orders/{id}', { params: { path: { id } }, signal }));
}

/** Asks for an order to be canceled; payments decides. */
export function cancelOrder(id: string): Promise<Order> {
  return answer(api.POST('/api/orders/{id}/cancel', { params: { path: { id } } }));
}

/** Any customer's order with its customer, for admins and operators. */
export function getStaffOrder(id: string, signal: AbortSignal): Promise<StaffOrder> {
  return answer(api.GET('/api/admin/orders/{id}', { params: { path: { id } }, signal }));
}

/** `find` is an order's number or id, its transaction's id, or its customer's e-mail address. */
export type OrderFilter = Omit<NonNullable<operations['list_all_orders']['parameters']['query']>, 'cursor' | 'limit'>;

/** All orders with their customers, for admins and operators. */
export function listAllOrders(filter: OrderFilter, cursor: string | null, signal: AbortSignal) {
  const query = { limit: 20, ...filter, ...(cursor !== null && { cursor }) };
  return answer(api.GET('/api/admin/orders', { params: { query }, signal }));
}

export interface OrderEvent {
  id: number;
  change: StatusChange;
}

/**
 * The changes of an order after the one with the number `seen`; ends after the last change, or when
 * the connection breaks. `onOpen` is called once the connection is established.
 */
export async function* watchOrder(
  id: string,
  seen: number,
  signal: AbortSignal,
  onOpen: () => void,
): AsyncGenerator<OrderEvent> {
  const headers = { accept: 'text/event-stream', ...(seen > 0 && { 'last-event-id': String(seen) }) };
  const url = new URL(`/api/orders/${id}/events`, location.href);
  let response: Response;
  try {
    response = await sendAuthorized(new Request(url, { headers, signal }));
  } catch (error) {
    throw new Unreachable(error);
  }
  if (!response.ok) throw refusal(await response.json().catch(() => null), response);
  if (response.status === 204 || response.body === null) return;
  onOpen();
  const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const reader = events.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value.event === 'status') yield { id: Number(value.id), change: JSON.parse(value.data) as StatusChange };
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
