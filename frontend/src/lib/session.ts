/**
 * The logged-in user. The access token lives only in memory, the refresh token in a cookie that
 * scripts cannot read. Storage holds only the hint that a session may exist.
 */
import type { components } from './api/generated/api';
import { withLock } from './locks';
import { readStored, removeStored, store as keepStored } from './storage';
import { createStore, useStore } from './store';

type Tokens = components['schemas']['Tokens'];
type User = components['schemas']['User'];
type Role = components['schemas']['Role'];

export type Session =
  /** `failed`: the shop was asked and did not answer; the request will be repeated. */
  { state: 'unknown'; failed: boolean } | { state: 'nobody' } | { state: 'user'; user: User };

const HINT = 'shop.session';
/** A token that expires within this many milliseconds is renewed before it is used. */
const EARLY = 20_000;

const session = createStore<Session>({ state: 'unknown', failed: false });
let token: { value: string; ends: number } | null = null;
let renewing: Promise<string | null> | null = null;

/**
 * All tabs log in and out together. A tab's storage may change only after its message arrives, so
 * the message decides.
 */
const tabs = new BroadcastChannel('shop.session');
tabs.addEventListener('message', ({ data }: MessageEvent<'begun' | 'ended'>) => {
  if (data === 'ended') {
    forget();
    return;
  }
  token = null;
  keepStored(HINT, '1');
  void restore();
});

export function useSession(): Session {
  return useStore(session);
}

export const hasRole = (session: Session, role: Role): boolean =>
  session.state === 'user' && session.user.roles.includes(role);

/** Operators see sagas; admins count as operators. */
export const isOperator = (session: Session): boolean => hasRole(session, 'operator') || hasRole(session, 'admin');

/** Starts a session. */
export function begin(tokens: Tokens): User {
  keep(tokens);
  keepStored(HINT, '1');
  tell('begun');
  return tokens.user;
}

/** Ends the session. */
export function end(): void {
  forget();
  tell('ended');
}

const tell = (what: 'begun' | 'ended'): void => tabs.postMessage(what);

/** Delays between attempts to restore a session, milliseconds; the last one repeats. */
const RESTORE_DELAYS = [1_000, 2_000, 4_000];
let again: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

/** Restores the session of an earlier visit, if one exists; retries until the shop answers. */
export async function restore(): Promise<void> {
  clearTimeout(again);
  if (readStored(HINT) === null) {
    session.set({ state: 'nobody' });
    return;
  }
  try {
    await accessToken();
    failures = 0;
  } catch {
    if (session.get().state !== 'unknown') return;
    session.set({ state: 'unknown', failed: true });
    const delay = RESTORE_DELAYS[Math.min(failures++, RESTORE_DELAYS.length - 1)];
    again = setTimeout(() => void restore(), delay);
  }
}

addEventListener('online', () => {
  if (session.get().state === 'unknown') void restore();
});

/** A token that stays valid for a while; null when no user is logged in. */
export async function accessToken(): Promise<string | null> {
  if (token !== null && token.ends - EARLY > Date.now()) return token.value;
  if (readStored(HINT) === null) {
    if (session.get().state !== 'nobody') session.set({ state: 'nobody' });
    return null;
  }
  return renewOnce();
}

/** A new token in place of a refused one; null when the session is over. */
export function renew(refused: string): Promise<string | null> {
  if (token?.value === refused) token = null;
  return accessToken();
}

function renewOnce(): Promise<string | null> {
  // a refresh token is valid once: neither calls nor tabs may use it twice. Without locks two tabs
  // may do so at the same time, which the API tolerates for ten seconds
  if (renewing !== null) return renewing;
  const begun = withLock('shop.session', {}, refresh).finally(() => (renewing = null));
  renewing = begun;
  return begun;
}

async function refresh(): Promise<string | null> {
  const response = await fetch('/api/refresh', { method: 'POST', signal: AbortSignal.timeout(10_000) });
  if (response.status === 401) {
    forget();
    return null;
  }
  if (!response.ok) throw new Error(`the session cannot be renewed: ${response.status}`);
  const tokens = (await response.json()) as Tokens;
  keep(tokens);
  return tokens.access_token;
}

function keep(tokens: Tokens): void {
  token = { value: tokens.access_token, ends: Date.now() + tokens.expires_in * 1000 };
  const before = session.get();
  // a new object with the same user would render everything again
  const same = before.state === 'user' && JSON.stringify(before.user) === JSON.stringify(tokens.user);
  if (!same) session.set({ state: 'user', user: tokens.user });
}

function forget(): void {
  token = null;
  removeStored(HINT);
  session.set({ state: 'nobody' });
}
