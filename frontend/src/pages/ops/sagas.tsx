import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { Refusal } from '../../lib/api/client';
import { listSagas, type Saga, type SagaFilter } from '../../lib/api/sagas';
import { duration, shortId, when } from '../../lib/format';
import { CAUSES, isAtRest, isCause, stateLabel, STATES, toneOf } from '../../lib/saga';
import { useNow, useSettled } from '../../lib/useful';
import { Badge, Button, Empty, Failure, Field, Loading, Scroll, Select } from '../../ui/parts';
import { OpsPage } from './tabs';

const STEPS = ['place_order', 'init_payment', 'await_payment', 'complete_order'];
const AGES = [
  ['60', 'a minute'],
  ['900', '15 minutes'],
  ['3600', 'an hour'],
  ['86400', 'a day'],
] as const;
/** Stands for any cause for which a saga does not continue by itself. */
const STUCK = 'stuck';
export function SagasPage() {
  const [params, setParams] = useSearchParams();
  const value = (name: string) => params.get(name) ?? '';
  const state = STATES.find(([name]) => name === value('state'))?.[0] ?? '';
  const [step, age, cause] = [value('step'), value('older_than'), value('cause')];
  // `order`: used by links of earlier releases
  const find = value('find') || value('order');
  const [settledFind, text] = [useSettled(find.trim(), 250), useSettled(value('text').trim(), 250)];
  const filter: SagaFilter = {
    ...(state && { state }),
    ...(step && { step }),
    ...(age && { older_than: Number(age) }),
    ...(settledFind && { find: settledFind }),
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
  });
  const failure = useSteadyError(sagas, JSON.stringify(filter));
  const wrong = failure instanceof Refusal ? failure.field('find') : undefined;
  const items = sagas.data?.pages.flatMap((page) => page.items) ?? [];
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (name === 'find') after.delete('order');
        if (value) after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  return (
    <OpsPage title="Sagas" lead="Active sagas, oldest first. Choose a state or an order to see finished ones.">
      <div className="filters">
        <Select label="State" value={state} onChange={(event) => set('state', event.target.value)}>
          <option value="">Active</option>
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
          <option value={STUCK}>Stuck (any cause)</option>
          {CAUSES.map((code) => (
            <option key={code} value={code}>
              {code}
            </option>
          ))}
        </Select>
        <Select label="Idle for at least" value={age} onChange={(event) => set('older_than', event.target.value)}>
          <option value="">Any time</option>
          {AGES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <Field
          label="Order"
          type="search"
          placeholder="Number, e-mail or transaction"
          value={find}
          onChange={(event) => set('find', event.target.value)}
          error={wrong}
        />
        <Field
          label="Error or reason"
          type="search"
          placeholder="Contains…"
          value={value('text')}
          onChange={(event) => set('text', event.target.value)}
        />
      </div>
      {failure && wrong === undefined ? <Failure error={failure} retry={sagas.refetch} frank /> : null}
      {wrong !== undefined || (failure && items.length === 0) ? null : sagas.isPending ? (
        <Loading shape="row" count={6} />
      ) : items.length === 0 ? (
        <Empty title={sagas.hasNextPage ? 'No matches so far' : 'No matching sagas'}>
          {params.size > 0 && <Button onClick={() => setParams({}, { replace: true })}>Clear filters</Button>}
        </Empty>
      ) : (
        <List sagas={items} />
      )}
      {sagas.hasNextPage && (
        <p className="more">
          <Button busy={sagas.isFetchingNextPage} onClick={() => void sagas.fetchNextPage()}>
            {filter.cause || filter.stuck ? 'Keep searching' : 'Load newer sagas'}
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
            <th scope="col">Last activity</th>
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
