import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';

import { listAllOrders, type OrderFilter } from '../../lib/api/orders';
import { Button, Empty, Failure, Field, Loading, Page, Select } from '../../ui/parts';
import { OrderRow } from '../orders';

const STATUSES = [
  ['pending', 'Confirming'],
  ['awaiting_payment', 'Awaiting payment'],
  ['completed', 'Completed'],
  ['canceled', 'Canceled'],
] as const;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function AllOrdersPage() {
  const [params, setParams] = useSearchParams();
  const status = params.get('status') ?? '';
  const user = params.get('user_id') ?? '';
  const wrong = user !== '' && !UUID.test(user);
  const filter: OrderFilter = { ...(status && { status }), ...(user && !wrong && { user_id: user }) };
  const orders = useInfiniteQuery({
    queryKey: ['orders', 'all', filter],
    queryFn: ({ pageParam, signal }) => listAllOrders(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    placeholderData: keepPreviousData,
    enabled: !wrong,
  });
  const items = orders.data?.pages.flatMap((page) => page.items) ?? [];
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
    <Page title="All orders" wide>
      <div className="filters">
        <Select label="Status" value={status} onChange={(event) => set('status', event.target.value)}>
          <option value="">Any</option>
          {STATUSES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <Field
          label="User"
          placeholder="Id of a user"
          value={user}
          onChange={(event) => set('user_id', event.target.value.trim())}
          error={wrong ? 'A user’s id, such as 0190a1b2-…' : undefined}
        />
      </div>
      {orders.isPending && !wrong ? (
        <Loading shape="row" count={6} />
      ) : orders.isError && items.length === 0 ? (
        <Failure error={orders.error} retry={orders.refetch} />
      ) : items.length === 0 ? (
        <Empty title="No order fits" />
      ) : (
        <ul className="order-list">
          {items.map((order) => (
            <li key={order.id}>
              <OrderRow order={order} to={`/admin/orders/${order.id}`} />
            </li>
          ))}
        </ul>
      )}
      {orders.hasNextPage && (
        <p className="more">
          <Button busy={orders.isFetchingNextPage} onClick={() => void orders.fetchNextPage()}>
            Show older ones
          </Button>
        </p>
      )}
    </Page>
  );
}
