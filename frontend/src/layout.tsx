import { useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { Link, NavLink, Outlet, ScrollRestoration, useNavigate } from 'react-router';

import { useAction } from './lib/action';
import { logout } from './lib/api/auth';
import { getSettings } from './lib/api/client';
import { countOf, currentCart, setAside, useCart } from './lib/cart';
import { resumeOrders } from './lib/checkout';
import { keepFocus } from './lib/focus';
import { hasRole, isOperator, useSession } from './lib/session';
import { nextTheme, themeAfter, useTheme } from './lib/theme';
import { useOnline } from './lib/useful';
import { Button } from './ui/parts';

/** The page works without the panel: if it fails to load, nothing is shown. */
const DemoPanel = lazy(() =>
  import('./pages/demo').then(
    (module) => ({ default: module.DemoPanel }),
    () => ({ default: () => null }),
  ),
);

export function Layout() {
  const online = useOnline();
  const settings = useQuery({ queryKey: ['settings'], queryFn: getSettings, staleTime: Infinity, retry: true, retryDelay: 3_000 });
  const demo = settings.data?.demo_url;
  useEffect(keepFocus, []);
  useSentCarts();
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <Head />
      {!online && (
        <p className="offline" role="status">
          You’re offline. Some information may be out of date.
        </p>
      )}
      <main id="main" tabIndex={-1}>
        <Outlet />
      </main>
      <footer className="foot">
        <p>A demonstration shop: no real payment is taken.</p>
        {demo && (
          <Suspense fallback={null}>
            <DemoPanel url={demo} />
          </Suspense>
        )}
      </footer>
      <ScrollRestoration />
    </>
  );
}

/**
 * Sent carts: their outcome is requested for their own user, and they are set aside for any other.
 */
function useSentCarts(): void {
  const session = useSession();
  const client = useQueryClient();
  const user = session.state === 'user' ? session.user.id : null;
  useEffect(() => {
    if (user === null) return;
    const { sentBy } = currentCart();
    if (sentBy !== null && sentBy !== user) setAside();
    void resumeOrders(user, (order) => {
      client.setQueryData(['order', order.id], order);
      void client.invalidateQueries({ queryKey: ['orders'] });
    });
  }, [client, user]);
}

function Head() {
  const session = useSession();
  const count = countOf(useCart());
  return (
    <header className="head">
      <div className="head-inner">
        <Link to="/" className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" fill="currentColor" />
            <path d="M8 12h13v6a6 6 0 0 1-6 6h-1a6 6 0 0 1-6-6zM21 13.500h2a2.500 2.500 0 0 1 0 6h-2M12 8.500v-2M17 8.500v-2" fill="none" className="brand-line" strokeWidth="2.200" strokeLinecap="round" strokeLinejoin="round" />
          </svg>
          Shop
        </Link>
        <nav aria-label="Main">
          <NavLink to="/" end>
            Catalog
          </NavLink>
          {session.state === 'user' && <NavLink to="/orders">Orders</NavLink>}
          <NavLink to="/cart" aria-label={`Cart, ${count} ${count === 1 ? 'item' : 'items'}`}>
            Cart{count > 0 && <span className="count">{count}</span>}
          </NavLink>
          {hasRole(session, 'admin') && (
            <>
              <NavLink to="/admin/products">Products</NavLink>
              <NavLink to="/admin/orders">All orders</NavLink>
            </>
          )}
          {isOperator(session) && <NavLink to="/ops">Console</NavLink>}
        </nav>
        <ThemeButton />
        <Account />
      </div>
    </header>
  );
}

function ThemeButton() {
  const theme = useTheme();
  const icon = { system: '◐', light: '☀', dark: '☾' }[theme];
  return (
    <button type="button" className="icon-button" onClick={nextTheme} aria-label={`Theme: ${theme}. Switch to ${themeAfter(theme)}`} title={`Switch to ${themeAfter(theme)} theme`}>
      <span aria-hidden="true">{icon}</span>
    </button>
  );
}

function Account() {
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const outside = event instanceof KeyboardEvent ? event.key === 'Escape' : !menu.current?.contains(event.target as Node);
      if (outside && menu.current?.open) menu.current.open = false;
    };
    addEventListener('click', close);
    addEventListener('keydown', close);
    return () => {
      removeEventListener('click', close);
      removeEventListener('keydown', close);
    };
  }, []);
  const leaving = useAction({
    mutationFn: logout,
    onSuccess: async () => {
      // the next user must find nothing of this one, not even the cart
      setAside();
      client.clear();
      await navigate('/');
    },
  });
  if (session.state === 'unknown' && !session.failed) return <span className="account-gap" />;
  if (session.state !== 'user') {
    return (
      <Link to="/login" className="button quiet small">
        Log in
      </Link>
    );
  }
  return (
    <details className="account" ref={menu}>
      <summary aria-label={`Account of ${session.user.name}`}>
        <span className="initial" aria-hidden="true">
          {session.user.name.slice(0, 1).toUpperCase()}
        </span>
      </summary>
      <div className="menu">
        <p className="menu-name">{session.user.name}</p>
        <p className="fine">{session.user.email}</p>
        <Link to="/account" onClick={() => menu.current?.removeAttribute('open')}>
          Account
        </Link>
        <Button className="small" busy={leaving.isPending} onClick={() => leaving.mutate()}>
          Log out
        </Button>
        {leaving.isError && (
          <p className="error" role="alert">
            You’re still logged in: we can’t reach the server. Try again before you leave this computer.
          </p>
        )}
      </div>
    </details>
  );
}
