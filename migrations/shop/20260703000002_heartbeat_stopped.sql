-- A process that ends by itself leaves the time of its end.
alter table saga.heartbeat add column stopped_at timestamptz;
comment on table saga.heartbeat is 'One row per process that runs sagas or takes messages: written every two seconds, deleted an hour after the last beat.';
comment on column saga.heartbeat.stopped_at is 'When the process ended by itself; absent of one that runs or was killed.';
