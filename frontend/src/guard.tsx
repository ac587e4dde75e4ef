import { Navigate, Outlet, useLocation } from 'react-router';

import { hasRole, isOperator, restore, useSession } from './lib/session';
import { Button, ButtonLink, Loading, Notice, Page } from './ui/parts';
import { useOnline } from './lib/useful';

/**
 * Admits only users who are logged in and have the role. The API decides; this only spares users a
 * refusal.
 */
export function Guard({ only }: { only?: 'admin' | 'operator' }) {
  const session = useSession();
  const place = useLocation();
  const online = useOnline();
  if (session.state === 'unknown') {
    return (
      <Page title="Loading…">
        {session.failed && (
          <Notice tone="bad" title={online ? 'We can’t reach the server' : 'You’re offline'} role="alert">
            <p>{online ? 'Retrying…' : 'This page opens as soon as you are online again.'}</p>
            <Button onClick={() => void restore()}>Try again</Button>
          </Notice>
        )}
        <Loading shape="row" count={3} />
      </Page>
    );
  }
  if (session.state === 'nobody') {
    return <Navigate to={`/login?next=${encodeURIComponent(place.pathname + place.search)}`} replace />;
  }
  const allowed = only === undefined || (only === 'operator' ? isOperator(session) : hasRole(session, only));
  if (!allowed) {
    return (
      <Page title="You don’t have access to this page">
        <Notice tone="over">
          <p>Ask an administrator if you need it.</p>
        </Notice>
        <ButtonLink to="/">Back to the shop</ButtonLink>
      </Page>
    );
  }
  return <Outlet />;
}
