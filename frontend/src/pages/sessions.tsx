/** The sessions in which the account is logged in: a section of the account's page. */
import { useQuery, useQueryClient } from '@tanstack/react-query';

import { useAction, useSteadyError } from '../lib/action';
import { endOtherSessions, endSession, listSessions, type OpenSession } from '../lib/api/sessions';
import { when } from '../lib/format';
import { Badge, Button, Failure, Loading } from '../ui/parts';

const KEY = ['sessions'];

export function Sessions() {
  const client = useQueryClient();
  const sessions = useQuery({ queryKey: KEY, queryFn: ({ signal }) => listSessions(signal) });
  const failure = useSteadyError(sessions);
  const look = () => void client.invalidateQueries({ queryKey: KEY });
  const others = useAction({ mutationFn: endOtherSessions, onSettled: look });
  const items = sessions.data ?? [];
  return (
    <section aria-labelledby="sessions">
      <h2 id="sessions">Where you’re logged in</h2>
      {sessions.isPending && !failure && <Loading shape="row" count={2} />}
      {failure && items.length === 0 ? <Failure error={failure} retry={sessions.refetch} /> : null}
      <ul>
        {items.map((session) => (
          <li key={session.id}>
            <Session session={session} look={look} />
          </li>
        ))}
      </ul>
      {others.isError && <Failure error={others.error} />}
      {items.some((session) => !session.current) && (
        <p>
          <Button busy={others.isPending} onClick={() => others.mutate()}>
            Log out everywhere else
          </Button>
        </p>
      )}
    </section>
  );
}

function Session({ session, look }: { session: OpenSession; look: () => void }) {
  const ending = useAction({ mutationFn: () => endSession(session.id), onSettled: look });
  const name = session.user_agent ?? 'A browser';
  return (
    <>
      <p>
        {name} {session.current && <Badge tone="good">This browser</Badge>}
      </p>
      <p className="fine">
        Logged in {when(session.started_at)}, last active {when(session.renewed_at)}
      </p>
      {ending.isError && <Failure error={ending.error} />}
      {!session.current && (
        <Button className="small" aria-label={`Log out ${name}, logged in ${when(session.started_at)}`} busy={ending.isPending} onClick={() => ending.mutate()}>
          Log out
        </Button>
      )}
    </>
  );
}
