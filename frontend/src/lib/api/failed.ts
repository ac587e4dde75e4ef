/** Messages that could not be handled, as operators see and decide on them. */
import type { components } from './generated/api';
import { answer, api } from './client';

export type Failed = components['schemas']['Failed'];
export type FailedGroup = components['schemas']['FailedGroup'];
export type FailedMessage = components['schemas']['FailedMessage'];
export type FailureKind = components['schemas']['FailureKind'];
export type Decided = components['schemas']['Decided'];
export type DecidedResult = components['schemas']['DecidedResult'];

/** The oldest failed messages, by queue and reason. */
export function listFailed(signal: AbortSignal): Promise<Failed> {
  return answer(api.GET('/api/failed', { signal }));
}

export function getFailed(id: string, signal: AbortSignal): Promise<FailedMessage> {
  return answer(api.GET('/api/failed/{id}', { params: { path: { id } }, signal }));
}

export interface Decision {
  reason: string;
  /**
   * Decides on all messages of the same queue and reason. The value is their count, as shown; if it
   * has changed, nothing is done.
   */
  alike?: number;
}

export function decide(id: string, verb: 'retry' | 'drop', body: Decision): Promise<Decided[]> {
  const asked = { params: { path: { id } }, body };
  const deciding = verb === 'retry' ? api.POST('/api/failed/{id}/retry', asked) : api.POST('/api/failed/{id}/drop', asked);
  return answer(deciding).then(({ decided }) => decided);
}
