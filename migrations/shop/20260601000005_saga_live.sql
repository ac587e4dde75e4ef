-- no-transaction
drop index concurrently if exists saga.saga_live;
