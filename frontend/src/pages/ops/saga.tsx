import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { Refusal } from '../../lib/api/client';
import { getSaga, type SagaLife, type SagaSignal } from '../../lib/api/sagas';
import { atSecond, exactly, shortId, when } from '../../lib/format';
import { describeMoment, isAtRest, kindLabel, markOf, stateLabel, statusLabel, toneOf, verdictOf } from '../../lib/saga';
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
  const error = useSteadyError(saga, id);
  const failure = error ? <Failure error={error} retry={saga.refetch} frank /> : null;
  if (saga.data) return <Details key={id} life={saga.data} reload={saga.refetch} failure={failure} />;
  if (error instanceof Refusal && [400, 404].includes(error.status)) return <NotFound what="saga" />;
  return (
    <OpsPage title="Saga">
      {failure ?? <Loading shape="block" />}
    </OpsPage>
  );
}

/** `failure`: the reason why the shown data may be outdated. */
function Details({ life, reload, failure }: { life: SagaLife; reload: () => unknown; failure: ReactNode }) {
  return (
    <OpsPage title={`Saga ${shortId(life.saga_id)}`} lead={`${life.plan} v${life.plan_version}, started ${when(life.created_at)}`}>
      {failure}
      <section className="panel" aria-labelledby="plan">
        <h2 id="plan">
          Status <Badge tone={toneOf(life)}>{stateLabel(life)}</Badge>
        </h2>
        {life.reason && <p>Rolled back: {life.reason}.</p>}
        <Plan life={life} />
        <Next life={life} />
      </section>
      {!isAtRest(life) && <WhyPanel life={life} />}
      <div className="panels">
        <section className="panel" aria-labelledby="life">
          <h2 id="life">Timeline</h2>
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
  if (life.steps.length === 0) return <p>This release does not know the plan of this saga.</p>;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it could not be scrolled without a mouse
    <ol className="plan" aria-label="The plan" tabIndex={0}>
      {life.steps.map((step) => {
        const { mark, tone, now } = markOf(step);
        return (
          <li key={step.name} className={`${tone} ${step.kind === 'wait' ? 'pivot' : ''}`} data-mark={mark} aria-current={now ? 'step' : undefined}>
            <span className="plan-name">{step.name}</span>
            <span className="fine plan-kind">{kindLabel(step)}</span>
            <span className="fine">{statusLabel(step)}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Next({ life }: { life: SagaLife }) {
  if (isAtRest(life)) return <p>Finished. Nothing more will happen.</p>;
  if (life.paused) return <p>Paused. Signals are kept, and nothing runs until it is resumed.</p>;
  if (!life.step || !life.due_at) return <p>Not scheduled (its job is missing). Retry to reschedule.</p>;
  if (life.state === 'waiting' && life.deadline) {
    return (
      <p role="status">
        Waiting for a signal until <time dateTime={life.deadline}>{atSecond(life.deadline)}</time>; then it will be rolled back.
      </p>
    );
  }
  return (
    <p role="status">
      Next: <code>{life.step}</code> at <time dateTime={life.due_at}>{atSecond(life.due_at)}</time>
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
            {exactly(moment.at)}
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
      {life.signals.length === 0 && <p className="fine">No signals received.</p>}
      <ul className="happenings">
        {life.signals.map((signal) => (
          <li key={signal.signal_id}>
            <time className="fine" dateTime={signal.received_at} title={signal.received_at}>
              {exactly(signal.received_at)}
            </time>
            <div>
              <p>
                <code className="breaks">{signal.name}</code> <Verdict signal={signal} />
              </p>
              <p className="fine">from {signal.source}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Verdict({ signal }: { signal: SagaSignal }) {
  const { label, tone } = verdictOf(signal);
  return <Badge tone={tone}>{label}</Badge>;
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
          {life.order_id ? (
            <Link to={`/ops/orders/${life.order_id}`}>
              {shortId(life.order_id)} <code className="breaks">{life.order_id}</code>
            </Link>
          ) : (
            'none'
          )}
        </Fact>
        <Fact name="Trace">
          <Trace id={life.trace_id} saga={life.saga_id} />
        </Fact>
        <Fact name="Revision">{life.revision}</Fact>
        {life.deadline && <Fact name="Deadline">{when(life.deadline)}</Fact>}
      </Facts>
    </section>
  );
}
