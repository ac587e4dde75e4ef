import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { type Decided, type Failed, type FailedGroup, listFailed } from '../../lib/api/failed';
import { Badge, Button, Empty, Failure, Loading, Notice } from '../../ui/parts';
import { Decide, Outcome } from './decide';
import { OpsPage } from './tabs';

export function FailedPage() {
  // not polled: reading a message hides it from other readers for a moment
  const failed = useQuery({ queryKey: ['failed'], queryFn: ({ signal }) => listFailed(signal), staleTime: 0 });
  const [decided, setDecided] = useState<Decided[]>([]);
  const failure = useSteadyError(failed);
  return (
    <OpsPage title="Failed messages" lead="Messages that could not be processed, oldest first.">
      <Outcome decided={decided} />
      {failure ? (
        <Failure error={failure} retry={failed.refetch} frank />
      ) : failed.data === undefined ? (
        <Loading shape="row" count={3} />
      ) : (
        <Groups
          failed={failed.data}
          done={(all) => {
            setDecided(all);
            void failed.refetch();
          }}
        />
      )}
      {!failure && (
        <p>
          <Button busy={failed.isFetching} onClick={() => void failed.refetch()}>
            Refresh
          </Button>
        </p>
      )}
    </OpsPage>
  );
}

function Groups({ failed, done }: { failed: Failed; done: (decided: Decided[]) => void }) {
  if (failed.groups.length === 0) {
    return (
      <Empty title="No failed messages">
        <p>Every message was processed or is still being retried.</p>
      </Empty>
    );
  }
  return (
    <>
      {failed.more && (
        <Notice tone="doubt">
          <p>Showing the oldest {failed.count}. There may be more.</p>
        </Notice>
      )}
      <ul className="checks">
        {failed.groups.map((group) => (
          <Group key={`${group.queue ?? ''} ${group.reason}`} group={group} done={done} />
        ))}
      </ul>
    </>
  );
}

function Group({ group, done }: { group: FailedGroup; done: (decided: Decided[]) => void }) {
  const [first] = group.messages;
  return (
    <li className="check">
      <p className="check-head">
        <Badge tone="bad">{group.count === 1 ? '1 message' : `${group.count} messages`}</Badge> <strong>{group.queue ?? 'Unknown queue'}</strong>
      </p>
      <p className="error-text">{group.reason}</p>
      <details>
        <summary>Show messages</summary>
        <ul>
          {group.messages.map((message, index) => (
            <li key={index}>
              <Link to={`/ops/failed/${encodeURIComponent(message.id)}`}>
                <code className="breaks">{message.id}</code>
              </Link>{' '}
              <span className="fine">
                {message.message_type ?? message.routing_key}, attempts: {message.attempts}
              </span>
            </li>
          ))}
        </ul>
      </details>
      {first && <Decide id={first.id} alike={group.count} queue={group.queue ?? null} done={done} />}
    </li>
  );
}
