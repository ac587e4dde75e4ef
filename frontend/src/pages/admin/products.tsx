import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { useSteadyError } from '../../lib/action';
import { searchProducts } from '../../lib/api/products';
import { money } from '../../lib/format';
import { useSettled } from '../../lib/useful';
import { Badge, Button, ButtonLink, Empty, Failure, Field, Loading, Page, Scroll } from '../../ui/parts';

export function ProductsPage() {
  const [text, setText] = useState('');
  const search = useSettled(text.trim(), 180);
  const products = useInfiniteQuery({
    queryKey: ['products', 'admin', search],
    queryFn: ({ pageParam, signal }) => searchProducts(search, pageParam, signal, 50),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    placeholderData: keepPreviousData,
  });
  const items = products.data?.pages.flatMap((page) => page.items) ?? [];
  const failure = useSteadyError(products, search);
  return (
    <Page title="Products" wide actions={<ButtonLink kind="primary" to="/admin/products/new">New product</ButtonLink>}>
      <div className="filters">
        <Field label="Search" type="search" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      {failure && items.length === 0 ? (
        <Failure error={failure} retry={products.refetch} />
      ) : products.isPending ? (
        <Loading shape="row" count={8} />
      ) : items.length === 0 ? (
        <Empty title="No matching products" />
      ) : (
        <Scroll label="Products">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" className="number">
                  Price
                </th>
                <th scope="col">Stock</th>
                <th scope="col" className="number">
                  Version
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((product) => (
                <tr key={product.id}>
                  <th scope="row">
                    <Link to={`/admin/products/${product.slug}`}>{product.name}</Link>
                  </th>
                  <td className="number">{money(product.price)}</td>
                  <td>
                    <Badge tone={product.in_stock ? 'good' : 'over'}>{product.in_stock ? 'in stock' : 'sold out'}</Badge>
                  </td>
                  <td className="number">{product.version}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {products.hasNextPage && (
        <p className="more">
          <Button busy={products.isFetchingNextPage} onClick={() => void products.fetchNextPage()}>
            Show more
          </Button>
        </p>
      )}
    </Page>
  );
}
