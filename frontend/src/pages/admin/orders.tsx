import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { Refusal } from '../../lib/api/client';
import { listAllOrders, type OrderFilter } from '../../lib/api/orders';
import { STATUSES } from '../../lib/status';
import { useSettled } from '../../lib/useful';
import { Button, Empty, Failure, Field, Loading, Page, Select } from '../../ui/parts';
import { OrderRow } from '../orders';

export function AllOrdersPage() {
  const [params, setParams] = useSearchParams();
  const status = STATUSES.find(([value]) => value === params.get('status'))?.[0] ?? '';
  const user = params.get('user_id') ?? '';
  const find = params.get('find') ?? '';
  const settled = useSettled(find.trim(), 250);
  const filter: OrderFilter = { ...(status && { status }), ...(user && { user_id: user }), ...(settled && { find: settled }) };
  const orders = useInfiniteQuery({
    queryKey: ['orders', 'all', filter],
    queryFn: ({ pageParam, signal }) => listAllOrders(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    placeholderData: keepPreviousData,
  });
  const failure = useSteadyError(orders, JSON.stringify(filter));
  const wrong = failure instanceof Refusal ? failure.field('find') : undefined;
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
          label="Find"
          type="search"
          placeholder="Order number, e-mail or transaction"
          value={find}
          onChange={(event) => set('find', event.target.value)}
          error={wrong}
        />
      </div>
      {wrong !== undefined ? null : failure && items.length === 0 ? (
        <Failure error={failure} retry={orders.refetch} />
      ) : orders.isPending ? (
        <Loading shape="row" count={6} />
      ) : items.length === 0 ? (
        <Empty title="No matching orders" />
      ) : (
        <ul className="order-list">
          {items.map((order) => (
            <li key={order.id}>
              <OrderRow order={order} to={`/admin/orders/${order.id}`} customer={order.customer.email ?? undefined} />
            </li>
          ))}
        </ul>
      )}
      {orders.hasNextPage && wrong === undefined && (
        <p className="more">
          <Button busy={orders.isFetchingNextPage} onClick={() => void orders.fetchNextPage()}>
            Load older orders
          </Button>
        </p>
      )}
    </Page>
  );
}
