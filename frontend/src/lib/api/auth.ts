import type { components } from './generated/api';
import { answer, api, open, Refusal } from './client';
import { begin, end } from '../session';

export type User = components['schemas']['User'];

/**
 * Creates an account. If the address already has one, its owner gets a mail; the answer does not
 * reveal it.
 */
export async function register(name: string, email: string, password: string): Promise<void> {
  await answer(open.POST('/api/register', { body: { name, email, password } }));
}

export async function login(email: string, password: string): Promise<User> {
  return begin(await answer(open.POST('/api/login', { body: { email, password } })));
}

/** The account as the shop stores it now. */
export function getMe(): Promise<User> {
  return answer(api.GET('/api/me'));
}

/** Changes the password. All other sessions end; this one continues as a new session. */
export async function changePassword(current: string, password: string): Promise<User> {
  return begin(await answer(api.POST('/api/password', { body: { current_password: current, new_password: password } })));
}

/** Requests a mail to reset the password, if the account exists. */
export async function requestPasswordReset(email: string): Promise<void> {
  await answer(open.POST('/api/password-reset', { body: { email } }));
}

/** Sets a password with the token of a mailed link. */
export async function resetPassword(token: string, password: string): Promise<void> {
  await answer(open.POST('/api/password-reset/confirm', { body: { token, new_password: password } }));
}

/** Verifies an address with the token of a mailed link. */
export async function verifyEmail(token: string): Promise<void> {
  await answer(open.POST('/api/verify-email', { body: { token } }));
}

/** Requests another mail to verify the address. */
export async function sendVerification(): Promise<void> {
  await answer(api.POST('/api/verify-email/send'));
}

/**
 * Ends the session here and at the shop. Throws when the shop cannot end it, since its cookie would
 * stay valid.
 */
export async function logout(): Promise<void> {
  try {
    await answer(open.POST('/api/logout'));
  } catch (error) {
    // the session is over already
    if (!(error instanceof Refusal && error.status === 401)) throw error;
  }
  end();
}
