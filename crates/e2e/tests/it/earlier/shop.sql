--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: apalis; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA apalis;


--
-- Name: auth; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA auth;


--
-- Name: commerce; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA commerce;


--
-- Name: messaging; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA messaging;


--
-- Name: saga; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA saga;


--
-- Name: hstore; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;


--
-- Name: EXTENSION hstore; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION hstore IS 'data type for storing sets of (key, value) pairs';


--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';


--
-- Name: pgcrypto; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;


--
-- Name: EXTENSION pgcrypto; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';


--
-- Name: generate_ulid(); Type: FUNCTION; Schema: apalis; Owner: -
--

CREATE FUNCTION apalis.generate_ulid() RETURNS text
    LANGUAGE plpgsql
    AS $$
DECLARE
  -- Crockford's Base32
  encoding   BYTEA = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  timestamp  BYTEA = E'\\000\\000\\000\\000\\000\\000';
  output     TEXT = '';

  unix_time  BIGINT;
  ulid       BYTEA;
  rand       BYTEA;
BEGIN
  -- 6 timestamp bytes
  unix_time = (EXTRACT(EPOCH FROM CLOCK_TIMESTAMP()) * 1000)::BIGINT;
  timestamp = SET_BYTE(timestamp, 0, (unix_time >> 40)::BIT(8)::INTEGER);
  timestamp = SET_BYTE(timestamp, 1, (unix_time >> 32)::BIT(8)::INTEGER);
  timestamp = SET_BYTE(timestamp, 2, (unix_time >> 24)::BIT(8)::INTEGER);
  timestamp = SET_BYTE(timestamp, 3, (unix_time >> 16)::BIT(8)::INTEGER);
  timestamp = SET_BYTE(timestamp, 4, (unix_time >> 8)::BIT(8)::INTEGER);
  timestamp = SET_BYTE(timestamp, 5, unix_time::BIT(8)::INTEGER);

  -- 10 entropy bytes, taken from a core gen_random_uuid(). Bytes 1-6 and 11-14
  -- of the UUID are fully random (we skip the version/variant bytes at offsets
  -- 7 and 9), preserving the full 80 bits of ULID entropy.
  rand = uuid_send(gen_random_uuid());
  ulid = timestamp || substr(rand, 1, 6) || substr(rand, 11, 4);

  -- Encode the timestamp
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 0) & 224) >> 5));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 0) & 31)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 1) & 248) >> 3));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 1) & 7) << 2) | ((GET_BYTE(ulid, 2) & 192) >> 6)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 2) & 62) >> 1));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 2) & 1) << 4) | ((GET_BYTE(ulid, 3) & 240) >> 4)));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 3) & 15) << 1) | ((GET_BYTE(ulid, 4) & 128) >> 7)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 4) & 124) >> 2));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 4) & 3) << 3) | ((GET_BYTE(ulid, 5) & 224) >> 5)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 5) & 31)));

  -- Encode the entropy
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 6) & 248) >> 3));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 6) & 7) << 2) | ((GET_BYTE(ulid, 7) & 192) >> 6)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 7) & 62) >> 1));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 7) & 1) << 4) | ((GET_BYTE(ulid, 8) & 240) >> 4)));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 8) & 15) << 1) | ((GET_BYTE(ulid, 9) & 128) >> 7)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 9) & 124) >> 2));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 9) & 3) << 3) | ((GET_BYTE(ulid, 10) & 224) >> 5)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 10) & 31)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 11) & 248) >> 3));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 11) & 7) << 2) | ((GET_BYTE(ulid, 12) & 192) >> 6)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 12) & 62) >> 1));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 12) & 1) << 4) | ((GET_BYTE(ulid, 13) & 240) >> 4)));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 13) & 15) << 1) | ((GET_BYTE(ulid, 14) & 128) >> 7)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 14) & 124) >> 2));
  output = output || CHR(GET_BYTE(encoding, ((GET_BYTE(ulid, 14) & 3) << 3) | ((GET_BYTE(ulid, 15) & 224) >> 5)));
  output = output || CHR(GET_BYTE(encoding, (GET_BYTE(ulid, 15) & 31)));

  RETURN output;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: jobs; Type: TABLE; Schema: apalis; Owner: -
--

CREATE TABLE apalis.jobs (
    job bytea NOT NULL,
    id text NOT NULL,
    job_type text NOT NULL,
    status text DEFAULT 'Pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 25 NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    last_result jsonb,
    lock_at timestamp with time zone,
    lock_by text,
    done_at timestamp with time zone,
    priority integer DEFAULT 0,
    idempotency_key text,
    metadata public.hstore
);


--
-- Name: get_jobs(text, text, integer); Type: FUNCTION; Schema: apalis; Owner: -
--

CREATE FUNCTION apalis.get_jobs(worker_id text, v_job_type text, v_job_count integer DEFAULT 5) RETURNS SETOF apalis.jobs
    LANGUAGE sql
    AS $$
    WITH jobs AS (
        SELECT id
        FROM apalis.jobs
        WHERE
            (
                status = 'Pending'
                OR (
                    status = 'Failed'
                    AND attempts < max_attempts
                )
            )
            AND run_at < now()
            AND job_type = v_job_type
        ORDER BY priority DESC, run_at ASC
        LIMIT v_job_count
        FOR UPDATE SKIP LOCKED
    )
    UPDATE apalis.jobs j
    SET
        status = 'Queued',
        lock_by = worker_id,
        lock_at = now()
    FROM jobs
    WHERE j.id = jobs.id
    RETURNING j.*;
$$;


--
-- Name: notify_new_jobs(); Type: FUNCTION; Schema: apalis; Owner: -
--

CREATE FUNCTION apalis.notify_new_jobs() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.run_at <= now() THEN
        PERFORM pg_notify(
            'apalis::job::insert',
            json_build_object(
                'job_type', NEW.job_type,
                'id', NEW.id,
                'run_at', NEW.run_at
            )::text
        );
    END IF;
    RETURN NEW;
END;
$$;


--
-- Name: push_job(text, json, text, timestamp with time zone, integer, integer); Type: FUNCTION; Schema: apalis; Owner: -
--

CREATE FUNCTION apalis.push_job(job_type text, job json DEFAULT NULL::json, status text DEFAULT 'Pending'::text, run_at timestamp with time zone DEFAULT now(), max_attempts integer DEFAULT 25, priority integer DEFAULT 0) RETURNS apalis.jobs
    LANGUAGE plpgsql
    AS $$

        DECLARE
            v_job_row apalis.jobs;
            v_job_id text;

        BEGIN
        IF job_type is not NULL and length(job_type) > 512 THEN raise exception 'Job_type is too long (max length: 512).' USING errcode = 'APAJT';
        END IF;

        IF max_attempts < 1 THEN raise exception 'Job maximum attempts must be at least 1.' USING errcode = 'APAMA';
        end IF;

        SELECT
            apalis.generate_ulid() INTO v_job_id;
        INSERT INTO
            apalis.jobs
        VALUES
            (
                job,
                v_job_id,
                job_type,
                status,
                0,
                max_attempts,
                run_at,
                NULL,
                NULL,
                NULL,
                NULL,
                priority
            )
            returning * INTO v_job_row;
            RETURN v_job_row;
END;
$$;


--
-- Name: refuse_illegal_order_move(); Type: FUNCTION; Schema: commerce; Owner: -
--

CREATE FUNCTION commerce.refuse_illegal_order_move() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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


--
-- Name: refuse_audit_change(); Type: FUNCTION; Schema: saga; Owner: -
--

CREATE FUNCTION saga.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
end $$;


--
-- Name: _sqlx_migrations; Type: TABLE; Schema: apalis; Owner: -
--

CREATE TABLE apalis._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);


--
-- Name: workers; Type: TABLE; Schema: apalis; Owner: -
--

CREATE TABLE apalis.workers (
    id text NOT NULL,
    worker_type text NOT NULL,
    storage_name text NOT NULL,
    layers text DEFAULT ''::text NOT NULL,
    last_seen timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone
);


--
-- Name: refresh_token; Type: TABLE; Schema: auth; Owner: -
--

CREATE TABLE auth.refresh_token (
    token_hash bytea NOT NULL,
    family_id uuid NOT NULL,
    user_id uuid NOT NULL,
    issued_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone
);


--
-- Name: TABLE refresh_token; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON TABLE auth.refresh_token IS 'One row per issued refresh token. A second use of one revokes its whole family.';


--
-- Name: COLUMN refresh_token.token_hash; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth.refresh_token.token_hash IS 'SHA-256 of the token; the token itself is never stored.';


--
-- Name: COLUMN refresh_token.family_id; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth.refresh_token.family_id IS 'The login that this chain of rotated tokens began with.';


--
-- Name: COLUMN refresh_token.used_at; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth.refresh_token.used_at IS 'When it was exchanged for its successor.';


--
-- Name: COLUMN refresh_token.revoked_at; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth.refresh_token.revoked_at IS 'Set by logout, reuse detection or disabling the account.';


--
-- Name: user; Type: TABLE; Schema: auth; Owner: -
--

CREATE TABLE auth."user" (
    user_id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    roles text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT user_email_lower CHECK ((email = lower(email))),
    CONSTRAINT user_roles_known CHECK ((roles <@ ARRAY['admin'::text, 'operator'::text]))
);


--
-- Name: TABLE "user"; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON TABLE auth."user" IS 'An account. Its client lives in commerce and is created in the same transaction.';


--
-- Name: COLUMN "user".email; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth."user".email IS 'Lower-cased; unique; personal data: never logged, never put into messages.';


--
-- Name: COLUMN "user".name; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth."user".name IS 'How the person wants to be called.';


--
-- Name: COLUMN "user".password_hash; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth."user".password_hash IS 'PHC string (argon2id).';


--
-- Name: COLUMN "user".roles; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth."user".roles IS 'What the account may do beside shopping.';


--
-- Name: COLUMN "user".disabled_at; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth."user".disabled_at IS 'Set when the account may no longer log in or refresh.';


--
-- Name: client; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce.client (
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: TABLE client; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce.client IS 'A user as commerce knows them; created by the listener of the user-registered domain event.';


--
-- Name: COLUMN client.user_id; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.client.user_id IS 'The account in auth; no foreign key across modules.';


--
-- Name: idempotency_key; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce.idempotency_key (
    user_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: TABLE idempotency_key; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce.idempotency_key IS 'Written in the create-commit: the same key makes the same order, once.';


--
-- Name: COLUMN idempotency_key.request_hash; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.idempotency_key.request_hash IS 'SHA-256 of the request; another body under the same key is refused.';


--
-- Name: order; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce."order" (
    order_id uuid NOT NULL,
    user_id uuid NOT NULL,
    saga_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    status text NOT NULL,
    canceling boolean DEFAULT false NOT NULL,
    total_amount bigint NOT NULL,
    currency text NOT NULL,
    trace_id text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT order_canceling_only_live CHECK (((NOT canceling) OR (status = ANY (ARRAY['pending'::text, 'awaiting_payment'::text])))),
    CONSTRAINT order_currency_shape CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT order_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'awaiting_payment'::text, 'completed'::text, 'canceled'::text]))),
    CONSTRAINT order_total_positive CHECK ((total_amount > 0))
)
WITH (fillfactor='70');


--
-- Name: TABLE "order"; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce."order" IS 'An order; its saga decides its status.';


--
-- Name: COLUMN "order".saga_id; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce."order".saga_id IS 'The saga that drives it; opaque to commerce.';


--
-- Name: COLUMN "order".transaction_id; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce."order".transaction_id IS 'Chosen before payments is called, so that a lost answer can be asked for again.';


--
-- Name: COLUMN "order".canceling; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce."order".canceling IS 'True while the order is being undone and keeps its status.';


--
-- Name: COLUMN "order".total_amount; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce."order".total_amount IS 'Minor units, from catalog prices at order time (I9).';


--
-- Name: COLUMN "order".trace_id; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce."order".trace_id IS 'The one trace of its whole life.';


--
-- Name: order_line; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce.order_line (
    order_id uuid NOT NULL,
    line_no smallint NOT NULL,
    product_id uuid NOT NULL,
    name text NOT NULL,
    quantity integer NOT NULL,
    unit_amount bigint NOT NULL,
    CONSTRAINT order_line_amount_positive CHECK ((unit_amount > 0)),
    CONSTRAINT order_line_quantity_positive CHECK ((quantity > 0))
);


--
-- Name: TABLE order_line; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce.order_line IS 'What was ordered, at the price and under the name of that moment.';


--
-- Name: COLUMN order_line.unit_amount; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.order_line.unit_amount IS 'Minor units of the order''s currency.';


--
-- Name: order_status; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce.order_status (
    order_id uuid NOT NULL,
    seq smallint NOT NULL,
    status text NOT NULL,
    reason text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT order_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'awaiting_payment'::text, 'canceling'::text, 'completed'::text, 'canceled'::text])))
);


