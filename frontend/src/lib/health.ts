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

/** Tone and label of a result. */
export const describeResult = (result: CheckResult): { tone: Tone | 'bad'; label: string } =>
  entryOf(RESULTS, result) ?? { tone: 'over', label: result };

/** The headline: it must not claim more than was checked. */
export function headline(results: CheckResult[]): { tone: Tone | 'bad'; title: string } {
  const count = (result: CheckResult) => results.filter((one) => one === result).length;
  const checks = (number: number) => (number === 1 ? '1 check' : `${number} checks`);
  const [failed, warnings, unrun] = [count('violated'), count('warning'), count('not checked')];
  const rest = [warnings > 0 && `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`, unrun > 0 && `${checks(unrun)} did not run`];
  const behind = rest.filter(Boolean).map((text) => ` · ${String(text)}`).join('');
  if (failed > 0) return { tone: 'bad', title: `${checks(failed)} failed${behind}` };
  if (unrun > 0 || warnings > 0) return { tone: 'doubt', title: `No violation found${behind}` };
  return { tone: 'good', title: `All ${checks(count('holds'))} passed` };
}
