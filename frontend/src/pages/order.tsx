import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';

import { useSteadyError } from '../lib/action';
import { getSettings, Refusal } from '../lib/api/client';
import { getOrder, getStaffOrder, type Order, type StaffOrder } from '../lib/api/orders';
import { getTransaction } from '../lib/api/payments';
import { money, shortId, times, when } from '../lib/format';
import { useLiveOrder } from '../lib/live';
import { describe, describeChange, describeReason, describeToStaff, isOver } from '../lib/status';
import { Badge, Fact, Facts, Failure, Loading, Page } from '../ui/parts';
import { NotFound } from './broken';
import { Payment } from './payment';

/** The user's own order. */
export function OrderPage() {
  const { id = '' } = useParams();
  const order = useLiveOrder(id, 'order', getOrder);
  const error = useSteadyError(order, id);
  if (order.data) {
    return <Details key={id} order={order.data} streaming={order.streaming} error={order.error} />;
  }
  return <NoOrder error={error} retry={order.refetch} />;
}

/** Any customer's order, for admins and operators, who do not pay for it. */
export function StaffOrderPage() {
  const { id = '' } = useParams();
  const order = useLiveOrder(id, 'staff-order', getStaffOrder);
  const error = useSteadyError(order, id);
  if (order.data) {
    return <Details key={id} order={order.data} staff={order.data} streaming={order.streaming} error={order.error} />;
  }
  return <NoOrder error={error} retry={order.refetch} />;
}

function NoOrder({ error, retry }: { error: unknown; retry: () => unknown }) {
  if (error instanceof Refusal && [400, 404].includes(error.status)) return <NotFound what="order" />;
  return <Page title="Order">{error ? <Failure error={error} retry={retry} /> : <Loading shape="block" />}</Page>;
}

function Details({ order, staff, streaming, error }: {
  order: Order;
  /** The same order with its customer, when staff look at it. */
  staff?: StaffOrder;
  streaming: boolean;
  error: unknown;
}) {
  const over = isOver(order);
  const mine = staff === undefined;
  const transaction = useQuery({
    queryKey: ['transaction', order.transaction_id],
    queryFn: ({ signal }) => getTransaction(order.transaction_id, signal),
    enabled: mine && order.status === 'awaiting_payment',
    // polled until payments answers, and then while payments has decided but the order does not
    // show it yet
    refetchInterval: ({ state }) => (state.data?.status === 'pending' && state.status === 'success' ? 10_000 : 2_000),
    retry: false,
  });
  const unknown = useSteadyError(transaction);
  const foreign = unknown instanceof Refusal && unknown.status === 404;
  const words = mine ? describe(order, over ? null : transaction.data) : describeToStaff(order);
  return (
    <Page title={`Order ${shortId(order.id)}`} lead={`Placed ${when(order.created_at)}`}>
      {error !== null && !over && (
        <p className="fine" role="status">
          Connection lost. Reconnecting…
        </p>
      )}
      <section className={`state ${words.tone}`} aria-labelledby="state">
        <div role="status" aria-live="polite">
          <p className="state-label" id="state" data-testid="state">
            {words.tone === 'busy' && <span className="spinner" aria-hidden="true" />}
            {words.label}
          </p>
          <p>{words.text}</p>
          {order.status === 'canceled' && <Reason order={order} mine={mine} />}
        </div>
        {!over && (
          <p className="fine live" data-live={streaming || undefined}>
            {streaming ? 'Live' : 'Updating every 2 seconds'}
          </p>
        )}
      </section>

      {mine && !foreign && (
        <Payment order={order} transaction={transaction.data ?? null} unanswered={unknown !== null} ask={transaction.refetch} />
      )}

      {staff && <Staff order={staff} />}

      <div className="order-parts">
        <section aria-labelledby="what">
          <h2 id="what">Items</h2>
          <table className="bill">
            <thead className="hidden">
              <tr>
                <th scope="col">Product</th>
                <th scope="col">Quantity</th>
                <th scope="col">Price</th>
              </tr>
            </thead>
            <tbody>
              {order.items.map((line) => (
                <tr key={line.product_id}>
                  <th scope="row">{line.name}</th>
                  <td className="number">{line.quantity}</td>
                  <td className="number">{money(times(line.unit_price, line.quantity))}</td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row" colSpan={2}>
                  Total
                </th>
                <td className="number">{money(order.total)}</td>
              </tr>
            </tfoot>
          </table>
        </section>
        <section aria-labelledby="timeline">
          <h2 id="timeline">Order history</h2>
          <Timeline order={order} />
        </section>
      </div>
      <Ids order={order} />
    </Page>
  );
}

function Reason({ order, mine }: { order: Order; mine: boolean }) {
  const change = order.history.findLast((change) => change.reason);
  if (!change?.reason) return null;
  return <p className="fine">{describeReason(change.reason, change.cancel_cause, mine)}</p>;
}

function Timeline({ order }: { order: Order }) {
  const last = order.history.length - 1;
  return (
    <ol className="timeline">
      {order.history.map((change, index) => (
        <li key={index} className={index === last && !isOver(order) ? 'now' : change.status}>
          <span className="timeline-what">{describeChange(change)}</span>
          <time className="fine" dateTime={change.at}>
            {when(change.at)}
          </time>
        </li>
      ))}
      {!isOver(order) && !order.canceling && (
        <>
          {order.status === 'pending' && <li className="to-come">Waiting for payment</li>}
          <li className="to-come">Paid</li>
        </>
      )}
    </ol>
  );
}

/** Facts for staff. */
function Staff({ order }: { order: StaffOrder }) {
  const { name, email, user_id: user } = order.customer;
  return (
    <Facts>
      <Fact name="Customer">{name ?? 'Account removed'}</Fact>
      <Fact name="E-mail">{email ?? <code className="breaks">{user}</code>}</Fact>
      <Fact name="Saga">
        <Link to={`/ops/sagas/${order.saga_id}`}>
          <code>{shortId(order.saga_id)}</code>
        </Link>
      </Fact>
    </Facts>
  );
}

/** Ids for support. */
function Ids({ order }: { order: Order }) {
  const settings = useQuery({ queryKey: ['settings'], queryFn: getSettings, staleTime: Infinity });
  const trace = settings.data?.trace_url?.replace('{trace_id}', order.trace_id);
  return (
    <details className="ids">
      <summary>Details for support</summary>
      <Facts>
        <Fact name="Order">
          <code>{order.id}</code>
        </Fact>
        <Fact name="Transaction">
          <code>{order.transaction_id}</code>
        </Fact>
        <Fact name="Trace">
          {trace ? (
            <a href={trace} rel="noreferrer" target="_blank">
              <code>{order.trace_id}</code>
            </a>
          ) : (
            <code>{order.trace_id}</code>
          )}
        </Fact>
      </Facts>
      {order.canceling && <Badge tone="busy">being canceled</Badge>}
    </details>
  );
}