--
-- Name: TABLE order_status; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce.order_status IS 'Append-only status history; seq is also the id of the event that a page watches.';


--
-- Name: COLUMN order_status.reason; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.order_status.reason IS 'Why, in words for the person who ordered.';


--
-- Name: product; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce.product (
    product_id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    price_amount bigint NOT NULL,
    currency text NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    deleted_at timestamp with time zone,
    search tsvector GENERATED ALWAYS AS ((setweight(to_tsvector('english'::regconfig, name), 'A'::"char") || setweight(to_tsvector('english'::regconfig, description), 'B'::"char"))) STORED NOT NULL,
    CONSTRAINT product_currency_shape CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT product_price_positive CHECK ((price_amount > 0)),
    CONSTRAINT product_slug_shape CHECK ((slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text))
);


--
-- Name: TABLE product; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce.product IS 'The catalog. Deleting is soft: orders keep pointing here.';


--
-- Name: COLUMN product.slug; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.product.slug IS 'Stable name in URLs; never changes, not even when the product is renamed.';


--
-- Name: COLUMN product.price_amount; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.product.price_amount IS 'Minor units of the currency.';


--
-- Name: COLUMN product.version; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.product.version IS 'Raised by each edit; what If-Match compares.';


--
-- Name: COLUMN product.search; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.product.search IS 'Full text of name and description.';


--
-- Name: stock; Type: TABLE; Schema: commerce; Owner: -
--

CREATE TABLE commerce.stock (
    product_id uuid NOT NULL,
    received bigint DEFAULT 0 NOT NULL,
    sold bigint DEFAULT 0 NOT NULL,
    reserved bigint DEFAULT 0 NOT NULL,
    on_hand bigint GENERATED ALWAYS AS ((received - sold)) STORED NOT NULL,
    CONSTRAINT stock_counts_natural CHECK (((received >= 0) AND (sold >= 0))),
    CONSTRAINT stock_reserved_within CHECK (((reserved >= 0) AND (reserved <= (received - sold))))
)
WITH (fillfactor='50');


--
-- Name: TABLE stock; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON TABLE commerce.stock IS 'Quantities, apart from the catalog so that a hot product does not touch its description. I8.';


--
-- Name: COLUMN stock.received; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.stock.received IS 'Ever put in.';


--
-- Name: COLUMN stock.sold; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.stock.sold IS 'Ever sold by completed orders.';


--
-- Name: COLUMN stock.reserved; Type: COMMENT; Schema: commerce; Owner: -
--

COMMENT ON COLUMN commerce.stock.reserved IS 'Held by orders that are neither completed nor canceled.';


--
-- Name: inbox; Type: TABLE; Schema: messaging; Owner: -
--

CREATE TABLE messaging.inbox (
    consumer text NOT NULL,
    message_id text NOT NULL,
    handled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: TABLE inbox; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON TABLE messaging.inbox IS 'What has taken effect already, so that it does not a second time.';


--
-- Name: COLUMN inbox.message_id; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.inbox.message_id IS 'The message id; of a payment event <transaction id>/<outcome>.';


--
-- Name: outbox; Type: TABLE; Schema: messaging; Owner: -
--

CREATE TABLE messaging.outbox (
    entry_id uuid NOT NULL,
    kind text NOT NULL,
    saga_id uuid,
    plan text,
    plan_version integer,
    plan_hash text,
    step text,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    exchange text,
    routing_key text,
    message_type text,
    body jsonb,
    traceparent text,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    parked_at timestamp with time zone,
    last_error text,
    holder text,
    CONSTRAINT outbox_kind_known CHECK ((kind = ANY (ARRAY['step'::text, 'timer'::text, 'message'::text]))),
    CONSTRAINT outbox_message_entry CHECK (((kind <> 'message'::text) OR ((exchange IS NOT NULL) AND (routing_key IS NOT NULL) AND (message_type IS NOT NULL) AND (body IS NOT NULL)))),
    CONSTRAINT outbox_only_messages_park CHECK (((parked_at IS NULL) OR (kind = 'message'::text))),
    CONSTRAINT outbox_saga_entry CHECK (((kind = 'message'::text) OR ((saga_id IS NOT NULL) AND (plan IS NOT NULL) AND (plan_version IS NOT NULL) AND (plan_hash IS NOT NULL) AND (step IS NOT NULL))))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='2000', autovacuum_analyze_scale_factor='0.05');


--
-- Name: TABLE outbox; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON TABLE messaging.outbox IS 'What must still happen outside the transaction that wrote it: a remote step, a timer, a message.';


--
-- Name: COLUMN outbox.entry_id; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.entry_id IS 'Of a message also its AMQP message id.';


--
-- Name: COLUMN outbox.plan; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.plan IS 'With version and hash: which plan this entry belongs to; a worker claims only what it knows.';


--
-- Name: COLUMN outbox.step; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.step IS 'Name of the step, or of the undo as <step>/undo.';


--
-- Name: COLUMN outbox.since; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.since IS 'When this work was first due; the retry budget counts from here.';


--
-- Name: COLUMN outbox.due_at; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.due_at IS 'When to act; while claimed, the end of the lease.';


--
-- Name: COLUMN outbox.epoch; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.epoch IS 'Raised by every claim; a holder with an older one can no longer write.';


--
-- Name: COLUMN outbox.attempt; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.attempt IS 'Attempts begun, the running one included.';


--
-- Name: COLUMN outbox.parked_at; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.parked_at IS 'Set on a message after its last attempt; an operator decides.';


--
-- Name: COLUMN outbox.last_error; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.last_error IS 'What the last attempt said.';


--
-- Name: COLUMN outbox.holder; Type: COMMENT; Schema: messaging; Owner: -
--

COMMENT ON COLUMN messaging.outbox.holder IS 'Of a step or timer, the process that claimed it last; saga.heartbeat tells more of it.';


--
-- Name: _sqlx_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);


--
-- Name: archive; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.archive (
    saga_id uuid NOT NULL,
    plan text NOT NULL,
    plan_version integer NOT NULL,
    state text NOT NULL,
    reason text,
    trace_id text NOT NULL,
    root_span_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    archived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    story jsonb NOT NULL,
    CONSTRAINT archive_only_at_rest CHECK ((state = ANY (ARRAY['completed'::text, 'compensated'::text])))
);


--
-- Name: TABLE archive; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.archive IS 'Sagas that came to rest long ago, with journal and signals folded into one document. Nothing that runs reads it.';


--
-- Name: COLUMN archive.ended_at; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.archive.ended_at IS 'When it came to rest.';


--
-- Name: COLUMN archive.story; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.archive.story IS 'input, journal and signals as they were.';


--
-- Name: audit; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.audit (
    audit_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    verb text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    before jsonb,
    after jsonb,
    batch_id bigint,
    trace_id text,
    CONSTRAINT audit_actor_given CHECK ((length(btrim(actor)) > 0)),
    CONSTRAINT audit_reason_given CHECK ((length(btrim(reason)) > 0))
);


--
-- Name: TABLE audit; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.audit IS 'Every write of an operator, in the transaction that made it. Append-only: the database refuses to change or delete a row.';


--
-- Name: COLUMN audit.verb; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.audit.verb IS 'As typed, with its noun: saga retry, failed drop, user disable, …';


--
-- Name: COLUMN audit.subject_kind; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.audit.subject_kind IS 'saga, order, message, outbox, user.';


--
-- Name: COLUMN audit.subject_id; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.audit.subject_id IS 'Its id; of an account the user id, never the address.';


--
-- Name: COLUMN audit.before; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.audit.before IS 'What mattered of it before: state, revision, payload, …';


--
-- Name: COLUMN audit.after; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.audit.after IS 'The same after it.';


--
-- Name: COLUMN audit.batch_id; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.audit.batch_id IS 'The batch that it was a part of.';


--
-- Name: batch; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.batch (
    batch_id bigint NOT NULL,
    act jsonb NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    planned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state text DEFAULT 'planned'::text NOT NULL,
    rps double precision,
    run_until bigint,
    applied_by text,
    applied_at timestamp with time zone,
    ended_at timestamp with time zone,
    error text,
    CONSTRAINT batch_reason_given CHECK ((length(btrim(reason)) > 0)),
    CONSTRAINT batch_rps_positive CHECK ((rps > (0)::double precision)),
    CONSTRAINT batch_state_known CHECK ((state = ANY (ARRAY['planned'::text, 'queued'::text, 'canary_done'::text, 'stopped'::text, 'done'::text])))
);


--
-- Name: TABLE batch; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.batch IS 'A dry run that was kept: one operator act for many sagas, each at the revision that was looked at.';


--
-- Name: COLUMN batch.batch_id; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch.batch_id IS 'The plan''s number, as typed into apply.';


--
-- Name: COLUMN batch.act; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch.act IS 'The act, the same for each saga.';


--
-- Name: COLUMN batch.state; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch.state IS 'planned; queued: a worker runs it; canary_done: apply again goes on; stopped: by an error; done.';


--
-- Name: COLUMN batch.rps; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch.rps IS 'At most so many sagas a second.';


--
-- Name: COLUMN batch.run_until; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch.run_until IS 'Stop after the item with this number: the canary.';


--
-- Name: COLUMN batch.error; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch.error IS 'Why it was stopped.';


--
-- Name: batch_batch_id_seq; Type: SEQUENCE; Schema: saga; Owner: -
--

ALTER TABLE saga.batch ALTER COLUMN batch_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME saga.batch_batch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: batch_item; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.batch_item (
    batch_id bigint NOT NULL,
    n bigint NOT NULL,
    saga_id uuid NOT NULL,
    revision bigint NOT NULL,
    preview jsonb NOT NULL,
    result text,
    detail text,
    done_at timestamp with time zone,
    CONSTRAINT batch_item_result_known CHECK ((result = ANY (ARRAY['done'::text, 'skipped'::text, 'failed'::text])))
);


--
-- Name: TABLE batch_item; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.batch_item IS 'One saga of a batch. Its result is written in the commit that acts, so that no item acts twice.';


--
-- Name: COLUMN batch_item.revision; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch_item.revision IS 'The saga''s revision when it was looked at; one that has moved since is skipped.';


--
-- Name: COLUMN batch_item.preview; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.batch_item.preview IS 'What was shown: from, to, what is sent, what moves.';


--
-- Name: heartbeat; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.heartbeat (
    process text NOT NULL,
    roles text[] NOT NULL,
    plans text[] NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    lease_ms bigint NOT NULL,
    retry_budget_ms bigint NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='50');


--
-- Name: TABLE heartbeat; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.heartbeat IS 'One row per process that runs sagas or takes messages: written every two seconds, deleted at a graceful end.';


--
-- Name: COLUMN heartbeat.process; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.heartbeat.process IS 'Its own name, new with every start; what messaging.outbox.holder says.';


--
-- Name: COLUMN heartbeat.roles; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.heartbeat.roles IS 'What it does: api, saga, payments, async, relay.';


--
-- Name: COLUMN heartbeat.plans; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.heartbeat.plans IS 'The plans that it can work on, as name/version/hash.';


--
-- Name: COLUMN heartbeat.lease_ms; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.heartbeat.lease_ms IS 'For how long its claims last.';


--
-- Name: COLUMN heartbeat.retry_budget_ms; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.heartbeat.retry_budget_ms IS 'For how long it tries a step before it compensates.';


--
-- Name: COLUMN heartbeat.seen_at; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.heartbeat.seen_at IS 'Database time of its last beat.';


--
-- Name: journal; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.journal (
    saga_id uuid NOT NULL,
    revision bigint NOT NULL,
    n smallint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    step text,
    attempt integer,
    detail text,
    state text NOT NULL,
    actor text,
    began_at timestamp with time zone,
    span_id text,
    process text,
    ran text[]
);


--
-- Name: TABLE journal; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.journal IS 'Append-only: every transition, attempt, error, signal and operator act. The trace id is the saga''s.';


--
-- Name: COLUMN journal.revision; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.revision IS 'The revision that this write made.';


--
-- Name: COLUMN journal.n; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.n IS 'Order within one revision.';


--
-- Name: COLUMN journal.kind; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.kind IS 'What happened: started, done, refused, transient, unknown, undone, overtaken, signal, state, operator, breach, …';


--
-- Name: COLUMN journal.detail; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.detail IS 'Error text, verdict or reason.';


--
-- Name: COLUMN journal.state; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.state IS 'The saga''s state after it.';


--
-- Name: COLUMN journal.actor; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.actor IS 'Who did it, of an operator act.';


--
-- Name: COLUMN journal.began_at; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.began_at IS 'Of what took time: an attempt, or the wait that this row ended. Null: it is a moment.';


--
-- Name: COLUMN journal.span_id; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.span_id IS 'Of an attempt: the span that its calls are children of.';


