/** Pages that mailed links open: a forgotten password, and an address to verify. */
import type { SubmitEvent } from 'react';
import { Link, useLocation } from 'react-router';

import { useAction } from '../lib/action';
import { requestPasswordReset, resetPassword, verifyEmail } from '../lib/api/auth';
import { Refusal } from '../lib/api/client';
import { textOf } from '../lib/form';
import { Button, ButtonLink, Failure, Field, Form, Notice, Page } from '../ui/parts';
import { NewPassword } from './account';

/** The token of a mailed link. It follows the `#`, so that browsers send it to no server. */
function useToken(): string {
  return new URLSearchParams(useLocation().hash.slice(1)).get('token') ?? '';
}

export function ForgotPasswordPage() {
  const asking = useAction({ mutationFn: (form: FormData) => requestPasswordReset(textOf(form, 'email')) });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    asking.mutate(new FormData(event.currentTarget));
  };
  const wrong = asking.error instanceof Refusal ? asking.error.field('email') : undefined;
  return (
    <div className="narrow">
      <Page title="Forgotten your password?" lead="We send you a link to set a new one.">
        {asking.isError && wrong === undefined && <Failure error={asking.error} />}
        {asking.isSuccess ? (
          <Notice tone="good" role="status" title="Look into your mailbox">
            <p>If there is an account with this address, a mail with a link is on its way. The link works for 30 minutes.</p>
          </Notice>
        ) : (
          <Form error={asking.error} onSubmit={submit}>
            <Field label="E-mail address" name="email" type="email" autoComplete="email" required error={wrong} />
            <Button kind="primary" type="submit" busy={asking.isPending}>
              Send the link
            </Button>
          </Form>
        )}
        <p>
          <Link to="/login">Back to log in</Link>
        </p>
      </Page>
    </div>
  );
}

export function ResetPasswordPage() {
  const token = useToken();
  const setting = useAction({ mutationFn: (form: FormData) => resetPassword(token, textOf(form, 'new')) });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    setting.mutate(new FormData(event.currentTarget));
  };
  const refusal = setting.error instanceof Refusal ? setting.error : null;
  const spent = token === '' ? 'This link is not complete.' : refusal?.field('token');
  const wrong = refusal?.field('new_password');
  if (setting.isSuccess) {
    return (
      <div className="narrow">
        <Page title="Set a new password">
          <Notice tone="good" role="status">
            <p>Your password is set. You are logged out everywhere.</p>
          </Notice>
          <ButtonLink kind="primary" to="/login">
            Log in
          </ButtonLink>
        </Page>
      </div>
    );
  }
  return (
    <div className="narrow">
      <Page title="Set a new password">
        {spent !== undefined && <SpentLink why={spent} />}
        {setting.isError && spent === undefined && wrong === undefined && <Failure error={setting.error} />}
        {spent === undefined ? (
          <Form error={setting.error} onSubmit={submit}>
            <NewPassword error={wrong} />
            <Button kind="primary" type="submit" busy={setting.isPending}>
              Set password
            </Button>
          </Form>
        ) : (
          <ButtonLink to="/forgot-password">Ask for a new link</ButtonLink>
        )}
      </Page>
    </div>
  );
}

export function VerifyEmailPage() {
  const token = useToken();
  const verifying = useAction({ mutationFn: () => verifyEmail(token) });
  const refused = verifying.error instanceof Refusal ? verifying.error.field('token') : undefined;
  const spent = token === '' ? 'This link is not complete.' : refused;
  return (
    <div className="narrow">
      <Page title="Confirm your address">
        {spent !== undefined && <SpentLink why={spent} />}
        {verifying.isError && spent === undefined && <Failure error={verifying.error} />}
        {verifying.isSuccess && (
          <Notice tone="good" role="status">
            <p>Your address is confirmed. Thank you.</p>
          </Notice>
        )}
        {verifying.isSuccess && <ButtonLink to="/">Back to the shop</ButtonLink>}
        {spent !== undefined && <ButtonLink to="/account">Go to your account</ButtonLink>}
        {spent === undefined && !verifying.isSuccess && (
          // mail scanners open links, but press no buttons
          <Button kind="primary" busy={verifying.isPending} onClick={() => verifying.mutate()}>
            Confirm address
          </Button>
        )}
      </Page>
    </div>
  );
}

function SpentLink({ why }: { why: string }) {
  return (
    <Notice tone="bad" role="alert">
      <p>{why}</p>
    </Notice>
  );
}
