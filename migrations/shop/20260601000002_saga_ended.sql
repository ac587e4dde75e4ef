-- Live sagas are found by an index that names no column of a move: a move changes the saga's row in
-- place (heap-only), with no new index entry.
alter table saga.saga
    add column ended_at timestamptz,
    add constraint saga_ended_at_rest
        check ((ended_at is not null) = (state in ('completed', 'compensated'))) not valid;
comment on column saga.saga.ended_at is 'When it came to rest; null while it is live.';

-- For processes of the release before; can go with the last of them.
create function saga.note_end() returns trigger language plpgsql as $$
begin
    new.ended_at := clock_timestamp();
    return new;
end $$;
create trigger saga_end before update of state on saga.saga for each row
    when (new.ended_at is null and new.state in ('completed', 'compensated'))
    execute function saga.note_end();
