-- What a saga's trace is told from: when each thing began, who did it, under which span.
alter table saga.journal
    add column began_at timestamptz,
    add column span_id text,
    add column process text,
    add column ran text[];
comment on column saga.journal.began_at is 'Of what took time: an attempt, or the wait that this row ended. Null: it is a moment.';
comment on column saga.journal.span_id is 'Of an attempt: the span that its calls are children of.';
comment on column saga.journal.process is 'Of an attempt: who made it, as its heartbeat names it.';
comment on column saga.journal.ran is 'Local steps, and undos as <step>/undo, that ran in the same transaction.';

alter table saga.saga add column state_since timestamptz;
alter table saga.saga alter column state_since set default clock_timestamp();
comment on column saga.saga.state_since is 'Since when it is in its state, at its step; null in rows that are older than this column.';
