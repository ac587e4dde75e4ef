import type { components } from './generated/api';
import { answer, open } from './client';
import { begin, end } from '../session';

export type User = components['schemas']['User'];

/** Makes an account; it is logged in. */
export async function register(name: string, email: string, password: string): Promise<User> {
  return begin(await answer(open.POST('/api/register', { body: { name, email, password } })));
}

export async function login(email: string, password: string): Promise<User> {
  return begin(await answer(open.POST('/api/login', { body: { email, password } })));
}

/** Ends the session here and at the shop. */
export async function logout(): Promise<void> {
  await answer(open.POST('/api/logout'));
  end();
}
