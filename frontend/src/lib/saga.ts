/** Labels for sagas, for operators. */
import type { Cause, Saga, SagaMoment, SagaSignal, SagaState, SagaStep, SignalVerdict } from './api/sagas';
import { entryOf, valuesOf } from './closed';
import type { Tone } from './status';

const STATE: Record<SagaState, { label: string; tone: Tone; atRest: boolean }> = {
  running: { label: 'Running', tone: 'busy', atRest: false },
  waiting: { label: 'Waiting', tone: 'calm', atRest: false },
  compensating: { label: 'Compensating', tone: 'busy', atRest: false },
  completed: { label: 'Completed', tone: 'good', atRest: true },
  compensated: { label: 'Compensated', tone: 'over', atRest: true },
};

/** The states that a list can be filtered by, with their labels. */
export const STATES = valuesOf(STATE).map((state) => [state, STATE[state].label] as const);

/** The causes that a list can be filtered by, the stuck ones first. */
const CAUSE: Record<Cause, true> = {
  'lease-expired': true,
  'no-worker': true,
  'blocked-by-session': true,
  'job-lost': true,
  'outbox-unpublished': true,
  unroutable: true,
  'queue-without-consumer': true,
  'queue-backlog': true,
  'message-failed': true,
  'participant-unreachable': true,
  'payment-event-lost': true,
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

export const CAUSES = valuesOf(CAUSE);

export const isCause = (text: string): text is Cause => Object.hasOwn(CAUSE, text);

/** Capitalizes the first letter. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const isAtRest = (saga: Pick<Saga, 'state'>): boolean => entryOf(STATE, saga.state)?.atRest ?? false;

export function toneOf(saga: Pick<Saga, 'state' | 'paused'>): Tone {
  if (saga.paused) return 'doubt';
  return entryOf(STATE, saga.state)?.tone ?? 'busy';
}

export const stateLabel = (saga: Pick<Saga, 'state' | 'paused'>): string =>
  saga.paused ? `${saga.state}, paused` : saga.state;

const STEP: Record<SagaStep['status'], { mark: string; tone: Tone; now: boolean; label: string }> = {
  untouched: { mark: '·', tone: 'over', now: false, label: 'not started' },
  running: { mark: '▶', tone: 'busy', now: true, label: 'running' },
  waiting: { mark: '…', tone: 'calm', now: true, label: 'waiting' },
  done: { mark: '✓', tone: 'good', now: false, label: 'done' },
  undoing: { mark: '↶', tone: 'doubt', now: true, label: 'rolling back' },
  undone: { mark: '✗', tone: 'over', now: false, label: 'rolled back' },
};

/** The mark and tone of a step. */
export const markOf = (step: Pick<SagaStep, 'status'>): { mark: string; tone: Tone; now: boolean } =>
  entryOf(STEP, step.status) ?? STEP.untouched;

export const statusLabel = (step: Pick<SagaStep, 'status'>): string => entryOf(STEP, step.status)?.label ?? step.status;

const KIND: Record<SagaStep['kind'], string> = {
  local: 'database',
  remote: 'payments service',
  wait: 'waits for payment',
  sleep: 'lets time pass',
};

/** A step's kind and position, in words. */
export const kindLabel = (step: Pick<SagaStep, 'kind'>): string => entryOf(KIND, step.kind) ?? step.kind;

const VERDICT: Record<SignalVerdict, Tone> = { applied: 'good', duplicate: 'over', early: 'over', late: 'over' };

/** The decision on a signal, with its tone. */
export function verdictOf({ verdict }: Pick<SagaSignal, 'verdict'>): { label: string; tone: Tone } {
  if (verdict == null) return { label: 'kept', tone: 'over' };
  return { label: verdict, tone: entryOf(VERDICT, verdict) ?? 'over' };
}

/** Describes one entry of a saga's timeline. */
export function describeMoment(moment: SagaMoment): string {
  const step = moment.step?.replace('/undo', ' (undo)') ?? '';
  const attempt = moment.attempt ? `, attempt ${moment.attempt}` : '';
  switch (moment.kind) {
    case 'begun':
      return 'Started';
    case 'done':
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
    case 'woken':
      return 'Woken';
    case 'signal':
      return 'Signal';
    case 'signal_decided':
      return 'Signal decided';
    case 'operator':
      return 'Operator';
    case 'breach':
      return 'Inconsistency';
  }
  // only a newer release knows the kind: it is shown as it is
  return moment.kind satisfies never;
}
