-- What each process may do in the shop's database. None of them owns a table, or may alter one.

grant usage on schema auth to api, operator, "worker-async";
grant usage on schema commerce, saga, messaging to
    api, operator, doctor, "worker-saga", "worker-payments", "worker-async";
grant usage on schema saga, messaging to "worker-relay";
grant usage on schema apalis to api, operator, doctor, "worker-async";

-- Who starts looks whether its migrations are there.
grant select on public._sqlx_migrations to
    api, operator, doctor, "worker-saga", "worker-payments", "worker-async", "worker-relay";

-- Whoever moves sagas: the machine's tables, and what the steps of a checkout touch. The journal is
-- only ever added to.
grant select, insert, update on saga.saga, saga.signal to
    api, operator, "worker-saga", "worker-payments", "worker-async";
grant select, insert on saga.journal to
    api, operator, "worker-saga", "worker-payments", "worker-async";
grant select, insert, update, delete on messaging.outbox to
    api, operator, "worker-saga", "worker-payments", "worker-async";
grant select, update on commerce."order", commerce.stock to
    api, operator, "worker-saga", "worker-payments", "worker-async";
grant select on commerce.order_status_before to
    api, operator, "worker-saga", "worker-payments", "worker-async";
-- Processes of the release before insert here, too.
grant select, insert on commerce.order_status to
    api, operator, "worker-saga", "worker-payments", "worker-async";
grant select on commerce.order_line, commerce.product to
    api, operator, "worker-saga", "worker-payments", "worker-async";
grant select, insert, update, delete on saga.heartbeat to
    api, operator, "worker-saga", "worker-payments", "worker-async", "worker-relay";

-- The relay: what is to be published, and nothing of what it is about.
grant select, update, delete on messaging.outbox to "worker-relay";

-- Consumers know what they have handled.
grant select, insert on messaging.inbox to "worker-payments", "worker-async";

-- The api: accounts, catalog, new orders, what operators do by HTTP, and the doctor's report.
grant select, insert, update on auth."user", auth.refresh_token, auth.mail_request, auth.login_throttle to api;
grant select, delete on auth.mail_link to api;
grant select, insert, update, delete on auth.known_device to api;
grant select, insert on commerce.client, commerce."order", commerce.order_line, commerce.stock to api;
grant select, insert, update on commerce.product to api;
grant select, insert, update, delete on commerce.idempotency_key to api;
grant select, insert on saga.audit to api;
grant select, insert, update on saga.batch, saga.batch_item to api;
grant select on saga.archive, messaging.inbox, apalis.jobs to api;

-- Mails need addresses; retention forgets what is old; operators' batches are run.
grant select on auth."user", commerce.client to "worker-async";
grant select, insert, update, delete on auth.mail_link to "worker-async";
grant select, update, delete on auth.mail_request, auth.refresh_token, auth.login_throttle, auth.known_device,
    commerce.idempotency_key, messaging.inbox to "worker-async";
grant delete on saga.saga, saga.journal, saga.signal to "worker-async";
grant select, insert on saga.archive, saga.audit to "worker-async";
grant select, insert, update on saga.batch, saga.batch_item to "worker-async";
grant select, insert, update, delete on all tables in schema apalis to "worker-async";

-- shopctl in an operator's hand: accounts, the demo catalog, acts, audit.
grant select, insert, update on auth."user", auth.refresh_token to operator;
grant select, insert on commerce.client, commerce.product, commerce.stock to operator;
grant select, insert on saga.audit to operator;
grant select, insert, update on saga.batch, saga.batch_item to operator;
grant select on saga.archive, messaging.inbox, commerce.idempotency_key, apalis.jobs to operator;

-- The doctor reads everything but accounts, and writes nothing.
grant select on all tables in schema commerce, saga, messaging, apalis to doctor;
alter role doctor set default_transaction_read_only = on;

-- A diagnosis names the sessions that block a saga. Only an operator ends one.
grant execute on function saga.blocking_sessions() to
    api, operator, doctor, "worker-saga", "worker-payments", "worker-async";
grant execute on function saga.end_session(integer) to operator;

-- Who meets a lock names the sessions whose transactions are open. Where the migrate step's own role may not grant this,
-- the names are missing and nothing else is.
do $$
begin
    grant pg_read_all_stats to operator, doctor, "worker-payments";
exception when insufficient_privilege then
    raise notice 'pg_read_all_stats cannot be granted: sessions behind a lock will not be named';
end
$$;

-- The functions about blocking sessions run with the rights of the role that migrates. Where it may not have these,
-- `shopctl db end-session` prints the statement for an administrator.
do $$
begin
    grant pg_read_all_stats, pg_signal_backend to current_user;
exception when insufficient_privilege then
    raise notice 'pg_signal_backend cannot be granted: shopctl cannot end sessions of other roles';
end
$$;
