import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link, useSearchParams } from 'react-router';

import { type Product, searchProducts } from '../lib/api/products';
import { money } from '../lib/format';
import { useSettled } from '../lib/useful';
import { Art } from '../ui/art';
import { Button, Empty, Failure, Loading, Page } from '../ui/parts';

export function CatalogPage() {
  const [params, setParams] = useSearchParams();
  const [text, setText] = useState(params.get('search') ?? '');
  const search = useSettled(text.trim(), 180);
  const written = useRef(params.get('search') ?? '');
  useEffect(() => {
    if (search === written.current) return;
    written.current = search;
    setParams(search ? { search } : {}, { replace: true, preventScrollReset: true });
  }, [search, setParams]);

  // an answer to an earlier question is dropped: its request is aborted, and its key is another one
  const products = useInfiniteQuery({
    queryKey: ['products', search],
    queryFn: ({ pageParam, signal }) => searchProducts(search, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    placeholderData: keepPreviousData,
  });
  const items = products.data?.pages.flatMap((page) => page.items) ?? [];
  const stale = products.isPlaceholderData || search !== text.trim();

  return (
    <Page title="Shop" lead="Well-made things for kitchen, desk and trail." wide>
      <search className="searching">
        <label htmlFor="search" className="hidden">
          Search the catalog
        </label>
        <input
          id="search"
          type="search"
          placeholder="Search: try “kettel” or “enamle”"
          autoComplete="off"
          maxLength={60}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </search>
      <p className="hidden" role="status">
        {!stale && products.isSuccess && search !== '' && `${items.length} found for ${search}`}
      </p>
      {products.isPending ? (
        <Loading shape="card" count={8} />
      ) : products.isError && items.length === 0 ? (
        <Failure error={products.error} retry={products.refetch} />
      ) : items.length === 0 ? (
        <Empty title={`Nothing found for “${search}”`}>
          <Button onClick={() => setText('')}>Show everything</Button>
        </Empty>
      ) : (
        <>
          <ul className="cards" aria-busy={stale} data-stale={stale || undefined}>
            {items.map((product) => (
              <li key={product.id}>
                <Card product={product} />
              </li>
            ))}
          </ul>
          {products.hasNextPage && (
            <p className="more">
              <Button busy={products.isFetchingNextPage} onClick={() => void products.fetchNextPage()}>
                Show more
              </Button>
            </p>
          )}
        </>
      )}
    </Page>
  );
}

function Card({ product }: { product: Product }) {
  return (
    <Link to={`/products/${product.slug}`} className="card">
      <Art slug={product.slug} />
      <span className="card-text">
        <span className="card-name">{product.name}</span>
        <span className="card-price">{money(product.price)}</span>
      </span>
      {!product.in_stock && <span className="card-note">Sold out</span>}
    </Link>
  );
}
