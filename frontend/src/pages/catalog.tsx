import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useEffectEvent, useState } from 'react';
import { Link, useSearchParams } from 'react-router';

import { useSteadyError } from '../lib/action';
import { type Product, searchProducts } from '../lib/api/products';
import { money } from '../lib/format';
import { useSettled } from '../lib/useful';
import { Art } from '../ui/art';
import { Button, Empty, Failure, Loading, Page } from '../ui/parts';

export function CatalogPage() {
  const [params, setParams] = useSearchParams();
  const search = params.get('search') ?? '';
  const [text, setText] = useState(search);
  // the URL is authoritative: a link, Back or Forward changes the search box, too
  const [shown, setShown] = useState(search);
  if (search !== shown) {
    setShown(search);
    if (search !== text.trim()) setText(search);
  }
  const settled = useSettled(text.trim(), 180);
  const write = useEffectEvent((wanted: string) => {
    if (wanted === search || wanted !== text.trim()) return;
    // the first letter adds a history entry to return to; further letters replace that entry
    setParams(wanted ? { search: wanted } : {}, { replace: search !== '', preventScrollReset: true });
  });
  useEffect(() => write(settled), [settled]);

  // an answer to an earlier search is dropped: its request is aborted, and its key differs
  const products = useInfiniteQuery({
    queryKey: ['products', search],
    queryFn: ({ pageParam, signal }) => searchProducts(search, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    placeholderData: keepPreviousData,
  });
  const items = products.data?.pages.flatMap((page) => page.items) ?? [];
  const stale = products.isPlaceholderData || search !== text.trim();
  const failure = useSteadyError(products, search);

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
      {failure && items.length === 0 ? (
        <Failure error={failure} retry={products.refetch} />
      ) : products.isPending ? (
        <Loading shape="card" count={8} />
      ) : items.length === 0 ? (
        <Empty title={search === '' ? 'There are no products yet' : `Nothing found for “${search}”`}>
          {search !== '' && <Button onClick={() => setText('')}>Show all products</Button>}
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