--
-- Name: COLUMN journal.process; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.process IS 'Of an attempt: who made it, as its heartbeat names it.';


--
-- Name: COLUMN journal.ran; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.journal.ran IS 'Local steps, and undos as <step>/undo, that ran in the same transaction.';


--
-- Name: saga; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.saga (
    saga_id uuid NOT NULL,
    plan text NOT NULL,
    plan_version integer NOT NULL,
    plan_hash text NOT NULL,
    state text NOT NULL,
    step smallint NOT NULL,
    undo_from smallint,
    paused boolean DEFAULT false NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    deadline timestamp with time zone,
    reason text,
    kept integer DEFAULT 0 NOT NULL,
    input jsonb NOT NULL,
    trace_id text NOT NULL,
    root_span_id text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state_since timestamp with time zone DEFAULT clock_timestamp(),
    CONSTRAINT saga_deadline_while_waiting CHECK (((state <> 'waiting'::text) OR (deadline IS NOT NULL))),
    CONSTRAINT saga_state_known CHECK ((state = ANY (ARRAY['running'::text, 'waiting'::text, 'compensating'::text, 'completed'::text, 'compensated'::text]))),
    CONSTRAINT saga_undo_from_while_undoing CHECK (((undo_from IS NOT NULL) = (state = ANY (ARRAY['compensating'::text, 'compensated'::text]))))
)
WITH (fillfactor='60');


--
-- Name: TABLE saga; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.saga IS 'One row per saga: what is true of it. When to act next stands in messaging.outbox.';


--
-- Name: COLUMN saga.plan_hash; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.plan_hash IS 'Of the plan''s shape; a binary with another shape under the same version leaves the saga alone.';


--
-- Name: COLUMN saga.step; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.step IS 'Index of the step that is running, waiting or being undone; of a saga at rest, of its last one.';


--
-- Name: COLUMN saga.undo_from; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.undo_from IS 'Index of the highest step that had started when compensation began.';


--
-- Name: COLUMN saga.paused; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.paused IS 'Set by an operator: signals are kept, nothing runs.';


--
-- Name: COLUMN saga.revision; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.revision IS 'Raised by every write; a decision made on an older one is made again.';


--
-- Name: COLUMN saga.deadline; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.deadline IS 'Absolute end of the wait, database time.';


--
-- Name: COLUMN saga.reason; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.reason IS 'Why it is being, or was, compensated.';


--
-- Name: COLUMN saga.kept; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.kept IS 'How many signals wait to be taken up by the next transition.';


--
-- Name: COLUMN saga.input; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.input IS 'What was chosen before anything left: ids and amount.';


--
-- Name: COLUMN saga.state_since; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.saga.state_since IS 'Since when it is in its state, at its step; null in rows that are older than this column.';


--
-- Name: signal; Type: TABLE; Schema: saga; Owner: -
--

CREATE TABLE saga.signal (
    signal_id uuid NOT NULL,
    saga_id uuid NOT NULL,
    name text NOT NULL,
    verdict text,
    payload jsonb,
    source text NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT signal_verdict_known CHECK ((verdict = ANY (ARRAY['applied'::text, 'duplicate'::text, 'early'::text, 'late'::text])))
);


--
-- Name: TABLE signal; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON TABLE saga.signal IS 'Input from outside, kept always. Without a verdict, or early, it is taken up by the next transition.';


--
-- Name: COLUMN signal.verdict; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.signal.verdict IS 'Null while nobody could decide: the saga is paused or its plan unknown to the receiver.';


--
-- Name: COLUMN signal.source; Type: COMMENT; Schema: saga; Owner: -
--

COMMENT ON COLUMN saga.signal.source IS 'Where it came from: message id, user id, operator.';


--
-- Data for Name: _sqlx_migrations; Type: TABLE DATA; Schema: apalis; Owner: -
--

INSERT INTO apalis._sqlx_migrations VALUES (20220530084123, 'jobs workers', '2026-11-29 22:28:25.050825+00', true, '\xd0839c6f57a379769dc27ccd581feb3d2709239c8f138e05271c9e3c760c4517a78a4d8912ab3d63b074b28d15ec74e9', 6528307);
INSERT INTO apalis._sqlx_migrations VALUES (20220709210445, 'add job fn', '2026-11-29 22:28:25.057881+00', true, '\x14f906e53a627f1b27996e74e8e69dbc29ee70519e7af4f0032a27c75ed706a34af8bafecc8f8572855f314cbc5a7ba9', 901373);
INSERT INTO apalis._sqlx_migrations VALUES (20230330210841, 'replace add job fn', '2026-11-29 22:28:25.058968+00', true, '\xd9b6e57e6de60db1647e2447cf36bf0eafbec266f1d482bd196affc97617efbc4c07bad826706c7b3a0b3960cf9f727b', 4915033);
INSERT INTO apalis._sqlx_migrations VALUES (20230408110421, 'drop old push job', '2026-11-29 22:28:25.064106+00', true, '\x3656a91fe9c652ca23df775a601409a9252357f47088d6bcf2025fda2dd67e50c99ad94d1d2ca569c91c343189c58e33', 517892);
INSERT INTO apalis._sqlx_migrations VALUES (20230408234928, 'add get jobs fn ', '2026-11-29 22:28:25.066269+00', true, '\x176c3acaf1097ff45da76d4c746af766640027b6721a056b3fc3fcc4ab8192344920b4415e8dae46f5136ee223ed5f6b', 823778);
INSERT INTO apalis._sqlx_migrations VALUES (20240225141841, 'replace add job fn remove jid', '2026-11-29 22:28:25.067344+00', true, '\xc53560b7a312915d696ed6c7e18bda478d9bf1278c4d59e3c53b47c45d8a903f089c728a5ff2e131cd5b629cdfe7d4cb', 1131836);
INSERT INTO apalis._sqlx_migrations VALUES (20250210092135, 'include failed in get jobs', '2026-11-29 22:28:25.068725+00', true, '\x810786bd8f1007bf523bec8ed9de0a9ae789e634e5434a1a5cc9c1b766bd758b4d37912ef390dcf95e8de23910eeef55', 591121);
INSERT INTO apalis._sqlx_migrations VALUES (20250223193249, 'fix get jobs conditional', '2026-11-29 22:28:25.069525+00', true, '\xcfda3f3d62b4122b6321af0e45ba162fd3ad5d07f95e4eefe858600551167e31454ebd57d45b62e880336fcfef3ef2a7', 648917);
INSERT INTO apalis._sqlx_migrations VALUES (20250307001101, 'add job priority', '2026-11-29 22:28:25.07043+00', true, '\xb5d318f2da5e909d66db190f58b76ae52f6808733d2a88d180555430d28518fee783fb0ff1e1c37ed1dc79627abd9694', 4270392);
INSERT INTO apalis._sqlx_migrations VALUES (20250404160441, 'cleanup old push jobs fn', '2026-11-29 22:28:25.074948+00', true, '\x962242ef0971de54905cafbdefe26a3c1f32c1c52ef13b6937c2920445b1ce97cd2dcf7db9c293becc95dc55412e7a15', 555147);
INSERT INTO apalis._sqlx_migrations VALUES (20250722071207, 'improve notify', '2026-11-29 22:28:25.075648+00', true, '\xb3a1f712f8fbdfe38004134d8f55e49857b764f3277f38dd9d13299d5e0afbc895005b62fa0355b8a0d8595a38be6db7', 800192);
INSERT INTO apalis._sqlx_migrations VALUES (20251018164839, 'update result', '2026-11-29 22:28:25.076577+00', true, '\xe4e3d1efc77746e4db164b49017c90785613b35520da84f9a5a3f8981d60420d9dec3c94af9e8632ab711ffac7c1e199', 2730177);
INSERT INTO apalis._sqlx_migrations VALUES (20251018164912, 'add metadata', '2026-11-29 22:28:25.079462+00', true, '\x803a4510201392a36e20ef81c9b05230ffa734a292c875f87ea65bc73944642b1d260a38741c4bdb88c0096338c152c0', 384123);
INSERT INTO apalis._sqlx_migrations VALUES (20251018165007, 'move to bytes', '2026-11-29 22:28:25.079945+00', true, '\xdcbb8181c56cc4b9511ddc940f81f5bb9420436d0f4edf1bc9978011324e6b8d5437c50830b8651e2168608d04977272', 2514817);
INSERT INTO apalis._sqlx_migrations VALUES (20251018165033, 'add started at', '2026-11-29 22:28:25.082636+00', true, '\x21b1264f3881a4cf4fb209ff2cc75c21946441691745d7cbc9ab1dd812a1e1c08648e47ea8b4de060784da581dab2246', 447857);
INSERT INTO apalis._sqlx_migrations VALUES (20251018165056, 'queue jobs', '2026-11-29 22:28:25.083209+00', true, '\xdd02b7e9c23a7da0f71bff73b469c51b7305d1830e7f4bd6de083c11315e8492801e242755d9981381760a5ace6d8fe7', 575227);
INSERT INTO apalis._sqlx_migrations VALUES (20251018165121, 'notify run at', '2026-11-29 22:28:25.083911+00', true, '\xa99e6c60687ec15c1bf8132763db63a0d9d18e1ee814527254fc95ee733e65bdf2f0ae64ca86cae0d1f232654d189fda', 673774);
INSERT INTO apalis._sqlx_migrations VALUES (20251225090252, 'include primary keys', '2026-11-29 22:28:25.084733+00', true, '\xfd9f16bd772c5682ecb3f6b0a21efed5581a85316770ab8d620b38346e9319ae239ef784e8eb46735d6be735e7b3b5be', 993460);
INSERT INTO apalis._sqlx_migrations VALUES (20260508093314, 'idempotency key', '2026-11-29 22:28:25.085875+00', true, '\xf2686534e1abbba2fcde715c1ca724e7937a4e1f49d6a9a462ed4f1c2e8b83518f4f78868a111d6451afba770207c2d0', 790137);
INSERT INTO apalis._sqlx_migrations VALUES (20260605000000, 'confine generate ulid to apalis', '2026-11-29 22:28:25.08682+00', true, '\xc56dbd61156387934579af19b51ba95bd0cbe203f9528f0cd619c191730788858eca89044a7aa0622d308b9a3028e2c5', 1180879);
INSERT INTO apalis._sqlx_migrations VALUES (20260824233636, 'streamline indices', '2026-11-29 22:28:25.088138+00', true, '\x09c57f5bd9cce210564e8b12da0520289290ad729ef4205cdd55bd2a60ac85f889df8c23b20a4a01d959f0c8b5775a6d', 1808174);
INSERT INTO apalis._sqlx_migrations VALUES (20260826101335, 'metadata hstore', '2026-11-29 22:28:25.090189+00', true, '\xcc38c9e6fd38157b443f6dd584e322405d49dedfd3a60867604102078a99320f97279e6c244cb87f84152ab9be7d41be', 11572993);
INSERT INTO apalis._sqlx_migrations VALUES (20260902075949, 'remove pl in get jobs', '2026-11-29 22:28:25.102235+00', true, '\x0dc0483d69bf530508d451bec9346f7d14be68c37308b130910462d130cab0827eb2825d20072105c83ae3a66ed82c6b', 894403);


--
-- Data for Name: jobs; Type: TABLE DATA; Schema: apalis; Owner: -
--

INSERT INTO apalis.jobs VALUES ('\x22323032362d31312d323954323222', '01M8MPS05S8Y3YS8TAEC6DJ8FT', 'retention', 'Done', 1, 5, '2026-11-29 22:28:26.412668+00', '{"Ok": null}', '2026-11-29 22:28:26.467944+00', 'retention-266b897d-21e9-4cc5-900f-3d31aad6aa04', '2026-11-29 22:28:26.55416+00', 0, '2026-11-29T22', NULL);


--
-- Data for Name: workers; Type: TABLE DATA; Schema: apalis; Owner: -
--

INSERT INTO apalis.workers VALUES ('retention-266b897d-21e9-4cc5-900f-3d31aad6aa04', 'retention', 'PgStorage', 'tower::limit::concurrency::service::ConcurrencyLimit<apalis_core::worker::lifecycle::LifecycleService<apalis_core::task::task_fn::TaskFn<worker::jobs::serve<worker::jobs::run::{{closure}}::{{closure}}, worker::jobs::retention::{{closure}}>::{{closure}}::{{closure}}, alloc::string::String, ()>>>', '2026-11-29 22:28:28.445671+00', NULL);
INSERT INTO apalis.workers VALUES ('operator-batches-eaa2e6ba-7ac8-42dc-ace9-1401802aa8ef', 'operator-batches', 'PgStorage', 'tower::limit::concurrency::service::ConcurrencyLimit<apalis_core::worker::lifecycle::LifecycleService<apalis_core::task::task_fn::TaskFn<worker::jobs::serve<worker::jobs::run::{{closure}}::{{closure}}, worker::jobs::batch::{{closure}}>::{{closure}}::{{closure}}, alloc::string::String, ()>>>', '2026-11-29 22:28:28.448739+00', NULL);


