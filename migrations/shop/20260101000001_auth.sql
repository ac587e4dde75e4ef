-- Accounts: users, what they may do, and their refresh tokens.
create extension if not exists pg_trgm with schema public;

create schema auth;

create table auth."user" (
    user_id uuid not null,
    email text not null,
    name text not null,
    password_hash text not null,
    roles text[] not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    disabled_at timestamptz,
    constraint user_pk primary key (user_id),
    constraint user_email_unique unique (email),
    constraint user_email_lower check (email = lower(email)),
    constraint user_roles_known check (roles <@ array['admin', 'operator'])
);
comment on table auth."user" is 'An account. Its client lives in commerce and is created in the same transaction.';
comment on column auth."user".email is 'Lower-cased; unique; personal data: never logged, never put into messages.';
comment on column auth."user".name is 'How the person wants to be called.';
comment on column auth."user".password_hash is 'PHC string (argon2id).';
comment on column auth."user".roles is 'What the account may do beside shopping.';
comment on column auth."user".disabled_at is 'Set when the account may no longer log in or refresh.';

create table auth.refresh_token (
    token_hash bytea not null,
    family_id uuid not null,
    user_id uuid not null,
    issued_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz,
    constraint refresh_token_pk primary key (token_hash),
    constraint refresh_token_user_fk foreign key (user_id) references auth."user" (user_id) on delete cascade
);
comment on table auth.refresh_token is 'One row per issued refresh token. A second use of one revokes its whole family.';
comment on column auth.refresh_token.token_hash is 'SHA-256 of the token; the token itself is never stored.';
comment on column auth.refresh_token.family_id is 'The login that this chain of rotated tokens began with.';
comment on column auth.refresh_token.used_at is 'When it was exchanged for its successor.';
comment on column auth.refresh_token.revoked_at is 'Set by logout, reuse detection or disabling the account.';
create index refresh_token_family on auth.refresh_token (family_id);
create index refresh_token_expiry on auth.refresh_token (expires_at);
