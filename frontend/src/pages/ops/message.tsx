import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { Refusal } from '../../lib/api/client';
import { type Decided, type FailedMessage, type FailureKind, getFailed } from '../../lib/api/failed';
import { entryOf } from '../../lib/closed';
import { Fact, Facts, Failure, Loading } from '../../ui/parts';
import { NotFound } from '../broken';
import { Decide, Outcome } from './decide';
import { OpsPage } from './tabs';
import { Trace } from './trace';

const KINDS: Record<FailureKind, string> = {
  undecodable: 'Unreadable message',
  contradictory: 'Contradicts itself',
  unknown_subject: 'Unknown transaction or account',
  payment_mismatch: 'Payment differs from the order',
  undeliverable: 'Mail could not be delivered',
};

/** One message that could not be processed, with its body. */
export function MessagePage() {
  const { id = '' } = useParams();
  const message = useQuery({ queryKey: ['failed', id], queryFn: ({ signal }) => getFailed(id, signal), staleTime: Infinity, gcTime: 0 });
  const failure = useSteadyError(message, id);
  if (failure instanceof Refusal && failure.status === 404) return <NotFound what="message" />;
  return (
    <OpsPage title="Failed message" lead={<Link to="/ops/failed">All failed messages</Link>}>
      {failure ? (
        <Failure error={failure} retry={message.refetch} frank />
      ) : message.data === undefined ? (
        <Loading shape="block" />
      ) : (
        <Whole key={id} message={message.data} />
      )}
    </OpsPage>
  );
}

function Whole({ message }: { message: FailedMessage }) {
  const [decided, setDecided] = useState<Decided[]>([]);
  return (
    <>
      <Outcome decided={decided} />
      <section className="panel" aria-labelledby="message">
        <h2 id="message">Details</h2>
        {message.reason && <p className="error-text">{message.reason}</p>}
        <Facts>
          <Fact name="Message">
            <code className="breaks">{message.id}</code>
          </Fact>
          <Fact name="Failure">{message.kind == null ? 'Unclassified' : (entryOf(KINDS, message.kind) ?? message.kind)}</Fact>
          <Fact name="Queue">{message.queue ?? 'unknown'}</Fact>
          <Fact name="Type">{message.message_type ?? 'none'}</Fact>
          <Fact name="Published to">
            {message.exchange || 'the default exchange'} under <code>{message.routing_key}</code>
          </Fact>
          <Fact name="Attempts">{message.attempts}</Fact>
          {message.trace_id && (
            <Fact name="Trace">
              <Trace id={message.trace_id} />
            </Fact>
          )}
        </Facts>
        {decided.length === 0 && <Decide id={message.id} queue={message.queue ?? null} done={setDecided} />}
      </section>
      <section className="panel" aria-labelledby="body">
        <h2 id="body">Body</h2>
        <p className="fine">May contain personal data.</p>
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it could not be scrolled without a mouse */}
        <pre className="command" tabIndex={0} aria-label="Message body">
          {pretty(message.body)}
        </pre>
        {message.body_base64 && <p className="fine">Not plain text: `shopctl failed show` prints it in base64.</p>}
      </section>
    </>
  );
}

/** Pretty-prints JSON; returns any other text unchanged. */
function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
