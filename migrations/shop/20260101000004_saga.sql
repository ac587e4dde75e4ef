-- Sagas: what is true of each, its journal and its signals.
create schema saga;

create table saga.saga (
    saga_id uuid not null,
    plan text not null,
    plan_version integer not null,
    plan_hash text not null,
    state text not null,
    step smallint not null,
    undo_from smallint,
    paused boolean not null default false,
    revision bigint not null default 1,
    deadline timestamptz,
    reason text,
    kept integer not null default 0,
    input jsonb not null,
    trace_id text not null,
    root_span_id text not null,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint saga_pk primary key (saga_id),
    constraint saga_state_known check (state in ('running', 'waiting', 'compensating', 'completed', 'compensated')),
    constraint saga_undo_from_while_undoing check ((undo_from is not null) = (state in ('compensating', 'compensated'))),
    constraint saga_deadline_while_waiting check (state <> 'waiting' or deadline is not null)
) with (fillfactor = 60);
comment on table saga.saga is 'One row per saga: what is true of it. When to act next stands in messaging.outbox.';
comment on column saga.saga.plan_hash is 'Of the plan''s shape; a binary with another shape under the same version leaves the saga alone.';
comment on column saga.saga.step is 'Index of the step that is running, waiting or being undone; of a saga at rest, of its last one.';
comment on column saga.saga.undo_from is 'Index of the highest step that had started when compensation began.';
comment on column saga.saga.paused is 'Set by an operator: signals are kept, nothing runs.';
comment on column saga.saga.revision is 'Raised by every write; a decision made on an older one is made again.';
comment on column saga.saga.deadline is 'Absolute end of the wait, database time.';
comment on column saga.saga.reason is 'Why it is being, or was, compensated.';
comment on column saga.saga.kept is 'How many signals wait to be taken up by the next transition.';
comment on column saga.saga.input is 'What was chosen before anything left: ids and amount.';
create index saga_live on saga.saga (state, updated_at) where state in ('running', 'waiting', 'compensating');
create index saga_newest on saga.saga (created_at);

create table saga.journal (
    saga_id uuid not null,
    revision bigint not null,
    n smallint not null,
    at timestamptz not null default clock_timestamp(),
    kind text not null,
    step text,
    attempt integer,
    detail text,
    state text not null,
    actor text,
    constraint journal_pk primary key (saga_id, revision, n)
);
comment on table saga.journal is 'Append-only: every transition, attempt, error, signal and operator act. The trace id is the saga''s.';
comment on column saga.journal.revision is 'The revision that this write made.';
comment on column saga.journal.n is 'Order within one revision.';
comment on column saga.journal.kind is 'What happened: started, done, refused, transient, unknown, undone, overtaken, signal, state, operator, breach, …';
comment on column saga.journal.detail is 'Error text, verdict or reason.';
comment on column saga.journal.state is 'The saga''s state after it.';
comment on column saga.journal.actor is 'Who did it, of an operator act.';

create table saga.signal (
    signal_id uuid not null,
    saga_id uuid not null,
    name text not null,
    verdict text,
    payload jsonb,
    source text not null,
    received_at timestamptz not null default clock_timestamp(),
    decided_at timestamptz,
    constraint signal_pk primary key (signal_id),
    constraint signal_saga_fk foreign key (saga_id) references saga.saga (saga_id),
    constraint signal_verdict_known check (verdict in ('applied', 'duplicate', 'early', 'late'))
);
comment on table saga.signal is 'Input from outside, kept always. Without a verdict, or early, it is taken up by the next transition.';
comment on column saga.signal.verdict is 'Null while nobody could decide: the saga is paused or its plan unknown to the receiver.';
comment on column saga.signal.source is 'Where it came from: message id, user id, operator.';
create index signal_kept on saga.signal (saga_id) where verdict is null or verdict = 'early';
create index signal_of_saga on saga.signal (saga_id, received_at);
