import type { SubmitEvent } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router';

import { useAction } from '../lib/action';
import { login, register } from '../lib/api/auth';
import { Refusal } from '../lib/api/client';
import { textOf } from '../lib/form';
import { useSession } from '../lib/session';
import { Button, ButtonLink, Failure, Field, Form, Notice, Page } from '../ui/parts';

/** The page to return to after the login; only pages of the shop are accepted. */
function useNext(): string {
  const [params] = useSearchParams();
  const next = params.get('next') ?? '/';
  return next.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : '/';
}

export function LoginPage() {
  const session = useSession();
  const next = useNext();
  const entering = useAction({ mutationFn: (form: FormData) => login(textOf(form, 'email'), textOf(form, 'password')) });
  if (session.state === 'user') return <Navigate to={next} replace />;
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    entering.mutate(new FormData(event.currentTarget));
  };
  const wrong = entering.error instanceof Refusal && entering.error.slug === 'wrong-credentials';
  return (
    <div className="narrow">
      <Page title="Log in">
        {wrong ? (
          <Notice tone="bad" role="alert">
            <p>Wrong e-mail address or password.</p>
          </Notice>
        ) : (
          entering.isError && <Failure error={entering.error} />
        )}
        <Form error={entering.error} onSubmit={submit}>
          <Field label="E-mail address" name="email" type="email" autoComplete="email" required />
          <Field label="Password" name="password" type="password" autoComplete="current-password" required />
          <Button kind="primary" type="submit" busy={entering.isPending}>
            Log in
          </Button>
        </Form>
        <p>
          <Link to="/forgot-password">Forgotten your password?</Link>
        </p>
        <p>
          New here? <Link to={`/register?next=${encodeURIComponent(next)}`}>Create an account</Link>
        </p>
      </Page>
    </div>
  );
}

export function RegisterPage() {
  const session = useSession();
  const next = useNext();
  const entering = useAction({
    mutationFn: (form: FormData) => register(textOf(form, 'name'), textOf(form, 'email'), textOf(form, 'password')),
  });
  if (session.state === 'user') return <Navigate to={next} replace />;
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    entering.mutate(new FormData(event.currentTarget));
  };
  const refusal = entering.error instanceof Refusal ? entering.error : null;
  const isSaid = (refusal?.problem.errors?.length ?? 0) > 0;
  const login = `/login?next=${encodeURIComponent(next)}`;
  if (entering.isSuccess) {
    return (
      <div className="narrow">
        <Page title="Look into your mailbox">
          <Notice tone="good" role="status">
            <p>We have sent you a mail. If the account is new, you can log in right away.</p>
          </Notice>
          <ButtonLink kind="primary" to={login}>
            Log in
          </ButtonLink>
        </Page>
      </div>
    );
  }
  return (
    <div className="narrow">
      <Page title="Create an account">
        {entering.isError && !isSaid && <Failure error={entering.error} />}
        <Form error={entering.error} onSubmit={submit}>
          <Field label="Name" name="name" autoComplete="name" maxLength={100} required error={refusal?.field('name')} />
          <Field label="E-mail address" name="email" type="email" autoComplete="email" required error={refusal?.field('email')} />
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete="new-password"
            minLength={8}
            maxLength={128}
            required
            hint="At least 8 characters"
            error={refusal?.field('password')}
          />
          <Button kind="primary" type="submit" busy={entering.isPending}>
            Create account
          </Button>
        </Form>
        <p>
          Already have an account? <Link to={login}>Log in</Link>
        </p>
      </Page>
    </div>
  );
}
