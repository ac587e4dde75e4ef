import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { type Decided, type Failed, type FailedGroup, listFailed } from '../../lib/api/failed';
import { Badge, Button, Empty, Failure, Loading, Notice } from '../../ui/parts';
import { Decide, Outcome } from './decide';
import { OpsPage } from './tabs';

export function FailedPage() {
  // not again and again: whoever looks at a message keeps it from others for a moment
  const failed = useQuery({ queryKey: ['failed'], queryFn: ({ signal }) => listFailed(signal), staleTime: 0 });
  const [decided, setDecided] = useState<Decided[]>([]);
  return (
    <OpsPage title="Failed messages" lead="What could not be handled, oldest first: whole, and with the reason. Nothing is lost.">
      <Outcome decided={decided} />
      {failed.isPending ? (
        <Loading shape="row" count={3} />
      ) : failed.isError ? (
        <Failure error={failed.error} retry={failed.refetch} frank />
      ) : (
        <Groups
          failed={failed.data}
          done={(all) => {
            setDecided(all);
            void failed.refetch();
          }}
        />
      )}
      {!failed.isError && (
        <p>
          <Button busy={failed.isFetching} onClick={() => void failed.refetch()}>
            Look again
          </Button>
        </p>
      )}
    </OpsPage>
  );
}

function Groups({ failed, done }: { failed: Failed; done: (decided: Decided[]) => void }) {
  if (failed.groups.length === 0) {
    return (
      <Empty title="Nothing has failed">
        <p>Every message was handled, or is still being tried.</p>
      </Empty>
    );
  }
  return (
    <>
      {failed.more && (
        <Notice tone="doubt">
          <p>These are the oldest {failed.count}; there may be more behind them.</p>
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
        <Badge tone="bad">{group.count === 1 ? '1 message' : `${group.count} messages`}</Badge> <strong>{group.queue ?? 'of no known queue'}</strong>
      </p>
      <p className="error-text">{group.reason}</p>
      <details>
        <summary>Each of them</summary>
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
