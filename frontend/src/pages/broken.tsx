import { useRouteError } from 'react-router';

import { ButtonLink, Notice, Page } from '../ui/parts';

export function NotFound({ what = 'page' }: { what?: string }) {
  return (
    <Page title="There is nothing here" lead={`We know of no such ${what}.`}>
      <ButtonLink to="/">Back to the shop</ButtonLink>
    </Page>
  );
}

/** The last resort: a page itself broke. */
export function Broken() {
  const error = useRouteError();
  return (
    <main className="page">
      <h1>This page broke</h1>
      <Notice tone="bad" role="alert">
        <p>{error instanceof Error ? error.message : 'We do not know why.'} Loading it again may help.</p>
      </Notice>
      <a className="button plain" href="/">
        Back to the shop
      </a>
    </main>
  );
}
