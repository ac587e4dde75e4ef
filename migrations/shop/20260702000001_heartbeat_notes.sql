-- What operators need to know of a process, such as which proof it asks of a payment event.
alter table saga.heartbeat add column notes jsonb not null default '{}';
comment on column saga.heartbeat.notes is 'Settings and findings of the process for operators: PAYMENTS_EVENTS, payments_instance.';
