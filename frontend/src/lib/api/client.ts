/**
 * Calls to both services: typed by their OpenAPI documents, with a timeout, and with errors that
 * people can read.
 */
import createClient from 'openapi-fetch';

import { accessToken, renew } from '../session';
import type { paths as ApiPaths, components } from './generated/api';
import type { paths as PaymentsPaths } from './generated/payments';

export type Problem = components['schemas']['ProblemBody'] & Record<string, unknown>;

/** The service answered with a refusal. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
    /** Seconds to wait before the next attempt, if the service stated them. */
    readonly retryAfter: number | null,
  ) {
    super(problem.detail ?? problem.title);
  }

  /** Last part of the problem's type, such as `out-of-stock`. */
  get slug(): string {
    return this.problem.type.split('/').at(-1) ?? '';
  }

  /** The error of one field of the form. */
  field(name: string): string | undefined {
    return this.problem.errors?.find((error) => error.field === name)?.message;
  }
}

/** No answer arrived, so it is unknown whether the call did. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('We cannot reach the shop right now.', { cause });
  }
}

/** Whether a later attempt may succeed. */
export function mayPass(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof Refusal && (error.status >= 500 || error.status === 429));
}

const PATIENCE = 20_000;

function limited(milliseconds: number) {
  return (request: Request): Promise<Response> =>
    fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(milliseconds)]) });
}

/** Sends the user's token, and a new one when the old one is refused. */
function authorized(send: (request: Request) => Promise<Response>) {
  return async (request: Request): Promise<Response> => {
    const attempt = (token: string | null) => {
      const copy = request.clone();
      if (token !== null) copy.headers.set('authorization', `Bearer ${token}`);
      return send(copy);
    };
    const token = await accessToken();
    const response = await attempt(token);
    if (response.status !== 401 || token === null) return response;
    const renewed = await renew(token);
    return renewed === null ? response : attempt(renewed);
  };
}

const send = limited(PATIENCE);

/** The API, for calls without a token. */
export const open = createClient<ApiPaths>({ baseUrl: '', fetch: send });
/** The API, on behalf of the user. */
export const api = createClient<ApiPaths>({ baseUrl: '', fetch: authorized(send) });

export type Settings = components['schemas']['Settings'];

let settings: Promise<Settings> | undefined;

/** The storefront's settings for its environment. */
export function getSettings(): Promise<Settings> {
  settings ??= answer(open.GET('/api/settings')).catch((error: unknown) => {
    settings = undefined;
    throw error;
  });
  return settings;
}

/**
 * Payments, on behalf of the user. Its timeout is shorter, since its answers can be requested
 * again.
 */
export async function payments() {
  const { payments_url: baseUrl } = await getSettings();
  return createClient<PaymentsPaths>({ baseUrl, fetch: authorized(limited(6_000)) });
}

/** Sends a hand-made request on behalf of the user: for streams. */
export const sendAuthorized = authorized((request) => fetch(request));

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer; throws a {@link Refusal} or {@link Unreachable} otherwise. */
export async function answer<T>(asked: Promise<Answer<T>>): Promise<T> {
  return (await whole(asked)).data;
}

/** Like {@link answer}, with the response's headers. */
export async function whole<T>(asked: Promise<Answer<T>>): Promise<{ data: T; response: Response }> {
  let given: Answer<T>;
  try {
    given = await asked;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Unreachable(error);
  }
  const { data, error, response } = given;
  if (response.ok) return { data: data as T, response };
  throw refusal(error, response);
}

/** Converts a response into a refusal. */
export function refusal(body: unknown, response: Response): Refusal {
  const problem = isProblem(body)
    ? body
    : { type: '/problems/unavailable', title: 'The shop does not answer as it should.', status: response.status };
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
  return new Refusal(response.status, problem, Number.isFinite(retryAfter) ? retryAfter : null);
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'type' in body && 'title' in body && 'status' in body;
}
