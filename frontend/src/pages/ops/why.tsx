import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { getWhy, type SagaLife, type Why } from '../../lib/api/sagas';
import { entryOf } from '../../lib/closed';
import { atSecond, duration, when } from '../../lib/format';
import { capital } from '../../lib/saga';
import { useNow } from '../../lib/useful';
import { Badge, Fact, Facts, Failure, Loading } from '../../ui/parts';

/** Evidence that is a time is formatted as in RFC 3339. */
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

const SURE: Record<Why['sure'], string> = { certain: 'Confirmed.', likely: 'Likely (incomplete data).' };

/** The cause of a saga's state: requested again whenever the saga moves, and every few seconds. */
export function WhyPanel({ life }: { life: SagaLife }) {
  const why = useQuery({
    queryKey: ['why', life.saga_id, life.revision],
    queryFn: ({ signal }) => getWhy(life.saga_id, signal),
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
    staleTime: 0,
  });
  const error = useSteadyError(why, life.saga_id);
  if (why.data) return <Diagnosis why={why.data} />;
  if (error) return <Failure error={error} retry={why.refetch} frank />;
  return <Loading shape="row" count={2} />;
}

function Diagnosis({ why }: { why: Why }) {
  const now = useNow();
  const tone = why.stuck ? 'bad' : 'calm';
  return (
    <section className={`panel why ${tone}`} aria-labelledby="why">
      <h2 id="why">
        Cause <Badge tone={tone}>{why.code}</Badge>
      </h2>
      <p className="why-text">
        <strong>{capital(why.title)}</strong>, since <time dateTime={why.since}>{when(why.since)}</time> (
        {duration(now - Date.parse(why.since))}).{' '}
        {entryOf(SURE, why.sure) ?? why.sure}
      </p>
      <p>{why.explanation}</p>
      <Facts>
        {why.evidence.map(({ name, value }) => (
          <Fact key={name} name={capital(name.replaceAll('_', ' '))}>
            {why.code === 'message-failed' && name === 'message' ? (
              <Link to={`/ops/failed/${encodeURIComponent(value)}`}>
                <code className="breaks">{value}</code>
              </Link>
            ) : TIME.test(value) ? (
              <time dateTime={value}>{atSecond(value)}</time>
            ) : (
              value
            )}
          </Fact>
        ))}
      </Facts>
      {why.next.length > 0 && (
        <div>
          <p className="fine">Recommended actions</p>
          <ol className="steps-next">
            {why.next.map(({ title, command }) => (
              <li key={command}>
                <p>{capital(title)}</p>
                <code className="command">{command}</code>
              </li>
            ))}
          </ol>
        </div>
      )}
      {why.could_not_see.map((what) => (
        <p key={what} className="fine">
          Not checked: {what}
        </p>
      ))}
      <p>
        <a href={`/api/runbooks/${why.code}`} target="_blank" rel="noreferrer">
          Runbook: {why.code}
        </a>
      </p>
    </section>
  );
}