--
-- Data for Name: refresh_token; Type: TABLE DATA; Schema: auth; Owner: -
--

INSERT INTO auth.refresh_token VALUES ('\x88be9aef727c69255f07e6a211ced527a16dccfc9a9d4d29b036235468567701', '01a2296c-8126-7774-9c3f-4e1d5268056a', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '2026-11-29 22:28:26.535259+00', '2026-12-29 22:28:26.535259+00', NULL, NULL);


--
-- Data for Name: user; Type: TABLE DATA; Schema: auth; Owner: -
--

INSERT INTO auth."user" VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '06f4dbd7ef7b464eb3c9f2e387737732@shop.example', 'Test Buyer', '$argon2id$v=19$m=19456,t=2,p=1$LqN3qFYyqiL6RivfQZxwzg$yjV28TnGm4TUzORsDaWhk/bXgjgBux+Qn5GLP4PQKbU', '{}', '2026-11-29 22:28:26.531357+00', NULL);


--
-- Data for Name: client; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce.client VALUES ('01a2296c-8124-7259-9e9d-b267526f795b', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 'Test Buyer', '2026-11-29 22:28:26.532815+00');


--
-- Data for Name: idempotency_key; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', 'c73f9f5b-aca8-4f7a-bbe6-8d9085dc9160', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8186-73e0-ab17-2d9f7240853b', '2026-11-29 22:28:26.637532+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '174d6f3a-19e6-4feb-b0e1-a7991cb7af7c', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-82df-72ea-9a2c-65ee6c45689c', '2026-11-29 22:28:26.986427+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', 'b098b94b-efcb-49d0-8bf5-de2081d9328b', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-842d-7214-96dd-724b561387dd', '2026-11-29 22:28:27.311989+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '9cad66bd-1dae-4b62-90b0-fc07a3c25193', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-85c6-740f-9480-a8b3fcf272a9', '2026-11-29 22:28:27.722953+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '63a8b383-fe89-4b16-b39c-bcea68f4e75d', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-863e-71a8-8432-5795cd379b3b', '2026-11-29 22:28:27.841026+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', 'c5ccb1fd-076f-4a45-87bc-6887d5a302e0', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8736-74db-8d38-86c43d6e8f5c', '2026-11-29 22:28:28.087331+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '4b6abdbf-83f5-4d59-ab60-0c94d9f71759', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8828-7579-a286-a8895450d3ea', '2026-11-29 22:28:28.328719+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', 'f221e88e-ccc5-4038-98f1-0411c209bf55', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8860-7685-a031-5566b3d1ebfd', '2026-11-29 22:28:28.385625+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '4a892395-f5ea-4351-9c70-169cd638e0c8', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8aeb-7007-94e7-53f7926c056f', '2026-11-29 22:28:29.036915+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', '21077c6e-2ed9-4264-8048-ba4779e6dfe8', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8b1e-70d4-ac1e-d40ed974e076', '2026-11-29 22:28:29.087636+00');
INSERT INTO commerce.idempotency_key VALUES ('01a2296c-8122-71ee-bb6e-f686a0cfff3e', 'ef2c5a10-f5d6-4a94-a3b4-90a41fbc2124', '\xa7c8931178e4d3c9252386017d014ebba3a9e8bdde8f148d3d61cf12af467bb9', '01a2296c-8bb9-7056-a68a-4de4af96f663', '2026-11-29 22:28:29.24199+00');


