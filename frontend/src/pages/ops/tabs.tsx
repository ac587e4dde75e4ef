import type { ReactNode } from 'react';
import { NavLink } from 'react-router';

import '../../styles/console.css';
import { Page } from '../../ui/parts';

/** A page of the operators' console. */
export function OpsPage({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  return (
    <Page title={title} lead={lead} wide>
      <nav className="tabs" aria-label="Console">
        <NavLink to="/ops/sagas">Sagas</NavLink>
        <NavLink to="/ops/failed">Failed messages</NavLink>
        <NavLink to="/ops/doctor">Health checks</NavLink>
      </nav>
      {children}
    </Page>
  );
}
