-- What each process may do in payments' database. None of them owns a table, or may alter one.

grant usage on schema payments, messaging to payments, operator, doctor;

grant select on public._sqlx_migrations to payments, operator, doctor;

grant select on payments.instance to payments, operator;
grant select, insert, update on payments.transaction to payments;
grant select, insert, update, delete on messaging.outbox to payments;

-- shopctl in an operator's hand shows what payments holds, and has what is parked sent again.
grant select on payments.transaction to operator;
grant select, update on messaging.outbox to operator;

-- The doctor reads everything, and writes nothing.
grant select on all tables in schema payments, messaging to doctor;
alter role doctor set default_transaction_read_only = on;
