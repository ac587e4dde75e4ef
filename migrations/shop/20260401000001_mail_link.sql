-- One-time links in mails: to set a new password, and to show that an address is its owner's.
alter table auth."user" add column email_verified_at timestamptz;
comment on column auth."user".email_verified_at is 'When a link that was mailed to the address was used; null: nobody has shown that the account''s owner reads its mail.';

create table auth.mail_request (
    email text not null,
    purpose text not null,
    request_id uuid not null,
    requested_at timestamptz not null default clock_timestamp(),
    constraint mail_request_pk primary key (email, purpose),
    constraint mail_request_id_unique unique (request_id),
    constraint mail_request_purpose_known check (purpose in ('password_reset', 'verification', 'registration'))
);
comment on table auth.mail_request is 'The newest request for a mail of each purpose to an address, whether or not there is an account: it limits how often such a mail is sent.';
comment on column auth.mail_request.email is 'As the account''s: lower-cased; personal data.';
comment on column auth.mail_request.request_id is 'Named by the command that sends the mail. A later request has another one.';
create index mail_request_age on auth.mail_request (requested_at);

create table auth.mail_link (
    user_id uuid not null,
    purpose text not null,
    token_hash bytea not null,
    expires_at timestamptz not null,
    constraint mail_link_pk primary key (user_id, purpose),
    constraint mail_link_token_unique unique (token_hash),
    constraint mail_link_user_fk foreign key (user_id) references auth."user" (user_id) on delete cascade,
    constraint mail_link_purpose_known check (purpose in ('password_reset', 'verification'))
);
comment on table auth.mail_link is 'The newest link of each purpose that was mailed to an account. A link that is used is deleted.';
comment on column auth.mail_link.token_hash is 'SHA-256 of the token in the link; the token itself is never stored.';
create index mail_link_expiry on auth.mail_link (expires_at);
