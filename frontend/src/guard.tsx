import { Navigate, Outlet, useLocation } from 'react-router';

import { hasRole, isOperator, restore, useSession } from './lib/session';
import { Button, ButtonLink, Loading, Notice, Page } from './ui/parts';
import { useOnline } from './lib/useful';

/** Lets only those in who are logged in, and have the role. The api decides; this only spares them a no. */
export function Guard({ only }: { only?: 'admin' | 'operator' }) {
  const session = useSession();
  const place = useLocation();
  const online = useOnline();
  if (session.state === 'unknown') {
    return (
      <Page title="One moment">
        <Loading shape="row" count={3} />
        {!online && <p>You are offline. This page opens as soon as you are back.</p>}
        <Button kind="quiet" onClick={() => void restore()}>
          Try again
        </Button>
      </Page>
    );
  }
  if (session.state === 'nobody') {
    return <Navigate to={`/login?next=${encodeURIComponent(place.pathname + place.search)}`} replace />;
  }
  const allowed = only === undefined || (only === 'operator' ? isOperator(session) : hasRole(session, only));
  if (!allowed) {
    return (
      <Page title="This is for others">
        <Notice tone="over">
          <p>Your account does not have the role that this page is for.</p>
        </Notice>
        <ButtonLink to="/">Back to the shop</ButtonLink>
      </Page>
    );
  }
  return <Outlet />;
}
