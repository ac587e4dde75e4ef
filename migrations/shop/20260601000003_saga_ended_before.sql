-- Sagas that came to rest before `ended_at`.
update saga.saga set ended_at = updated_at where state in ('completed', 'compensated') and ended_at is null;
