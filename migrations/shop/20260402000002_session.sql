-- A session is a family of refresh tokens: when it began, and where.
alter table auth.refresh_token
    add column started_at timestamptz,
    add column user_agent text,
    add constraint refresh_token_user_agent_short check (length(user_agent) <= 200) not valid;
comment on column auth.refresh_token.started_at is 'When the login was that the family began with; the release before 20260402 wrote none.';
comment on column auth.refresh_token.user_agent is 'What the browser called itself at the login, for the owner''s list of sessions.';
