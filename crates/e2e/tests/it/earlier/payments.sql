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
-- Name: messaging; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA messaging;


--
-- Name: payments; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA payments;


--
-- Name: refuse_illegal_transaction_move(); Type: FUNCTION; Schema: payments; Owner: -
--

CREATE FUNCTION payments.refuse_illegal_transaction_move() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if new.status is distinct from old.status and old.status <> 'pending' then
        raise exception 'transaction % may not move from % to %', old.transaction_id, old.status, new.status
            using errcode = 'check_violation', constraint = 'transaction_status_arrows';
    end if;
    return new;
end $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

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
-- Name: transaction; Type: TABLE; Schema: payments; Owner: -
--

CREATE TABLE payments.transaction (
    transaction_id uuid NOT NULL,
    order_id uuid NOT NULL,
    user_id uuid,
    amount bigint,
    currency text,
    status text NOT NULL,
    tombstone boolean DEFAULT false NOT NULL,
    trace text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    completed_at timestamp with time zone,
    canceled_at timestamp with time zone,
    CONSTRAINT transaction_amount_positive CHECK ((amount > 0)),
    CONSTRAINT transaction_currency_shape CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT transaction_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'paid'::text, 'canceled'::text]))),
    CONSTRAINT transaction_times CHECK ((((status = 'pending'::text) AND (completed_at IS NULL) AND (canceled_at IS NULL)) OR ((status = 'paid'::text) AND (completed_at IS NOT NULL) AND (canceled_at IS NULL)) OR ((status = 'canceled'::text) AND (completed_at IS NULL) AND (canceled_at IS NOT NULL)))),
    CONSTRAINT transaction_tombstone_canceled CHECK (((NOT tombstone) OR (status = 'canceled'::text))),
    CONSTRAINT transaction_whole CHECK ((tombstone OR ((user_id IS NOT NULL) AND (amount IS NOT NULL) AND (currency IS NOT NULL))))
)
WITH (fillfactor='70');


--
-- Name: TABLE transaction; Type: COMMENT; Schema: payments; Owner: -
--

COMMENT ON TABLE payments.transaction IS 'One per order. Whoever moves it out of pending first has won.';


--
-- Name: COLUMN transaction.transaction_id; Type: COMMENT; Schema: payments; Owner: -
--

COMMENT ON COLUMN payments.transaction.transaction_id IS 'Chosen by the caller before it calls.';


--
-- Name: COLUMN transaction.amount; Type: COMMENT; Schema: payments; Owner: -
--

COMMENT ON COLUMN payments.transaction.amount IS 'Minor units; null only in a tombstone.';


--
-- Name: COLUMN transaction.tombstone; Type: COMMENT; Schema: payments; Owner: -
--

COMMENT ON COLUMN payments.transaction.tombstone IS 'Canceled before it was ever created: the late creation is refused.';


--
-- Name: COLUMN transaction.trace; Type: COMMENT; Schema: payments; Owner: -
--

COMMENT ON COLUMN payments.transaction.trace IS 'W3C traceparent of the creation: its events belong to that trace.';


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
-- Data for Name: inbox; Type: TABLE DATA; Schema: messaging; Owner: -
--



--
-- Data for Name: outbox; Type: TABLE DATA; Schema: messaging; Owner: -
--



--
-- Data for Name: transaction; Type: TABLE DATA; Schema: payments; Owner: -
--

