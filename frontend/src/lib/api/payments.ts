/**
 * Payments is called directly, with the user's token. In this demonstration it simulates a payment
 * provider.
 */
import type { components } from './generated/payments';
import { answer, payments } from './client';

export type Transaction = components['schemas']['Transaction'];

/**
 * Pays the transaction; repeats are harmless. Refused with `transaction-canceled` if it was
 * canceled first.
 */
export async function completeTransaction(transactionId: string): Promise<Transaction> {
  const client = await payments();
  return answer(client.POST('/transactions/complete', { body: { transaction_id: transactionId } }));
}

/**
 * Cancels the transaction; repeats are harmless. Refused with `transaction-paid` if it was paid
 * first.
 */
export async function cancelTransaction(transactionId: string): Promise<Transaction> {
  const client = await payments();
  return answer(client.POST('/transactions/cancel', { body: { transaction_id: transactionId } }));
}

/** The state at payments, which is authoritative for a payment. */
export async function getTransaction(transactionId: string, signal: AbortSignal): Promise<Transaction> {
  const client = await payments();
  return answer(client.GET('/transactions/{id}', { params: { path: { id: transactionId } }, signal }));
}
