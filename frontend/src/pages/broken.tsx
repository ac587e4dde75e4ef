import { useEffect } from 'react';
import { useRouteError } from 'react-router';

import { onceInTab } from '../lib/storage';
import { Button, ButtonLink, Loading, Notice, Page } from '../ui/parts';

export function NotFound({ what = 'page' }: { what?: string }) {
  const name = what.charAt(0).toUpperCase() + what.slice(1);
  return (
    <Page title={`${name} not found`} lead="It may have been removed, or the address may be wrong.">
      <ButtonLink to="/">Back to the shop</ButtonLink>
    </Page>
  );
}

/**
 * Whether a page's script failed to load: after a release, the files that an open tab refers to are
 * gone.
 */
function isLost(error: unknown): boolean {
  return error instanceof Error && /dynamically imported module|importing a module script|failed to load module/i.test(error.message);
}

/** Replaces a page that broke; the rest of the shop stays usable. */
export function Broken() {
  const lost = isLost(useRouteError());
  // reloads once per address: a file that is still missing afterwards is not missing because the
  // tab is old
  const reloads = lost && mayReload(location.pathname);
  useEffect(() => {
    if (reloads) location.reload();
  }, [reloads]);
  if (reloads) {
    return (
      <Page title="Loading…">
        <Loading shape="row" count={3} />
      </Page>
    );
  }
  return (
    <Page title="Something went wrong">
      <Notice tone="bad" role="alert">
        <p>{lost ? 'This page could not be loaded.' : 'This page stopped working.'} Reloading it may help.</p>
      </Notice>
      <div className="actions">
        <Button kind="primary" onClick={() => location.reload()}>
          Reload
        </Button>
        <ButtonLink to="/">Back to the shop</ButtonLink>
      </div>
    </Page>
  );
}

const asked = new Map<string, boolean>();

/** Whether this tab has not reloaded this address before; the same answer for every render. */
function mayReload(path: string): boolean {
  const known = asked.get(path);
  if (known !== undefined) return known;
  const may = onceInTab(`shop.reloaded ${path}`);
  asked.set(path, may);
  return may;
}

/** The last resort, when even the shop's layout cannot be rendered. */
export function Frameless() {
  return (
    <main>
      <Broken />
    </main>
  );
}
