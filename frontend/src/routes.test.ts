import { readdirSync, readFileSync } from 'node:fs';

import type { RouteObject } from 'react-router';
import { expect, it, vi } from 'vitest';

/** Pages, and the picture under which a browser checks each for accessibility, in both themes and on a phone. */
const PICTURES: Record<string, string> = {
  '/': 'catalog',
  '/products/:slug': 'product',
  '/cart': 'cart',
  '/login': 'login',
  '/register': 'register',
  '/forgot-password': 'forgot-password',
  '/reset-password': 'reset-password',
  '/verify-email': 'verify-email',
  '/account': 'account',
  '/checkout': 'checkout',
  '/orders': 'orders',
  '/orders/:id': 'order-awaiting',
  '/admin/products': 'admin-products',
  '/admin/products/new': 'admin-product-new',
  '/admin/products/:slug': 'admin-product',
  '/admin/orders': 'admin-orders',
  '/admin/orders/:id': 'admin-order',
  '/ops/sagas': 'ops-sagas',
  '/ops/sagas/:id': 'ops-saga',
  '/ops/failed': 'ops-failed',
  '/ops/failed/:id': 'ops-message',
  '/ops/doctor': 'ops-doctor',
  '/ops/orders/:id': 'ops-order',
  '/problems/:slug': 'problem',
  '/*': 'not-found',
};

/** Paths of all pages below these routes; one that only leads elsewhere is none. */
function pages(routes: RouteObject[], above = ''): string[] {
  return routes.flatMap((route) => {
    const path = route.path === undefined ? above : `${above}/${route.path}`;
    if (route.children) return pages(route.children, path);
    return above !== '' && route.index ? [] : [path || '/'];
  });
}

async function load(): Promise<RouteObject[]> {
  vi.stubGlobal('localStorage', { getItem: () => null });
  vi.stubGlobal('addEventListener', () => undefined);
  return (await import('./routes')).routes;
}

it('is known to the api, page by page, which answers 404 for anything else', { timeout: 60_000 }, async () => {
  const source = readFileSync(new URL('../../crates/api/src/storefront.rs', import.meta.url), 'utf8');
  const table = /const PAGES[^=]*= \[([^\]]*)\]/.exec(source)?.[1] ?? '';
  const known = [...table.matchAll(/"([^"]+)"/g)].map(([, path]) => path);
  const ours = pages(await load()).filter((path) => path !== '/*');
  // `/ops` leads to its first page, and `/index.html` is the file itself
  expect(known.sort()).toEqual([...ours, '/ops', '/index.html'].sort());
});

it('has no page that no browser looks at', { timeout: 60_000 }, async () => {
  const routes = await load();
  expect(pages(routes).sort()).toEqual(Object.keys(PICTURES).sort());
  const folder = new URL('../browser/', import.meta.url);
  const specs = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'));
  for (const name of Object.values(PICTURES)) {
    expect(specs.some((spec) => spec.includes(`picture(page, '${name}')`)), name).toBe(true);
  }
});
