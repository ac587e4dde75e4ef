import type { components } from './generated/api';
import { answer, open, Refusal } from './client';
import { begin, end } from '../session';

export type User = components['schemas']['User'];

/** Makes an account; it is logged in. */
export async function register(name: string, email: string, password: string): Promise<User> {
  return begin(await answer(open.POST('/api/register', { body: { name, email, password } })));
}

export async function login(email: string, password: string): Promise<User> {
  return begin(await answer(open.POST('/api/login', { body: { email, password } })));
}

/** Ends the session here and at the shop. Throws when the shop cannot end it: its cookie would go on. */
export async function logout(): Promise<void> {
  try {
    await answer(open.POST('/api/logout'));
  } catch (error) {
    // it is over already
    if (!(error instanceof Refusal && error.status === 401)) throw error;
  }
  end();
}
