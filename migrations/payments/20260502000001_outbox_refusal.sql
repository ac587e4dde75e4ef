-- How the broker refused a message, for code: until now it stood in the sentence of last_error alone.
alter table messaging.outbox
    add column refusal text,
    -- rows that are older have none: there is nothing to validate
    add constraint outbox_refusal_known check (refusal in ('unroutable', 'refused')) not valid;
comment on column messaging.outbox.refusal is 'How the broker refused the last attempt. Null: it did not, or the release before wrote the row.';
