/** Development only: inject a fault, and watch a saga recover. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { type DemoState, getDemo, killProcess, type PaymentsMode, setPayments, startProcess } from '../lib/api/demo';
import { Button } from '../ui/parts';

const MODES: [PaymentsMode, string, string][] = [
  ['ok', 'As usual', 'Payments answers at once'],
  ['slow', 'Slow', 'Answers take two seconds longer'],
  ['silent', 'Silent', 'Requests arrive, answers are lost: the outcome is unknown'],
  ['down', 'Down', 'Nothing reaches payments'],
];

export function DemoPanel({ url }: { url: string }) {
  const client = useQueryClient();
  const key = ['demo', url];
  const state = useQuery({ queryKey: key, queryFn: () => getDemo(url), refetchInterval: 4_000, retry: false });
  const acting = useMutation({
    mutationFn: (act: () => Promise<DemoState>) => act(),
    onSuccess: (after) => client.setQueryData(key, after),
  });
  const now = state.data;
  if (!now) return null;
  return (
    <details className="demo">
      <summary>Break something</summary>
      <div className="demo-body">
        <fieldset>
          <legend>Payments</legend>
          {MODES.map(([mode, label, hint]) => (
            <label key={mode} className="choice">
              <input
                type="radio"
                name="payments"
                checked={now.payments === mode}
                onChange={() => acting.mutate(() => setPayments(url, mode))}
              />
              <span>
                {label}
                <span className="fine">{hint}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>Processes</legend>
          <ul className="demo-processes">
            {now.processes.map(({ name, runs }) => (
              <li key={name}>
                <span className={runs ? 'dot good' : 'dot bad'} aria-hidden="true" /> {name}
                <Button
                  kind={runs ? 'danger' : 'plain'}
                  className="small"
                  busy={acting.isPending}
                  onClick={() => acting.mutate(() => (runs ? killProcess(url, name) : startProcess(url, name)))}
                >
                  {runs ? 'Kill' : 'Start'}
                  <span className="hidden"> {name}</span>
                </Button>
              </li>
            ))}
          </ul>
        </fieldset>
        {acting.isError && (
          <p className="error" role="alert">
            {acting.error.message}
          </p>
        )}
      </div>
    </details>
  );
}