--
-- Data for Name: order; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce."order" VALUES ('01a2296c-8186-73e0-ab17-2d9f7240853b', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-819a-71c2-a055-5cae7890e64a', '01a2296c-819a-71c2-a055-5cafdfafebe3', 'completed', false, 1290, 'EUR', '5ec48b70c56519bdbc4e734a1553f4b1', '2026-11-29 22:28:26.676958+00', '2026-11-29 22:28:26.889481+00');
INSERT INTO commerce."order" VALUES ('01a2296c-82df-72ea-9a2c-65ee6c45689c', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-82f2-7404-b586-d8040625e681', '01a2296c-82f2-7404-b586-d8056b9e788d', 'canceled', false, 1290, 'EUR', 'fc1cd6bae3da33dc017767dc5a95dfc2', '2026-11-29 22:28:27.000987+00', '2026-11-29 22:28:27.256327+00');
INSERT INTO commerce."order" VALUES ('01a2296c-842d-7214-96dd-724b561387dd', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-843a-7185-8faa-91e552144c5e', '01a2296c-843a-7185-8faa-91e632a60445', 'canceled', false, 1290, 'EUR', '2a2de0a23e88b80c81d0ae170b6eb9d0', '2026-11-29 22:28:27.339813+00', '2026-11-29 22:28:27.6512+00');
INSERT INTO commerce."order" VALUES ('01a2296c-85c6-740f-9480-a8b3fcf272a9', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-85d2-7243-b950-af78f3e8ef41', '01a2296c-85d2-7243-b950-af79662ce94f', 'awaiting_payment', false, 1290, 'EUR', '7449415aa183c7a0ca88321a9d003b2f', '2026-11-29 22:28:27.735987+00', '2026-11-29 22:28:27.771357+00');
INSERT INTO commerce."order" VALUES ('01a2296c-863e-71a8-8432-5795cd379b3b', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-864b-7218-8c10-f8b180e7dcaa', '01a2296c-864b-7218-8c10-f8b25f0438e2', 'awaiting_payment', false, 1290, 'EUR', '937f6f74c7a4a330e9c012fe3874a189', '2026-11-29 22:28:27.858978+00', '2026-11-29 22:28:27.883054+00');
INSERT INTO commerce."order" VALUES ('01a2296c-8736-74db-8d38-86c43d6e8f5c', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-8738-7663-b03a-a69e01ec24c6', '01a2296c-8738-7663-b03a-a69f602c0f71', 'awaiting_payment', false, 1290, 'EUR', '337a213ce6f6639832abeb8093901313', '2026-11-29 22:28:28.089743+00', '2026-11-29 22:28:28.107264+00');
INSERT INTO commerce."order" VALUES ('01a2296c-8828-7579-a286-a8895450d3ea', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-8829-758e-b7a1-7acc09b443f7', '01a2296c-8829-758e-b7a1-7acd31705087', 'awaiting_payment', true, 1290, 'EUR', '8652a5b5cf8c6288f6b17b5db102cf03', '2026-11-29 22:28:28.331153+00', '2026-11-29 22:28:28.687762+00');
INSERT INTO commerce."order" VALUES ('01a2296c-8860-7685-a031-5566b3d1ebfd', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-8862-70db-9590-32620e128027', '01a2296c-8862-70db-9590-32632550b40a', 'awaiting_payment', true, 1290, 'EUR', '9051d306c680491934167b11c61906e5', '2026-11-29 22:28:28.387977+00', '2026-11-29 22:28:28.866984+00');
INSERT INTO commerce."order" VALUES ('01a2296c-8aeb-7007-94e7-53f7926c056f', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-8aee-7674-af24-155d7ddea2a1', '01a2296c-8aee-7674-af24-155e8c9890c6', 'pending', false, 1290, 'EUR', 'fc48a148c38cef890f24be34e8d824a8', '2026-11-29 22:28:29.042595+00', '2026-11-29 22:28:29.042595+00');
INSERT INTO commerce."order" VALUES ('01a2296c-8b1e-70d4-ac1e-d40ed974e076', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-8b22-72a5-a5dc-3378a344c1df', '01a2296c-8b22-72a5-a5dc-337936ac4496', 'pending', false, 1290, 'EUR', '128f02eeaaa0511caa280d09e183c97c', '2026-11-29 22:28:29.099204+00', '2026-11-29 22:28:29.099204+00');
INSERT INTO commerce."order" VALUES ('01a2296c-8bb9-7056-a68a-4de4af96f663', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', '01a2296c-8bba-7159-be79-1863006a97fc', '01a2296c-8bba-7159-be79-1864f766ed5f', 'pending', true, 1290, 'EUR', 'dc419bc770d5811496cbe938253db2db', '2026-11-29 22:28:29.24419+00', '2026-11-29 22:28:29.310139+00');


--
-- Data for Name: order_line; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce.order_line VALUES ('01a2296c-8186-73e0-ab17-2d9f7240853b', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-82df-72ea-9a2c-65ee6c45689c', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-842d-7214-96dd-724b561387dd', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-85c6-740f-9480-a8b3fcf272a9', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-863e-71a8-8432-5795cd379b3b', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-8736-74db-8d38-86c43d6e8f5c', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-8828-7579-a286-a8895450d3ea', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-8860-7685-a031-5566b3d1ebfd', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-8aeb-7007-94e7-53f7926c056f', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-8b1e-70d4-ac1e-d40ed974e076', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);
INSERT INTO commerce.order_line VALUES ('01a2296c-8bb9-7056-a68a-4de4af96f663', 1, '01900000-0000-7000-8000-000000000000', 'Enamel Mug', 1, 1290);


--
-- Data for Name: order_status; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce.order_status VALUES ('01a2296c-8186-73e0-ab17-2d9f7240853b', 1, 'pending', NULL, '2026-11-29 22:28:26.676798+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8186-73e0-ab17-2d9f7240853b', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:26.748255+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8186-73e0-ab17-2d9f7240853b', 3, 'completed', NULL, '2026-11-29 22:28:26.891014+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-82df-72ea-9a2c-65ee6c45689c', 1, 'pending', NULL, '2026-11-29 22:28:27.00096+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-82df-72ea-9a2c-65ee6c45689c', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:27.065544+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-82df-72ea-9a2c-65ee6c45689c', 3, 'canceling', 'the payment was canceled', '2026-11-29 22:28:27.207001+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-82df-72ea-9a2c-65ee6c45689c', 4, 'canceled', 'the payment was canceled', '2026-11-29 22:28:27.256424+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-842d-7214-96dd-724b561387dd', 1, 'pending', NULL, '2026-11-29 22:28:27.339766+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-842d-7214-96dd-724b561387dd', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:27.375238+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-842d-7214-96dd-724b561387dd', 3, 'canceling', 'it was canceled', '2026-11-29 22:28:27.454758+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-842d-7214-96dd-724b561387dd', 4, 'canceled', 'it was canceled', '2026-11-29 22:28:27.653093+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-85c6-740f-9480-a8b3fcf272a9', 1, 'pending', NULL, '2026-11-29 22:28:27.735954+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-85c6-740f-9480-a8b3fcf272a9', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:27.771494+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-863e-71a8-8432-5795cd379b3b', 1, 'pending', NULL, '2026-11-29 22:28:27.85895+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-863e-71a8-8432-5795cd379b3b', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:27.883162+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8736-74db-8d38-86c43d6e8f5c', 1, 'pending', NULL, '2026-11-29 22:28:28.089721+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8736-74db-8d38-86c43d6e8f5c', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:28.107342+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8828-7579-a286-a8895450d3ea', 1, 'pending', NULL, '2026-11-29 22:28:28.331133+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8828-7579-a286-a8895450d3ea', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:28.349557+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8860-7685-a031-5566b3d1ebfd', 1, 'pending', NULL, '2026-11-29 22:28:28.387957+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8860-7685-a031-5566b3d1ebfd', 2, 'awaiting_payment', NULL, '2026-11-29 22:28:28.411198+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8828-7579-a286-a8895450d3ea', 3, 'canceling', 'it was canceled', '2026-11-29 22:28:28.687917+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8860-7685-a031-5566b3d1ebfd', 3, 'canceling', 'it was canceled', '2026-11-29 22:28:28.867138+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8aeb-7007-94e7-53f7926c056f', 1, 'pending', NULL, '2026-11-29 22:28:29.042569+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8b1e-70d4-ac1e-d40ed974e076', 1, 'pending', NULL, '2026-11-29 22:28:29.099177+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8bb9-7056-a68a-4de4af96f663', 1, 'pending', NULL, '2026-11-29 22:28:29.244169+00');
INSERT INTO commerce.order_status VALUES ('01a2296c-8bb9-7056-a68a-4de4af96f663', 2, 'canceling', 'it was canceled', '2026-11-29 22:28:29.310299+00');


--
-- Data for Name: product; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000000', 'enamel-mug', 'Enamel Mug', 'Steel mug with a white enamel coat, 0.3 litres. Survives campfires.', 1290, 'EUR', 1, '2026-11-29 22:28:25.640858+00', '2026-11-29 22:28:25.640858+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000001', 'pour-over-kettle', 'Pour-Over Kettle', 'Gooseneck kettle of brushed steel with a thermometer in its lid.', 5490, 'EUR', 1, '2026-11-29 22:28:25.650851+00', '2026-11-29 22:28:25.650851+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000002', 'hand-coffee-grinder', 'Hand Coffee Grinder', 'Conical burrs of hardened steel, forty clicks from espresso to press.', 7900, 'EUR', 1, '2026-11-29 22:28:25.658524+00', '2026-11-29 22:28:25.658524+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000003', 'french-press', 'French Press', 'Borosilicate glass in a walnut frame, one litre.', 3950, 'EUR', 1, '2026-11-29 22:28:25.663198+00', '2026-11-29 22:28:25.663198+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000004', 'espresso-cups-set-of-four', 'Espresso Cups, Set of Four', 'Stoneware cups with saucers, glazed by hand.', 3200, 'EUR', 1, '2026-11-29 22:28:25.674316+00', '2026-11-29 22:28:25.674316+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000005', 'cast-iron-skillet', 'Cast Iron Skillet', 'Pre-seasoned pan of 26 centimetres for a lifetime of breakfasts.', 4290, 'EUR', 1, '2026-11-29 22:28:25.679316+00', '2026-11-29 22:28:25.679316+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000006', 'chef-s-knife', 'Chef''s Knife', 'Twenty centimetres of Damascus steel with an olive wood handle.', 11900, 'EUR', 1, '2026-11-29 22:28:25.683574+00', '2026-11-29 22:28:25.683574+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000007', 'cutting-board', 'Cutting Board', 'End-grain oak board with a juice groove and rubber feet.', 5900, 'EUR', 1, '2026-11-29 22:28:25.689994+00', '2026-11-29 22:28:25.689994+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000008', 'linen-apron', 'Linen Apron', 'Washed linen with two pockets and a long strap.', 3490, 'EUR', 1, '2026-11-29 22:28:25.696369+00', '2026-11-29 22:28:25.696369+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000009', 'beeswax-wraps', 'Beeswax Wraps', 'Three sizes of cotton in beeswax, instead of cling film.', 1690, 'EUR', 1, '2026-11-29 22:28:25.700481+00', '2026-11-29 22:28:25.700482+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-00000000000a', 'sourdough-basket', 'Sourdough Basket', 'Rattan proofing basket with a linen liner.', 2190, 'EUR', 1, '2026-11-29 22:28:25.714164+00', '2026-11-29 22:28:25.714164+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-00000000000b', 'olive-oil-cold-pressed', 'Olive Oil, Cold Pressed', 'Half a litre from one grove, harvested in November.', 1590, 'EUR', 1, '2026-11-29 22:28:25.71882+00', '2026-11-29 22:28:25.71882+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-00000000000c', 'wool-blanket', 'Wool Blanket', 'Merino blanket of 130 by 180 centimetres, woven in one piece.', 12900, 'EUR', 1, '2026-11-29 22:28:25.723202+00', '2026-11-29 22:28:25.723202+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-00000000000d', 'reading-lamp', 'Reading Lamp', 'Brass lamp with a jointed arm and a warm bulb.', 8900, 'EUR', 1, '2026-11-29 22:28:25.74218+00', '2026-11-29 22:28:25.74218+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-00000000000e', 'desk-notebook', 'Desk Notebook', 'Dotted paper of 120 grams that opens flat, 192 pages.', 1890, 'EUR', 1, '2026-11-29 22:28:25.761618+00', '2026-11-29 22:28:25.761618+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-00000000000f', 'fountain-pen', 'Fountain Pen', 'Resin body, steel nib, converter included.', 4500, 'EUR', 1, '2026-11-29 22:28:25.769991+00', '2026-11-29 22:28:25.769992+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000010', 'mechanical-keyboard', 'Mechanical Keyboard', 'Compact layout with quiet switches and PBT caps.', 13900, 'EUR', 1, '2026-11-29 22:28:25.779719+00', '2026-11-29 22:28:25.779719+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000011', 'bookshelf-speaker-pair', 'Bookshelf Speaker Pair', 'Two-way speakers with silk tweeters in real veneer.', 24900, 'EUR', 1, '2026-11-29 22:28:25.785851+00', '2026-11-29 22:28:25.785851+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000012', 'canvas-backpack', 'Canvas Backpack', 'Waxed canvas, leather straps, a sleeve for a laptop.', 9900, 'EUR', 1, '2026-11-29 22:28:25.802411+00', '2026-11-29 22:28:25.802411+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000013', 'trail-bottle', 'Trail Bottle', 'Double-walled steel bottle of 0.75 litres.', 2990, 'EUR', 1, '2026-11-29 22:28:25.810772+00', '2026-11-29 22:28:25.810772+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000014', 'bicycle-bell', 'Bicycle Bell', 'Brass bell with a clear, long tone.', 1950, 'EUR', 1, '2026-11-29 22:28:25.817953+00', '2026-11-29 22:28:25.817953+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000015', 'rain-jacket', 'Rain Jacket', 'Light shell with taped seams that packs into its own pocket.', 14900, 'EUR', 1, '2026-11-29 22:28:25.821789+00', '2026-11-29 22:28:25.821789+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000016', 'camping-hammock', 'Camping Hammock', 'Parachute nylon with tree straps, holds 200 kilograms.', 5900, 'EUR', 1, '2026-11-29 22:28:25.830033+00', '2026-11-29 22:28:25.830033+00', NULL, DEFAULT);
INSERT INTO commerce.product VALUES ('01900000-0000-7000-8000-000000000017', 'sundial-pocket-size', 'Sundial, Pocket Size', 'Brass sundial for your latitude, with instructions. The last of its kind.', 2450, 'EUR', 1, '2026-11-29 22:28:25.863469+00', '2026-11-29 22:28:25.863469+00', NULL, DEFAULT);


--
-- Data for Name: stock; Type: TABLE DATA; Schema: commerce; Owner: -
--

INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000001', 80, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000002', 60, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000003', 120, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000004', 90, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000005', 150, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000006', 40, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000007', 110, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000008', 200, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000009', 400, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-00000000000a', 130, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-00000000000b', 350, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-00000000000c', 45, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-00000000000d', 70, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-00000000000e', 600, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-00000000000f', 160, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000010', 55, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000011', 25, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000012', 85, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000013', 300, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000014', 250, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000015', 65, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000016', 95, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000017', 3, 0, 0, DEFAULT);
INSERT INTO commerce.stock VALUES ('01900000-0000-7000-8000-000000000000', 500, 1, 8, DEFAULT);


--
-- Data for Name: inbox; Type: TABLE DATA; Schema: messaging; Owner: -
--

INSERT INTO messaging.inbox VALUES ('messages', '01a2296c-8125-729f-8c10-e6017eeb1e5c', '2026-11-29 22:28:26.735074+00');
INSERT INTO messaging.inbox VALUES ('payments_events_queue', '01a2296c-819a-71c2-a055-5cafdfafebe3/transaction_completed', '2026-11-29 22:28:26.877313+00');
INSERT INTO messaging.inbox VALUES ('messages', '01a2296c-8290-7474-97f4-8954ef6d7d4b', '2026-11-29 22:28:26.959546+00');
INSERT INTO messaging.inbox VALUES ('payments_events_queue', '01a2296c-82f2-7404-b586-d8056b9e788d/transaction_canceled', '2026-11-29 22:28:27.183145+00');
INSERT INTO messaging.inbox VALUES ('payments_events_queue', '01a2296c-843a-7185-8faa-91e632a60445/transaction_canceled', '2026-11-29 22:28:27.663415+00');
INSERT INTO messaging.inbox VALUES ('payments_events_queue', '01a2296c-864b-7218-8c10-f8b25f0438e2/transaction_completed', '2026-11-29 22:28:28.064062+00');


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: messaging; Owner: -
--

INSERT INTO messaging.outbox VALUES ('01a2296c-85d2-7243-b950-af7a59076e77', 'timer', '01a2296c-85d2-7243-b950-af78f3e8ef41', 'checkout', 1, 'a3de0481ed7ce1d7', 'await_payment', '2026-11-29 22:28:27.766756+00', NULL, NULL, NULL, NULL, NULL, '2026-11-29 22:58:27.763117+00', 2, 0, NULL, NULL, NULL);
INSERT INTO messaging.outbox VALUES ('01a2296c-8829-758e-b7a1-7acedc40e7cb', 'step', '01a2296c-8829-758e-b7a1-7acc09b443f7', 'checkout', 1, 'a3de0481ed7ce1d7', 'init_payment/undo', '2026-11-29 22:28:28.681602+00', NULL, NULL, NULL, NULL, NULL, '2026-11-29 23:31:29.654726+00', 4, 1, NULL, 'payment-mismatch: order 01a2296c-8828-7579-a286-a8895450d3ea costs 12.90 EUR, the transaction says 12.91 EUR', NULL);
INSERT INTO messaging.outbox VALUES ('01a2296c-8aee-7674-af24-155fa6c194ea', 'step', '01a2296c-8aee-7674-af24-155d7ddea2a1', 'checkout', 1, 'a3de0481ed7ce1d7', 'init_payment', '2026-11-29 22:28:29.03843+00', NULL, NULL, NULL, NULL, NULL, '2026-11-29 23:35:53.80478+00', 1, 1, NULL, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', NULL);
INSERT INTO messaging.outbox VALUES ('01a2296c-8bba-7159-be79-18655db3125b', 'step', '01a2296c-8bba-7159-be79-1863006a97fc', 'checkout', 1, 'a3de0481ed7ce1d7', 'init_payment/undo', '2026-11-29 22:28:29.30874+00', NULL, NULL, NULL, NULL, NULL, '2026-11-29 23:17:27.518306+00', 3, 1, NULL, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', NULL);
INSERT INTO messaging.outbox VALUES ('01a2296c-8862-70db-9590-32641ce5c003', 'step', '01a2296c-8862-70db-9590-32620e128027', 'checkout', 1, 'a3de0481ed7ce1d7', 'init_payment/undo', '2026-11-29 22:28:28.853928+00', NULL, NULL, NULL, NULL, NULL, '2026-11-29 23:30:11.285892+00', 4, 1, NULL, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', NULL);


--
-- Data for Name: _sqlx_migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public._sqlx_migrations VALUES (20260101000001, 'auth', '2026-11-29 22:28:24.240492+00', true, '\x9f7637749eff326b772a1c6c787735b7ac2ff58d5b6efdf8d9ff2200897bfa621b13e7c830d3fe365aaefbd483777447', 30110654);
INSERT INTO public._sqlx_migrations VALUES (20260101000002, 'commerce', '2026-11-29 22:28:24.271493+00', true, '\xe8abe83de14ea4c886d8f3d34f2588b1570d675d8a3a56e092ef2260fcf492fdea4eca8a7c5ff14cbd5a0a0a5ab76ea4', 23269620);
INSERT INTO public._sqlx_migrations VALUES (20260101000003, 'messaging', '2026-11-29 22:28:24.295299+00', true, '\x230492275239d7e1ebb603cb87c16b4b3aa05accfa340ded9901ac0f27444d806eda542a3ae44bc530e61a9cc8437b89', 4266147);
INSERT INTO public._sqlx_migrations VALUES (20260101000004, 'saga', '2026-11-29 22:28:24.299894+00', true, '\x5bdb4d8f9a3d432d41ae09772389decf3e59cfd88fa7e32d903c8af1e3a4fb6a79cc8f96523778a5a663c58e799a7474', 6028782);
INSERT INTO public._sqlx_migrations VALUES (20260201000001, 'archive', '2026-11-29 22:28:24.31015+00', true, '\xc219b01e00067296a87a3dbf46866372e17fb3267fb871b4f1e5039e35923d908e6798a6b451d953c96eaf023b0e9cdb', 7825650);
INSERT INTO public._sqlx_migrations VALUES (20260202000001, 'operator', '2026-11-29 22:28:24.314579+00', true, '\x753da3cb3f4f4b9dcb1a32ea06cb4c20a9e2668bd11a609848eca32004b73db42c793b5559ff67a70b1577ff19554952', 15653192);
INSERT INTO public._sqlx_migrations VALUES (20260202000002, 'heartbeat', '2026-11-29 22:28:24.331623+00', true, '\x7525b5557c0447f7cbc1b2bcce8536eac1c492525a95856b17ebe005a608793895ee1c34d8989aca68469ed58a6f1311', 10379505);
INSERT INTO public._sqlx_migrations VALUES (20260204000001, 'story', '2026-11-29 22:28:24.342409+00', true, '\x05d60674f779344469212bc35349a2477cab8f2c3c68ba8c01e3f77ff3fa271275d81658bb9692d8a3216776489cb919', 1402180);


--
-- Data for Name: archive; Type: TABLE DATA; Schema: saga; Owner: -
--



--
-- Data for Name: audit; Type: TABLE DATA; Schema: saga; Owner: -
--

INSERT INTO saga.audit VALUES ('01a2296c-86da-73a4-9334-aea93e3fb26c', '2026-11-29 22:28:27.995238+00', 'operator', 'before the upgrade', 'saga pause', 'saga', '01a2296c-864b-7218-8c10-f8b180e7dcaa', '{"revision": 2, "standing": "waiting await_payment"}', '{"act": {"verb": "pause"}, "standing": "waiting await_payment (paused)"}', NULL, '937f6f74c7a4a330e9c012fe3874a189');
INSERT INTO saga.audit VALUES ('01a2296c-87af-7152-b3ea-4041afacfccf', '2026-11-29 22:28:28.211708+00', 'operator', 'before the upgrade', 'saga pause', 'saga', '01a2296c-8738-7663-b03a-a69e01ec24c6', '{"revision": 2, "standing": "waiting await_payment"}', '{"act": {"verb": "pause"}, "standing": "waiting await_payment (paused)"}', NULL, '337a213ce6f6639832abeb8093901313');
INSERT INTO saga.audit VALUES ('01a2296c-880c-740c-bbef-ec0f152effdd', '2026-11-29 22:28:28.302654+00', 'operator', 'before the upgrade', 'saga cancel', 'saga', '01a2296c-8738-7663-b03a-a69e01ec24c6', '{"revision": 3, "standing": "waiting await_payment (paused)"}', '{"act": {"verb": "cancel"}, "standing": "waiting await_payment (paused)"}', NULL, '337a213ce6f6639832abeb8093901313');
INSERT INTO saga.audit VALUES ('01a2296c-8990-7390-bae5-cf642ad186ea', '2026-11-29 22:28:28.688798+00', 'operator', 'before the upgrade', 'saga cancel', 'saga', '01a2296c-8829-758e-b7a1-7acc09b443f7', '{"revision": 2, "standing": "waiting await_payment"}', '{"act": {"verb": "cancel"}, "standing": "compensating init_payment"}', NULL, '8652a5b5cf8c6288f6b17b5db102cf03');
INSERT INTO saga.audit VALUES ('01a2296c-8a43-7782-9a38-6519c87f15b1', '2026-11-29 22:28:28.868274+00', 'operator', 'before the upgrade', 'saga cancel', 'saga', '01a2296c-8862-70db-9590-32620e128027', '{"revision": 2, "standing": "waiting await_payment"}', '{"act": {"verb": "cancel"}, "standing": "compensating init_payment"}', NULL, '9051d306c680491934167b11c61906e5');
INSERT INTO saga.audit VALUES ('01a2296c-8ba9-743e-977c-0772bd1700c7', '2026-11-29 22:28:29.226123+00', 'operator', 'before the upgrade', 'saga pause', 'saga', '01a2296c-8b22-72a5-a5dc-3378a344c1df', '{"revision": 2, "standing": "running init_payment"}', '{"act": {"verb": "pause"}, "standing": "running init_payment (paused)"}', NULL, '128f02eeaaa0511caa280d09e183c97c');
INSERT INTO saga.audit VALUES ('01a2296c-8bfe-7530-afbd-4355c8e6d0dc', '2026-11-29 22:28:29.310979+00', 'operator', 'before the upgrade', 'saga cancel', 'saga', '01a2296c-8bba-7159-be79-1863006a97fc', '{"revision": 2, "standing": "running init_payment"}', '{"act": {"verb": "cancel"}, "standing": "compensating init_payment"}', NULL, 'dc419bc770d5811496cbe938253db2db');


--
-- Data for Name: batch; Type: TABLE DATA; Schema: saga; Owner: -
--



--
-- Data for Name: batch_item; Type: TABLE DATA; Schema: saga; Owner: -
--



--
-- Data for Name: heartbeat; Type: TABLE DATA; Schema: saga; Owner: -
--



--
-- Data for Name: journal; Type: TABLE DATA; Schema: saga; Owner: -
--

INSERT INTO saga.journal VALUES ('01a2296c-819a-71c2-a055-5cae7890e64a', 1, 0, '2026-11-29 22:28:26.65431+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-819a-71c2-a055-5cae7890e64a', 2, 0, '2026-11-29 22:28:26.730998+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:26.65431+00', '59a0b382594bc8ed', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-819a-71c2-a055-5cae7890e64a', 3, 0, '2026-11-29 22:28:26.880126+00', 'signal', NULL, NULL, 'transaction_completed: applied', 'completed', 'message 01a2296c-8251-75ee-a386-e4a50c8e3603', '2026-11-29 22:28:26.730998+00', NULL, NULL, '{complete_order}');
INSERT INTO saga.journal VALUES ('01a2296c-82f2-7404-b586-d8040625e681', 1, 0, '2026-11-29 22:28:26.997663+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-82f2-7404-b586-d8040625e681', 2, 0, '2026-11-29 22:28:27.030698+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:26.997663+00', 'ef29aafd373fcda1', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-82f2-7404-b586-d8040625e681', 3, 0, '2026-11-29 22:28:27.184737+00', 'compensation_begun', NULL, NULL, 'the payment was canceled', 'compensating', NULL, NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-82f2-7404-b586-d8040625e681', 3, 1, '2026-11-29 22:28:27.184737+00', 'signal', NULL, NULL, 'transaction_canceled: applied', 'compensating', 'message 01a2296c-8396-7332-89a7-13c18bc5c13c', '2026-11-29 22:28:27.030698+00', NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-82f2-7404-b586-d8040625e681', 4, 0, '2026-11-29 22:28:27.252662+00', 'undone', 'init_payment/undo', 1, NULL, 'compensated', NULL, '2026-11-29 22:28:27.210211+00', 'ef6f544a80aa15cb', 'worker-69214ecd', '{place_order/undo}');
INSERT INTO saga.journal VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 1, 0, '2026-11-29 22:28:27.324454+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 2, 0, '2026-11-29 22:28:27.358376+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:27.324454+00', '5a73078dc88c32ac', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 3, 0, '2026-11-29 22:28:27.446364+00', 'compensation_begun', NULL, NULL, 'it was canceled', 'compensating', NULL, NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 3, 1, '2026-11-29 22:28:27.446364+00', 'signal', NULL, NULL, 'cancel: applied', 'compensating', 'user 01a2296c-8122-71ee-bb6e-f686a0cfff3e', '2026-11-29 22:28:27.358376+00', NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 4, 0, '2026-11-29 22:28:27.638818+00', 'undone', 'init_payment/undo', 1, NULL, 'compensated', NULL, '2026-11-29 22:28:27.616285+00', '062783f7d6e19ce7', 'worker-69214ecd', '{place_order/undo}');
INSERT INTO saga.journal VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 5, 0, '2026-11-29 22:28:27.66995+00', 'signal', NULL, NULL, 'transaction_canceled: duplicate', 'compensated', 'message 01a2296c-856e-7233-b70e-e118f9ba2536', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-85d2-7243-b950-af78f3e8ef41', 1, 0, '2026-11-29 22:28:27.731272+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-85d2-7243-b950-af78f3e8ef41', 2, 0, '2026-11-29 22:28:27.763117+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:27.731272+00', '4f231c1c1ee2b71f', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-864b-7218-8c10-f8b180e7dcaa', 1, 0, '2026-11-29 22:28:27.851604+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-864b-7218-8c10-f8b180e7dcaa', 2, 0, '2026-11-29 22:28:27.877612+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:27.851604+00', '1cfa3d70b0491243', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-864b-7218-8c10-f8b180e7dcaa', 3, 0, '2026-11-29 22:28:27.983414+00', 'operator', NULL, NULL, 'pause: before the upgrade', 'waiting', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-864b-7218-8c10-f8b180e7dcaa', 4, 0, '2026-11-29 22:28:28.06467+00', 'signal', NULL, NULL, 'transaction_completed: kept', 'waiting', 'message 01a2296c-86fd-7422-b1cb-eb05106d3314', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8738-7663-b03a-a69e01ec24c6', 1, 0, '2026-11-29 22:28:28.088579+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-8738-7663-b03a-a69e01ec24c6', 2, 0, '2026-11-29 22:28:28.103982+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:28.088579+00', '19a7a72ef64e6aaf', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8738-7663-b03a-a69e01ec24c6', 3, 0, '2026-11-29 22:28:28.196129+00', 'operator', NULL, NULL, 'pause: before the upgrade', 'waiting', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8738-7663-b03a-a69e01ec24c6', 4, 0, '2026-11-29 22:28:28.295441+00', 'operator', NULL, NULL, 'cancel: before the upgrade', 'waiting', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8738-7663-b03a-a69e01ec24c6', 4, 1, '2026-11-29 22:28:28.295441+00', 'signal', NULL, NULL, 'cancel: kept', 'waiting', 'operator operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 1, 0, '2026-11-29 22:28:28.329711+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 2, 0, '2026-11-29 22:28:28.347981+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:28.329711+00', '3450745604c9dec9', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8862-70db-9590-32620e128027', 1, 0, '2026-11-29 22:28:28.386688+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-8862-70db-9590-32620e128027', 2, 0, '2026-11-29 22:28:28.402255+00', 'done', 'init_payment', 1, NULL, 'waiting', NULL, '2026-11-29 22:28:28.386688+00', '7b511734a60b12f8', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 3, 0, '2026-11-29 22:28:28.667959+00', 'operator', NULL, NULL, 'cancel: before the upgrade', 'compensating', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 3, 1, '2026-11-29 22:28:28.667959+00', 'compensation_begun', NULL, NULL, 'it was canceled', 'compensating', NULL, NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 3, 2, '2026-11-29 22:28:28.667959+00', 'signal', NULL, NULL, 'cancel: applied', 'compensating', 'operator operator', '2026-11-29 22:28:28.347981+00', NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 4, 0, '2026-11-29 22:28:28.758565+00', 'unknown', 'init_payment/undo', 1, 'payment-mismatch: order 01a2296c-8828-7579-a286-a8895450d3ea costs 12.90 EUR, the transaction says 12.91 EUR', 'compensating', NULL, '2026-11-29 22:28:28.710776+00', '0c3ec2e147d50380', 'worker-69214ecd', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8862-70db-9590-32620e128027', 3, 0, '2026-11-29 22:28:28.849364+00', 'operator', NULL, NULL, 'cancel: before the upgrade', 'compensating', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8862-70db-9590-32620e128027', 3, 1, '2026-11-29 22:28:28.849364+00', 'compensation_begun', NULL, NULL, 'it was canceled', 'compensating', NULL, NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8862-70db-9590-32620e128027', 3, 2, '2026-11-29 22:28:28.849364+00', 'signal', NULL, NULL, 'cancel: applied', 'compensating', 'operator operator', '2026-11-29 22:28:28.402255+00', NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8862-70db-9590-32620e128027', 4, 0, '2026-11-29 22:28:28.98714+00', 'unknown', 'init_payment/undo', 1, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', 'compensating', NULL, '2026-11-29 22:28:28.963411+00', '90e7c547b1ba61a2', 'worker-69214ecd', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8aee-7674-af24-155d7ddea2a1', 1, 0, '2026-11-29 22:28:29.03843+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-8aee-7674-af24-155d7ddea2a1', 2, 0, '2026-11-29 22:28:29.067219+00', 'unknown', 'init_payment', 1, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', 'running', NULL, '2026-11-29 22:28:29.03843+00', '59571e2b5e4d6d03', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8b22-72a5-a5dc-3378a344c1df', 1, 0, '2026-11-29 22:28:29.091086+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-8b22-72a5-a5dc-3378a344c1df', 2, 0, '2026-11-29 22:28:29.116789+00', 'unknown', 'init_payment', 1, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', 'running', NULL, '2026-11-29 22:28:29.091086+00', '52c8efc0b99c102c', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8b22-72a5-a5dc-3378a344c1df', 3, 0, '2026-11-29 22:28:29.213205+00', 'operator', NULL, NULL, 'pause: before the upgrade', 'running', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 1, 0, '2026-11-29 22:28:29.243075+00', 'begun', 'init_payment', NULL, NULL, 'running', NULL, NULL, NULL, NULL, '{place_order}');
INSERT INTO saga.journal VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 2, 0, '2026-11-29 22:28:29.251101+00', 'unknown', 'init_payment', 1, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', 'running', NULL, '2026-11-29 22:28:29.243075+00', 'd4319d2643b13ce0', 'api-be3b8864', NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 3, 0, '2026-11-29 22:28:29.302048+00', 'operator', NULL, NULL, 'cancel: before the upgrade', 'compensating', 'operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 3, 1, '2026-11-29 22:28:29.302048+00', 'compensation_begun', NULL, NULL, 'it was canceled', 'compensating', NULL, NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 3, 2, '2026-11-29 22:28:29.302048+00', 'signal', NULL, NULL, 'cancel: applied', 'compensating', 'operator operator', NULL, NULL, NULL, NULL);
INSERT INTO saga.journal VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 4, 0, '2026-11-29 22:28:29.343354+00', 'unknown', 'init_payment/undo', 1, 'payments gave no usable answer: error sending request: client error (SendRequest): connection closed before message completed', 'compensating', NULL, '2026-11-29 22:28:29.323132+00', '2882d98efe3f252d', 'worker-69214ecd', NULL);


--
-- Data for Name: saga; Type: TABLE DATA; Schema: saga; Owner: -
--

INSERT INTO saga.saga VALUES ('01a2296c-819a-71c2-a055-5cae7890e64a', 'checkout', 1, 'a3de0481ed7ce1d7', 'completed', 3, NULL, false, 3, '2026-11-29 22:58:26.730998+00', NULL, 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-819a-71c2-a055-5cae7890e64a", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8186-73e0-ab17-2d9f7240853b", "trace_id": "5ec48b70c56519bdbc4e734a1553f4b1", "transaction_id": "01a2296c-819a-71c2-a055-5cafdfafebe3"}', '5ec48b70c56519bdbc4e734a1553f4b1', 'ab172d9f7240853b', '2026-11-29 22:28:26.65431+00', '2026-11-29 22:28:26.885338+00', '2026-11-29 22:28:26.880126+00');
INSERT INTO saga.saga VALUES ('01a2296c-82f2-7404-b586-d8040625e681', 'checkout', 1, 'a3de0481ed7ce1d7', 'compensated', 0, 2, false, 4, '2026-11-29 22:58:27.030698+00', 'the payment was canceled', 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-82f2-7404-b586-d8040625e681", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-82df-72ea-9a2c-65ee6c45689c", "trace_id": "fc1cd6bae3da33dc017767dc5a95dfc2", "transaction_id": "01a2296c-82f2-7404-b586-d8056b9e788d"}', 'fc1cd6bae3da33dc017767dc5a95dfc2', '9a2c65ee6c45689c', '2026-11-29 22:28:26.997663+00', '2026-11-29 22:28:27.253997+00', '2026-11-29 22:28:27.252662+00');
INSERT INTO saga.saga VALUES ('01a2296c-843a-7185-8faa-91e552144c5e', 'checkout', 1, 'a3de0481ed7ce1d7', 'compensated', 0, 2, false, 5, '2026-11-29 22:58:27.358376+00', 'it was canceled', 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-843a-7185-8faa-91e552144c5e", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-842d-7214-96dd-724b561387dd", "trace_id": "2a2de0a23e88b80c81d0ae170b6eb9d0", "transaction_id": "01a2296c-843a-7185-8faa-91e632a60445"}', '2a2de0a23e88b80c81d0ae170b6eb9d0', '96dd724b561387dd', '2026-11-29 22:28:27.324454+00', '2026-11-29 22:28:27.681272+00', '2026-11-29 22:28:27.638818+00');
INSERT INTO saga.saga VALUES ('01a2296c-85d2-7243-b950-af78f3e8ef41', 'checkout', 1, 'a3de0481ed7ce1d7', 'waiting', 2, NULL, false, 2, '2026-11-29 22:58:27.763117+00', NULL, 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-85d2-7243-b950-af78f3e8ef41", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-85c6-740f-9480-a8b3fcf272a9", "trace_id": "7449415aa183c7a0ca88321a9d003b2f", "transaction_id": "01a2296c-85d2-7243-b950-af79662ce94f"}', '7449415aa183c7a0ca88321a9d003b2f', '9480a8b3fcf272a9', '2026-11-29 22:28:27.731272+00', '2026-11-29 22:28:27.766612+00', '2026-11-29 22:28:27.763117+00');
INSERT INTO saga.saga VALUES ('01a2296c-864b-7218-8c10-f8b180e7dcaa', 'checkout', 1, 'a3de0481ed7ce1d7', 'waiting', 2, NULL, true, 4, '2026-11-29 22:58:27.877612+00', NULL, 1, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-864b-7218-8c10-f8b180e7dcaa", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-863e-71a8-8432-5795cd379b3b", "trace_id": "937f6f74c7a4a330e9c012fe3874a189", "transaction_id": "01a2296c-864b-7218-8c10-f8b25f0438e2"}', '937f6f74c7a4a330e9c012fe3874a189', '84325795cd379b3b', '2026-11-29 22:28:27.851604+00', '2026-11-29 22:28:28.065566+00', '2026-11-29 22:28:27.877612+00');
INSERT INTO saga.saga VALUES ('01a2296c-8738-7663-b03a-a69e01ec24c6', 'checkout', 1, 'a3de0481ed7ce1d7', 'waiting', 2, NULL, true, 4, '2026-11-29 22:58:28.103982+00', NULL, 1, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-8738-7663-b03a-a69e01ec24c6", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8736-74db-8d38-86c43d6e8f5c", "trace_id": "337a213ce6f6639832abeb8093901313", "transaction_id": "01a2296c-8738-7663-b03a-a69f602c0f71"}', '337a213ce6f6639832abeb8093901313', '8d3886c43d6e8f5c', '2026-11-29 22:28:28.088579+00', '2026-11-29 22:28:28.299583+00', '2026-11-29 22:28:28.103982+00');
INSERT INTO saga.saga VALUES ('01a2296c-8829-758e-b7a1-7acc09b443f7', 'checkout', 1, 'a3de0481ed7ce1d7', 'compensating', 1, 2, false, 4, '2026-11-29 22:58:28.347981+00', 'it was canceled', 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-8829-758e-b7a1-7acc09b443f7", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8828-7579-a286-a8895450d3ea", "trace_id": "8652a5b5cf8c6288f6b17b5db102cf03", "transaction_id": "01a2296c-8829-758e-b7a1-7acd31705087"}', '8652a5b5cf8c6288f6b17b5db102cf03', 'a286a8895450d3ea', '2026-11-29 22:28:28.329711+00', '2026-11-29 22:28:28.760476+00', '2026-11-29 22:28:28.667959+00');
INSERT INTO saga.saga VALUES ('01a2296c-8aee-7674-af24-155d7ddea2a1', 'checkout', 1, 'a3de0481ed7ce1d7', 'running', 1, NULL, false, 2, NULL, NULL, 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-8aee-7674-af24-155d7ddea2a1", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8aeb-7007-94e7-53f7926c056f", "trace_id": "fc48a148c38cef890f24be34e8d824a8", "transaction_id": "01a2296c-8aee-7674-af24-155e8c9890c6"}', 'fc48a148c38cef890f24be34e8d824a8', '94e753f7926c056f', '2026-11-29 22:28:29.03843+00', '2026-11-29 22:28:29.070513+00', '2026-11-29 22:28:29.03843+00');
INSERT INTO saga.saga VALUES ('01a2296c-8bba-7159-be79-1863006a97fc', 'checkout', 1, 'a3de0481ed7ce1d7', 'compensating', 1, 1, false, 4, NULL, 'it was canceled', 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-8bba-7159-be79-1863006a97fc", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8bb9-7056-a68a-4de4af96f663", "trace_id": "dc419bc770d5811496cbe938253db2db", "transaction_id": "01a2296c-8bba-7159-be79-1864f766ed5f"}', 'dc419bc770d5811496cbe938253db2db', 'a68a4de4af96f663', '2026-11-29 22:28:29.243075+00', '2026-11-29 22:28:29.348248+00', '2026-11-29 22:28:29.302048+00');
INSERT INTO saga.saga VALUES ('01a2296c-8862-70db-9590-32620e128027', 'checkout', 1, 'a3de0481ed7ce1d7', 'compensating', 1, 2, false, 4, '2026-11-29 22:58:28.402255+00', 'it was canceled', 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-8862-70db-9590-32620e128027", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8860-7685-a031-5566b3d1ebfd", "trace_id": "9051d306c680491934167b11c61906e5", "transaction_id": "01a2296c-8862-70db-9590-32632550b40a"}', '9051d306c680491934167b11c61906e5', 'a0315566b3d1ebfd', '2026-11-29 22:28:28.386688+00', '2026-11-29 22:28:28.994717+00', '2026-11-29 22:28:28.849364+00');
INSERT INTO saga.saga VALUES ('01a2296c-8b22-72a5-a5dc-3378a344c1df', 'checkout', 1, 'a3de0481ed7ce1d7', 'running', 1, NULL, true, 3, NULL, NULL, 0, '{"total": {"amount": 1290, "currency": "EUR"}, "saga_id": "01a2296c-8b22-72a5-a5dc-3378a344c1df", "user_id": "01a2296c-8122-71ee-bb6e-f686a0cfff3e", "order_id": "01a2296c-8b1e-70d4-ac1e-d40ed974e076", "trace_id": "128f02eeaaa0511caa280d09e183c97c", "transaction_id": "01a2296c-8b22-72a5-a5dc-337936ac4496"}', '128f02eeaaa0511caa280d09e183c97c', 'ac1ed40ed974e076', '2026-11-29 22:28:29.091086+00', '2026-11-29 22:28:29.224662+00', '2026-11-29 22:28:29.091086+00');


--
-- Data for Name: signal; Type: TABLE DATA; Schema: saga; Owner: -
--

INSERT INTO saga.signal VALUES ('01a2296c-827f-733d-a948-935732bbfc99', '01a2296c-819a-71c2-a055-5cae7890e64a', 'transaction_completed', 'applied', '{"amount": {"amount": 1290, "currency": "EUR"}, "event_id": "01a2296c-8250-7044-88f8-b819e8171243", "order_id": "01a2296c-8186-73e0-ab17-2d9f7240853b", "routing_key": "transaction_completed", "completed_at": "2026-11-29T22:28:26.829912Z", "transaction_id": "01a2296c-819a-71c2-a055-5cafdfafebe3"}', 'message 01a2296c-8251-75ee-a386-e4a50c8e3603', '2026-11-29 22:28:26.885583+00', '2026-11-29 22:28:26.885583+00');
INSERT INTO saga.signal VALUES ('01a2296c-83af-7620-8805-b1744b4b51a6', '01a2296c-82f2-7404-b586-d8040625e681', 'transaction_canceled', 'applied', '{"amount": {"amount": 1290, "currency": "EUR"}, "event_id": "01a2296c-8396-7332-89a7-13c08777410a", "order_id": "01a2296c-82df-72ea-9a2c-65ee6c45689c", "canceled_at": "2026-11-29T22:28:27.155210Z", "routing_key": "transaction_canceled", "transaction_id": "01a2296c-82f2-7404-b586-d8056b9e788d"}', 'message 01a2296c-8396-7332-89a7-13c18bc5c13c', '2026-11-29 22:28:27.197033+00', '2026-11-29 22:28:27.197033+00');
INSERT INTO saga.signal VALUES ('01a2296c-84b4-7781-8346-40827e6284af', '01a2296c-843a-7185-8faa-91e552144c5e', 'cancel', 'applied', 'null', 'user 01a2296c-8122-71ee-bb6e-f686a0cfff3e', '2026-11-29 22:28:27.451814+00', '2026-11-29 22:28:27.451814+00');
INSERT INTO saga.signal VALUES ('01a2296c-8593-7294-be3a-9e073b87c7dd', '01a2296c-843a-7185-8faa-91e552144c5e', 'transaction_canceled', 'duplicate', '{"amount": {"amount": 1290, "currency": "EUR"}, "event_id": "01a2296c-856e-7233-b70e-e117fb221f7c", "order_id": "01a2296c-842d-7214-96dd-724b561387dd", "canceled_at": "2026-11-29T22:28:27.629668Z", "routing_key": "transaction_canceled", "transaction_id": "01a2296c-843a-7185-8faa-91e632a60445"}', 'message 01a2296c-856e-7233-b70e-e118f9ba2536', '2026-11-29 22:28:27.681485+00', '2026-11-29 22:28:27.681484+00');
INSERT INTO saga.signal VALUES ('01a2296c-8720-7101-a8e6-8946650085de', '01a2296c-864b-7218-8c10-f8b180e7dcaa', 'transaction_completed', NULL, '{"amount": {"amount": 1290, "currency": "EUR"}, "event_id": "01a2296c-86fd-7422-b1cb-eb045faf2702", "order_id": "01a2296c-863e-71a8-8432-5795cd379b3b", "routing_key": "transaction_completed", "completed_at": "2026-11-29T22:28:28.025497Z", "transaction_id": "01a2296c-864b-7218-8c10-f8b25f0438e2"}', 'message 01a2296c-86fd-7422-b1cb-eb05106d3314', '2026-11-29 22:28:28.065672+00', NULL);
INSERT INTO saga.signal VALUES ('01a2296c-8807-74cb-a31a-7e6495497716', '01a2296c-8738-7663-b03a-a69e01ec24c6', 'cancel', NULL, 'null', 'operator operator', '2026-11-29 22:28:28.29977+00', NULL);
INSERT INTO saga.signal VALUES ('01a2296c-897b-7701-8e27-5245be0fb678', '01a2296c-8829-758e-b7a1-7acc09b443f7', 'cancel', 'applied', 'null', 'operator operator', '2026-11-29 22:28:28.681649+00', '2026-11-29 22:28:28.681649+00');
INSERT INTO saga.signal VALUES ('01a2296c-8a31-7742-a186-7819d0191536', '01a2296c-8862-70db-9590-32620e128027', 'cancel', 'applied', 'null', 'operator operator', '2026-11-29 22:28:28.853972+00', '2026-11-29 22:28:28.853972+00');
INSERT INTO saga.signal VALUES ('01a2296c-8bf5-73f3-b6c6-fac9de4b6383', '01a2296c-8bba-7159-be79-1863006a97fc', 'cancel', 'applied', 'null', 'operator operator', '2026-11-29 22:28:29.308781+00', '2026-11-29 22:28:29.308781+00');


--
-- Name: batch_batch_id_seq; Type: SEQUENCE SET; Schema: saga; Owner: -
--

SELECT pg_catalog.setval('saga.batch_batch_id_seq', 1, false);


--
-- Name: _sqlx_migrations _sqlx_migrations_pkey; Type: CONSTRAINT; Schema: apalis; Owner: -
--

ALTER TABLE ONLY apalis._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);


--
-- Name: jobs jobs_pkey; Type: CONSTRAINT; Schema: apalis; Owner: -
--

ALTER TABLE ONLY apalis.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);


--
-- Name: workers workers_pkey; Type: CONSTRAINT; Schema: apalis; Owner: -
--

ALTER TABLE ONLY apalis.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);


--
-- Name: refresh_token refresh_token_pk; Type: CONSTRAINT; Schema: auth; Owner: -
--

ALTER TABLE ONLY auth.refresh_token
    ADD CONSTRAINT refresh_token_pk PRIMARY KEY (token_hash);


--
-- Name: user user_email_unique; Type: CONSTRAINT; Schema: auth; Owner: -
--

ALTER TABLE ONLY auth."user"
    ADD CONSTRAINT user_email_unique UNIQUE (email);


--
-- Name: user user_pk; Type: CONSTRAINT; Schema: auth; Owner: -
--

ALTER TABLE ONLY auth."user"
    ADD CONSTRAINT user_pk PRIMARY KEY (user_id);


--
-- Name: client client_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.client
    ADD CONSTRAINT client_pk PRIMARY KEY (client_id);


--
-- Name: client client_user_unique; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.client
    ADD CONSTRAINT client_user_unique UNIQUE (user_id);


--
-- Name: idempotency_key idempotency_key_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.idempotency_key
    ADD CONSTRAINT idempotency_key_pk PRIMARY KEY (user_id, key);


--
-- Name: order_line order_line_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.order_line
    ADD CONSTRAINT order_line_pk PRIMARY KEY (order_id, line_no);


--
-- Name: order order_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce."order"
    ADD CONSTRAINT order_pk PRIMARY KEY (order_id);


--
-- Name: order_status order_status_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.order_status
    ADD CONSTRAINT order_status_pk PRIMARY KEY (order_id, seq);


--
-- Name: order order_transaction_unique; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce."order"
    ADD CONSTRAINT order_transaction_unique UNIQUE (transaction_id);


--
-- Name: product product_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.product
    ADD CONSTRAINT product_pk PRIMARY KEY (product_id);


--
-- Name: product product_slug_unique; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.product
    ADD CONSTRAINT product_slug_unique UNIQUE (slug);


--
-- Name: stock stock_pk; Type: CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.stock
    ADD CONSTRAINT stock_pk PRIMARY KEY (product_id);


--
-- Name: inbox inbox_pk; Type: CONSTRAINT; Schema: messaging; Owner: -
--

ALTER TABLE ONLY messaging.inbox
    ADD CONSTRAINT inbox_pk PRIMARY KEY (consumer, message_id);


--
-- Name: outbox outbox_pk; Type: CONSTRAINT; Schema: messaging; Owner: -
--

ALTER TABLE ONLY messaging.outbox
    ADD CONSTRAINT outbox_pk PRIMARY KEY (entry_id);


--
-- Name: _sqlx_migrations _sqlx_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);


--
-- Name: archive archive_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.archive
    ADD CONSTRAINT archive_pk PRIMARY KEY (saga_id);


--
-- Name: audit audit_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.audit
    ADD CONSTRAINT audit_pk PRIMARY KEY (audit_id);


--
-- Name: batch_item batch_item_once; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.batch_item
    ADD CONSTRAINT batch_item_once UNIQUE (batch_id, saga_id);


--
-- Name: batch_item batch_item_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.batch_item
    ADD CONSTRAINT batch_item_pk PRIMARY KEY (batch_id, n);


--
-- Name: batch batch_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.batch
    ADD CONSTRAINT batch_pk PRIMARY KEY (batch_id);


--
-- Name: heartbeat heartbeat_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.heartbeat
    ADD CONSTRAINT heartbeat_pk PRIMARY KEY (process);


--
-- Name: journal journal_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.journal
    ADD CONSTRAINT journal_pk PRIMARY KEY (saga_id, revision, n);


--
-- Name: saga saga_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.saga
    ADD CONSTRAINT saga_pk PRIMARY KEY (saga_id);


--
-- Name: signal signal_pk; Type: CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.signal
    ADD CONSTRAINT signal_pk PRIMARY KEY (signal_id);


--
-- Name: idx_apalis_jobs_fetch_partial; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX idx_apalis_jobs_fetch_partial ON apalis.jobs USING btree (job_type, priority DESC, run_at) WHERE ((status = 'Pending'::text) OR ((status = 'Failed'::text) AND (attempts < max_attempts)));


--
-- Name: idx_apalis_jobs_lock_by; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX idx_apalis_jobs_lock_by ON apalis.jobs USING btree (lock_by);


--
-- Name: idx_apalis_workers_last_seen; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX idx_apalis_workers_last_seen ON apalis.workers USING btree (last_seen);


--
-- Name: idx_apalis_workers_worker_type; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX idx_apalis_workers_worker_type ON apalis.workers USING btree (worker_type);


--
-- Name: idx_jobs_idempotency_key; Type: INDEX; Schema: apalis; Owner: -
--

CREATE UNIQUE INDEX idx_jobs_idempotency_key ON apalis.jobs USING btree (job_type, idempotency_key);


--
-- Name: lidx; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX lidx ON apalis.jobs USING btree (lock_by);


--
-- Name: lsidx; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX lsidx ON apalis.workers USING btree (last_seen);


--
-- Name: unique_job_id; Type: INDEX; Schema: apalis; Owner: -
--

CREATE UNIQUE INDEX unique_job_id ON apalis.jobs USING btree (id);


--
-- Name: unique_worker_id; Type: INDEX; Schema: apalis; Owner: -
--

CREATE UNIQUE INDEX unique_worker_id ON apalis.workers USING btree (id);


--
-- Name: wtidx; Type: INDEX; Schema: apalis; Owner: -
--

CREATE INDEX wtidx ON apalis.workers USING btree (worker_type);


--
-- Name: refresh_token_expiry; Type: INDEX; Schema: auth; Owner: -
--

CREATE INDEX refresh_token_expiry ON auth.refresh_token USING btree (expires_at);


--
-- Name: refresh_token_family; Type: INDEX; Schema: auth; Owner: -
--

CREATE INDEX refresh_token_family ON auth.refresh_token USING btree (family_id);


--
-- Name: idempotency_key_age; Type: INDEX; Schema: commerce; Owner: -
--

CREATE INDEX idempotency_key_age ON commerce.idempotency_key USING btree (created_at);


--
-- Name: order_of_user; Type: INDEX; Schema: commerce; Owner: -
--

CREATE INDEX order_of_user ON commerce."order" USING btree (user_id, order_id DESC);


--
-- Name: product_name_trgm; Type: INDEX; Schema: commerce; Owner: -
--

CREATE INDEX product_name_trgm ON commerce.product USING gin (name public.gin_trgm_ops);


--
-- Name: product_newest; Type: INDEX; Schema: commerce; Owner: -
--

CREATE INDEX product_newest ON commerce.product USING btree (product_id DESC) WHERE (deleted_at IS NULL);


--
-- Name: product_search; Type: INDEX; Schema: commerce; Owner: -
--

CREATE INDEX product_search ON commerce.product USING gin (search);


--
-- Name: inbox_age; Type: INDEX; Schema: messaging; Owner: -
--

CREATE INDEX inbox_age ON messaging.inbox USING btree (handled_at);


--
-- Name: outbox_due; Type: INDEX; Schema: messaging; Owner: -
--

CREATE INDEX outbox_due ON messaging.outbox USING btree (kind, due_at) WHERE (parked_at IS NULL);


--
-- Name: outbox_one_entry_a_saga; Type: INDEX; Schema: messaging; Owner: -
--

CREATE UNIQUE INDEX outbox_one_entry_a_saga ON messaging.outbox USING btree (saga_id) WHERE (kind = ANY (ARRAY['step'::text, 'timer'::text]));


--
-- Name: audit_newest; Type: INDEX; Schema: saga; Owner: -
--

CREATE INDEX audit_newest ON saga.audit USING btree (at DESC);


--
-- Name: audit_of_subject; Type: INDEX; Schema: saga; Owner: -
--

CREATE INDEX audit_of_subject ON saga.audit USING btree (subject_kind, subject_id, at);


--
-- Name: saga_live; Type: INDEX; Schema: saga; Owner: -
--

CREATE INDEX saga_live ON saga.saga USING btree (state, updated_at) WHERE (state = ANY (ARRAY['running'::text, 'waiting'::text, 'compensating'::text]));


--
-- Name: saga_newest; Type: INDEX; Schema: saga; Owner: -
--

CREATE INDEX saga_newest ON saga.saga USING btree (created_at);


--
-- Name: signal_kept; Type: INDEX; Schema: saga; Owner: -
--

CREATE INDEX signal_kept ON saga.signal USING btree (saga_id) WHERE ((verdict IS NULL) OR (verdict = 'early'::text));


--
-- Name: signal_of_saga; Type: INDEX; Schema: saga; Owner: -
--

CREATE INDEX signal_of_saga ON saga.signal USING btree (saga_id, received_at);


--
-- Name: jobs notify_workers; Type: TRIGGER; Schema: apalis; Owner: -
--

CREATE TRIGGER notify_workers AFTER INSERT ON apalis.jobs FOR EACH ROW EXECUTE FUNCTION apalis.notify_new_jobs();

ALTER TABLE apalis.jobs DISABLE TRIGGER notify_workers;


--
-- Name: order order_status_arrows; Type: TRIGGER; Schema: commerce; Owner: -
--

CREATE TRIGGER order_status_arrows BEFORE UPDATE OF status ON commerce."order" FOR EACH ROW EXECUTE FUNCTION commerce.refuse_illegal_order_move();


--
-- Name: audit audit_append_only; Type: TRIGGER; Schema: saga; Owner: -
--

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON saga.audit FOR EACH STATEMENT EXECUTE FUNCTION saga.refuse_audit_change();


--
-- Name: jobs fk_worker_lock_by; Type: FK CONSTRAINT; Schema: apalis; Owner: -
--

ALTER TABLE ONLY apalis.jobs
    ADD CONSTRAINT fk_worker_lock_by FOREIGN KEY (lock_by) REFERENCES apalis.workers(id);


--
-- Name: refresh_token refresh_token_user_fk; Type: FK CONSTRAINT; Schema: auth; Owner: -
--

ALTER TABLE ONLY auth.refresh_token
    ADD CONSTRAINT refresh_token_user_fk FOREIGN KEY (user_id) REFERENCES auth."user"(user_id) ON DELETE CASCADE;


--
-- Name: order_line order_line_order_fk; Type: FK CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.order_line
    ADD CONSTRAINT order_line_order_fk FOREIGN KEY (order_id) REFERENCES commerce."order"(order_id);


--
-- Name: order_status order_status_order_fk; Type: FK CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.order_status
    ADD CONSTRAINT order_status_order_fk FOREIGN KEY (order_id) REFERENCES commerce."order"(order_id);


--
-- Name: stock stock_product_fk; Type: FK CONSTRAINT; Schema: commerce; Owner: -
--

ALTER TABLE ONLY commerce.stock
    ADD CONSTRAINT stock_product_fk FOREIGN KEY (product_id) REFERENCES commerce.product(product_id);


--
-- Name: batch_item batch_item_batch_fk; Type: FK CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.batch_item
    ADD CONSTRAINT batch_item_batch_fk FOREIGN KEY (batch_id) REFERENCES saga.batch(batch_id);


--
-- Name: signal signal_saga_fk; Type: FK CONSTRAINT; Schema: saga; Owner: -
--

ALTER TABLE ONLY saga.signal
    ADD CONSTRAINT signal_saga_fk FOREIGN KEY (saga_id) REFERENCES saga.saga(saga_id);


--
-- PostgreSQL database dump complete
--


