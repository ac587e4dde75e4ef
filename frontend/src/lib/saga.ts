/** Labels for sagas, for operators. */
import type { Cause, Saga, SagaMoment, SagaSignal, SagaStep } from './api/sagas';
import type { Tone } from './status';

export const STATES = [
  ['running', 'Running'],
  ['waiting', 'Waiting'],
  ['compensating', 'Compensating'],
  ['completed', 'Completed'],
  ['compensated', 'Compensated'],
] as const;

/**
 * The causes that a list can be filtered by, the stuck ones first; a record, so that the compiler
 * finds a missing one.
 */
const CAUSE: Record<Cause, true> = {
  'lease-expired': true,
  'no-worker': true,
  'job-lost': true,
  'outbox-unpublished': true,
  unroutable: true,
  'queue-without-consumer': true,
  'queue-backlog': true,
  'message-failed': true,
  'participant-unreachable': true,
  'participant-has-answer-we-missed': true,
  'outcome-unknown': true,
  'paused-by': true,
  'payment-mismatch': true,
  'unknown-plan-version': true,
  'compensation-overdue': true,
  'waiting-for-signal': true,
  'retry-backoff': true,
  'lease-held': true,
  healthy: true,
};

export const CAUSES = Object.keys(CAUSE) as Cause[];

export const isCause = (text: string): text is Cause => Object.hasOwn(CAUSE, text);

/** Capitalizes the first letter. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const isAtRest = (saga: Pick<Saga, 'state'>): boolean =>
  saga.state === 'completed' || saga.state === 'compensated';

export function toneOf(saga: Pick<Saga, 'state' | 'paused'>): Tone {
  if (saga.paused) return 'doubt';
  switch (saga.state) {
    case 'completed':
      return 'good';
    case 'compensated':
      return 'over';
    case 'waiting':
      return 'calm';
    default:
      return 'busy';
  }
}

export const stateLabel = (saga: Pick<Saga, 'state' | 'paused'>): string =>
  saga.paused ? `${saga.state}, paused` : saga.state;

/** The mark and tone of a step. */
export function markOf(step: Pick<SagaStep, 'status'>): { mark: string; tone: Tone; now: boolean } {
  switch (step.status) {
    case 'done':
      return { mark: '✓', tone: 'good', now: false };
    case 'running':
      return { mark: '▶', tone: 'busy', now: true };
    case 'waiting':
      return { mark: '…', tone: 'calm', now: true };
    case 'undoing':
      return { mark: '↶', tone: 'doubt', now: true };
    case 'undone':
      return { mark: '✗', tone: 'over', now: false };
    default:
      return { mark: '·', tone: 'over', now: false };
  }
}

/** A step's kind and position, in words. */
export function kindLabel(step: Pick<SagaStep, 'kind'>): string {
  const labels: Record<string, string> = { wait: 'waits for payment', local: 'database', remote: 'payments service' };
  return labels[step.kind] ?? step.kind;
}

export function statusLabel(step: Pick<SagaStep, 'status'>): string {
  const labels: Record<string, string> = { untouched: 'not started', undoing: 'rolling back', undone: 'rolled back' };
  return labels[step.status] ?? step.status;
}

/** The decision on a signal. */
export const verdictOf = (signal: Pick<SagaSignal, 'verdict'>): string => signal.verdict ?? 'kept';

/** Describes one entry of a saga's timeline. */
export function describeMoment(moment: SagaMoment): string {
  const step = moment.step?.replace('/undo', ' (undo)') ?? '';
  const attempt = moment.attempt ? `, attempt ${moment.attempt}` : '';
  switch (moment.kind) {
    case 'begun':
      return 'Started';
    case 'done':
      return `${step} done${attempt}`;
    case 'undone':
      return `${step} done${attempt}`;
    case 'refused':
      return `${step} refused${attempt}`;
    case 'transient':
      return `${step} could not be reached${attempt}`;
    case 'unknown':
      return `${step}: no valid response${attempt}`;
    case 'contradicted':
      return `${step}: the answer contradicts the order${attempt}`;
    case 'lost':
      return `${step}: the worker disappeared${attempt}`;
    case 'overtaken':
      return `${step} superseded${attempt}`;
    case 'deadline_passed':
      return `${step}: the deadline passed`;
    case 'compensation_begun':
      return 'Rollback started';
    case 'signal':
      return 'Signal';
    case 'signal_decided':
      return 'Signal decided';
    case 'operator':
      return 'Operator';
    case 'breach':
      return 'Inconsistency';
    default:
      return moment.kind;
  }
}
