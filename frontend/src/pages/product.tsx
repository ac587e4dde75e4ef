import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { Refusal } from '../lib/api/client';
import { getProduct, type Product } from '../lib/api/products';
import { addToCart, MOST, useCart } from '../lib/cart';
import { money } from '../lib/format';
import { Art } from '../ui/art';
import { Button, Failure, Loading, Notice, Page } from '../ui/parts';
import { NotFound } from './broken';

export function ProductPage() {
  const { slug = '' } = useParams();
  const product = useQuery({ queryKey: ['product', slug], queryFn: ({ signal }) => getProduct(slug, signal) });
  if (product.data) return <Details key={slug} product={product.data} />;
  if (product.error instanceof Refusal && product.error.status === 404) return <NotFound what="product" />;
  return (
    <Page title="Product">
      {product.error ? <Failure error={product.error} retry={product.refetch} /> : <Loading shape="block" />}
    </Page>
  );
}

function Details({ product }: { product: Product }) {
  const cart = useCart();
  const [quantity, setQuantity] = useState(1);
  const [added, setAdded] = useState(0);
  const there = cart.lines.find((line) => line.product_id === product.id)?.quantity ?? 0;
  const add = () => {
    addToCart({ product_id: product.id, slug: product.slug, name: product.name }, quantity);
    setAdded(added + 1);
  };
  return (
    <div className="product">
      <div className="product-art">
        <Art slug={product.slug} />
      </div>
      <Page title={product.name}>
        <p className="price">{money(product.price)}</p>
        <p className="description">{product.description}</p>
        {!product.in_stock ? (
          <Notice tone="over" title="Sold out">
            <p>There is none left right now.</p>
          </Notice>
        ) : (
          <form
            className="buy"
            onSubmit={(event) => {
              event.preventDefault();
              add();
            }}
          >
            <Stepper value={quantity} onChange={setQuantity} label="Quantity" />
            <Button kind="primary" type="submit" aria-disabled={cart.sentBy !== null}>
              Add to cart
            </Button>
          </form>
        )}
        {cart.sentBy !== null && (
          <Notice tone="doubt">
            <p>
              An order is being placed. <Link to="/checkout">See what becomes of it</Link> before you begin another one.
            </p>
          </Notice>
        )}
        <div role="status" className="said">
          {added > 0 && there > 0 && (
            <p key={added}>
              {there === 1 ? 'It is' : `${there} are`} in your cart. <Link to="/cart">Go to the cart</Link>
            </p>
          )}
        </div>
      </Page>
    </div>
  );
}

/** How many; typing works, too. */
export function Stepper({ value, onChange, label, least = 1, disabled = false }: {
  value: number;
  onChange: (value: number) => void;
  label: string;
  least?: number;
  disabled?: boolean;
}) {
  const set = (wanted: number) => onChange(Math.min(MOST, Math.max(least, Number.isFinite(wanted) ? Math.trunc(wanted) : least)));
  return (
    <span className="stepper" role="group" aria-label={label}>
      <button type="button" onClick={() => set(value - 1)} disabled={disabled || value <= least} aria-label="One less">
        −
      </button>
      <input
        inputMode="numeric"
        aria-label={label}
        value={value}
        disabled={disabled}
        onChange={(event) => set(Number.parseInt(event.target.value.replace(/\D/g, '') || String(least), 10))}
      />
      <button type="button" onClick={() => set(value + 1)} disabled={disabled || value >= MOST} aria-label="One more">
        +
      </button>
    </span>
  );
}
