-- What operators do: an append-only audit, and batches that are planned, looked at and then applied.
create table saga.audit (
    audit_id uuid not null,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    reason text not null,
    verb text not null,
    subject_kind text not null,
    subject_id text not null,
    before jsonb,
    after jsonb,
    batch_id bigint,
    trace_id text,
    constraint audit_pk primary key (audit_id),
    constraint audit_reason_given check (length(btrim(reason)) > 0),
    constraint audit_actor_given check (length(btrim(actor)) > 0)
);
comment on table saga.audit is 'Every write of an operator, in the transaction that made it. Append-only: the database refuses to change or delete a row.';
comment on column saga.audit.verb is 'As typed, with its noun: saga retry, failed drop, user disable, …';
comment on column saga.audit.subject_kind is 'saga, order, message, outbox, user.';
comment on column saga.audit.subject_id is 'Its id; of an account the user id, never the address.';
comment on column saga.audit.before is 'What mattered of it before: state, revision, payload, …';
comment on column saga.audit.after is 'The same after it.';
comment on column saga.audit.batch_id is 'The batch that it was a part of.';
create index audit_of_subject on saga.audit (subject_kind, subject_id, at);
create index audit_newest on saga.audit (at desc);

create function saga.refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_append_only before update or delete or truncate on saga.audit
    for each statement execute function saga.refuse_audit_change();

create table saga.batch (
    batch_id bigint generated always as identity,
    act jsonb not null,
    actor text not null,
    reason text not null,
    planned_at timestamptz not null default clock_timestamp(),
    state text not null default 'planned',
    rps double precision,
    run_until bigint,
    applied_by text,
    applied_at timestamptz,
    ended_at timestamptz,
    error text,
    constraint batch_pk primary key (batch_id),
    constraint batch_state_known check (state in ('planned', 'queued', 'canary_done', 'stopped', 'done')),
    constraint batch_rps_positive check (rps > 0),
    constraint batch_reason_given check (length(btrim(reason)) > 0)
);
comment on table saga.batch is 'A dry run that was kept: one operator act for many sagas, each at the revision that was looked at.';
comment on column saga.batch.batch_id is 'The plan''s number, as typed into apply.';
comment on column saga.batch.act is 'The act, the same for each saga.';
comment on column saga.batch.rps is 'At most so many sagas a second.';
comment on column saga.batch.run_until is 'Stop after the item with this number: the canary.';
comment on column saga.batch.state is 'planned; queued: a worker runs it; canary_done: apply again goes on; stopped: by an error; done.';
comment on column saga.batch.error is 'Why it was stopped.';

create table saga.batch_item (
    batch_id bigint not null,
    n bigint not null,
    saga_id uuid not null,
    revision bigint not null,
    preview jsonb not null,
    result text,
    detail text,
    done_at timestamptz,
    constraint batch_item_pk primary key (batch_id, n),
    constraint batch_item_once unique (batch_id, saga_id),
    constraint batch_item_batch_fk foreign key (batch_id) references saga.batch (batch_id),
    constraint batch_item_result_known check (result in ('done', 'skipped', 'failed'))
);
comment on table saga.batch_item is 'One saga of a batch. Its result is written in the commit that acts, so that no item acts twice.';
comment on column saga.batch_item.revision is 'The saga''s revision when it was looked at; one that has moved since is skipped.';
comment on column saga.batch_item.preview is 'What was shown: from, to, what is sent, what moves.';
