/**
 * Tools that all tests share: accounts, faults, and a watch over the console and the requests of
 * each page.
 */
import { execFileSync } from 'node:child_process';

import { AxeBuilder } from '@axe-core/playwright';
import { type BrowserContext, expect, type Page, test as base } from '@playwright/test';

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run these tests with \`cargo xtask test storefront\``);
  return value;
}

export const PAYMENTS = setting('PAYMENTS_URL');
const DEMO = setting('DEMO_URL');
/** URL of the trace viewer. */
export const JAEGER = setting('JAEGER_URL');
/** The shop's URL under a host name, as in a company's network. */
export const BY_NAME = setting('PUBLIC_URL').replace(/\/\/[^:/]+/, '//shop.test');
const OURS = [setting('PUBLIC_URL'), BY_NAME, PAYMENTS, DEMO, JAEGER];
export const PASSWORD = 'correct horse battery';
export const people = {
  admin: setting('SHOP_ADMIN_EMAIL'),
  operator: setting('SHOP_OPERATOR_EMAIL'),
  password: setting('SHOP_ADMIN_PASSWORD'),
};

/** Expects the failures that a test provokes; any other console error is a defect of ours. */
export class Watch {
  private expected: RegExp[] = [];
  private readonly seen: string[] = [];

  /** Expects such console messages: refusals that the test provokes. */
  expects(...patterns: RegExp[]): void {
    this.expected.push(...patterns);
  }

  over(context: BrowserContext): void {
    const watch = (page: Page) => {
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) {
          this.seen.push(`${message.type()}: ${message.text()} (${message.location().url})`);
        }
      });
      page.on('pageerror', (error) => this.seen.push(`exception: ${error.message}`));
      page.on('request', (request) => {
        const url = new URL(request.url());
        if (['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) && !OURS.includes(url.origin)) {
          this.seen.push(`request to another host: ${request.url()}`);
        }
      });
    };
    context.on('page', watch);
  }

  check(): void {
    const surprises = this.seen.filter((line) => !this.expected.some((pattern) => pattern.test(line)));
    expect(surprises, 'console errors, exceptions, CSP violations and requests to other hosts').toEqual([]);
  }
}

type State = { payments: string; processes: { name: string; runs: boolean }[] };

/** Faults on demand, as the demo panel injects them. */
export class Faults {
  private touched = false;

  private async call(method: 'GET' | 'POST', path: string): Promise<State> {
    const response = await fetch(`${DEMO}${path}`, { method, headers: { 'x-demo': '1' } });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as State;
  }

  async payments(mode: 'ok' | 'slow' | 'silent' | 'down'): Promise<void> {
    this.touched = true;
    await this.call('POST', `/payments/${mode}`);
  }

  async kill(name: string): Promise<void> {
    this.touched = true;
    await this.call('POST', `/processes/${name}/kill`);
  }

  async start(name: string): Promise<void> {
    await this.call('POST', `/processes/${name}/start`);
  }

  /** Restores the state from before the test. */
  async mend(): Promise<void> {
    if (!this.touched) return;
    await this.payments('ok');
    for (const { name, runs } of (await this.call('GET', '/state')).processes) {
      if (!runs) await this.start(name);
    }
  }
}

export const test = base.extend<{ watch: Watch; faults: Faults; tidy: undefined }>({
  // one test's products must not push the demo's products off the first page in the next test
  tidy: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the names of the fixtures here
    async ({}, give) => {
      await give(undefined);
      for (const slug of made.splice(0)) await remove(slug);
    },
    { auto: true },
  ],
  watch: [
    async ({ context }, give) => {
      const watch = new Watch();
      watch.over(context);
      await give(watch);
      watch.check();
    },
    { auto: true },
  ],
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the names of the fixtures here
  faults: async ({}, give) => {
    const faults = new Faults();
    await give(faults);
    await faults.mend();
  },
});

export { expect };

export const newEmail = (): string => `${crypto.randomUUID()}@shop.example`;

/** Creates an account and gives this context a session; pages pick it up by themselves. */
export async function account(context: BrowserContext, name = 'Tess Tester', email = newEmail()): Promise<string> {
  const response = await context.request.post('/api/register', { data: { email, name, password: PASSWORD } });
  expect(response.status()).toBe(202);
  return enter(context, email, PASSWORD);
}

