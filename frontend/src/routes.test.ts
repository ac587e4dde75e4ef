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

it('has no page that no browser looks at', async () => {
  const nothing = { getItem: () => null };
  vi.stubGlobal('localStorage', nothing);
  vi.stubGlobal('addEventListener', () => undefined);
  const { routes } = await import('./routes');
  expect(pages(routes).sort()).toEqual(Object.keys(PICTURES).sort());
  const folder = new URL('../browser/', import.meta.url);
  const specs = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'));
  for (const name of Object.values(PICTURES)) {
    expect(specs.some((spec) => spec.includes(`picture(page, '${name}')`)), name).toBe(true);
  }
});
