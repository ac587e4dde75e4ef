-- no-transaction
-- Whether a session is live is asked at every request that changes something: it is, while its family has a refresh
-- token that can still be exchanged.
create index concurrently if not exists refresh_token_live on auth.refresh_token (user_id, family_id)
    where used_at is null and revoked_at is null;
