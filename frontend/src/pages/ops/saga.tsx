import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';

import { Refusal } from '../../lib/api/client';
import { getSaga, type SagaLife } from '../../lib/api/sagas';
import { atClock, shortId, when } from '../../lib/format';
import { describeMoment, isAtRest, markOf, stateLabel, toneOf, verdictOf } from '../../lib/saga';
import { Badge, Fact, Facts, Failure, Loading } from '../../ui/parts';
import { NotFound } from '../broken';
import { Acts } from './acts';
import { OpsPage } from './tabs';
import { Trace } from './trace';
import { WhyPanel } from './why';

export function SagaPage() {
  const { id = '' } = useParams();
  const saga = useQuery({
    queryKey: ['saga', id],
    queryFn: ({ signal }) => getSaga(id, signal),
    refetchInterval: ({ state }) => (state.data && isAtRest(state.data) ? false : 1_000),
  });
  const failure = saga.isError && <Failure error={saga.error} retry={saga.refetch} frank />;
  if (saga.data) return <Details key={id} life={saga.data} reload={saga.refetch} failure={failure} />;
  if (saga.error instanceof Refusal && [400, 404].includes(saga.error.status)) return <NotFound what="saga" />;
  return (
    <OpsPage title="Saga">
      {failure || <Loading shape="block" />}
    </OpsPage>
  );
}

/** `failure`: why what is shown may be old. */
function Details({ life, reload, failure }: { life: SagaLife; reload: () => unknown; failure: ReactNode }) {
  return (
    <OpsPage title={`Saga ${shortId(life.saga_id)}`} lead={`${life.plan} v${life.plan_version}, begun ${when(life.created_at)}`}>
      {failure}
      <section className="panel" aria-labelledby="plan">
        <h2 id="plan">
          Where it stands <Badge tone={toneOf(life)}>{stateLabel(life)}</Badge>
        </h2>
        {life.reason && <p>Undone because {life.reason}.</p>}
        <Plan life={life} />
        <Next life={life} />
      </section>
      {!isAtRest(life) && <WhyPanel life={life} />}
      <div className="panels">
        <section className="panel" aria-labelledby="life">
          <h2 id="life">What happened</h2>
          <Happenings life={life} />
        </section>
        <div className="panel-stack">
          {!isAtRest(life) && <Acts life={life} done={reload} />}
          <Signals life={life} />
          <Ids life={life} />
        </div>
      </div>
    </OpsPage>
  );
}

function Plan({ life }: { life: SagaLife }) {
  if (life.steps.length === 0) return <p>This version of the shop does not know its plan.</p>;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- else nobody could scroll it without a mouse
    <ol className="plan" aria-label="The plan" tabIndex={0}>
      {life.steps.map((step) => {
        const { mark, tone, now } = markOf(step);
        return (
          <li key={step.name} className={`${tone} ${step.kind === 'wait' ? 'pivot' : ''}`} data-mark={mark} aria-current={now ? 'step' : undefined}>
            <span className="plan-name">{step.name}</span>
            <span className="fine plan-kind">{step.kind}</span>
            <span className="fine">{step.status}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Next({ life }: { life: SagaLife }) {
  if (isAtRest(life)) return <p>It is at rest: nothing will happen to it any more.</p>;
  if (life.paused) return <p>It is paused: what comes in is kept, and nothing runs until it is resumed.</p>;
  if (!life.step || !life.due_at) return <p>Nothing will wake it: it has lost its entry. Retry it.</p>;
  if (life.state === 'waiting' && life.deadline) {
    return (
      <p role="status">
        Waits for a signal until <time dateTime={life.deadline}>{atClock(life.deadline)}</time>; then it is undone.
      </p>
    );
  }
  return (
    <p role="status">
      Next: <code>{life.step}</code> at <time dateTime={life.due_at}>{atClock(life.due_at)}</time>
      {life.attempt ? `, after ${life.attempt} attempts` : ''}.
      {life.last_error && <span className="error-text"> Last error: {life.last_error}.</span>}
    </p>
  );
}

function Happenings({ life }: { life: SagaLife }) {
  return (
    <ol className="happenings">
      {life.timeline.map((moment, index) => (
        <li key={index}>
          <time className="fine" dateTime={moment.at} title={moment.at}>
            {atClock(moment.at)}
          </time>
          <div>
            <p>
              {describeMoment(moment)} <span className="fine">→ {moment.state}</span>
            </p>
            {moment.detail && <p className="fine error-text">{moment.detail}</p>}
            {moment.actor && <p className="fine">by {moment.actor}</p>}
          </div>
        </li>
      ))}
    </ol>
  );
}

function Signals({ life }: { life: SagaLife }) {
  return (
    <section className="panel" aria-labelledby="signals">
      <h2 id="signals">Signals</h2>
      {life.signals.length === 0 && <p className="fine">Nothing has come in from outside.</p>}
      <ul className="happenings">
        {life.signals.map((signal) => (
          <li key={signal.signal_id}>
            <time className="fine" dateTime={signal.received_at} title={signal.received_at}>
              {atClock(signal.received_at)}
            </time>
            <div>
              <p>
                <code className="breaks">{signal.name}</code> <Badge tone={signal.verdict === 'applied' ? 'good' : 'over'}>{verdictOf(signal)}</Badge>
              </p>
              <p className="fine">from {signal.source}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Ids({ life }: { life: SagaLife }) {
  return (
    <section className="panel" aria-labelledby="ids">
      <h2 id="ids">Ids</h2>
      <Facts>
        <Fact name="Saga">
          <code className="breaks">{life.saga_id}</code>
        </Fact>
        <Fact name="Order">
          <Link to={`/ops/sagas?order=${life.order_id ?? ''}`}>
            <code className="breaks">{life.order_id}</code>
          </Link>
        </Fact>
        <Fact name="Trace">
          <Trace id={life.trace_id} />
        </Fact>
        <Fact name="Revision">{life.revision}</Fact>
        {life.deadline && <Fact name="Deadline">{when(life.deadline)}</Fact>}
      </Facts>
    </section>
  );
}
