import { useQueries } from '@tanstack/react-query';
import { Link } from 'react-router';

import { useSteadyError } from '../lib/action';
import { Refusal } from '../lib/api/client';
import { getProduct, type Product } from '../lib/api/products';
import { type CartLine, setQuantity, useCart } from '../lib/cart';
import { money, times, total } from '../lib/format';
import { useSession } from '../lib/session';
import { Art } from '../ui/art';
import { Button, ButtonLink, Empty, Failure, Loading, Page } from '../ui/parts';
import { Sent, Stepper } from './product';

export interface PricedLine extends CartLine {
  /** The catalog's current product; null if it was removed. */
  product: Product | null;
}

/** The lines with the catalog's current prices. */
export function usePriced(lines: CartLine[]) {
  const products = useQueries({
    queries: lines.map((line) => ({
      queryKey: ['product', line.slug],
      queryFn: ({ signal }: { signal: AbortSignal }) => getProduct(line.slug, signal),
    })),
  });
  const gone = (index: number) => {
    const error = products[index]?.error;
    return error instanceof Refusal && error.status === 404;
  };
  const broken = products.find((product, index) => product.error && !product.data && !gone(index));
  const priced: PricedLine[] = lines.map((line, index) => ({ ...line, product: products[index]?.data ?? null }));
  const known = priced.flatMap(({ product, quantity }) => (product ? [{ price: product.price, quantity }] : []));
  const pending = products.some((product) => product.isPending);
  const error = useSteadyError({ error: broken?.error ?? null, data: pending ? undefined : priced });
  return {
    priced,
    pending,
    /** The reason why prices are missing; it stays while they are requested again. */
    error,
    retry: () => void broken?.refetch(),
    sum: total(known),
    /** Whether every line is in stock, according to the catalog. */
    orderable: priced.length > 0 && priced.every(({ product, quantity }) => product !== null && product.available >= quantity),
  };
}

export function CartPage() {
  const cart = useCart();
  const session = useSession();
  const { priced, pending, error, retry, sum, orderable } = usePriced(cart.lines);
  if (cart.lines.length === 0) {
    return (
      <Page title="Cart">
        <Empty title="Your cart is empty">
          <ButtonLink to="/">Browse products</ButtonLink>
        </Empty>
      </Page>
    );
  }
  const locked = cart.sentBy !== null;
  return (
    <Page title="Cart">
      {locked && <Sent cart={cart} session={session} />}
      {error ? (
        <Failure error={error} retry={retry} />
      ) : pending ? (
        <Loading shape="row" count={cart.lines.length} />
      ) : (
        <>
          <ul className="lines">
            {priced.map((line) => (
              <Line key={line.product_id} line={line} locked={locked} />
            ))}
          </ul>
          <div className="summary">
            <p className="summary-sum">
              <span>Total</span> <strong>{sum && money(sum)}</strong>
            </p>
            {locked ? null : orderable ? (
              <ButtonLink kind="primary" to="/checkout">
                Check out
              </ButtonLink>
            ) : (
              <p className="error">Some items are unavailable. Change or remove them to continue.</p>
            )}
          </div>
        </>
      )}
    </Page>
  );
}

function Line({ line, locked }: { line: PricedLine; locked: boolean }) {
  const { product, quantity } = line;
  return (
    <li className="line">
      <Link to={`/products/${line.slug}`} className="line-art" tabIndex={-1} aria-hidden="true">
        <Art slug={line.slug} />
      </Link>
      <div className="line-what">
        <Link to={`/products/${line.slug}`}>{product?.name ?? line.name}</Link>
        {product ? <p className="fine">{money(product.price)} each</p> : <p className="error">No longer available.</p>}
        {product && <Shortage line={line} product={product} locked={locked} />}
      </div>
      <Stepper
        label={`Quantity of ${line.name}`}
        value={quantity}
        least={0}
        disabled={locked || !product}
        onChange={(wanted) => setQuantity(line, wanted)}
      />
      <p className="line-sum">{product && money(times(product.price, quantity))}</p>
      <Button kind="quiet" aria-label={`Remove ${line.name}`} aria-disabled={locked} onClick={() => setQuantity(line, 0)}>
        Remove
      </Button>
    </li>
  );
}

/** Less is in stock than the cart wants. */
function Shortage({ line, product, locked }: { line: PricedLine; product: Product; locked: boolean }) {
  if (product.available <= 0) return <p className="error">Sold out</p>;
  if (product.available >= line.quantity) return null;
  return (
    <p className="error">
      Only {product.available} left in stock.{' '}
      <Button kind="plain" className="small" aria-disabled={locked} onClick={() => setQuantity(line, product.available)}>
        Set to {product.available}
        <span className="hidden"> for {line.name}</span>
      </Button>
    </p>
  );
}
