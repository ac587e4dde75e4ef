-- no-transaction
create index concurrently if not exists saga_unended on saga.saga (created_at) where ended_at is null;
