/**
 * Paying and canceling: the page asks payments directly, which decides. The loser of a race gets a
 * notice.
 */
import { useQueryClient } from '@tanstack/react-query';

import { useAction } from '../lib/action';
import { mayPass, Refusal } from '../lib/api/client';
import { cancelOrder, type Order } from '../lib/api/orders';
import { cancelTransaction, completeTransaction, type Transaction } from '../lib/api/payments';
import { entryOf } from '../lib/closed';
import { money } from '../lib/format';
import { isOver } from '../lib/status';
import { Button, Failure, Notice } from '../ui/parts';

type Verb = 'pay' | 'cancel';

const DECIDED: Record<Transaction['status'], string | null> = {
  pending: null,
  paid: 'Paid. Your order is being completed; this page updates automatically.',
  canceled: 'Payment canceled. Your order is being canceled; this page updates automatically.',
};

export function Payment({ order, transaction, unanswered, ask }: {
  order: Order;
  transaction: Transaction | null;
  /** Whether payments did not answer the last request. */
  unanswered: boolean;
  ask: () => unknown;
}) {
  const client = useQueryClient();
  const deciding = useAction({
    mutationFn: async (verb: Verb): Promise<Transaction | null> => {
      if (verb === 'pay') return completeTransaction(order.transaction_id);
      if (order.status === 'awaiting_payment') return cancelTransaction(order.transaction_id);
      // the transaction may not exist yet: the shop makes sure that it never will
      client.setQueryData(['order', order.id], await cancelOrder(order.id));
      return null;
    },
    onSuccess: (decided) => {
      if (decided) client.setQueryData(['transaction', order.transaction_id], decided);
    },
    // after any error payments knows the truth; before the transaction exists, the shop does
    onError: () => (order.status === 'awaiting_payment' ? ask() : client.invalidateQueries({ queryKey: ['order', order.id] })),
  });

  const decided = transaction !== null && transaction.status !== 'pending';
  const canceling = deciding.variables === 'cancel' && order.canceling;
  const doubt = deciding.isError && mayPass(deciding.error) && !decided && !canceling;
  const lost = deciding.error instanceof Refusal ? tooLate(deciding.error) : null;
  const failed = deciding.isError && lost === null && !mayPass(deciding.error);
  if (isOver(order)) return lost === null ? null : <Notice tone="over" title={lost.title} role="status">{lost.text}</Notice>;

  const payable = order.status === 'awaiting_payment' && !order.canceling && !decided;
  const cancelable = !order.canceling && !decided;

  return (
    <section className="payment" aria-labelledby="payment">
      <div className="payment-head">
        <h2 id="payment">Payment</h2>
        <span className="demo-mark">Demo: no real payment is taken</span>
      </div>
      <div role="status" aria-live="polite">
        {lost !== null && <Notice tone="over" title={lost.title}>{lost.text}</Notice>}
        {doubt && (
          <Notice tone="doubt" title={deciding.variables === 'pay' ? 'We’re not sure the payment went through' : 'We’re not sure the order was canceled'}>
            {order.status === 'pending' ? (
              <p>No answer came back. This page shows it when the order is canceled. You can cancel again.</p>
            ) : unanswered || transaction === null ? (
              <p>We’re checking with the payment provider. You won’t pay twice.</p>
            ) : (
              <p>
                The payment provider says: {deciding.variables === 'pay' ? 'nothing was paid' : 'not canceled'} so far. You can try
                again; you won’t pay twice.
              </p>
            )}
          </Notice>
        )}
        {!doubt && unanswered && payable && (
          <p className="fine">The payment provider isn’t responding. Retrying…</p>
        )}
        {decided && lost === null && (
          <p>
            {entryOf(DECIDED, transaction.status)}
          </p>
        )}
      </div>
      {failed && <Failure error={deciding.error} />}
      {(payable || cancelable) && (
        <div className="actions">
          {payable && (
            <Button kind="primary" busy={deciding.isPending} onClick={() => deciding.mutate('pay')}>
              {deciding.isPending && deciding.variables === 'pay' ? 'Paying…' : `Pay ${money(order.total)}`}
            </Button>
          )}
          {cancelable && (
            <Button kind="plain" busy={deciding.isPending} onClick={() => deciding.mutate('cancel')}>
              {deciding.isPending && deciding.variables === 'cancel' ? 'Canceling…' : 'Cancel order'}
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

/** The notice for the loser of a race. */
function tooLate(refusal: Refusal): { title: string; text: string } | null {
  switch (refusal.slug) {
    case 'transaction-canceled':
      return { title: 'Too late to pay', text: 'This payment was canceled a moment ago. Nothing was charged.' };
    case 'transaction-paid':
    case 'too-late':
      return { title: 'Too late to cancel', text: 'This order was paid a moment ago, so it will be completed.' };
    default:
      return null;
  }
}
