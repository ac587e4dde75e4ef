-- Finished sagas move here, whole, when they are old: one row each, read by people only.
create table saga.archive (
    saga_id uuid not null,
    plan text not null,
    plan_version integer not null,
    state text not null,
    reason text,
    trace_id text not null,
    root_span_id text not null,
    created_at timestamptz not null,
    ended_at timestamptz not null,
    archived_at timestamptz not null default clock_timestamp(),
    story jsonb not null,
    constraint archive_pk primary key (saga_id),
    constraint archive_only_at_rest check (state in ('completed', 'compensated'))
);
comment on table saga.archive is 'Sagas that came to rest long ago, with journal and signals folded into one document. Nothing that runs reads it.';
comment on column saga.archive.ended_at is 'When it came to rest.';
comment on column saga.archive.story is 'input, journal and signals as they were.';
