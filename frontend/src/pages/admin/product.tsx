import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type SubmitEvent, useId, useRef, useState } from 'react';
import { useNavigate, useParams } from 'react-router';

import { Refusal } from '../../lib/api/client';
import {
  createProduct,
  deleteProduct,
  getStockedProduct,
  type Product,
  type ProductDraft,
  type StockedProduct,
  updateProduct,
} from '../../lib/api/products';
import { amountText, parseAmount } from '../../lib/format';
import { Button, ButtonLink, Failure, Field, Loading, Notice, Page } from '../../ui/parts';
import { NotFound } from '../broken';

export function NewProductPage() {
  const navigate = useNavigate();
  const client = useQueryClient();
  return (
    <Page title="New product">
      <ProductForm
        product={null}
        save={createProduct}
        saved={async (product) => {
          await client.invalidateQueries({ queryKey: ['products'] });
          await navigate(`/admin/products/${product.slug}`);
        }}
      />
    </Page>
  );
}

export function EditProductPage() {
  const { slug = '' } = useParams();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [told, setTold] = useState('');
  const product = useQuery({
    queryKey: ['stocked', slug],
    queryFn: ({ signal }) => getStockedProduct(slug, signal),
    // what one is editing does not change under one's hands: the version tells at the end
    refetchOnWindowFocus: false,
    staleTime: Infinity,
  });
  const refresh = async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['stocked', slug] }),
      client.invalidateQueries({ queryKey: ['products'] }),
      client.invalidateQueries({ queryKey: ['product', slug] }),
    ]);
  };
  if (product.error instanceof Refusal && product.error.status === 404) return <NotFound what="product" />;
  if (!product.data) {
    return (
      <Page title="Product">{product.error ? <Failure error={product.error} retry={product.refetch} /> : <Loading shape="block" />}</Page>
    );
  }
  const { id, version } = product.data;
  return (
    <Page title={product.data.name} lead={`Version ${version}; orders hold ${product.data.reserved} of ${product.data.stock} pieces.`}>
      <p role="status" className="said">
        {told}
      </p>
      <ProductForm
        key={version}
        product={product.data}
        save={(draft) => updateProduct(id, version, draft)}
        saved={async () => {
          await refresh();
          setTold('Saved.');
        }}
        reload={async () => {
          await refresh();
          setTold('This is the product as it is now.');
        }}
      />
      <Remove
        product={product.data}
        removed={async () => {
          await client.invalidateQueries({ queryKey: ['products'] });
          await navigate('/admin/products');
        }}
      />
    </Page>
  );
}

function ProductForm({ product, save, saved, reload }: {
  product: StockedProduct | null;
  save: (draft: ProductDraft) => Promise<Product>;
  saved: (product: Product) => Promise<void>;
  reload?: () => Promise<void>;
}) {
  const currency = product?.price.currency ?? 'EUR';
  const [priceError, setPriceError] = useState<string>();
  const description = useId();
  const saving = useMutation({ mutationFn: save, onSuccess: saved });
  const refusal = saving.error instanceof Refusal ? saving.error : null;
  const stale = refusal?.slug === 'stale';
  const told = (refusal?.problem.errors?.length ?? 0) > 0;
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (saving.isPending) return;
    const form = new FormData(event.currentTarget);
    const text = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' ? value : '';
    };
    const amount = parseAmount(text('price'), currency);
    setPriceError(amount === null ? 'An amount such as 12.90' : undefined);
    if (amount === null) return;
    saving.mutate({
      name: text('name'),
      description: text('description'),
      price: { amount, currency },
      stock: Number(text('stock')),
    });
  };
  return (
    <form className="form" onSubmit={submit}>
      {stale && (
        <Notice tone="doubt" title="Somebody else edited it first" role="alert">
          <p>Your changes are not saved. Look at what is there now, then edit that.</p>
          <Button onClick={() => void reload?.()}>Load what is there now</Button>
        </Notice>
      )}
      {saving.isError && !stale && !told && <Failure error={saving.error} />}
      <Field label="Name" name="name" defaultValue={product?.name} maxLength={200} required error={refusal?.field('name')} />
      <div className="field">
        <label htmlFor={description}>Description</label>
        <textarea id={description} name="description" rows={4} maxLength={5000} defaultValue={product?.description} />
      </div>
      <div className="side-by-side">
        <Field
          label={`Price (${currency})`}
          name="price"
          inputMode="decimal"
          defaultValue={product ? amountText(product.price) : ''}
          required
          error={priceError ?? refusal?.field('price.amount')}
        />
        <Field
          label="Stock"
          name="stock"
          type="number"
          min={0}
          defaultValue={product?.stock ?? 0}
          required
          hint="With what orders hold"
          error={refusal?.field('stock')}
        />
      </div>
      <div className="actions">
        <Button kind="primary" type="submit" busy={saving.isPending}>
          Save
        </Button>
        <ButtonLink to="/admin/products">All products</ButtonLink>
      </div>
    </form>
  );
}

function Remove({ product, removed }: { product: StockedProduct; removed: () => Promise<void> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const removing = useMutation({ mutationFn: () => deleteProduct(product.id, product.version), onSuccess: removed });
  return (
    <section className="danger-zone">
      <Button kind="danger" onClick={() => dialog.current?.showModal()}>
        Take it out of the catalog
      </Button>
      <dialog ref={dialog} aria-labelledby={title}>
        <h2 id={title}>Take {product.name} out of the catalog?</h2>
        <p>Nobody can order it any more. Orders that have it keep it.</p>
        {removing.isError && <Failure error={removing.error} />}
        <div className="actions">
          <Button kind="danger" busy={removing.isPending} onClick={() => removing.mutate()}>
            Take it out
          </Button>
          <Button onClick={() => dialog.current?.close()}>Keep it</Button>
        </div>
      </dialog>
    </section>
  );
}
