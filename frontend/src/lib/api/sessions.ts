import type { components } from './generated/api';
import { answer, api } from './client';

export type OpenSession = components['schemas']['OpenSession'];

/** The sessions in which the account is logged in. */
export async function listSessions(signal: AbortSignal): Promise<OpenSession[]> {
  return (await answer(api.GET('/api/sessions', { signal }))).items;
}

export async function endSession(id: string): Promise<void> {
  await answer(api.DELETE('/api/sessions/{id}', { params: { path: { id } } }));
}

/** Ends all of the account's sessions except this one. */
export async function endOtherSessions(): Promise<void> {
  await answer(api.DELETE('/api/sessions'));
}
