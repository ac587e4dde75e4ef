import type { components } from './generated/api';
import { answer, api, open, whole } from './client';

export type Product = components['schemas']['Product'];
export type StockedProduct = components['schemas']['StockedProduct'];
export type ProductDraft = components['schemas']['WriteProduct'];
export type ProductEdit = components['schemas']['EditProduct'];

/** A page of the catalog; the search tolerates typing mistakes. */
export function searchProducts(search: string, cursor: string | null, signal: AbortSignal, limit = 24) {
  const query = { limit, ...(search && { search }), ...(cursor !== null && { cursor }) };
  return answer(open.GET('/api/products', { params: { query }, signal }));
}

export function getProduct(slug: string, signal: AbortSignal): Promise<Product> {
  return answer(open.GET('/api/products/{product}', { params: { path: { product: slug } }, signal }));
}

/** A product with its stock, for admins. */
export function getStockedProduct(slug: string, signal: AbortSignal): Promise<StockedProduct> {
  return answer(api.GET('/api/admin/products/{product}', { params: { path: { product: slug } }, signal }));
}

export function createProduct(body: ProductDraft): Promise<Product> {
  return answer(api.POST('/api/products', { body }));
}

/** Edits the version that was seen; refused with `stale` if another edit was saved first. */
export function updateProduct(id: string, version: number, body: ProductEdit): Promise<Product> {
  const params = { path: { product: id }, header: { 'If-Match': `"${version}"` } };
  return answer(api.PUT('/api/products/{product}', { params, body }));
}

export async function deleteProduct(id: string, version: number): Promise<void> {
  const params = { path: { product: id }, header: { 'If-Match': `"${version}"` } };
  await whole(api.DELETE('/api/products/{product}', { params }));
}
