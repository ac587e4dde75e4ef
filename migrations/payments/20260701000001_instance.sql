-- The name of this database, which the service publishes: it proves that a database belongs to the service.
create table payments.instance (
    instance_id uuid not null default gen_random_uuid(),
    singleton boolean not null default true,
    constraint instance_pk primary key (singleton),
    constraint instance_singleton check (singleton)
);
comment on table payments.instance is 'One row: the name of this database.';
comment on column payments.instance.instance_id is 'Chosen once; the service publishes it at /.well-known/jwks.json.';
comment on column payments.instance.singleton is 'Always true: keeps the table at one row.';
insert into payments.instance default values;
