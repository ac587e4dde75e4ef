import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

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
  return (
    <Page title="Your orders">
      {orders.isPending ? (
        <Loading shape="row" count={4} />
      ) : orders.isError && items.length === 0 ? (
        <Failure error={orders.error} retry={orders.refetch} />
      ) : items.length === 0 ? (
        <Empty title="You have not ordered anything yet">
          <ButtonLink to="/">Look around</ButtonLink>
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
                Show older ones
              </Button>
            </p>
          )}
        </>
      )}
    </Page>
  );
}

export function OrderRow({ order, to = `/orders/${order.id}` }: { order: Order; to?: string }) {
  const words = describe(order);
  const names = order.items.map((line) => (line.quantity > 1 ? `${line.quantity} × ${line.name}` : line.name));
  return (
    <Link to={to} className="order-row">
      <span className="order-what">
        <span className="order-names">{names.join(', ')}</span>
        <span className="fine">
          {shortId(order.id)} · {when(order.created_at)}
        </span>
      </span>
      <span className="order-sum">{money(order.total)}</span>
      <Badge tone={words.tone}>{words.label}</Badge>
    </Link>
  );
}
