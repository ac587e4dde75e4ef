import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useEffectEvent } from 'react';
import { Link, useNavigate } from 'react-router';

import { useAction } from '../lib/action';
import { Refusal } from '../lib/api/client';
import { setQuantity, useCart } from '../lib/cart';
import { placeOrder, useUnanswered } from '../lib/checkout';
import { type Money, money, times } from '../lib/format';
import { useSession } from '../lib/session';
import { Button, ButtonLink, Empty, Failure, Loading, Notice, Page } from '../ui/parts';
import { type PricedLine, usePriced } from './cart';

export function CheckoutPage() {
  const session = useSession();
  const cart = useCart();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { priced, pending, error, retry, sum, orderable } = usePriced(cart.lines);
  const unanswered = useUnanswered(cart);
  const user = session.state === 'user' ? session.user.id : '';

  const placing = useAction({
    mutationFn: (agreed: Money | null) => placeOrder(user, agreed),
    onSuccess: async (order) => {
      client.setQueryData(['order', order.id], order);
      void client.invalidateQueries({ queryKey: ['orders'] });
      void client.invalidateQueries({ queryKey: ['product'] });
      // users who have left the page in the meantime stay where they are: the order is in their
      // list
      if (location.pathname === '/checkout') await navigate(`/orders/${order.id}`, { replace: true });
    },
    // prices and stock may differ from those shown
    onError: () => client.invalidateQueries({ queryKey: ['product'] }),
  });

  // sent before this page was loaded: resolve it, under the same key
  const resume = useEffectEvent(() => {
    if (cart.sentBy === user && cart.lines.length > 0 && placing.isIdle) placing.mutate(null);
  });
  useEffect(() => resume(), [user]);

  if (cart.lines.length === 0 && !placing.isSuccess) {
    return (
      <Page title="Checkout">
        <Empty title="Your cart is empty">
          <ButtonLink to="/">Browse products</ButtonLink>
        </Empty>
      </Page>
    );
  }
  const changed = placing.isError ? newTotal(placing.error) : null;
  return (
    <Page title="Checkout" lead="You won’t be charged yet. Payment is the next step.">
      {unanswered && (
        <Notice tone="doubt" title="Still confirming your order" role="status">
          <p>We haven’t received an answer yet and keep asking. Your order is placed only once, even if you reload this page.</p>
        </Notice>
      )}
      {placing.isError && <Refused error={placing.error} lines={priced} again={placing.reset} />}
      {error && !placing.isPending ? (
        <Failure error={error} retry={retry} />
      ) : pending && !placing.isPending ? (
        <Loading shape="row" count={cart.lines.length} />
      ) : (
        <>
          <Bill lines={priced} sum={sum} />
          <div className="summary">
            <p className="fine breaks">Ordering as {session.state === 'user' && session.user.email}</p>
            {orderable || placing.isPending ? (
              <Button kind="primary" busy={placing.isPending} aria-disabled={sum === null} onClick={() => placing.mutate(sum)}>
                {placing.isPending ? 'Placing your order…' : changed && sum ? `Place order for ${money(sum)}` : 'Place order'}
              </Button>
            ) : (
              <p className="error">
                Some items are unavailable. <Link to="/cart">Review cart</Link>
              </p>
            )}
          </div>
        </>
      )}
    </Page>
  );
}

function Bill({ lines, sum }: { lines: PricedLine[]; sum: Money | null }) {
  return (
    <table className="bill">
      <caption className="hidden">Your order</caption>
      <thead>
        <tr>
          <th scope="col">Product</th>
          <th scope="col" className="number">
            Quantity
          </th>
          <th scope="col" className="number">
            Price
          </th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.product_id}>
            <th scope="row">{line.product?.name ?? line.name}</th>
            <td className="number">{line.quantity}</td>
            <td className="number">{line.product && money(times(line.product.price, line.quantity))}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row" colSpan={2}>
            Total
          </th>
          <td className="number">{sum && money(sum)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

/** The two totals of a refusal because of a changed price. */
function newTotal(error: unknown): { agreed: Money; total: Money } | null {
  if (!(error instanceof Refusal) || error.slug !== 'price-changed') return null;
  const { expected_total: agreed, total } = error.problem as unknown as { expected_total: Money; total: Money };
  return { agreed, total };
}

/** The reason why no order was placed, and the remedy on this page. */
function Refused({ error, lines, again }: { error: unknown; lines: PricedLine[]; again: () => void }) {
  const changed = newTotal(error);
  if (changed) {
    return (
      <Notice tone="doubt" title="The price has changed" role="alert">
        <p>
          The total is now <strong>{money(changed.total)}</strong> instead of {money(changed.agreed)}. Nothing was ordered.
          Please check the prices below before you place the order.
        </p>
      </Notice>
    );
  }
  if (error instanceof Refusal && error.slug === 'out-of-stock') {
    const { product_id: product, left } = error.problem as unknown as { product_id: string; left: number };
    const line = lines.find((one) => one.product_id === product);
    if (line) return <Shortage line={line} left={left} again={again} />;
  }
  const wrong = error instanceof Refusal ? wrongLine(error, lines) : null;
  if (wrong) {
    return (
      <Notice tone="bad" title="An item is no longer available" role="alert">
        <p>{wrong.name}</p>
        <Button
          onClick={() => {
            setQuantity(wrong, 0);
            again();
          }}
        >
          Remove
          <span className="hidden"> {wrong.name}</span>
        </Button>
      </Notice>
    );
  }
  return <Failure error={error} />;
}

function Shortage({ line, left, again }: { line: PricedLine; left: number; again: () => void }) {
  const take = (quantity: number) => () => {
    setQuantity(line, quantity);
    again();
  };
  return (
    <Notice tone="bad" title={left > 0 ? `Only ${left} left in stock` : 'Out of stock'} role="alert">
      <p>{line.name}</p>
      <Button onClick={take(left)}>{left > 0 ? `Set quantity to ${left}` : 'Remove'}</Button>
    </Notice>
  );
}

/** The line with the unknown product, if the refusal names one. */
function wrongLine(refusal: Refusal, lines: PricedLine[]): PricedLine | null {
  for (const { field, code } of refusal.problem.errors ?? []) {
    const index = /^items\[(\d+)\]\.product_id$/.exec(field)?.[1];
    if (code === 'unknown' && index !== undefined) return lines[Number(index)] ?? null;
  }
  return null;
}
