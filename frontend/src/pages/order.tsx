import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';

import { getSettings, Refusal } from '../lib/api/client';
import type { Order } from '../lib/api/orders';
import { getTransaction } from '../lib/api/payments';
import { money, shortId, when } from '../lib/format';
import { useLiveOrder } from '../lib/live';
import { describe, describeChange, isOver } from '../lib/status';
import { Badge, Fact, Facts, Failure, Loading, Page } from '../ui/parts';
import { NotFound } from './broken';
import { Payment } from './payment';

/** One's own order, or, for admins, somebody else's, whom they do not pay for. */
export function OrderPage({ mine = true }: { mine?: boolean }) {
  const { id = '' } = useParams();
  const order = useLiveOrder(id);
  if (order.data) {
    return <Details key={id} order={order.data} mine={mine} streaming={order.streaming} error={order.error} />;
  }
  if (order.error instanceof Refusal && [400, 404].includes(order.error.status)) return <NotFound what="order of yours" />;
  return (
    <Page title="Order">
      {order.error ? <Failure error={order.error} retry={order.refetch} /> : <Loading shape="block" />}
    </Page>
  );
}

function Details({ order, mine, streaming, error }: {
  order: Order;
  mine: boolean;
  streaming: boolean;
  error: unknown;
}) {
  const over = isOver(order);
  const transaction = useQuery({
    queryKey: ['transaction', order.transaction_id],
    queryFn: ({ signal }) => getTransaction(order.transaction_id, signal),
    enabled: mine && order.status === 'awaiting_payment',
    // asked until it answers, and again and again while it has decided but the order has not heard of it
    refetchInterval: ({ state }) => (state.data?.status === 'pending' && state.status === 'success' ? 10_000 : 2_000),
    retry: false,
  });
  const foreign = transaction.error instanceof Refusal && transaction.error.status === 404;
  const words = describe(order, over ? null : transaction.data);
  return (
    <Page title={`Order ${shortId(order.id)}`} lead={`Placed ${when(order.created_at)}`}>
      {error !== null && !over && (
        <p className="fine" role="status">
          The shop does not answer right now. What you see may be old; it follows as soon as it can.
        </p>
      )}
      <section className={`state ${words.tone}`} aria-labelledby="state">
        <div role="status" aria-live="polite">
          <p className="state-label" id="state" data-testid="state">
            {words.tone === 'busy' && <span className="spinner" aria-hidden="true" />}
            {words.label}
          </p>
          <p>{words.text}</p>
          {order.status === 'canceled' && <Reason order={order} />}
        </div>
        {!over && (
          <p className="fine live" data-live={streaming || undefined}>
            {streaming ? 'Live' : 'Checking every two seconds'}
          </p>
        )}
      </section>

      {mine && !foreign && (
        <Payment order={order} transaction={transaction.data ?? null} unanswered={transaction.isError} ask={transaction.refetch} />
      )}

      <div className="order-parts">
        <section aria-labelledby="what">
          <h2 id="what">What you ordered</h2>
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
                  <td className="number">{money({ ...line.unit_price, amount: line.unit_price.amount * line.quantity })}</td>
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
          <h2 id="timeline">What happened</h2>
          <Timeline order={order} />
        </section>
      </div>
      <Ids order={order} />
    </Page>
  );
}

function Reason({ order }: { order: Order }) {
  const reason = order.history.findLast((change) => change.reason)?.reason;
  if (!reason) return null;
  return <p className="fine">Why: {reason}</p>;
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
          {order.status === 'pending' && <li className="to-come">Payment ready</li>}
          <li className="to-come">Paid and completed</li>
        </>
      )}
    </ol>
  );
}

/** For whoever helps. */
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
