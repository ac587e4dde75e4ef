-- Wrong passwords of an account, and the devices that its owner logged in on.
create table auth.login_throttle (
    throttle_key bytea not null,
    failures integer not null,
    blocked_until timestamptz,
    last_at timestamptz not null default clock_timestamp(),
    constraint login_throttle_pk primary key (throttle_key)
);
comment on table auth.login_throttle is 'Failed logins: one row per address that was tried, and one per device known to its owner. Forgotten after a day.';
comment on column auth.login_throttle.throttle_key is 'SHA-256 of the address as typed, or of address and device; whether the account exists does not matter.';
comment on column auth.login_throttle.failures is 'Attempts that did not end in a login, since the last hour without any.';
comment on column auth.login_throttle.blocked_until is 'Until then further attempts are refused unread.';
create index login_throttle_age on auth.login_throttle (last_at);

create table auth.known_device (
    user_id uuid not null,
    device_hash bytea not null,
    seen_at timestamptz not null default clock_timestamp(),
    constraint known_device_pk primary key (device_hash, user_id),
    constraint known_device_user_fk foreign key (user_id) references auth."user" (user_id) on delete cascade
);
comment on table auth.known_device is 'Browsers that an account was logged in on: strangers'' wrong passwords do not delay them.';
comment on column auth.known_device.device_hash is 'SHA-256 of the cookie; the cookie itself is never stored.';
comment on column auth.known_device.seen_at is 'Its last login.';
create index known_device_of_user on auth.known_device (user_id, seen_at desc);
