import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useEffectEvent, useState } from 'react';
import { Link, useNavigate } from 'react-router';

import { type Cart, useCart } from '../lib/cart';
import { placeOrder } from '../lib/checkout';
import { money } from '../lib/format';
import { useSession } from '../lib/session';
import { Button, ButtonLink, Empty, Failure, Loading, Notice, Page } from '../ui/parts';
import { usePriced } from './cart';

export function CheckoutPage() {
  const session = useSession();
  const cart = useCart();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { priced, pending, error, retry, sum, orderable } = usePriced(cart.lines);
  const [inDoubt, setInDoubt] = useState(false);
  const user = session.state === 'user' ? session.user.id : '';

  const placing = useMutation({
    mutationFn: (wanted: Cart) => placeOrder(user, wanted, () => setInDoubt(true)),
    onSuccess: async (order) => {
      client.setQueryData(['order', order.id], order);
      void client.invalidateQueries({ queryKey: ['orders'] });
      void client.invalidateQueries({ queryKey: ['product'] });
      // who went elsewhere meanwhile is left there: the order is in the list
      if (location.pathname === '/checkout') await navigate(`/orders/${order.id}`, { replace: true });
    },
    onSettled: () => setInDoubt(false),
  });

  // sent before this page was loaded: ask what became of it, under the same name
  const resume = useEffectEvent(() => {
    if (cart.sentBy === user && cart.lines.length > 0 && placing.isIdle) placing.mutate(cart);
  });
  useEffect(() => resume(), [user]);

  if (cart.lines.length === 0 && !placing.isSuccess) {
    return (
      <Page title="Checkout">
        <Empty title="There is nothing to order">
          <ButtonLink to="/">Look around</ButtonLink>
        </Empty>
      </Page>
    );
  }
  return (
    <Page title="Checkout" lead="You pay on the next page. Until then nothing is charged.">
      {inDoubt && (
        <Notice tone="doubt" title="We have not heard back yet" role="status">
          <p>Your order may have been placed. We are asking again; it is placed only once, even if you reload this page.</p>
        </Notice>
      )}
      {placing.isError && <Failure error={placing.error} />}
      {pending && !placing.isPending ? (
        <Loading shape="row" count={cart.lines.length} />
      ) : error && !placing.isPending ? (
        <Failure error={error} retry={retry} />
      ) : (
        <>
          <table className="bill">
            <caption className="hidden">What you order</caption>
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
              {priced.map((line) => (
                <tr key={line.product_id}>
                  <th scope="row">{line.product?.name ?? line.name}</th>
                  <td className="number">{line.quantity}</td>
                  <td className="number">
                    {line.product && money({ ...line.product.price, amount: line.product.price.amount * line.quantity })}
                  </td>
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
          <div className="summary">
            <p className="fine">Ordered as {session.state === 'user' && session.user.email}</p>
            {orderable || placing.isPending ? (
              <Button kind="primary" busy={placing.isPending} onClick={() => placing.mutate(cart)}>
                {placing.isPending ? 'Placing your order…' : 'Place order'}
              </Button>
            ) : (
              <p className="error">
                Something in your cart cannot be ordered. <Link to="/cart">Look at it</Link>
              </p>
            )}
          </div>
        </>
      )}
    </Page>
  );
}
