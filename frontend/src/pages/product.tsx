import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { useSteadyError } from '../lib/action';
import { Refusal } from '../lib/api/client';
import { getProduct, type Product } from '../lib/api/products';
import { addToCart, type Cart, MOST, setAside, useCart } from '../lib/cart';
import { money } from '../lib/format';
import { type Session, useSession } from '../lib/session';
import { Art } from '../ui/art';
import { Button, ButtonLink, Failure, Loading, Notice, Page } from '../ui/parts';
import { NotFound } from './broken';

export function ProductPage() {
  const { slug = '' } = useParams();
  const product = useQuery({ queryKey: ['product', slug], queryFn: ({ signal }) => getProduct(slug, signal) });
  const error = useSteadyError(product, slug);
  if (product.data) return <Details key={slug} product={product.data} />;
  if (error instanceof Refusal && error.status === 404) return <NotFound what="product" />;
  return <Page title="Product">{error ? <Failure error={error} retry={product.refetch} /> : <Loading shape="block" />}</Page>;
}

function Details({ product }: { product: Product }) {
  const cart = useCart();
  const session = useSession();
  const [quantity, setQuantity] = useState(1);
  const [added, setAdded] = useState(0);
  const there = cart.lines.find((line) => line.product_id === product.id)?.quantity ?? 0;
  const locked = cart.sentBy !== null;
  const add = () => {
    if (locked) return;
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
            <p>Out of stock at the moment.</p>
          </Notice>
        ) : (
          <form
            className="buy"
            onSubmit={(event) => {
              event.preventDefault();
              add();
            }}
          >
            <Stepper value={quantity} onChange={setQuantity} label="Quantity" disabled={locked} />
            <Button kind="primary" type="submit" aria-disabled={locked}>
              Add to cart
            </Button>
          </form>
        )}
        {locked && <Sent cart={cart} session={session} />}
        <div role="status" className="said">
          {added > 0 && there > 0 && (
            <p key={added}>
              Added to cart. <Link to="/cart">View cart ({there})</Link>
              {product.available < there && (
                <span className="error"> Only {product.available} left in stock.</span>
              )}
            </p>
          )}
        </div>
      </Page>
    </div>
  );
}

/** Explains why the cart cannot change: it was sent, and the answer is unknown. */
export function Sent({ cart, session }: { cart: Cart; session: Session }) {
  if (session.state === 'user' && cart.sentBy === session.user.id) {
    return (
      <Notice tone="doubt" title="We’re still confirming your order">
        <p>
          Your cart can’t change until then. <Link to="/checkout">View status</Link>
        </p>
      </Notice>
    );
  }
  return (
    <Notice tone="doubt" title="This cart is waiting for an order to be confirmed">
      <p>Log in as the person who placed it to see its status, or start a new cart.</p>
      <div className="actions">
        <ButtonLink to="/login?next=/checkout">Log in</ButtonLink>
        <Button onClick={setAside}>Start a new cart</Button>
      </div>
    </Notice>
  );
}

/**
 * A quantity input. The text takes effect on blur or Enter, since a half-typed number is not a
 * quantity. Text that is not a whole number is replaced by the previous quantity.
 */
export function Stepper({ value, onChange, label, least = 1, disabled = false }: {
  value: number;
  onChange: (value: number) => void;
  label: string;
  /** The minimum that may be typed; the buttons stop at 1. */
  least?: number;
  disabled?: boolean;
}) {
  const [text, setText] = useState<string | null>(null);
  const set = (wanted: number) => {
    if (!disabled) onChange(Math.min(MOST, Math.max(least, wanted)));
  };
  const commit = () => {
    const wanted = text?.trim() ?? '';
    if (/^\d{1,4}$/.test(wanted) && Number(wanted) !== value) set(Number(wanted));
    setText(null);
  };
  const step = (by: number) => {
    const wanted = value + by;
    if (wanted >= 1 && wanted <= MOST) set(wanted);
  };
  // not `disabled`: a button that is disabled while it is pressed loses the focus
  return (
    <span className="stepper" role="group" aria-label={label}>
      <button type="button" onClick={() => step(-1)} aria-disabled={disabled || value <= 1} aria-label="Decrease quantity">
        −
      </button>
      <input
        inputMode="numeric"
        autoComplete="off"
        aria-label={label}
        value={text ?? value}
        readOnly={disabled}
        aria-disabled={disabled || undefined}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
          if (event.key === 'Escape') setText(null);
        }}
      />
      <button type="button" onClick={() => step(1)} aria-disabled={disabled || value >= MOST} aria-label="Increase quantity">
        +
      </button>
    </span>
  );
}
