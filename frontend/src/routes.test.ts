import { readdirSync, readFileSync } from 'node:fs';

import type { RouteObject } from 'react-router';
import ts from 'typescript';
import { expect, it, vi } from 'vitest';

/**
 * Pages, each with the picture under which a browser checks its accessibility, in both themes and
 * on a phone.
 */
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

/** Paths of all pages below these routes; a redirect is not a page. */
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
  // `/ops` redirects to its first page, and `/index.html` is the file itself
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

/** Labels of buttons that browser/focus.spec.ts does not press, with the reason. */
const NOT_PRESSED: Record<string, string> = {
  'Paying…': 'the label while it is busy',
  'Canceling…': 'the label while it is busy',
  'Placing your order…': 'the label while it is busy',
  'Keep searching': 'the button "Load newer sagas" with another label',
  Reload: 'the browser loads a new document',
};

function parse(file: URL): ts.SourceFile {
  const kind = file.pathname.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  return ts.createSourceFile(file.pathname, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true, kind);
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  node.forEachChild((child) => visit(child, see));
}

/**
 * The literal texts that an expression can have; for a template, the part before its first value.
 */
function texts(expression: ts.Node | undefined): string[] {
  if (expression === undefined) return [];
  if (ts.isJsxText(expression) || ts.isStringLiteralLike(expression)) return [expression.text.trim()];
  if (ts.isTemplateExpression(expression)) return [expression.head.text.trim()];
  if (ts.isConditionalExpression(expression)) return [...texts(expression.whenTrue), ...texts(expression.whenFalse)];
  return ts.isJsxExpression(expression) ? texts(expression.expression) : [];
}

/** The literal labels of all buttons in this file: `aria-label`, or else the text. */
function labels(file: URL): string[] {
  const found: string[] = [];
  visit(parse(file), (node) => {
    if (!ts.isJsxElement(node) || !['Button', 'button'].includes(node.openingElement.tagName.getText())) return;
    const named = node.openingElement.attributes.properties
      .filter((attribute) => ts.isJsxAttribute(attribute))
      .find((attribute) => attribute.name.getText() === 'aria-label');
    found.push(...(named ? texts(named.initializer) : node.children.flatMap(texts)));
  });
  return found.filter((label) => label !== '');
}

it('has no button whose focus no browser follows', () => {
  const pressed: ((label: string) => boolean)[] = [];
  visit(parse(new URL('../browser/focus.spec.ts', import.meta.url)), (node) => {
    if (!ts.isCallExpression(node) || node.expression.getText() !== 'act') return;
    // the pressed button: `button(page, NAME)`, or `getByRole('button', { name: NAME })`
    visit(node.arguments[1] ?? node, (part) => {
      if (ts.isRegularExpressionLiteral(part)) {
        const pattern = new RegExp(part.text.slice(1, part.text.lastIndexOf('/')));
        pressed.push((label) => pattern.test(label));
      } else if (ts.isStringLiteral(part) && part.text !== 'button') {
        pressed.push((label) => part.text === label || part.text.startsWith(`${label} `));
      }
    });
  });
  const folder = new URL('./', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tsx'));
  const all = files.flatMap((name) => labels(new URL(name, folder)));
  expect(all.length).toBeGreaterThan(40);
  expect(all.filter((label) => !(label in NOT_PRESSED) && !pressed.some((fits) => fits(label)))).toEqual([]);
  expect(Object.keys(NOT_PRESSED).filter((label) => !all.includes(label)), 'listed and gone').toEqual([]);
});
