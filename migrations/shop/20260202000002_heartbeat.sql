-- Who is there: which processes run, what they do and which plans they know. And who holds an entry.
create table saga.heartbeat (
    process text not null,
    roles text[] not null,
    plans text[] not null,
    host text not null,
    pid integer not null,
    version text not null,
    lease_ms bigint not null,
    retry_budget_ms bigint not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp(),
    constraint heartbeat_pk primary key (process)
) with (fillfactor = 50);
comment on table saga.heartbeat is 'One row per process that runs sagas or takes messages: written every two seconds, deleted at a graceful end.';
comment on column saga.heartbeat.process is 'Its own name, new with every start; what messaging.outbox.holder says.';
comment on column saga.heartbeat.roles is 'What it does: api, saga, payments, async, relay.';
comment on column saga.heartbeat.plans is 'The plans that it can work on, as name/version/hash.';
comment on column saga.heartbeat.lease_ms is 'For how long its claims last.';
comment on column saga.heartbeat.retry_budget_ms is 'For how long it tries a step before it compensates.';
comment on column saga.heartbeat.seen_at is 'Database time of its last beat.';

alter table messaging.outbox add column holder text;
comment on column messaging.outbox.holder is 'Of a step or timer, the process that claimed it last; saga.heartbeat tells more of it.';
