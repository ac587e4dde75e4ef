import { useQueries } from '@tanstack/react-query';
import { Link } from 'react-router';

import { Refusal } from '../lib/api/client';
import { getProduct, type Product } from '../lib/api/products';
import { type CartLine, setQuantity, useCart } from '../lib/cart';
import { money, total } from '../lib/format';
import { Art } from '../ui/art';
import { Button, ButtonLink, Empty, Failure, Loading, Notice, Page } from '../ui/parts';
import { Stepper } from './product';

export interface PricedLine extends CartLine {
  /** As the catalog has it now; null when it is gone. */
  product: Product | null;
}

/** The lines with the catalog's prices of this moment. */
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
  return {
    priced,
    pending: products.some((product) => product.isPending),
    error: broken?.error ?? null,
    retry: () => void broken?.refetch(),
    sum: total(known),
    orderable: priced.length > 0 && priced.every(({ product }) => product?.in_stock === true),
  };
}

export function CartPage() {
  const cart = useCart();
  const { priced, pending, error, retry, sum, orderable } = usePriced(cart.lines);
  if (cart.lines.length === 0) {
    return (
      <Page title="Cart">
        <Empty title="Your cart is empty">
          <ButtonLink to="/">Look around</ButtonLink>
        </Empty>
      </Page>
    );
  }
  const locked = cart.sentBy !== null;
  return (
    <Page title="Cart">
      {locked && (
        <Notice tone="doubt" title="This cart is being ordered">
          <p>
            It cannot change until we know what became of it. <Link to="/checkout">Go on there</Link>
          </p>
        </Notice>
      )}
      {pending ? (
        <Loading shape="row" count={cart.lines.length} />
      ) : error ? (
        <Failure error={error} retry={retry} />
      ) : (
        <>
          <ul className="lines">
            {priced.map((line) => (
              <li key={line.product_id} className="line">
                <Link to={`/products/${line.slug}`} className="line-art" tabIndex={-1} aria-hidden="true">
                  <Art slug={line.slug} />
                </Link>
                <div className="line-what">
                  <Link to={`/products/${line.slug}`}>{line.product?.name ?? line.name}</Link>
                  {line.product ? (
                    <p className="fine">{money(line.product.price)} each</p>
                  ) : (
                    <p className="error">It is not in the catalog any more.</p>
                  )}
                  {line.product?.in_stock === false && <p className="error">Sold out</p>}
                </div>
                <Stepper
                  label={`Quantity of ${line.name}`}
                  value={line.quantity}
                  disabled={locked || !line.product}
                  onChange={(quantity) => setQuantity(line, quantity)}
                />
                <p className="line-sum">
                  {line.product && money({ ...line.product.price, amount: line.product.price.amount * line.quantity })}
                </p>
                <Button kind="quiet" aria-label={`Remove ${line.name}`} aria-disabled={locked} onClick={() => setQuantity(line, 0)}>
                  Remove
                </Button>
              </li>
            ))}
          </ul>
          <div className="summary">
            <p className="summary-sum">
              <span>Total</span> <strong>{sum && money(sum)}</strong>
            </p>
            {orderable ? (
              <ButtonLink kind="primary" to="/checkout">
                Check out
              </ButtonLink>
            ) : (
              <p className="error">Remove what cannot be ordered to go on.</p>
            )}
          </div>
        </>
      )}
    </Page>
  );
}
