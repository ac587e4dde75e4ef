-- no-transaction
-- Orders are found by the number that customers see: the last eight digits of their id.
create index concurrently if not exists order_number on commerce."order" (right(order_id::text, 8));
