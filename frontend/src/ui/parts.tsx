/** The small parts that all pages are built from. */
import { type ComponentProps, type ReactNode, useEffect, useId, useLayoutEffect, useRef } from 'react';
import { Link, type LinkProps } from 'react-router';

import { Refusal, Unreachable } from '../lib/api/client';
import type { Tone } from '../lib/status';

/** A page: its heading takes the focus when the user arrives from another page. */
export function Page({ title, lead, actions, wide, children }: {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title === 'Shop' ? 'Shop' : `${title} · Shop`;
  }, [title]);
  // in the frame that shows the heading: a focus that moves later takes the next key press from the user
  useLayoutEffect(() => {
    if (history.state !== null && (history.state as { idx?: number }).idx !== 0) heading.current?.focus();
    // once, on arrival
  }, []);
  return (
    <div className={wide ? 'page wide' : 'page'}>
      <header className="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead !== undefined && <p className="lead">{lead}</p>}
        </div>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

type ButtonKind = 'primary' | 'plain' | 'quiet' | 'danger';

/**
 * A button; while `busy` it shows that and does nothing. When disabled it keeps the focus, but
 * looks disabled.
 */
export function Button({ kind = 'plain', busy = false, children, ...rest }: ComponentProps<'button'> & {
  kind?: ButtonKind;
  busy?: boolean;
}) {
  const off = busy || rest['aria-disabled'] === true || rest['aria-disabled'] === 'true';
  return (
    <button
      type="button"
      {...rest}
      className={`button ${kind} ${rest.className ?? ''}`}
      aria-disabled={off || undefined}
      onClick={(event) => {
        if (off) event.preventDefault();
        else rest.onClick?.(event);
      }}
    >
      {busy && <span className="spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

export function ButtonLink({ kind = 'plain', ...rest }: LinkProps & { kind?: ButtonKind }) {
  return <Link {...rest} className={`button ${kind}`} />;
}

/** A labelled input with its hint and its error. */
export function Field({ label, error, hint, ...rest }: ComponentProps<'input'> & {
  label: string;
  error?: string | undefined;
  hint?: string;
}) {
  const id = useId();
  const notes = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} aria-invalid={error ? true : undefined} aria-describedby={notes || undefined} {...rest} />
      {hint !== undefined && (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="error">
          {error}
        </p>
      )}
    </div>
  );
}

export function Select({ label, children, ...rest }: ComponentProps<'select'> & { label: string }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} {...rest}>
        {children}
      </select>
    </div>
  );
}

/** An inline message. `alert` interrupts, `status` waits for its turn. */
export function Notice({ tone, title, role, children }: {
  tone: Tone | 'bad';
  title?: string;
  role?: 'alert' | 'status';
  children?: ReactNode;
}) {
  return (
    <div className={`notice ${tone}`} role={role}>
      {title !== undefined && <p className="notice-title">{title}</p>}
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

/** Retry interval of a page that shows a failure with a `retry`, milliseconds. */
const RETRY = 3_000;

/**
 * The failure, and a way out. With `retry` it retries by itself while the service does not answer.
 * Without `retry` it asks the user to try again, since only the user may repeat their action.
 * `frank`: for operators, with details and ids.
 */
export function Failure({ error, retry, frank = false }: { error: unknown; retry?: () => unknown; frank?: boolean }) {
  const away = error instanceof Unreachable || (error instanceof Refusal && error.status >= 500);
  const again = useRef(retry);
  useEffect(() => {
    again.current = retry;
  });
  useEffect(() => {
    if (!away) return;
    const timer = setInterval(() => again.current?.(), RETRY);
    return () => clearInterval(timer);
  }, [away]);
  const { title, text } = failureWords(error, away, retry !== undefined, frank);
  const refusal = error instanceof Refusal ? error : null;
  // shoppers have no use for a trace id, except to report an internal error to us
  const trace = frank || refusal?.slug === 'internal' ? refusal?.problem.trace_id : undefined;
  const fields = refusal?.problem.errors ?? [];
  return (
    <Notice tone="bad" title={title} role="alert">
      {text !== undefined && <p>{text}</p>}
      {fields.length > 0 && (
        <ul>
          {fields.map(({ field, message }) => (
            <li key={field + message}>{message}</li>
          ))}
        </ul>
      )}
      {trace && <p className="fine">Trace {trace}</p>}
      {retry && (
        <Button kind="plain" onClick={() => retry()}>
          Try again
        </Button>
      )}
    </Notice>
  );
}

function failureWords(error: unknown, away: boolean, retried: boolean, frank: boolean): { title: string; text?: string } {
  const problem = error instanceof Refusal ? error.problem : null;
  const detail = problem?.detail ?? undefined;
  if (away && !(frank && detail !== undefined)) {
    return retried
      ? { title: 'We can’t reach the server', text: 'Retrying…' }
      : { title: 'We can’t reach the server', text: 'Please check your connection, then try again.' };
  }
  const title = problem?.title ?? 'Something went wrong';
  if (detail !== undefined) return { title, text: detail };
  return (problem?.errors ?? []).length > 0 ? { title } : { title, text: 'Please try again.' };
}

/** A form that focuses its first invalid field when an answer names it. */
export function Form({ error, ...rest }: ComponentProps<'form'> & { error: unknown }) {
  const form = useRef<HTMLFormElement>(null);
  useLayoutEffect(() => {
    if (error) form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus();
  }, [error]);
  return <form className="form" {...rest} ref={form} />;
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Grey placeholders for content that is loading, of the same size. */
export function Loading({ shape, count = 1 }: { shape: 'card' | 'row' | 'block'; count?: number }) {
  return (
    <div className={`loading ${shape}s`} role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, index) => (
        <div key={index} className={`bone ${shape}`} />
      ))}
    </div>
  );
}

export function Badge({ tone, children }: { tone: Tone | 'bad'; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

/** A list of names and values. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Wide content that scrolls by itself; the keyboard can reach it. */
export function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- without it the keyboard could not scroll it
    <div className="scroll" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
