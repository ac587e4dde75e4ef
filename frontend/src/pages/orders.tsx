import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { useSteadyError } from '../lib/action';
import { listOrders, type Order } from '../lib/api/orders';
import { money, shortId, when } from '../lib/format';
import { describe } from '../lib/status';
import { Badge, Button, ButtonLink, Empty, Failure, Loading, Page } from '../ui/parts';

export function OrdersPage() {
  const orders = useInfiniteQuery({
    queryKey: ['orders'],
    queryFn: ({ pageParam, signal }) => listOrders(pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });
  const items = orders.data?.pages.flatMap((page) => page.items) ?? [];
  const failure = useSteadyError(orders);
  return (
    <Page title="Your orders">
      {failure && items.length === 0 ? (
        <Failure error={failure} retry={orders.refetch} />
      ) : orders.isPending ? (
        <Loading shape="row" count={4} />
      ) : items.length === 0 ? (
        <Empty title="You have not ordered anything yet">
          <ButtonLink to="/">Browse products</ButtonLink>
        </Empty>
      ) : (
        <>
          <ul className="order-list">
            {items.map((order) => (
              <li key={order.id}>
                <OrderRow order={order} />
              </li>
            ))}
          </ul>
          {orders.hasNextPage && (
            <p className="more">
              <Button busy={orders.isFetchingNextPage} onClick={() => void orders.fetchNextPage()}>
                Load older orders
              </Button>
            </p>
          )}
        </>
      )}
    </Page>
  );
}

/** Most lines of an order that a list shows. */
const SHOWN = 3;

export function OrderRow({ order, to = `/orders/${order.id}`, customer }: { order: Order; to?: string; customer?: string | undefined }) {
  const words = describe(order);
  // names may contain commas, so each has its own line
  const shown = order.items.length > SHOWN + 1 ? order.items.slice(0, SHOWN) : order.items;
  const more = order.items.length - shown.length;
  return (
    <Link to={to} className="order-row">
      <span className="order-what">
        {shown.map((line) => (
          <span key={line.product_id} className="order-name">
            {line.quantity > 1 ? `${line.quantity} × ${line.name}` : line.name}
          </span>
        ))}
        {more > 0 && <span className="order-name">and {more} more</span>}
        <span className="fine">
          {shortId(order.id)} · {when(order.created_at)}
          {customer !== undefined && ` · ${customer}`}
        </span>
      </span>
      <span className="order-sum">{money(order.total)}</span>
      <Badge tone={words.tone}>{words.label}</Badge>
    </Link>
  );
}