/** Creates an account and logs in, through the shop's own pages. */
export async function register(page: Page, name: string): Promise<void> {
  const email = newEmail();
  await page.getByRole('link', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('heading', { name: 'Look into your mailbox' })).toBeVisible();
  await page.getByRole('main').getByRole('link', { name: 'Log in' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByLabel(`Account of ${name}`)).toBeVisible();
}

/** An admin's token, and until when it may be used: a run takes longer than a token is valid. */
let admin: { token: string; until: number } | undefined;
/** Products that the current test has created. */
const made: string[] = [];

async function adminToken(): Promise<string> {
  if (admin === undefined || admin.until < Date.now()) {
    const login = { email: people.admin, password: people.password };
    const answer = await fetch(`${setting('PUBLIC_URL')}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(login),
    });
    const { access_token: token, expires_in: seconds } = (await answer.json()) as { access_token: string; expires_in: number };
    admin = { token, until: Date.now() + (seconds * 1000) / 2 };
  }
  return admin.token;
}

/** A request of an admin, outside any browser. */
async function asAdmin(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, mayMiss = false): Promise<unknown> {
  const url = setting('PUBLIC_URL');
  const json = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { ...json, authorization: `Bearer ${await adminToken()}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect(answer.ok || (mayMiss && answer.status === 404), `${method} ${path}: ${answer.status}`).toBe(true);
  return answer.status === 204 ? null : answer.json();
}

/** Creates a product for the test; returns its slug. */
export async function product(of: { price: number; stock: number; name?: string; description?: string; currency?: string }): Promise<string> {
  const { price: amount, stock, name = `Teapot ${crypto.randomUUID().slice(0, 8)}`, description = 'Pours well.', currency = 'EUR' } = of;
  const created = await asAdmin('POST', '/api/products', { name, description, price: { amount, currency }, stock });
  const { slug } = created as { slug: string };
  made.push(slug);
  return slug;
}

async function remove(slug: string): Promise<void> {
  const { id, version } = (await asAdmin('GET', `/api/admin/products/${slug}`, undefined, {}, true)) as { id?: string; version: number };
  // the test may have removed it already
  if (id !== undefined) await asAdmin('DELETE', `/api/products/${id}`, undefined, { 'if-match': `"${version}"` });
}

/** Changes a product without the page's knowledge. */
export async function edit(slug: string, change: Record<string, unknown>): Promise<void> {
  const seen = (await asAdmin('GET', `/api/admin/products/${slug}`)) as Record<string, unknown>;
  const { id, name, description, price, version } = seen as { id: string; name: string; description: string; price: unknown; version: number };
  await asAdmin('PUT', `/api/products/${id}`, { name, description, price, ...change }, { 'if-match': `"${version}"` });
}

/** Logs in to an existing account. */
export async function enter(context: BrowserContext, email: string, password = people.password): Promise<string> {
  const response = await context.request.post('/api/login', { data: { email, password } });
  expect(response.status()).toBe(200);
  await remember(context);
  const { access_token: token } = (await response.json()) as { access_token: string };
  return token;
}

/** Stores the storefront's hint that a session exists. */
async function remember(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    // blank documents have no storage
    if (!location.protocol.startsWith('http')) return;
    if (sessionStorage.getItem('test.remembered') === null) localStorage.setItem('shop.session', '1');
    sessionStorage.setItem('test.remembered', '1');
  });
}

export async function putInCart(page: Page, slug: string): Promise<void> {
  await page.goto(`/products/${slug}`);
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await expect(page.getByText(/Added to cart/)).toBeVisible();
}

/** Orders one piece; returns the order's id. */
export async function order(page: Page, slug = 'enamel-mug'): Promise<string> {
  await putInCart(page, slug);
  await page.getByRole('link', { name: 'View cart' }).click();
  await page.getByRole('link', { name: 'Check out' }).click();
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/);
  return page.url().split('/').at(-1) ?? '';
}

export const state = (page: Page) => page.getByTestId('state');

/** Changes the shop's database directly, which no program of ours does. */
export function tamper(sql: string): void {
  execFileSync('psql', [setting('SHOP_DATABASE_URL'), '--quiet', '--set', 'ON_ERROR_STOP=1', '--command', sql]);
}

/** Creates a saga that is stuck with this cause; returns its id. */
export function drill(cause: string, email: string): string {
  const made = execFileSync(setting('DRILL_BIN'), ['--cause', cause, '--email', email], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return made.trim();
}

/** Publishes a message as another system would. */
export async function publish(exchange: string, key: string, id: string, payload: string): Promise<void> {
  const { origin, username, password } = new URL(setting('RABBITMQ_MANAGEMENT_URL'));
  const response = await fetch(`${origin}/api/exchanges/%2F/${exchange}/publish`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${username}:${password}`)}` },
    body: JSON.stringify({ properties: { message_id: id }, routing_key: key, payload, payload_encoding: 'string' }),
  });
  expect(await response.json(), 'a queue takes it').toEqual({ routed: true });
}

/** Marks the document, to detect a reload, which would clear the mark. */
export async function mark(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(() => Object.assign(window, { marked: true }));
  return async () => {
    expect(await page.evaluate(() => 'marked' in window), 'the page was not reloaded').toBe(true);
  };
}

/** Asserts that this page violates no accessibility rule. */
export async function accessible(page: Page): Promise<void> {
  const report = await new AxeBuilder({ page }).analyze();
  const violations = report.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
  expect(violations, page.url()).toEqual([]);
}

/** Takes pictures of a page in both themes, on a desktop and on a small phone, for reviewers. */
export async function picture(page: Page, name: string): Promise<void> {
  const size = page.viewportSize();
  for (const [device, width, height] of [['desk', 1280, 900], ['phone', 375, 740]] as const) {
    await page.setViewportSize({ width, height });
    for (const theme of ['light', 'dark']) {
      await page.evaluate((wanted) => {
        document.documentElement.dataset['theme'] = wanted;
        // in the middle of a theme transition the contrast rules do not hold
        for (const animation of document.getAnimations()) {
          if (animation instanceof CSSTransition) animation.finish();
        }
      }, theme);
      await accessible(page);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${name} fits ${width} px`).toBeLessThanOrEqual(0);
      // the header is sticky: after scrolling it would appear in the middle of the picture
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: `test-results/pictures/${name}-${device}-${theme}.png`, fullPage: true, animations: 'disabled' });
    }
  }
  await page.evaluate(() => (document.documentElement.dataset['theme'] = 'system'));
  if (size) await page.setViewportSize(size);
}
