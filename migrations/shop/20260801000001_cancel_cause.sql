-- The cause of a cancellation, for code; `canceling_reason` says it in words. Null in orders that a process of the
-- release before canceled.
alter table commerce."order"
    add column canceling_cause text,
    add constraint order_canceling_cause_known
        check (canceling_cause in ('requested', 'operator', 'payment_canceled', 'deadline_passed', 'refused',
                                   'budget_spent')) not valid;
comment on column commerce."order".canceling_cause is 'Why its compensation began, for code; null in orders of earlier releases.';