INSERT INTO payments.transaction VALUES ('01a2296c-819a-71c2-a055-5cafdfafebe3', '01a2296c-8186-73e0-ab17-2d9f7240853b', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'paid', false, '00-5ec48b70c56519bdbc4e734a1553f4b1-59a0b382594bc8ed-01', '2026-11-29 22:28:26.717255+00', '2026-11-29 22:28:26.829912+00', NULL);
INSERT INTO payments.transaction VALUES ('01a2296c-82f2-7404-b586-d8056b9e788d', '01a2296c-82df-72ea-9a2c-65ee6c45689c', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'canceled', false, '00-fc1cd6bae3da33dc017767dc5a95dfc2-ef29aafd373fcda1-01', '2026-11-29 22:28:27.02186+00', NULL, '2026-11-29 22:28:27.15521+00');
INSERT INTO payments.transaction VALUES ('01a2296c-843a-7185-8faa-91e632a60445', '01a2296c-842d-7214-96dd-724b561387dd', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'canceled', false, '00-2a2de0a23e88b80c81d0ae170b6eb9d0-5a73078dc88c32ac-01', '2026-11-29 22:28:27.348243+00', NULL, '2026-11-29 22:28:27.629668+00');
INSERT INTO payments.transaction VALUES ('01a2296c-85d2-7243-b950-af79662ce94f', '01a2296c-85c6-740f-9480-a8b3fcf272a9', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'pending', false, '00-7449415aa183c7a0ca88321a9d003b2f-4f231c1c1ee2b71f-01', '2026-11-29 22:28:27.746512+00', NULL, NULL);
INSERT INTO payments.transaction VALUES ('01a2296c-864b-7218-8c10-f8b25f0438e2', '01a2296c-863e-71a8-8432-5795cd379b3b', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'paid', false, '00-937f6f74c7a4a330e9c012fe3874a189-1cfa3d70b0491243-01', '2026-11-29 22:28:27.871227+00', '2026-11-29 22:28:28.025497+00', NULL);
INSERT INTO payments.transaction VALUES ('01a2296c-8738-7663-b03a-a69f602c0f71', '01a2296c-8736-74db-8d38-86c43d6e8f5c', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'pending', false, '00-337a213ce6f6639832abeb8093901313-19a7a72ef64e6aaf-01', '2026-11-29 22:28:28.10138+00', NULL, NULL);
INSERT INTO payments.transaction VALUES ('01a2296c-8862-70db-9590-32632550b40a', '01a2296c-8860-7685-a031-5566b3d1ebfd', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1290, 'EUR', 'pending', false, '00-9051d306c680491934167b11c61906e5-7b511734a60b12f8-01', '2026-11-29 22:28:28.397699+00', NULL, NULL);
INSERT INTO payments.transaction VALUES ('01a2296c-8829-758e-b7a1-7acd31705087', '01a2296c-8828-7579-a286-a8895450d3ea', '01a2296c-8122-71ee-bb6e-f686a0cfff3e', 1291, 'EUR', 'paid', false, '00-8652a5b5cf8c6288f6b17b5db102cf03-3450745604c9dec9-01', '2026-11-29 22:28:28.337306+00', '2026-11-29 22:28:28.45856+00', NULL);


--
-- Data for Name: _sqlx_migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public._sqlx_migrations VALUES (20260101000001, 'transaction', '2026-11-29 22:28:24.466728+00', true, '\xd8a21987e46503d1646c3f4c13dccd1f2299618e185c5fc60d328282cf3c1f5e992ebc7c01f55487ad2b05c8df1816c2', 9149893);
INSERT INTO public._sqlx_migrations VALUES (20260101000002, 'messaging', '2026-11-29 22:28:24.476348+00', true, '\x230492275239d7e1ebb603cb87c16b4b3aa05accfa340ded9901ac0f27444d806eda542a3ae44bc530e61a9cc8437b89', 7850723);


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
-- Name: transaction transaction_order_unique; Type: CONSTRAINT; Schema: payments; Owner: -
--

ALTER TABLE ONLY payments.transaction
    ADD CONSTRAINT transaction_order_unique UNIQUE (order_id);


--
-- Name: transaction transaction_pk; Type: CONSTRAINT; Schema: payments; Owner: -
--

ALTER TABLE ONLY payments.transaction
    ADD CONSTRAINT transaction_pk PRIMARY KEY (transaction_id);


--
-- Name: _sqlx_migrations _sqlx_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);


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
-- Name: transaction transaction_status_arrows; Type: TRIGGER; Schema: payments; Owner: -
--

CREATE TRIGGER transaction_status_arrows BEFORE UPDATE OF status ON payments.transaction FOR EACH ROW EXECUTE FUNCTION payments.refuse_illegal_transaction_move();


--
-- PostgreSQL database dump complete
--


