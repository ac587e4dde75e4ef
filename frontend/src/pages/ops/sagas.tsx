import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';

import { listSagas, type Saga, type SagaFilter } from '../../lib/api/sagas';
import { duration, shortId, when } from '../../lib/format';
import { CAUSES, isAtRest, isCause, stateLabel, STATES, toneOf } from '../../lib/saga';
import { useNow } from '../../lib/useful';
import { Badge, Button, Empty, Failure, Field, Loading, Scroll, Select } from '../../ui/parts';
import { OpsPage } from './tabs';

const STEPS = ['place_order', 'init_payment', 'await_payment', 'complete_order'];
const AGES = [
  ['60', 'a minute'],
  ['900', '15 minutes'],
  ['3600', 'an hour'],
  ['86400', 'a day'],
] as const;
/** In the place of a cause: any by which a saga does not go on by itself. */
const STUCK = 'stuck';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function SagasPage() {
  const [params, setParams] = useSearchParams();
  const [state, step, age, order, text, cause] = ['state', 'step', 'older_than', 'order', 'text', 'cause'].map(
    (name) => params.get(name) ?? '',
  ) as [string, string, string, string, string, string];
  const wrong = order !== '' && !UUID.test(order);
  const filter: SagaFilter = {
    ...(state && { state }),
    ...(step && { step }),
    ...(age && { older_than: Number(age) }),
    ...(order && !wrong && { order }),
    ...(text && { text }),
    ...(cause === STUCK && { stuck: true }),
    ...(isCause(cause) && { cause }),
  };
  const sagas = useInfiniteQuery({
    queryKey: ['sagas', filter],
    queryFn: ({ pageParam, signal }) => listSagas(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
    enabled: !wrong,
  });
  const items = sagas.data?.pages.flatMap((page) => page.items) ?? [];
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value) after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  return (
    <OpsPage title="Sagas" lead="Oldest first. Without a state or an order: those that are not at rest.">
      <div className="filters">
        <Select label="State" value={state} onChange={(event) => set('state', event.target.value)}>
          <option value="">Not at rest</option>
          {STATES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <Select label="Step" value={step} onChange={(event) => set('step', event.target.value)}>
          <option value="">Any</option>
          {STEPS.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </Select>
        <Select label="Cause" value={cause} onChange={(event) => set('cause', event.target.value)}>
          <option value="">Any</option>
          <option value={STUCK}>Stuck, whatever the cause</option>
          {CAUSES.map((code) => (
            <option key={code} value={code}>
              {code}
            </option>
          ))}
        </Select>
        <Select label="Has not moved for" value={age} onChange={(event) => set('older_than', event.target.value)}>
          <option value="">Any time</option>
          {AGES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <Field
          label="Order"
          placeholder="Id of an order"
          value={order}
          onChange={(event) => set('order', event.target.value.trim())}
          error={wrong ? 'An order’s id, such as 0190a1b2-…' : undefined}
        />
        <Field label="Error or reason" placeholder="Part of it" value={text} onChange={(event) => set('text', event.target.value)} />
      </div>
      {sagas.isError && <Failure error={sagas.error} retry={sagas.refetch} frank />}
      {sagas.isPending && !wrong ? (
        <Loading shape="row" count={6} />
      ) : sagas.isError && items.length === 0 ? null : items.length === 0 ? (
        <Empty title={sagas.hasNextPage ? 'None of those looked at so far fits' : 'No saga fits'}>
          <p>Whatever is not here is at rest, or does not fit the filter.</p>
        </Empty>
      ) : (
        <List sagas={items} />
      )}
      {sagas.hasNextPage && (
        <p className="more">
          <Button busy={sagas.isFetchingNextPage} onClick={() => void sagas.fetchNextPage()}>
            {filter.cause || filter.stuck ? 'Look through newer ones' : 'Show newer ones'}
          </Button>
        </p>
      )}
    </OpsPage>
  );
}

function List({ sagas }: { sagas: Saga[] }) {
  const now = useNow();
  return (
    <Scroll label="Sagas">
      <table className="list ops-list">
        <thead>
          <tr>
            <th scope="col">Saga</th>
            <th scope="col">State</th>
            <th scope="col">Step</th>
            <th scope="col">Cause</th>
            <th scope="col" className="number">Age</th>
            <th scope="col">Last moved</th>
            <th scope="col">Last error</th>
          </tr>
        </thead>
        <tbody>
          {sagas.map((saga) => (
            <tr key={saga.saga_id}>
              <th scope="row">
                <Link to={`/ops/sagas/${saga.saga_id}`}>
                  <code>{shortId(saga.saga_id)}</code>
                </Link>
              </th>
              <td>
                <Badge tone={toneOf(saga)}>{stateLabel(saga)}</Badge>
              </td>
              <td>
                <code>{saga.step ?? '–'}</code>
                {saga.attempt ? <span className="fine">{attempts(saga.attempt)}</span> : null}
              </td>
              <td>{saga.cause && <Badge tone={saga.stuck ? 'bad' : 'over'}>{saga.cause}</Badge>}</td>
              <td className="number">{duration(now - Date.parse(saga.created_at))}</td>
              <td>
                <time dateTime={saga.updated_at}>{when(saga.updated_at)}</time>
                {!isAtRest(saga) && <span className="fine">{duration(now - Date.parse(saga.updated_at))} ago</span>}
              </td>
              <td className="error-text">{saga.last_error ?? saga.reason ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

const attempts = (count: number) => (count === 1 ? '1 attempt' : `${count} attempts`);
