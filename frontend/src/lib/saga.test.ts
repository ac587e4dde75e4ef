import { readdirSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { SagaMoment, SagaState } from './api/sagas';
import { capital, CAUSES, describeMoment, isAtRest, isCause, markOf, stateLabel, STATES, toneOf, verdictOf } from './saga';

describe('a saga', () => {
  it('is at rest in its two last states only', () => {
    const rest = STATES.map(([state]) => state).filter((state) => isAtRest({ state }));
    expect(rest).toEqual(['completed', 'compensated']);
  });

  it('that is paused says so before anything else', () => {
    expect(toneOf({ state: 'waiting', paused: true })).toBe('doubt');
    expect(stateLabel({ state: 'waiting', paused: true })).toBe('waiting, paused');
    expect(toneOf({ state: 'waiting', paused: false })).toBe('calm');
  });

  it('stands at one step: the one that runs, waits or is being undone', () => {
    const all = ['untouched', 'running', 'waiting', 'done', 'undoing', 'undone'] as const;
    expect(all.filter((status) => markOf({ status }).now)).toEqual(['running', 'waiting', 'undoing']);
  });

  it('is stuck by one of the causes that have a runbook, and by nothing else', () => {
    const pages = readdirSync(new URL('../../../docs/runbooks/', import.meta.url)).map((file) => file.replace('.md', ''));
    for (const cause of CAUSES) expect(pages).toContain(cause);
    expect(isCause('no-worker')).toBe(true);
    for (const text of ['', 'stuck', 'toString', 'bad-luck']) expect(isCause(text), text).toBe(false);
  });

  it('keeps a signal that nobody has decided on', () => {
    expect(verdictOf({ verdict: null })).toEqual({ label: 'kept', tone: 'over' });
    expect(verdictOf({ verdict: 'applied' })).toEqual({ label: 'applied', tone: 'good' });
    expect(capital('no worker is there')).toBe('No worker is there');
  });

  it('tells which step and which attempt', () => {
    const moment: SagaMoment = { at: '', revision: 3, kind: 'transient', step: 'init_payment/undo', attempt: 2, state: 'compensating' };
    expect(describeMoment(moment)).toBe('init_payment (undo) could not be reached, attempt 2');
  });

  it('of a newer release is shown as it is stored', () => {
    const saga = { state: 'hibernating' as SagaState, paused: false };
    expect([isAtRest(saga), toneOf(saga), stateLabel(saga)]).toEqual([false, 'busy', 'hibernating']);
    const kind = 'dreamt' as SagaMoment['kind'];
    expect(describeMoment({ at: '', revision: 3, kind, state: saga.state })).toBe('dreamt');
  });
});
