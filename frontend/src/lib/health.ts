/** Labels for the results of health checks. */
import type { CheckResult } from './api/sagas';
import { entryOf, valuesOf } from './closed';
import type { Tone } from './status';

/** Tone and label of each result, the most urgent first. */
const RESULTS: Record<CheckResult, { tone: Tone | 'bad'; label: string }> = {
  violated: { tone: 'bad', label: 'Failed' },
  warning: { tone: 'doubt', label: 'Warning' },
  'not checked': { tone: 'over', label: 'Not run' },
  'left out': { tone: 'over', label: 'Left out' },
  holds: { tone: 'good', label: 'OK' },
};
export const ORDER = valuesOf(RESULTS);

/** A check's result, and the part that it saw if it did not see everything. */
export interface Checked {
  result: CheckResult;
  in_part?: string | null;
}

const isPartial = ({ result, in_part }: Checked): boolean => result === 'holds' && in_part != null;

/** Tone and label of a result. */
export function describeResult(check: Checked): { tone: Tone | 'bad'; label: string } {
  if (isPartial(check)) return { tone: 'doubt', label: 'OK in part' };
  return entryOf(RESULTS, check.result) ?? { tone: 'over', label: check.result };
}

/** The headline: it must not claim more than was checked. */
export function headline(all: Checked[]): { tone: Tone | 'bad'; title: string } {
  const count = (result: CheckResult) => all.filter((one) => one.result === result).length;
  const checks = (number: number) => (number === 1 ? '1 check' : `${number} checks`);
  const [failed, warnings, unrun] = [count('violated'), count('warning'), count('not checked')];
  const partial = all.filter(isPartial).length;
  const rest = [
    warnings > 0 && `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`,
    unrun > 0 && `${checks(unrun)} did not run`,
    partial > 0 && `${checks(partial)} ran in part`,
  ];
  const behind = rest.filter(Boolean).map((text) => ` · ${String(text)}`).join('');
  if (failed > 0) return { tone: 'bad', title: `${checks(failed)} failed${behind}` };
  if (unrun > 0 || warnings > 0 || partial > 0) return { tone: 'doubt', title: `No violation found${behind}` };
  return { tone: 'good', title: `All ${checks(count('holds'))} passed` };
}
