-- The outbox (everything that must still happen outside its transaction) and the inbox.
create schema messaging;

create table messaging.outbox (
    entry_id uuid not null,
    kind text not null,
    saga_id uuid,
    plan text,
    plan_version integer,
    plan_hash text,
    step text,
    since timestamptz not null default clock_timestamp(),
    exchange text,
    routing_key text,
    message_type text,
    body jsonb,
    traceparent text,
    due_at timestamptz not null default clock_timestamp(),
    epoch bigint not null default 0,
    attempt integer not null default 0,
    parked_at timestamptz,
    last_error text,
    constraint outbox_pk primary key (entry_id),
    constraint outbox_kind_known check (kind in ('step', 'timer', 'message')),
    constraint outbox_saga_entry check (
        kind = 'message' or (saga_id is not null and plan is not null and plan_version is not null
                             and plan_hash is not null and step is not null)
    ),
    constraint outbox_message_entry check (
        kind <> 'message' or (exchange is not null and routing_key is not null
                              and message_type is not null and body is not null)
    ),
    constraint outbox_only_messages_park check (parked_at is null or kind = 'message')
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0.05);
comment on table messaging.outbox is 'What must still happen outside the transaction that wrote it: a remote step, a timer, a message.';
comment on column messaging.outbox.entry_id is 'Of a message also its AMQP message id.';
comment on column messaging.outbox.plan is 'With version and hash: which plan this entry belongs to; a worker claims only what it knows.';
comment on column messaging.outbox.step is 'Name of the step, or of the undo as <step>/undo.';
comment on column messaging.outbox.since is 'When this work was first due; the retry budget counts from here.';
comment on column messaging.outbox.due_at is 'When to act; while claimed, the end of the lease.';
comment on column messaging.outbox.epoch is 'Raised by every claim; a holder with an older one can no longer write.';
comment on column messaging.outbox.attempt is 'Attempts begun, the running one included.';
comment on column messaging.outbox.parked_at is 'Set on a message after its last attempt; an operator decides.';
comment on column messaging.outbox.last_error is 'What the last attempt said.';
create index outbox_due on messaging.outbox (kind, due_at) where parked_at is null;
-- I7: a saga owns at most one step or timer entry.
create unique index outbox_one_entry_a_saga on messaging.outbox (saga_id) where kind in ('step', 'timer');

create table messaging.inbox (
    consumer text not null,
    message_id text not null,
    handled_at timestamptz not null default clock_timestamp(),
    constraint inbox_pk primary key (consumer, message_id)
);
comment on table messaging.inbox is 'What has taken effect already, so that it does not a second time.';
comment on column messaging.inbox.message_id is 'The message id; of a payment event <transaction id>/<outcome>.';
create index inbox_age on messaging.inbox (handled_at);
