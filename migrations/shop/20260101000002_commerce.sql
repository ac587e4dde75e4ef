-- Clients, catalog, stock and orders.
create schema commerce;

create table commerce.client (
    client_id uuid not null,
    user_id uuid not null,
    name text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint client_pk primary key (client_id),
    constraint client_user_unique unique (user_id)
);
comment on table commerce.client is 'A user as commerce knows them; created by the listener of the user-registered domain event.';
comment on column commerce.client.user_id is 'The account in auth; no foreign key across modules.';

create table commerce.product (
    product_id uuid not null,
    slug text not null,
    name text not null,
    description text not null,
    price_amount bigint not null,
    currency text not null,
    version bigint not null default 1,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    deleted_at timestamptz,
    search tsvector not null generated always as (
        setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', description), 'B')
    ) stored,
    constraint product_pk primary key (product_id),
    constraint product_slug_unique unique (slug),
    constraint product_slug_shape check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    constraint product_price_positive check (price_amount > 0),
    constraint product_currency_shape check (currency ~ '^[A-Z]{3}$')
);
comment on table commerce.product is 'The catalog. Deleting is soft: orders keep pointing here.';
comment on column commerce.product.slug is 'Stable name in URLs; never changes, not even when the product is renamed.';
comment on column commerce.product.price_amount is 'Minor units of the currency.';
comment on column commerce.product.version is 'Raised by each edit; what If-Match compares.';
comment on column commerce.product.search is 'Full text of name and description.';
create index product_search on commerce.product using gin (search);
create index product_name_trgm on commerce.product using gin (name gin_trgm_ops);
create index product_newest on commerce.product (product_id desc) where deleted_at is null;

create table commerce.stock (
    product_id uuid not null,
    received bigint not null default 0,
    sold bigint not null default 0,
    reserved bigint not null default 0,
    on_hand bigint not null generated always as (received - sold) stored,
    constraint stock_pk primary key (product_id),
    constraint stock_product_fk foreign key (product_id) references commerce.product (product_id),
    constraint stock_counts_natural check (received >= 0 and sold >= 0),
    constraint stock_reserved_within check (reserved >= 0 and reserved <= received - sold)
) with (fillfactor = 50);
comment on table commerce.stock is 'Quantities, apart from the catalog so that a hot product does not touch its description. I8.';
comment on column commerce.stock.received is 'Ever put in.';
comment on column commerce.stock.sold is 'Ever sold by completed orders.';
comment on column commerce.stock.reserved is 'Held by orders that are neither completed nor canceled.';

create table commerce."order" (
    order_id uuid not null,
    user_id uuid not null,
    saga_id uuid not null,
    transaction_id uuid not null,
    status text not null,
    canceling boolean not null default false,
    total_amount bigint not null,
    currency text not null,
    trace_id text not null,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint order_pk primary key (order_id),
    constraint order_transaction_unique unique (transaction_id),
    constraint order_status_known check (status in ('pending', 'awaiting_payment', 'completed', 'canceled')),
    constraint order_canceling_only_live check (not canceling or status in ('pending', 'awaiting_payment')),
    constraint order_total_positive check (total_amount > 0),
    constraint order_currency_shape check (currency ~ '^[A-Z]{3}$')
) with (fillfactor = 70);
comment on table commerce."order" is 'An order; its saga decides its status.';
comment on column commerce."order".saga_id is 'The saga that drives it; opaque to commerce.';
comment on column commerce."order".transaction_id is 'Chosen before payments is called, so that a lost answer can be asked for again.';
comment on column commerce."order".canceling is 'True while the order is being undone and keeps its status.';
comment on column commerce."order".total_amount is 'Minor units, from catalog prices at order time (I9).';
comment on column commerce."order".trace_id is 'The one trace of its whole life.';
create index order_of_user on commerce."order" (user_id, order_id desc);

create table commerce.order_line (
    order_id uuid not null,
    line_no smallint not null,
    product_id uuid not null,
    name text not null,
    quantity integer not null,
    unit_amount bigint not null,
    constraint order_line_pk primary key (order_id, line_no),
    constraint order_line_order_fk foreign key (order_id) references commerce."order" (order_id),
    constraint order_line_quantity_positive check (quantity > 0),
    constraint order_line_amount_positive check (unit_amount > 0)
);
comment on table commerce.order_line is 'What was ordered, at the price and under the name of that moment.';
comment on column commerce.order_line.unit_amount is 'Minor units of the order''s currency.';

create table commerce.order_status (
    order_id uuid not null,
    seq smallint not null,
    status text not null,
    reason text,
    at timestamptz not null default clock_timestamp(),
    constraint order_status_pk primary key (order_id, seq),
    constraint order_status_order_fk foreign key (order_id) references commerce."order" (order_id),
    constraint order_status_known check (status in ('pending', 'awaiting_payment', 'canceling', 'completed', 'canceled'))
);
comment on table commerce.order_status is 'Append-only status history; seq is also the id of the event that a page watches.';
comment on column commerce.order_status.reason is 'Why, in words for the person who ordered.';

create table commerce.idempotency_key (
    user_id uuid not null,
    key text not null,
    request_hash bytea not null,
    order_id uuid not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint idempotency_key_pk primary key (user_id, key)
);
comment on table commerce.idempotency_key is 'Written in the create-commit: the same key makes the same order, once.';
comment on column commerce.idempotency_key.request_hash is 'SHA-256 of the request; another body under the same key is refused.';
create index idempotency_key_age on commerce.idempotency_key (created_at);

-- The arrows of an order (I4). Whatever the code does, the database refuses any other one.
create function commerce.refuse_illegal_order_move() returns trigger language plpgsql as $$
begin
    if new.status is distinct from old.status and not (
        (old.status = 'pending' and new.status in ('awaiting_payment', 'canceled'))
        or (old.status = 'awaiting_payment' and new.status in ('completed', 'canceled'))
    ) then
        raise exception 'order % may not move from % to %', old.order_id, old.status, new.status
            using errcode = 'check_violation', constraint = 'order_status_arrows';
    end if;
    return new;
end $$;
create trigger order_status_arrows before update of status on commerce."order"
    for each row execute function commerce.refuse_illegal_order_move();
