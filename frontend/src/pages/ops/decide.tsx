import { useId, useRef, useState } from 'react';

import { useAction } from '../../lib/action';
import { Refusal } from '../../lib/api/client';
import { decide, type Decided, type DecidedResult } from '../../lib/api/failed';
import { entryOf } from '../../lib/closed';
import { Button, Failure, Field, Form, Notice } from '../../ui/parts';

interface Props {
  id: string;
  /** The count of messages with the same queue and reason, including this one, if all are meant. */
  alike?: number;
  queue: string | null;
  done: (decided: Decided[]) => void;
}

/** Send again, or drop: with a reason, and after a confirmation. */
export function Decide(props: Props) {
  return (
    <div className="actions">
      {props.queue !== null && <Asked {...props} verb="retry" />}
      <Asked {...props} verb="drop" />
    </div>
  );
}

function Asked({ id, alike, queue, done, verb }: Props & { verb: 'retry' | 'drop' }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const [reason, setReason] = useState('');
  const what = alike === undefined || alike === 1 ? 'this message' : `these ${alike} messages`;
  const does = verb === 'retry' ? `Send ${what} again` : `Drop ${what}`;
  const deciding = useAction({
    mutationFn: () => decide(id, verb, { reason, ...(alike !== undefined && { alike }) }),
    onSuccess: (decided) => {
      dialog.current?.close();
      done(decided);
    },
  });
  const wrong = deciding.error instanceof Refusal ? deciding.error.field('reason') : undefined;
  return (
    <>
      <Button kind={verb === 'retry' ? 'plain' : 'danger'} onClick={() => dialog.current?.showModal()}>
        {verb === 'retry' ? 'Send again …' : 'Drop …'}
      </Button>
      <dialog ref={dialog} aria-labelledby={title}>
        <h2 id={title}>{does}?</h2>
        <p>
          {verb === 'retry'
            ? `Re-queues to ${queue ?? 'an unknown queue'}. Safe: duplicates are ignored.`
            : 'Permanently removes it. A copy stays in the audit log.'}
        </p>
        <Form
          error={deciding.error}
          onSubmit={(event) => {
            event.preventDefault();
            deciding.mutate();
          }}
        >
          <Field label="Reason" hint="Kept in the audit log." value={reason} onChange={(event) => setReason(event.target.value)} error={wrong} />
          {deciding.isError && wrong === undefined && <Failure error={deciding.error} frank />}
          <div className="actions">
            <Button type="submit" kind={verb === 'retry' ? 'primary' : 'danger'} busy={deciding.isPending}>
              {does}
            </Button>
            <Button onClick={() => dialog.current?.close()}>Cancel</Button>
          </div>
        </Form>
      </dialog>
    </>
  );
}

const RESULTS: Record<DecidedResult, string> = { 'sent again': 'sent again', dropped: 'dropped', stays: 'stays' };

/** The results of a decision on messages. */
export function Outcome({ decided }: { decided: Decided[] }) {
  if (decided.length === 0) return null;
  const stay = decided.filter(({ result }) => result === 'stays');
  const results = [...new Set(decided.map(({ result }) => result))];
  const counts = results.map((result) => `${decided.filter((one) => one.result === result).length} ${entryOf(RESULTS, result) ?? result}`);
  return (
    <Notice tone={stay.length > 0 ? 'doubt' : 'good'} title={`${counts.join(', ')}.`} role="status">
      {stay.length > 0 && (
        <ul>
          {stay.map(({ id, detail }) => (
            <li key={id}>
              {id}: {detail}
            </li>
          ))}
        </ul>
      )}
    </Notice>
  );
}
