import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SubmitEvent, useId, useRef, useState } from 'react';
import { useNavigate, useParams } from 'react-router';

import { useAction, useSteadyError } from '../../lib/action';
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
import { amountText, money, parseAmount } from '../../lib/format';
import { Button, ButtonLink, Failure, Field, Form, Loading, Notice, Page, Scroll } from '../../ui/parts';
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
    // the form must not change while it is edited: the version detects conflicts when it is saved
    refetchOnWindowFocus: false,
    staleTime: Infinity,
  });
  const error = useSteadyError(product, slug);
  const refresh = async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['stocked', slug] }),
      client.invalidateQueries({ queryKey: ['products'] }),
      client.invalidateQueries({ queryKey: ['product', slug] }),
    ]);
  };
  if (error instanceof Refusal && error.status === 404) return <NotFound what="product" />;
  if (!product.data) {
    return <Page title="Product">{error ? <Failure error={error} retry={product.refetch} /> : <Loading shape="block" />}</Page>;
  }
  const { id, version, stock, reserved } = product.data;
  return (
    <Page title={product.data.name} lead={`Version ${version} · ${stock} in stock, ${reserved} reserved`}>
      <p role="status" className="said">
        {told}
      </p>
      <ProductForm
        key={version}
        product={product.data}
        // the stock changes by the difference to the seen value, so that sales in the meantime stay
        // sold
        save={(draft, seen) => updateProduct(id, seen?.version ?? version, { ...draft, stock_seen: seen?.stock ?? stock })}
        saved={async () => {
          await refresh();
          setTold('Saved.');
        }}
        reload={async () => {
          await refresh();
          setTold('Showing the latest version.');
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
  /** `seen`: the product as the editor has seen it. */
  save: (draft: ProductDraft, seen: StockedProduct | null) => Promise<Product>;
  saved: (product: Product) => Promise<void>;
  reload?: () => Promise<void>;
}) {
  const currency = product?.price.currency ?? 'EUR';
  const [seen, setSeen] = useState(product);
  const [draft, setDraft] = useState<ProductDraft | null>(null);
  const [priceError, setPriceError] = useState<string>();
  const description = useId();
  const saving = useAction({ mutationFn: (wanted: ProductDraft) => save(wanted, seen), onSuccess: saved });
  const refusal = saving.error instanceof Refusal ? saving.error : null;
  const stale = refusal?.slug === 'stale';
  const told = (refusal?.problem.errors ?? []).some(({ field }) => ['name', 'price.amount', 'stock', 'description'].includes(field));
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' ? value : '';
    };
    const amount = parseAmount(text('price'), currency);
    setPriceError(amount === null ? `Enter an amount, e.g. ${amountText({ amount: 1290, currency })}` : undefined);
    if (amount === null) return;
    const wanted = {
      name: text('name'),
      description: text('description'),
      price: { amount, currency },
      stock: Number(text('stock')),
    };
    setDraft(wanted);
    saving.mutate(wanted);
  };
  return (
    <Form error={priceError ?? saving.error} onSubmit={submit}>
      {stale && product && draft && (
        <Conflict
          before={seen ?? product}
          draft={draft}
          keep={(latest) => {
            // the stock in the form still means the difference to the value that the form started
            // with
            setSeen({ ...latest, stock: (seen ?? product).stock });
            saving.reset();
          }}
          reload={reload}
        />
      )}
      {saving.isError && !stale && !told && <Failure error={saving.error} />}
      <Field label="Name" name="name" defaultValue={product?.name} maxLength={200} required error={refusal?.field('name')} />
      <div className="field">
        <label htmlFor={description}>Description</label>
        <textarea id={description} name="description" rows={4} maxLength={5000} defaultValue={product?.description} />
        {refusal?.field('description') && <p className="error">{refusal.field('description')}</p>}
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
          hint="Including reserved units"
          error={refusal?.field('stock')}
        />
      </div>
      {seen !== null && product !== null && seen.version !== product.version && (
        <p className="fine" role="status">
          Your changes will be saved over version {seen.version}.
        </p>
      )}
      <div className="actions">
        <Button kind="primary" type="submit" busy={saving.isPending}>
          Save
        </Button>
        <ButtonLink to="/admin/products">All products</ButtonLink>
      </div>
    </Form>
  );
}

/** Another person saved first: shows both versions side by side, with a choice. */
function Conflict({ before, draft, keep, reload }: {
  before: StockedProduct;
  draft: ProductDraft;
  keep: (latest: StockedProduct) => void;
  reload: (() => Promise<void>) | undefined;
}) {
  const latest = useQuery({
    queryKey: ['stocked', before.slug, 'latest'],
    queryFn: ({ signal }) => getStockedProduct(before.slug, signal),
    staleTime: 0,
    gcTime: 0,
  });
  const now = latest.data;
  const rows: [string, string, string][] = now
    ? [
        ['Name', draft.name, now.name],
        ['Description', draft.description, now.description],
        ['Price', money(draft.price), money(now.price)],
        ['Stock', String(now.stock + draft.stock - before.stock), String(now.stock)],
      ]
    : [];
  const different = rows.filter(([, mine, theirs]) => mine !== theirs);
  return (
    <Notice tone="doubt" title="This product was changed by someone else" role="alert">
      <p>Your changes are not saved yet.</p>
      {different.length > 0 && (
        <Scroll label="Differences">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Yours</th>
                <th scope="col">Latest version</th>
              </tr>
            </thead>
            <tbody>
              {different.map(([name, mine, theirs]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{mine}</td>
                  <td>{theirs}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {latest.isError && <p>The latest version could not be loaded.</p>}
      <div className="actions">
        {now && <Button onClick={() => keep(now)}>Keep my changes</Button>}
        <Button onClick={() => void reload?.()}>Load the latest version</Button>
      </div>
    </Notice>
  );
}

function Remove({ product, removed }: { product: StockedProduct; removed: () => Promise<void> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const removing = useAction({ mutationFn: () => deleteProduct(product.id, product.version), onSuccess: removed });
  return (
    <section className="danger-zone">
      <Button kind="danger" onClick={() => dialog.current?.showModal()}>
        Remove from catalog
      </Button>
      <dialog ref={dialog} aria-labelledby={title}>
        <h2 id={title}>Remove {product.name} from the catalog?</h2>
        <p>It can no longer be ordered. Existing orders keep it.</p>
        {removing.isError && <Failure error={removing.error} />}
        <div className="actions">
          <Button kind="danger" busy={removing.isPending} onClick={() => removing.mutate()}>
            Remove
          </Button>
          <Button onClick={() => dialog.current?.close()}>Cancel</Button>
        </div>
      </dialog>
    </section>
  );
}
