/** The faults that `cargo xtask up` can inject, in development. */
export type PaymentsMode = 'ok' | 'slow' | 'silent' | 'down';

export interface DemoState {
  payments: PaymentsMode;
  processes: { name: string; runs: boolean }[];
}

async function call(base: string, method: 'GET' | 'POST', path: string): Promise<DemoState> {
  // the header makes browsers send a preflight request, which asks whether this page may call
  const response = await fetch(`${base}${path}`, { method, headers: { 'x-demo': '1' }, signal: AbortSignal.timeout(70_000) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as DemoState;
}

export const getDemo = (base: string) => call(base, 'GET', '/state');
export const setPayments = (base: string, mode: PaymentsMode) => call(base, 'POST', `/payments/${mode}`);
export const killProcess = (base: string, name: string) => call(base, 'POST', `/processes/${name}/kill`);
export const startProcess = (base: string, name: string) => call(base, 'POST', `/processes/${name}/start`);
