-- Sessions that block the work on sagas, and the right to end one of them.

create function saga.blocking_sessions()
returns table (
    pid integer,
    application text,
    user_name text,
    client text,
    state text,
    since timestamptz,
    statement text,
    row_locks text[],
    table_locks text[],
    waiting integer[],
    xids text[],
    queued_xids text[]
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with recursive watched as (
        select c.oid, n.nspname || '.' || c.relname as name,
               n.nspname || '.' || c.relname in (
                   'saga.saga', 'saga.signal', 'messaging.outbox', 'messaging.inbox', 'commerce.order',
                   'commerce.stock') as has_shared_rows
        from pg_class c
             join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('saga', 'messaging', 'commerce')
          and c.relkind in ('r', 'p')
    ), locked as materialized (
        select l.pid, l.locktype, l.database, l.relation, l.transactionid, l.mode, l.granted
        from pg_locks l
        where l.pid is not null
          and l.pid <> pg_backend_pid()
    ), held as (
        select l.pid,
               -- a locked row shows itself only by its table's weak lock
               array_agg(distinct w.name order by w.name)
                   filter (where w.has_shared_rows and l.mode in ('RowShareLock', 'RowExclusiveLock')) as row_locks,
               array_agg(distinct w.name || ' ' || l.mode order by w.name || ' ' || l.mode)
                   filter (where l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
                   as table_locks
        from locked l
             join watched w on w.oid = l.relation
        where l.granted
          and l.locktype = 'relation'
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
        group by l.pid
    ), written as (
        select l.pid, array_agg(l.transactionid::text) as xids
        from locked l
        where l.locktype = 'transactionid'
          and l.granted
          and l.mode = 'ExclusiveLock'
        group by l.pid
    ), edge as (
        select w.pid as waiter, unnest(pg_blocking_pids(w.pid)) as blocker
        from (select distinct l.pid from locked l where not l.granted) as w
    ), behind as (
        select e.blocker, e.waiter from edge e
        union
        select b.blocker, e.waiter from behind b join edge e on e.blocker = b.waiter
    )
    select a.pid, nullif(a.application_name, ''), a.usename::text, host(a.client_addr), a.state, a.xact_start,
           left(regexp_replace(btrim(a.query), '\s+', ' ', 'g'), 80),
           case when written.xids is null then '{}' else coalesce(held.row_locks, '{}') end,
           coalesce(held.table_locks, '{}'),
           array(select b.waiter from behind b where b.blocker = a.pid order by b.waiter),
           coalesce(written.xids, '{}'),
           array(select unnest(q.xids) from behind b join written q on q.pid = b.waiter where b.blocker = a.pid)
    from pg_stat_activity a
         join held on held.pid = a.pid
         left join written on written.pid = a.pid
    where a.datname = current_database()
      and a.backend_type = 'client backend'
      -- a session that waits itself is not the reason
      and not exists (select from edge e where e.waiter = a.pid)
      and (held.table_locks is not null or (held.row_locks is not null and written.xids is not null))
      -- transactions of our own processes hold their locks for an instant
      and (a.xact_start < clock_timestamp() - interval '2 seconds'
           -- hidden where this function's owner may not read other roles' sessions
           or (a.xact_start is null and exists (select from behind b where b.blocker = a.pid)))
    order by a.xact_start
$$;
comment on function saga.blocking_sessions() is 'Sessions of this database that have held locks on tables or rows of sagas, orders, stock or messages for two seconds or longer.';
revoke all on function saga.blocking_sessions() from public;

create function saga.row_lockers(xmax xid) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if xmax = '0'::xid then
        return '{}';
    end if;
    -- several lockers share one number
    return array(select m.xid::text from pg_get_multixact_members(xmax) m) || xmax::text;
exception when others then
    -- an ordinary transaction
    return array[xmax::text];
end
$$;
comment on function saga.row_lockers(xid) is 'The transactions that a row''s xmax names: those that have locked, changed or deleted it last.';

create function saga.end_session(target integer) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from saga.blocking_sessions() b where b.pid = target) then
        raise exception 'session % blocks no work on sagas', target
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return pg_terminate_backend(target, 3000);
end
$$;
comment on function saga.end_session(integer) is 'Ends a session that saga.blocking_sessions() lists, and no other one. False if the session did not end within three seconds.';
revoke all on function saga.end_session(integer) from public;
