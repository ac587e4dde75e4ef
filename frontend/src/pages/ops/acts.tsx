import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import { Refusal } from '../../lib/api/client';
import { act, type Acted, type SagaLife, type Verb } from '../../lib/api/sagas';
import { Button, Failure, Field, Notice, Select } from '../../ui/parts';

const VERBS: [Verb, string][] = [
  ['retry', 'Retry: run its work now'],
  ['pause', 'Pause: run nothing more'],
  ['resume', 'Resume: go on'],
  ['cancel', 'Cancel: have it undone'],
];

/** Look first, then do: what is done is what was looked at, or nothing. */
export function Acts({ life, done }: { life: SagaLife; done: () => unknown }) {
  const fitting = VERBS.filter(([verb]) => (life.paused ? verb === 'resume' || verb === 'cancel' : verb !== 'resume'));
  const [chosen, setChosen] = useState<Verb>('retry');
  const verb = fitting.some(([fits]) => fits === chosen) ? chosen : (fitting[0]?.[0] ?? 'retry');
  const [reason, setReason] = useState('');
  const [shown, setShown] = useState<{ verb: Verb; acted: Acted } | null>(null);
  const look = useMutation({
    mutationFn: () => act(life.saga_id, verb, { reason, dry_run: true }),
    onSuccess: (acted) => setShown({ verb, acted }),
  });
  const run = useMutation({
    mutationFn: (looked: Acted) => act(life.saga_id, verb, { reason, dry_run: false, revision: looked.revision }),
    onSuccess: () => {
      setShown(null);
      setReason('');
      done();
    },
    onError: () => done(),
  });
  const error = run.error ?? look.error;
  const forget = () => {
    setShown(null);
    look.reset();
    run.reset();
  };
  return (
    <section className="panel" aria-labelledby="acts">
      <h2 id="acts">Act on it</h2>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          forget();
          look.mutate();
        }}
      >
        <Select
          label="What to do"
          value={verb}
          onChange={(event) => {
            setChosen(event.target.value as Verb);
            forget();
          }}
        >
          {fitting.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <Field
          label="Reason"
          hint="Kept in the saga’s journal and in the audit."
          value={reason}
          onChange={(event) => {
            setReason(event.target.value);
            forget();
          }}
          error={error instanceof Refusal ? error.field('reason') : undefined}
        />
        <Button type="submit" kind="plain" busy={look.isPending}>
          Look what it would do
        </Button>
      </form>
      {error && !(error instanceof Refusal && error.field('reason')) && <Failure error={error} />}
      {run.isSuccess && !shown && (
        <Notice tone="good" role="status">
          <p>Done. This page follows what comes of it.</p>
        </Notice>
      )}
      {shown && shown.verb === verb && (
        <div className="effects" role="status">
          <p>
            From <strong>{shown.acted.from}</strong> to <strong>{shown.acted.to}</strong>
            {shown.acted.then !== shown.acted.to && (
              <>
                , then to <strong>{shown.acted.then}</strong>
              </>
            )}
            .
          </p>
          <Lines title="It sends" lines={shown.acted.sends} />
          <Lines title="It moves" lines={shown.acted.moves} />
          <Lines title="Mind that" lines={shown.acted.notes} />
          <Button kind={verb === 'cancel' ? 'danger' : 'primary'} busy={run.isPending} onClick={() => run.mutate(shown.acted)}>
            Do it
          </Button>
        </div>
      )}
    </section>
  );
}

function Lines({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <div>
      <p className="fine">{title}</p>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </div>
  );
}
