/** The operators' views and actions. */
import type { components, operations } from './generated/api';
import { answer, api } from './client';

export type Saga = components['schemas']['SagaInList'];
export type Cause = components['schemas']['Cause'];
export type Why = components['schemas']['Why'];
export type SagaLife = components['schemas']['SagaLife'];
export type SagaStep = components['schemas']['SagaStep'];
export type SagaMoment = components['schemas']['SagaMoment'];
export type SagaSignal = components['schemas']['SagaSignal'];
export type SagaState = components['schemas']['SagaState'];
export type SignalVerdict = components['schemas']['SignalVerdict'];
export type Acted = components['schemas']['Acted'];
export type Report = components['schemas']['Report'];
export type CheckResult = components['schemas']['CheckResult'];

/** `find` is an order's number or id, its transaction's id, or its customer's e-mail address. */
export type SagaFilter = Omit<NonNullable<operations['list_sagas']['parameters']['query']>, 'cursor' | 'limit' | 'causes'>;

/** Sagas with their causes, oldest first; without a state or an order, only those not at rest. */
export function listSagas(filter: SagaFilter, cursor: string | null, signal: AbortSignal) {
  const query = { limit: 50, causes: true, ...filter, ...(cursor !== null && { cursor }) };
  return answer(api.GET('/api/sagas', { params: { query }, signal }));
}

export function getSaga(id: string, signal: AbortSignal): Promise<SagaLife> {
  return answer(api.GET('/api/sagas/{id}', { params: { path: { id } }, signal }));
}

export function getWhy(id: string, signal: AbortSignal): Promise<Why> {
  return answer(api.GET('/api/sagas/{id}/why', { params: { path: { id } }, signal }));
}

export type Verb = 'retry' | 'pause' | 'resume' | 'cancel';

export interface Act {
  reason: string;
  dry_run: boolean;
  /** Act only if the saga is still at this revision. */
  revision?: number;
}

export function act(id: string, verb: Verb, body: Act): Promise<Acted> {
  const asked = { params: { path: { id } }, body };
  switch (verb) {
    case 'retry':
      return answer(api.POST('/api/sagas/{id}/retry', asked));
    case 'pause':
      return answer(api.POST('/api/sagas/{id}/pause', asked));
    case 'resume':
      return answer(api.POST('/api/sagas/{id}/resume', asked));
    case 'cancel':
      return answer(api.POST('/api/sagas/{id}/cancel', asked));
  }
}

export function examine(signal: AbortSignal): Promise<Report> {
  return answer(api.GET('/api/doctor', { signal }));
}

/** Sends the saga's trace again, from its journal. */
export function sendTrace(id: string): Promise<components['schemas']['TraceSent']> {
  return answer(api.POST('/api/sagas/{id}/trace', { params: { path: { id } } }));
}
