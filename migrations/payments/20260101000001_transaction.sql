-- Transactions: who pays what for which order, and how it ended.
create schema payments;

create table payments.transaction (
    transaction_id uuid not null,
    order_id uuid not null,
    user_id uuid,
    amount bigint,
    currency text,
    status text not null,
    tombstone boolean not null default false,
    trace text,
    created_at timestamptz not null default clock_timestamp(),
    completed_at timestamptz,
    canceled_at timestamptz,
    constraint transaction_pk primary key (transaction_id),
    constraint transaction_order_unique unique (order_id),
    constraint transaction_status_known check (status in ('pending', 'paid', 'canceled')),
    constraint transaction_amount_positive check (amount > 0),
    constraint transaction_currency_shape check (currency ~ '^[A-Z]{3}$'),
    constraint transaction_whole check (
        tombstone or (user_id is not null and amount is not null and currency is not null)
    ),
    constraint transaction_tombstone_canceled check (not tombstone or status = 'canceled'),
    constraint transaction_times check (
        (status = 'pending' and completed_at is null and canceled_at is null)
        or (status = 'paid' and completed_at is not null and canceled_at is null)
        or (status = 'canceled' and completed_at is null and canceled_at is not null)
    )
) with (fillfactor = 70);
comment on table payments.transaction is 'One per order. Whoever moves it out of pending first has won.';
comment on column payments.transaction.transaction_id is 'Chosen by the caller before it calls.';
comment on column payments.transaction.amount is 'Minor units; null only in a tombstone.';
comment on column payments.transaction.tombstone is 'Canceled before it was ever created: the late creation is refused.';
comment on column payments.transaction.trace is 'W3C traceparent of the creation: its events belong to that trace.';

create function payments.refuse_illegal_transaction_move() returns trigger language plpgsql as $$
begin
    if new.status is distinct from old.status and old.status <> 'pending' then
        raise exception 'transaction % may not move from % to %', old.transaction_id, old.status, new.status
            using errcode = 'check_violation', constraint = 'transaction_status_arrows';
    end if;
    return new;
end $$;
create trigger transaction_status_arrows before update of status on payments.transaction
    for each row execute function payments.refuse_illegal_transaction_move();
