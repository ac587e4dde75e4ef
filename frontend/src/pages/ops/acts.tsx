import { useEffect, useEffectEvent, useState } from 'react';

import { useAction } from '../../lib/action';
import { Refusal } from '../../lib/api/client';
import { act, type Acted, type SagaLife, type Verb } from '../../lib/api/sagas';
import { valuesOf } from '../../lib/closed';
import { Button, Failure, Field, Form, Notice, Select } from '../../ui/parts';

/** The label of each action, and when a saga allows it. */
const VERBS: Record<Verb, { label: string; fits: (paused: boolean) => boolean }> = {
  retry: { label: 'Retry now', fits: (paused) => !paused },
  pause: { label: 'Pause', fits: (paused) => !paused },
  resume: { label: 'Resume', fits: (paused) => paused },
  cancel: { label: 'Cancel and roll back', fits: () => true },
};

/** Preview, then apply: exactly the previewed action is applied, or none. */
export function Acts({ life, done }: { life: SagaLife; done: () => unknown }) {
  const fitting = valuesOf(VERBS).filter((verb) => VERBS[verb].fits(life.paused));
  const [chosen, setChosen] = useState<Verb>('retry');
  const verb = fitting.includes(chosen) ? chosen : (fitting[0] ?? 'retry');
  const [reason, setReason] = useState('');
  const [shown, setShown] = useState<{ verb: Verb; acted: Acted } | null>(null);
  const look = useAction({
    mutationFn: () => act(life.saga_id, verb, { reason, dry_run: true }),
    onSuccess: (acted) => setShown({ verb, acted }),
  });
  const run = useAction({
    mutationFn: (looked: Acted) => act(life.saga_id, verb, { reason, dry_run: false, revision: looked.revision }),
    onSuccess: () => {
      setShown(null);
      setReason('');
      done();
    },
    onError: () => done(),
  });
  const error = run.error ?? look.error;
  // the saga moved after the preview: the preview is renewed, so that only what is shown can be
  // applied
  const moved = shown !== null && shown.acted.revision < life.revision;
  const lookAgain = useEffectEvent(() => {
    if (moved && !run.isPending && !look.isPending) look.mutate();
  });
  useEffect(() => lookAgain(), [moved, life.revision]);
  const forget = () => {
    setShown(null);
    look.reset();
    run.reset();
  };
  return (
    <section className="panel" aria-labelledby="acts">
      <h2 id="acts">Actions</h2>
      <Form
        error={error}
        onSubmit={(event) => {
          event.preventDefault();
          forget();
          look.mutate();
        }}
      >
        <Select
          label="Action"
          value={verb}
          onChange={(event) => {
            setChosen(event.target.value as Verb);
            forget();
          }}
        >
          {fitting.map((value) => (
            <option key={value} value={value}>
              {VERBS[value].label}
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
          Preview
        </Button>
      </Form>
      {error && !(error instanceof Refusal && error.field('reason')) && <Failure error={error} frank />}
      {run.isSuccess && !shown && (
        <Notice tone="good" role="status">
          <p>Done.</p>
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
          <Lines title="Requests" lines={shown.acted.sends} />
          <Lines title="Changes" lines={shown.acted.moves} />
          <Lines title="Note" lines={shown.acted.notes} />
          <Button kind={verb === 'cancel' ? 'danger' : 'primary'} busy={run.isPending || moved} onClick={() => run.mutate(shown.acted)}>
            Apply
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
