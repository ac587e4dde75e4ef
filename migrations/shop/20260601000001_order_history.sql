-- An order keeps the times and reasons of its changes in its own row. Its history is read from them:
-- three rows, three index entries and three foreign key checks less per order.
alter table commerce."order"
    add column awaiting_at timestamptz,
    add column canceling_at timestamptz,
    add column canceling_reason text,
    add column ended_at timestamptz,
    add column ended_reason text;
comment on column commerce."order".awaiting_at is 'When it began to await its payment; set by a trigger.';
comment on column commerce."order".canceling_at is 'When its compensation began.';
comment on column commerce."order".canceling_reason is 'Why, in words for the person who ordered.';
comment on column commerce."order".ended_at is 'When it was completed or canceled; set by a trigger. Null in orders that ended before this column.';
comment on column commerce."order".ended_reason is 'Why it was canceled, in words for the person who ordered.';

-- Orders that have ended keep their rows here; the others take theirs along.
alter table commerce.order_status rename to order_status_before;
comment on table commerce.order_status_before is 'The history of orders that ended before order.ended_at; nothing is added any more.';

update commerce."order" o
set (awaiting_at, canceling_at, canceling_reason) = (
    select max(b.at) filter (where b.status = 'awaiting_payment'),
           max(b.at) filter (where b.status = 'canceling'),
           max(b.reason) filter (where b.status = 'canceling')
    from commerce.order_status_before b
    where b.order_id = o.order_id)
where o.status in ('pending', 'awaiting_payment');

create or replace function commerce.refuse_illegal_order_move() returns trigger language plpgsql as $$
begin
    if new.status is distinct from old.status then
        if not (
            (old.status = 'pending' and new.status in ('awaiting_payment', 'canceled'))
            or (old.status = 'awaiting_payment' and new.status in ('completed', 'canceled'))
        ) then
            raise exception 'order % may not move from % to %', old.order_id, old.status, new.status
                using errcode = 'check_violation', constraint = 'order_status_arrows';
        end if;
        if new.status = 'awaiting_payment' then
            new.awaiting_at := clock_timestamp();
        else
            new.ended_at := clock_timestamp();
        end if;
    end if;
    return new;
end $$;

create function commerce.order_history(o commerce."order")
    returns table (seq smallint, status text, reason text, at timestamptz)
    language sql stable parallel safe as $$
    select b.seq, b.status, b.reason, b.at
    from commerce.order_status_before b
    where b.order_id = o.order_id
      and o.ended_at is null
      and o.status in ('completed', 'canceled')
    union all
    select row_number() over (order by h.rank, h.at)::smallint, h.status, h.reason, h.at
    from (values (0, 'pending', null, o.created_at),
                 (1, 'awaiting_payment', null, o.awaiting_at),
                 (1, 'canceling', o.canceling_reason, o.canceling_at),
                 (2, o.status, o.ended_reason, o.ended_at)) as h(rank, status, reason, at)
    where h.at is not null
      and (o.ended_at is not null or o.status in ('pending', 'awaiting_payment'))
$$;
comment on function commerce.order_history(commerce."order") is 'The changes of an order''s status; seq is also the id of the event that a page watches.';

-- For people, and for processes of the release before, which read and write this name.
create view commerce.order_status as
    select o.order_id, h.seq, h.status, h.reason, h.at
    from commerce."order" o cross join lateral commerce.order_history(o) h;
comment on view commerce.order_status is 'The status history of all orders.';

create function commerce.keep_order_reason() returns trigger language plpgsql as $$
begin
    if new.status = 'canceling' then
        update commerce."order" set canceling_at = clock_timestamp(), canceling_reason = new.reason
        where order_id = new.order_id;
    elsif new.status = 'canceled' then
        update commerce."order" set ended_reason = new.reason where order_id = new.order_id;
    end if;
    return new;
end $$;
comment on function commerce.keep_order_reason() is 'The release before inserts a row for each change; can go with its last process.';
create trigger order_reason instead of insert on commerce.order_status
    for each row execute function commerce.keep_order_reason();

-- Whoever might use the table may use the view.
do $$
declare
    granted record;
begin
    for granted in
        select r.rolname, a.privilege_type
        from pg_class c, aclexplode(c.relacl) a, pg_roles r
        where c.oid = 'commerce.order_status_before'::regclass
          and r.oid = a.grantee
          and a.grantee <> c.relowner
          and a.privilege_type in ('SELECT', 'INSERT')
    loop
        execute format('grant %s on commerce.order_status to %I', granted.privilege_type, granted.rolname);
    end loop;
end $$;
