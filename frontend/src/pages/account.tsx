/** The user's account: whether its address is verified, and its password. */
import { useQuery } from '@tanstack/react-query';
import type { SubmitEvent } from 'react';

import { useAction, useSteadyError } from '../lib/action';
import { Sessions } from './sessions';
import { changePassword, getMe, sendVerification } from '../lib/api/auth';
import { Refusal } from '../lib/api/client';
import { textOf } from '../lib/form';
import { Badge, Button, Fact, Facts, Failure, Field, Form, Loading, Notice, Page } from '../ui/parts';

export function AccountPage() {
  const me = useQuery({ queryKey: ['me'], queryFn: getMe });
  const error = useSteadyError(me);
  return (
    <div className="narrow">
      <Page title="Account">
        {me.data === undefined && (error ? <Failure error={error} retry={() => me.refetch()} /> : <Loading shape="row" count={2} />)}
        {me.data && (
          <>
            <Facts>
              <Fact name="Name">{me.data.name}</Fact>
              <Fact name="E-mail address">
                {me.data.email} {me.data.email_verified ? <Badge tone="good">Confirmed</Badge> : <Badge tone="doubt">Not confirmed</Badge>}
              </Fact>
            </Facts>
            {!me.data.email_verified && <Verification />}
            <Password />
            <Sessions />
          </>
        )}
      </Page>
    </div>
  );
}

function Verification() {
  const sending = useAction({ mutationFn: sendVerification });
  if (sending.isSuccess) {
    return (
      <Notice tone="good" role="status">
        <p>Look into your mailbox: a mail with a link is on its way.</p>
      </Notice>
    );
  }
  return (
    <>
      {sending.isError && <Failure error={sending.error} />}
      <p>
        <Button busy={sending.isPending} onClick={() => sending.mutate()}>
          Send the mail again
        </Button>
      </p>
    </>
  );
}

function Password() {
  const changing = useAction({
    mutationFn: (data: FormData) => changePassword(textOf(data, 'current'), textOf(data, 'new')),
  });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { currentTarget: filled } = event;
    changing.mutate(new FormData(filled), { onSuccess: () => filled.reset() });
  };
  const refusal = changing.error instanceof Refusal ? changing.error : null;
  const isSaid = (refusal?.problem.errors?.length ?? 0) > 0;
  return (
    <section aria-labelledby="password">
      <h2 id="password">Change password</h2>
      {changing.isError && !isSaid && <Failure error={changing.error} />}
      {changing.isSuccess && (
        <Notice tone="good" role="status">
          <p>Your password is changed. You are logged out everywhere else.</p>
        </Notice>
      )}
      <Form error={changing.error} onSubmit={submit}>
        <Field label="Current password" name="current" type="password" autoComplete="current-password" required error={refusal?.field('current_password')} />
        <NewPassword error={refusal?.field('new_password')} />
        <Button kind="primary" type="submit" busy={changing.isPending}>
          Change password
        </Button>
      </Form>
    </section>
  );
}

export function NewPassword({ error }: { error: string | undefined }) {
  return (
    <Field
      label="New password"
      name="new"
      type="password"
      autoComplete="new-password"
      minLength={8}
      maxLength={128}
      required
      hint="At least 8 characters"
      error={error}
    />
  );
}
