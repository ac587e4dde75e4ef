-- The journal's facts, typed: what code reads of a row no longer stands in its sentence alone.
alter table saga.journal
    add column signal text,
    add column verdict text,
    add column verb text,
    add column cause text,
    add column budget_spent boolean,
    -- rows that are older have none of these: there is nothing to validate
    add constraint journal_verdict_known
        check (verdict in ('applied', 'duplicate', 'early', 'late')) not valid,
    add constraint journal_verb_known
        check (verb in ('retry', 'pause', 'resume', 'cancel', 'signal', 'resolve')) not valid,
    add constraint journal_cause_known
        check (cause in ('refused', 'budget_spent', 'deadline_passed', 'aborted', 'canceled')) not valid,
    add constraint journal_facts_of_kind
        check ((signal is null or kind in ('signal', 'signal_decided'))
               and (verdict is null or signal is not null)
               and (kind <> 'signal_decided' or verdict is not null)
               and (verb is null or kind = 'operator')
               and (cause is null or kind = 'compensation_begun')
               and (budget_spent is null or kind in ('transient', 'unknown', 'contradicted'))) not valid;
comment on column saga.journal.kind is 'What happened: begun, done, refused, transient, unknown, contradicted, undone, overtaken, lost, deadline_passed, woken, signal, signal_decided, operator, compensation_begun, breach.';
comment on column saga.journal.detail is 'Error text, verdict or reason, for people.';
comment on column saga.journal.actor is 'Who did it: of an operator act, or of a signal that arrived.';
comment on column saga.journal.signal is 'The name of a signal that arrived or got its verdict.';
comment on column saga.journal.verdict is 'Its verdict; null while it is kept undecided.';
comment on column saga.journal.verb is 'What an operator did.';
comment on column saga.journal.cause is 'Why compensation began.';
comment on column saga.journal.budget_spent is 'Of an attempt that failed: whether it used up the retry budget. Null: an undo, which has none, or a row of the release before.';

-- A row's facts, also of one that the release before wrote: it told them in the sentence only. Once no
-- such process runs and no such row is left, the first four branches can go.
create function saga.journal_fact(j saga.journal) returns jsonb
    language sql immutable parallel safe
    return jsonb_strip_nulls(case
        when j.kind = 'signal' and j.signal is null then jsonb_build_object(
            'kind', case when j.actor is null then 'signal_decided' else 'signal' end,
            'signal', split_part(j.detail, ': ', 1),
            'verdict', case when split_part(j.detail, ': ', 2) in ('applied', 'duplicate', 'early', 'late')
                       then split_part(j.detail, ': ', 2) end)
        when j.kind = 'operator' and j.verb is null then jsonb_build_object(
            'kind', j.kind,
            'verb', rtrim(split_part(j.detail, ' ', 1), ':'))
        when j.kind = 'compensation_begun' and j.cause is null then jsonb_build_object(
            'kind', j.kind,
            'cause', case j.detail
                when 'it could not be done in time' then 'budget_spent'
                when 'it was not paid in time' then 'deadline_passed'
                when 'the payment was canceled' then 'aborted'
                when 'it was canceled' then 'canceled'
                else 'refused' end)
        when j.kind = 'unknown' and j.detail like 'payment-mismatch:%' then jsonb_build_object(
            'kind', 'contradicted')
        else jsonb_build_object(
            'kind', j.kind, 'signal', j.signal, 'verdict', j.verdict, 'verb', j.verb, 'cause', j.cause,
            'budget_spent', j.budget_spent)
    end);
comment on function saga.journal_fact(saga.journal) is 'What code reads of a row: its kind and the facts that belong to it.';

create function saga.refuse_journal_change() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger journal_append_only before update or truncate on saga.journal
    for each statement execute function saga.refuse_journal_change();

-- Rows leave only for the archive, in the statement that puts them there.
create function saga.refuse_journal_loss() returns trigger language plpgsql as $$
begin
    if exists (select from gone where not exists (select from saga.archive a where a.saga_id = gone.saga_id)) then
        raise exception 'the journal is append-only: a saga''s rows leave it only for the archive'
            using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
create trigger journal_kept after delete on saga.journal
    referencing old table as gone for each statement execute function saga.refuse_journal_loss();
