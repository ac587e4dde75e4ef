// Generated from docs/openapi/api.json by `cargo xtask generate`: do not edit.

export interface paths {
    "/api/admin/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All orders, newest first, with their customers. For admins and operators. */
        get: operations["list_all_orders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/orders/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read any order, with its customer and its saga. For admins and operators. */
        get: operations["find_any_order"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/admin/products/{product}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look at a product and its stock. */
        get: operations["find_stocked_product"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/doctor": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check every invariant and rule of hygiene that can be seen in the shop's database and in RabbitMQ. */
        get: operations["doctor"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/failed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Messages that could not be handled, grouped by queue and reason. They stay where they are. */
        get: operations["list_failed"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/failed/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A message that could not be handled, whole. It stays where it is. */
        get: operations["find_failed"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/failed/{id}/drop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take a message out of `failed` for good; the audit keeps it whole. */
        post: operations["drop_failed"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/failed/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a message to the queue it came from, as if for the first time. */
        post: operations["retry_failed"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Log in. */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the session. */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Current user. */
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** My orders, newest first. */
        get: operations["list_orders"];
        put?: never;
        /**
         * Place an order.
         * @description The same `Idempotency-Key` makes the same order, once: a repeat is answered from the order as
         *     it is by then. `Prefer: respond-async` asks for 202 at once.
         */
        post: operations["create_order"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/orders/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look at an order. */
        get: operations["find_order"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/orders/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask for an order to be canceled.
         * @description Payments decides: an order that is paid meanwhile completes all the same. The body may be missing.
         */
        post: operations["cancel_order"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/orders/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Watch an order: server-sent events, one a change of its status.
         * @description An event is called `status`; its `id` is the change's number, its data what the order's
         *     `history` says. The stream begins with the first change, or behind `Last-Event-ID`, and ends
         *     after the last one, and when the session is over; 204 says that the last one was seen already.
         */
        get: operations["watch_order"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Change the password. All sessions of the account end; the answer is a new one. The owner gets a mail. */
        post: operations["change_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/password-reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask for a mail by which a forgotten password is reset. The answer is the same whether or not there is an account. */
        post: operations["request_password_reset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/password-reset/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set a new password by the token of a mailed link, once. All sessions of the account end. */
        post: operations["reset_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/problems/{slug}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read about a problem: what happened, and what to do. Every problem's `type` leads here. */
        get: operations["find_problem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/products": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The catalog: newest first, or with `search` the best match first. */
        get: operations["search_products"];
        put?: never;
        /** Add a product. */
        post: operations["create_product"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/products/{product}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look at a product. */
        get: operations["find_product"];
        /** Edit a product; its slug stays. */
        put: operations["update_product"];
        post?: never;
        /** Take a product out of the catalog; orders keep what they have. */
        delete: operations["delete_product"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Exchange the refresh cookie for a new session, once. */
        post: operations["refresh"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make an account. The answer is the same where there is one for the address; its owner gets a mail then. */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runbooks/{cause}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What to do about a cause: its page of docs/runbooks, as Markdown. It tells nothing of any saga. */
        get: operations["find_runbook"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Sagas, oldest first: those that are not at rest, unless a state, an order or a user is named.
         * @description A cause is judged when it is asked for, and for some hundred sagas a call: with `cause` or `stuck`
         *     a page may hold fewer than fit, or none, and there is more as long as it has a `next_cursor`.
         */
        get: operations["list_sagas"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A saga's whole life: steps, attempts, errors, signals, operators' acts, what is next. */
        get: operations["find_saga"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Have it undone: its order is canceled, unless it is paid before payments hears of it. */
        post: operations["cancel_saga"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Run nothing more of it; signals are kept. */
        post: operations["pause_saga"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/resolve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say that its current step is done, or undone. For admins. */
        post: operations["resolve_saga"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Apply what was kept while it was paused, then go on. */
        post: operations["resume_saga"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Run the current work now; its retry budget begins again. */
        post: operations["retry_saga"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/signal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tell it what payments has decided and it has not heard. */
        post: operations["signal_saga"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/trace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a saga's trace again, from its journal: a viewer that forgot it shows it again.
         * @description The spans have the ids that they had before.
         */
        post: operations["send_trace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sagas/{id}/why": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Why a saga stands where it stands: the cause, what speaks for it, and the safe next command.
         * @description From here payments is seen by its API, so that its outbox is not: `shopctl saga why` sees more.
         *     What could not be seen is said.
         */
        get: operations["why_saga"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the token's session is live: what a service asks before it changes something for a user. */
        get: operations["check_session"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's live sessions. */
        get: operations["list_sessions"];
        put?: never;
        post?: never;
        /** End all of the caller's sessions but the one of this request. */
        delete: operations["end_other_sessions"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** End one of the caller's sessions. */
        delete: operations["end_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a storefront has to know before it starts. */
        get: operations["settings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/verify-email": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Verify an account's e-mail address by the token of a mailed link, once. */
        post: operations["verify_email"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/verify-email/send": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask for another mail by which the address is verified. */
        post: operations["send_verification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An act. */
        Act: {
            /** @description Change nothing: say what it would do. */
            dry_run?: boolean;
            /** @description Why: kept in journal, audit and trace. */
            reason: components["schemas"]["Reason"];
            /**
             * Format: int64
             * @description Only if the saga is still at this revision.
             */
            revision?: number | null;
        };
        /** @description What an act did, or would do. */
        Acted: components["schemas"]["Effects"] & {
            /** @description Whether nothing was changed. */
            dry_run: boolean;
        };
        /** @description A row of the audit. */
        AuditRow: {
            /** @description Who. */
            actor: string;
            /** @description After. */
            after?: unknown;
            /**
             * Format: date-time
             * @description When.
             */
            at: string;
            /**
             * Format: uuid
             * @description Its id.
             */
            audit_id: string;
            /**
             * Format: int64
             * @description Part of this batch.
             */
            batch_id?: number | null;
            /** @description Before. */
            before?: unknown;
            /** @description Why. */
            reason: string;
            /** @description Id of it. */
            subject_id: string;
            /** @description `saga`, `message`, `outbox`, `user`, `batch`, `order`, `product`. */
            subject_kind: string;
            /** @description What was done. */
            verb: string;
        };
        /** @description Why an order is to be canceled. */
        CancelOrder: {
            /** @description Kept in the audit. An admin must give one for another user's order. */
            reason?: string | null;
        };
        /**
         * @description A cause. `saga why`, `saga list --stuck`, the HTTP API and the metric `saga_stuck` use the same.
         * @enum {string}
         */
        Cause: "waiting-for-signal" | "retry-backoff" | "lease-held" | "lease-expired" | "no-worker" | "job-lost" | "outbox-unpublished" | "unroutable" | "queue-without-consumer" | "queue-backlog" | "message-failed" | "participant-unreachable" | "participant-has-answer-we-missed" | "outcome-unknown" | "paused-by" | "payment-mismatch" | "unknown-plan-version" | "compensation-overdue" | "healthy";
        /** @description A password and the one in its place. */
        ChangePassword: {
            current_password: string;
            new_password: string;
        };
        /** @description One check. */
        Check: {
            /** @description What it means. */
            explanation: string;
            found: components["schemas"]["Found"][];
            /** @description What to do. */
            hint: string;
            id: string;
            /** @description What is promised. */
            promise: string;
            /** @description `holds`, `violated`, `warning` or `not checked`. */
            result: string;
        };
        /** @description Of what, and how many. The price is the catalog's. */
        CreateLine: {
            product_id: components["schemas"]["ProductId"];
            quantity: components["schemas"]["Quantity"];
        };
        /** @description What is ordered. */
        CreateOrder: {
            expected_total?: components["schemas"]["Money"] | null;
            items: components["schemas"]["CreateLine"][];
        };
        /**
         * @description Three upper-case letters, as in ISO 4217.
         * @example EUR
         */
        Currency: string;
        /** @description Who ordered. */
        Customer: {
            /** @description Absent when the account is gone. */
            email?: string | null;
            /** @description Absent when the account is gone. */
            name?: string | null;
            user_id: components["schemas"]["UserId"];
        };
        /** @description What became of one message. */
        Decided: {
            /** @description Why it stays. */
            detail?: string | null;
            /** @description What it is called. */
            id: string;
            /** @description Where it came from. */
            queue?: string | null;
            /** @description `sent again`, `dropped` or `stays`. */
            result: string;
        };
        /** @description A decision. */
        Decision: {
            /**
             * @description Decide on all that failed alike, of the same queue and for the same reason: how many those are,
             *     as the list told. If they are more or fewer by now, nothing is done.
             */
            alike?: number | null;
            /** @description Why: kept in the audit. */
            reason: components["schemas"]["Reason"];
        };
        /** @description What became of messages. */
        Decisions: {
            /** @description `sent again`, `dropped`, or `stays` with the reason in `detail`. */
            decided: components["schemas"]["Decided"][];
        };
        /** @description A product as it shall be. */
        EditProduct: {
            description: components["schemas"]["ProductDescription"];
            name: components["schemas"]["ProductName"];
            price: components["schemas"]["Price"];
            stock?: components["schemas"]["Stock"] | null;
            stock_seen?: components["schemas"]["Stock"] | null;
        };
        /** @description What an act does, or would do, to one saga and its order. */
        Effects: {
            /** @description Where the saga stands. */
            from: string;
            /** @description What of the order, its stock and its money moves until then. */
            moves: string[];
            /** @description What else one should know. */
            notes: string[];
            order_id?: components["schemas"]["OrderId"] | null;
            /**
             * Format: int64
             * @description The revision that this was worked out on.
             */
            revision: number;
            /** @description The saga. */
            saga_id: components["schemas"]["SagaId"];
            /** @description What is sent to others until then. */
            sends: string[];
            /** @description Where it comes to rest, or waits, if every answer is a good one. */
            then: string;
            /** @description Where it stands right after the act. */
            to: string;
        };
        /**
         * Format: email
         * @description An e-mail address.
         */
        Email: string;
        /**
         * @description How a step ended.
         * @enum {string}
         */
        Ended: "done" | "undone";
        /** @description One thing that speaks for a judgement. */
        Evidence: {
            /** @description Its name; see [`crate::cause::About::evidence`]. */
            name: string;
            /** @description Its value, for people. */
            value: string;
        };
        /** @description Messages that could not be handled. */
        Failed: {
            /** @description How many are on this page. */
            count: number;
            /** @description By queue and reason, in the order of their first messages. */
            groups: components["schemas"]["FailedGroup"][];
            /** @description Whether there are others beside them. */
            more: boolean;
        };
        /** @description Messages that failed alike. */
        FailedGroup: {
            /** @description How many. */
            count: number;
            /** @description All of them, in the order that was asked for. */
            messages: components["schemas"]["FailedLine"][];
            /** @description The queue that they could not be handled from. */
            queue?: string | null;
            /** @description Why, with ids and numbers as `…`. */
            reason: string;
        };
        /** @description A message that could not be handled; what it says is shown by its own address only. */
        FailedLine: {
            /**
             * Format: int32
             * @description Attempts made.
             */
            attempts: number;
            /** @description What to call it: its message id or, without one, `sha:` and a hash of what it says. */
            id: string;
            /** @description AMQP `type`. */
            message_type?: string | null;
            /** @description Why it is here. */
            reason?: string | null;
            /** @description The key that it was first published under. */
            routing_key: string;
            /** @description The trace that it belongs to. */
            trace_id?: string | null;
        };
        /** @description A message that could not be handled, whole. */
        FailedMessage: components["schemas"]["FailedLine"] & {
            /** @description What it says; what is not UTF-8, or NUL, is shown as replacement characters. */
            body: string;
            /** @description What it says, if that is not UTF-8 or holds a NUL character. */
            body_base64?: string | null;
            /** @description Length of what it says, bytes. */
            body_bytes: number;
            /** @description Whether that goes on behind what is shown, the first MiB: `shopctl failed show` has all of it. */
            body_cut: boolean;
            /** @description The exchange that it was first published to. */
            exchange: string;
            /** @description The queue that it could not be handled from. */
            queue?: string | null;
        };
        /** @description What is wrong with one field. */
        FieldError: {
            /** @description For programs. */
            code: string;
            /** @description Path of the field, such as `items[0].quantity`. */
            field: string;
            /** @description For people. */
            message: string;
        };
        /** @description What a check found. */
        Found: {
            /** @description Of what. */
            subject: string;
            /** @description What is wrong with it. */
            what: string;
        };
        /** @description Why a saga stands where it stands. */
        Judgement: {
            /** @description The cause. */
            code: components["schemas"]["Cause"];
            /** @description What could not be looked at, and why. */
            could_not_see: string[];
            /** @description What speaks for it. */
            evidence: components["schemas"]["Evidence"][];
            /** @description What the cause means. */
            explanation: string;
            /** @description What to do, the best first. */
            next: components["schemas"]["NextStep"][];
            /** @description The page that tells more. */
            runbook: string;
            /**
             * Format: date-time
             * @description Since when.
             */
            since: string;
            /** @description Whether it does not go on by itself. */
            stuck: boolean;
            /** @description How sure this is. */
            sure: components["schemas"]["Sure"];
            /** @description In a few words. */
            title: string;
        };
        /** @description A line of an order. */
        Line: {
            name: string;
            product_id: components["schemas"]["ProductId"];
            /** Format: int32 */
            quantity: number;
            unit_price: components["schemas"]["Money"];
        };
        /** @description Who wants in. */
        Login: {
            email: string;
            password: string;
        };
        /** @description An amount of money in minor units (cents), never a float. */
        Money: {
            /**
             * Format: int64
             * @description Minor units of the currency.
             * @example 1999
             */
            amount: number;
            /** @description ISO 4217 code. */
            currency: components["schemas"]["Currency"];
        };
        /** @description A safe thing to do next. */
        NextStep: {
            /** @description To be pasted as it is. */
            command: string;
            /** @description What for. */
            title: string;
        };
        /** @description A live session of the account. */
        OpenSession: {
            /** @description Whether the request's own token belongs to it. */
            current: boolean;
            /** Format: uuid */
            id: string;
            /**
             * Format: date-time
             * @description When its last token was issued.
             */
            renewed_at: string;
            /**
             * Format: date-time
             * @description When its login was.
             */
            started_at: string;
            /** @description The browser's `User-Agent` at the login. */
            user_agent?: string | null;
        };
        /** @description The live sessions of an account. */
        OpenSessions: {
            /** @description The one that was renewed last comes first. */
            items: components["schemas"]["OpenSession"][];
        };
        /** @description An order. */
        Order: {
            /** @description Whether it is being undone. */
            canceling: boolean;
            /** Format: date-time */
            created_at: string;
            history: components["schemas"]["StatusChange"][];
            id: components["schemas"]["OrderId"];
            items: components["schemas"]["Line"][];
            /** @description `pending`, `awaiting_payment`, `completed` or `canceled`. */
            status: string;
            total: components["schemas"]["Money"];
            /** @description The one trace of its whole life. */
            trace_id: string;
            /** @description The transaction to pay; there once the order is awaiting payment. */
            transaction_id: components["schemas"]["TransactionId"];
        };
        /**
         * Format: uuid
         * @description An order.
         */
        OrderId: string;
        /** @description Some items, and where the next ones begin. */
        Page_Order: {
            items: {
                /** @description Whether it is being undone. */
                canceling: boolean;
                /** Format: date-time */
                created_at: string;
                history: components["schemas"]["StatusChange"][];
                id: components["schemas"]["OrderId"];
                items: components["schemas"]["Line"][];
                /** @description `pending`, `awaiting_payment`, `completed` or `canceled`. */
                status: string;
                total: components["schemas"]["Money"];
                /** @description The one trace of its whole life. */
                trace_id: string;
                /** @description The transaction to pay; there once the order is awaiting payment. */
                transaction_id: components["schemas"]["TransactionId"];
            }[];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description Some items, and where the next ones begin. */
        Page_Product: {
            items: {
                /**
                 * Format: int64
                 * @description Units that can be ordered now, at most 99 are told.
                 */
                available: number;
                description: string;
                id: components["schemas"]["ProductId"];
                in_stock: boolean;
                name: string;
                price: components["schemas"]["Money"];
                slug: string;
                /**
                 * Format: int64
                 * @description What `If-Match` compares.
                 */
                version: number;
            }[];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description Some items, and where the next ones begin. */
        Page_SagaInList: {
            items: (components["schemas"]["Saga"] & {
                cause?: components["schemas"]["Cause"] | null;
                /** @description Whether it does not go on by itself. */
                stuck?: boolean | null;
            })[];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description Some items, and where the next ones begin. */
        Page_StaffOrder: {
            items: (components["schemas"]["Order"] & {
                customer: components["schemas"]["Customer"];
                /** @description The saga that drives it. */
                saga_id: components["schemas"]["SagaId"];
            })[];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description The name of a person. */
        PersonName: string;
        /** @description An amount of money in minor units (cents), more than nothing. */
        Price: {
            /** Format: int32 */
            amount: number;
            currency: components["schemas"]["Currency"];
        };
        /** @description A problem document (RFC 9457), as documented. */
        ProblemBody: {
            /** @description What happened here, and what to do. */
            detail?: string | null;
            /** @description What is wrong with which field. */
            errors?: components["schemas"]["FieldError"][];
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The same for every problem of the kind. */
            title: string;
            /** @description The request's trace. */
            trace_id?: string | null;
            /** @description Stable name of the kind of problem: `/problems/<slug>`. */
            type: string;
        };
        /** @description A product. */
        Product: {
            /**
             * Format: int64
             * @description Units that can be ordered now, at most 99 are told.
             */
            available: number;
            description: string;
            id: components["schemas"]["ProductId"];
            in_stock: boolean;
            name: string;
            price: components["schemas"]["Money"];
            slug: string;
            /**
             * Format: int64
             * @description What `If-Match` compares.
             */
            version: number;
        };
        /** @description The description of a product. */
        ProductDescription: string;
        /**
         * Format: uuid
         * @description A product of the catalog.
         */
        ProductId: string;
        /** @description The name of a product. */
        ProductName: string;
        /**
         * Format: int32
         * @description Pieces of a product.
         */
        Quantity: number;
        /** @description An explanation: kept in the audit. */
        Reason: string;
        /** @description A decision to send again. */
        Redrive: {
            /** @description Decide on all that failed alike, as for a drop. */
            alike?: number | null;
            /** @description The queue to send to, when the message's own record does not count: its consumer did not make it. */
            queue?: string | null;
            /** @description Why: kept in the audit. */
            reason: components["schemas"]["Reason"];
        };
        /** @description Who wants an account. */
        Register: {
            email: components["schemas"]["Email"];
            name: components["schemas"]["PersonName"];
            password: string;
        };
        /** @description A registration that was taken. */
        RegistrationAccepted: {
            /** @description The address that a mail goes to. */
            email: string;
        };
        /** @description What the checks of the shop's database, and of RabbitMQ if it can be seen, found. */
        Report: {
            checks: components["schemas"]["Check"][];
            /** @description The result in one sentence: how many invariants hold, and why others were not checked. */
            summary: string;
            /** @description Sources that this process could not read; `shopctl doctor` reads more. */
            unseen: string[];
            /** @description Whether every invariant was checked and holds. */
            well: boolean;
        };
        /** @description The account whose password is forgotten. */
        RequestReset: {
            email: string;
        };
        /** @description A new password, by a mailed link. */
        ResetPassword: {
            new_password: string;
            /** @description Of the link, behind `#token=`. */
            token: string;
        };
        /** @description How the current step ended. */
        ResolveAct: {
            /** @description How it ended; payments must bear it out. */
            as: components["schemas"]["Ended"];
            /** @description Change nothing: say what it would do. */
            dry_run?: boolean;
            /** @description How that is known. */
            evidence: components["schemas"]["Reason"];
            /** @description Why: kept in journal, audit and trace. */
            reason: components["schemas"]["Reason"];
            /**
             * Format: int64
             * @description Only if the saga is still at this revision.
             */
            revision?: number | null;
            /** @description The step that the saga is at. */
            step: components["schemas"]["Reason"];
        };
        /** @description A saga in a list. */
        Saga: {
            /**
             * Format: int32
             * @description Attempts begun at the step.
             */
            attempt?: number | null;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description Until when it waits.
             */
            deadline?: string | null;
            /**
             * Format: date-time
             * @description When it acts next; while it acts, the end of the lease.
             */
            due_at?: string | null;
            /** @description What the last attempt said. */
            last_error?: string | null;
            /** @description The order that it drives. */
            order_id?: string | null;
            /** @description Whether an operator holds it. */
            paused: boolean;
            /** @description Its plan. */
            plan: string;
            /**
             * Format: int32
             * @description Its plan's version.
             */
            plan_version: number;
            /** @description Why it is, or was, compensated. */
            reason?: string | null;
            /**
             * Format: int64
             * @description Raised by every write.
             */
            revision: number;
            /** @description The saga. */
            saga_id: components["schemas"]["SagaId"];
            /** @description `running`, `waiting`, `compensating`, `completed`, `compensated`. */
            state: string;
            /** @description What its entry is for: a step, or `<step>/undo`. */
            step?: string | null;
            /** @description Its one trace. */
            trace_id: string;
            /**
             * Format: date-time
             * @description When it moved last.
             */
            updated_at: string;
        };
        /**
         * Format: uuid
         * @description A saga.
         */
        SagaId: string;
        /** @description A saga in a list, with its cause if that was asked for. */
        SagaInList: components["schemas"]["Saga"] & {
            cause?: components["schemas"]["Cause"] | null;
            /** @description Whether it does not go on by itself. */
            stuck?: boolean | null;
        };
        /** @description The whole life of a saga. */
        SagaLife: components["schemas"]["Saga"] & {
            /** @description What operators did, newest first. */
            acts: components["schemas"]["AuditRow"][];
            /** @description What came in from outside. */
            signals: components["schemas"]["SagaSignal"][];
            /** @description Its plan, step by step; empty if its plan is not this binary's. */
            steps: components["schemas"]["SagaStep"][];
            /** @description What happened, in sequence. */
            timeline: components["schemas"]["SagaMoment"][];
        };
        /** @description One thing that happened. */
        SagaMoment: {
            /** @description Who did it, of an act or a signal. */
            actor?: string | null;
            /**
             * Format: date-time
             * @description When.
             */
            at: string;
            /**
             * Format: int32
             * @description In which attempt.
             */
            attempt?: number | null;
            /** @description Error, verdict or reason. */
            detail?: string | null;
            /** @description What: `begun`, `done`, `transient`, `unknown`, `signal`, `operator`, … */
            kind: string;
            /**
             * Format: int64
             * @description The revision that it made.
             */
            revision: number;
            /** @description The saga's state after it. */
            state: string;
            /** @description At which step. */
            step?: string | null;
        };
        /** @description A signal with its verdict. */
        SagaSignal: {
            /** @description Its name. */
            name: string;
            /**
             * Format: date-time
             * @description When it came in.
             */
            received_at: string;
            /**
             * Format: uuid
             * @description Its id.
             */
            signal_id: string;
            /** @description Where it came from. */
            source: string;
            /** @description `applied`, `duplicate`, `early`, `late`; none while nobody has decided on it. */
            verdict?: string | null;
        };
        /** @description A step of the plan, with what became of it. */
        SagaStep: {
            /** @description `local`, `remote` or `wait`. */
            kind: string;
            /** @description Its name. */
            name: string;
            /** @description `untouched`, `running`, `waiting`, `done`, `undoing`, `undone`. */
            status: string;
        };
        /** @description Where a storefront finds what is not under its own address. */
        Settings: {
            /** @description Where faults can be made, in development. */
            demo_url?: string | null;
            /**
             * @description Where browsers reach payments.
             * @example http://localhost:8081
             */
            payments_url: string;
            /** @description Page of a trace, `{trace_id}` standing for its id, if there is a place for traces. */
            trace_url?: string | null;
        };
        /** @description What payments has decided, and the saga has not heard. */
        SignalAct: {
            /** @description Change nothing: say what it would do. */
            dry_run?: boolean;
            /** @description `transaction_completed` or `transaction_canceled`; payments must bear it out. */
            name: components["schemas"]["Reason"];
            /** @description A note for people that comes with it; U+FFFD replaces a NUL character. */
            payload?: unknown;
            /** @description Why: kept in journal, audit and trace. */
            reason: components["schemas"]["Reason"];
            /**
             * Format: int64
             * @description Only if the saga is still at this revision.
             */
            revision?: number | null;
        };
        /** @description An order, as admins and operators see it. */
        StaffOrder: components["schemas"]["Order"] & {
            customer: components["schemas"]["Customer"];
            /** @description The saga that drives it. */
            saga_id: components["schemas"]["SagaId"];
        };
        /** @description A change of an order's status. */
        StatusChange: {
            /** Format: date-time */
            at: string;
            reason?: string | null;
            /** @description The new status; `canceling` when it began to be undone. */
            status: string;
        };
        /**
         * Format: int32
         * @description Pieces in stock.
         */
        Stock: number;
        /** @description A product, as admins see it. */
        StockedProduct: {
            description: string;
            id: components["schemas"]["ProductId"];
            name: string;
            price: components["schemas"]["Money"];
            /**
             * Format: int64
             * @description Pieces that orders hold which are not paid yet.
             */
            reserved: number;
            slug: string;
            /**
             * Format: int64
             * @description Pieces that lie in stock, those held by orders included.
             */
            stock: number;
            /**
             * Format: int64
             * @description What `If-Match` compares.
             */
            version: number;
        };
        /**
         * @description How sure a judgement is.
         * @enum {string}
         */
        Sure: "certain" | "likely";
        /** @description A login. The refresh token is in an HttpOnly cookie. */
        Tokens: {
            access_token: string;
            /**
             * Format: int64
             * @description Seconds.
             */
            expires_in: number;
            /** @example Bearer */
            token_type: string;
            user: components["schemas"]["User"];
        };
        /** @description The result of sending a trace again. */
        TraceSent: {
            /** @description Spans of the saga. Those of the requests and calls around it are not kept. */
            spans: number;
            trace_id: string;
        };
        /**
         * Format: uuid
         * @description A payment transaction; chosen by the shop before payments is called.
         */
        TransactionId: string;
        /** @description An account, as its owner sees it. */
        User: {
            email: string;
            /** @description Whether a link that was mailed to the address was used. */
            email_verified: boolean;
            id: components["schemas"]["UserId"];
            name: string;
            roles: string[];
        };
        /**
         * Format: uuid
         * @description An account.
         */
        UserId: string;
        /** @description A mailed link. */
        VerifyEmail: {
            /** @description Of the link, behind `#token=`. */
            token: string;
        };
        /** @description Why a saga stands where it stands. */
        Why: components["schemas"]["Judgement"] & {
            order_id?: components["schemas"]["OrderId"] | null;
            /** @description The saga. */
            saga_id: components["schemas"]["SagaId"];
            /** @description Its state. */
            state: string;
        };
        /** @description A new product. */
        WriteProduct: {
            description: components["schemas"]["ProductDescription"];
            name: components["schemas"]["ProductName"];
            price: components["schemas"]["Price"];
            /** @description Units in stock. */
            stock: components["schemas"]["Stock"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_all_orders: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before. */
                cursor?: string;
                /** @description An order's number or id, its transaction's id, or its customer's e-mail address. */
                find?: string;
                /** @description Items a page; 20 by default. */
                limit?: number;
                /** @description Where it stands. */
                status?: "pending" | "awaiting_payment" | "completed" | "canceled";
                /** @description Whose. */
                user_id?: components["schemas"]["UserId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_StaffOrder"];
                };
            };
            /** @description `malformed`: `cursor` or another part of the query cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names the part of the query that is out of range */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_any_order: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The order */
                id: components["schemas"]["OrderId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The order as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StaffOrder"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_stocked_product: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Its slug */
                product: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The product and its stock */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StockedProduct"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    doctor: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was found */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Report"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    list_failed: {
        parameters: {
            query?: {
                /** @description How many of them, 1 to 1000. */
                limit?: number;
                /** @description `oldest` (the default) or `newest` first. */
                order?: "oldest" | "newest";
                /** @description How many to leave out before them. */
                skip?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Failed"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid` */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_failed: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The message */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The message, with what it says */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FailedMessage"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    drop_failed: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The message */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Decision"];
            };
        };
        responses: {
            /** @description What became of each */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Decisions"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `failed-changed` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    retry_failed: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The message */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Redrive"];
            };
        };
        responses: {
            /** @description What became of each */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Decisions"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `failed-changed` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            /** @description A new session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `wrong-credentials` */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is over */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `forbidden`: a page of another site asks */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The account */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description `unauthenticated`, or `session-over` when the account is gone */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    list_orders: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before. */
                cursor?: string;
                /** @description Items a page; 20 by default. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Order"];
                };
            };
            /** @description `malformed`: `cursor` or another part of the query cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names the part of the query that is out of range */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    create_order: {
        parameters: {
            query?: never;
            header: {
                /** @description The caller's name for this intent, up to 255 characters */
                "Idempotency-Key": string;
                /** @description `respond-async` */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateOrder"];
            };
        };
        responses: {
            /** @description Its payment is initialised */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description It is accepted; look at `Location` later */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description `idempotency-key-missing`, `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `out-of-stock`, `price-changed`, `idempotency-key-in-flight` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`, `idempotency-key-reused` */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `order-limit` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_order: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The order */
                id: components["schemas"]["OrderId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The order as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    cancel_order: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The order */
                id: components["schemas"]["OrderId"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["CancelOrder"] | null;
            };
        };
        responses: {
            /** @description It is being canceled, or is canceled */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-late` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    watch_order: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `id` of the event that was seen last */
                "Last-Event-ID"?: number;
            };
            path: {
                /** @description The order */
                id: components["schemas"]["OrderId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The changes, as they come */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["StatusChange"];
                };
            };
            /** @description The last change was seen already: do not come again */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests`: you watch many orders at once */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    change_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangePassword"];
            };
        };
        responses: {
            /** @description A new session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    request_password_reset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RequestReset"];
            };
        };
        responses: {
            /** @description If there is an account for the address, a mail is on its way */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    reset_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResetPassword"];
            };
        };
        responses: {
            /** @description The password is set */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_problem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The last part of the problem's `type` */
                slug: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page, as Markdown */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    search_products: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before. */
                cursor?: string;
                /** @description Items a page; 20 by default. */
                limit?: number;
                /** @description Words, their beginnings, typing mistakes included. */
                search?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Product"];
                };
            };
            /** @description `malformed`: `cursor` or another part of the query cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names the part of the query that is out of range */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests`: many searches from one network */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    create_product: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WriteProduct"];
            };
        };
        responses: {
            /** @description The new product; `ETag` has its version */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Product"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_product: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Its slug */
                product: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The product; `ETag` has its version */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Product"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    update_product: {
        parameters: {
            query?: never;
            header: {
                /** @description The version that was edited, as its `ETag` said */
                "If-Match": string;
            };
            path: {
                /** @description Its id */
                product: components["schemas"]["ProductId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EditProduct"];
            };
        };
        responses: {
            /** @description The product as it is now; `ETag` has its version */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Product"];
                };
            };
            /** @description `malformed`: the path, `If-Match` or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `stock-held` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `stale` */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `if-match-missing` */
            428: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    delete_product: {
        parameters: {
            query?: never;
            header: {
                /** @description The version that was seen, as its `ETag` said */
                "If-Match": string;
            };
            path: {
                /** @description Its id */
                product: components["schemas"]["ProductId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed`: the path or `If-Match` cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `stale` */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `if-match-missing` */
            428: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    refresh: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The next session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            /** @description `session-over` */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a page of another site asks */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    register: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Register"];
            };
        };
        responses: {
            /** @description A mail is on its way. A new account can log in at once */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegistrationAccepted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_runbook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description As `why` names it */
                cause: components["schemas"]["Cause"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    list_sagas: {
        parameters: {
            query?: {
                /** @description Only those with this cause, as `why` names it. */
                cause?: "waiting-for-signal" | "retry-backoff" | "lease-held" | "lease-expired" | "no-worker" | "job-lost" | "outbox-unpublished" | "unroutable" | "queue-without-consumer" | "queue-backlog" | "message-failed" | "participant-unreachable" | "participant-has-answer-we-missed" | "outcome-unknown" | "paused-by" | "payment-mismatch" | "unknown-plan-version" | "compensation-overdue" | "healthy";
                /** @description Tell each one's cause, as with `cause` and `stuck`. */
                causes?: boolean;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
                /**
                 * @description The saga of this order: its number, its id or its transaction's; or the sagas of the orders of
                 *     the customer with this e-mail address.
                 */
                find?: string;
                /** @description Items a page; 20 by default. */
                limit?: number;
                /** @description Seconds since it last moved, at least. */
                older_than?: number;
                /** @description The saga of this order. */
                order?: components["schemas"]["OrderId"];
                /** @description Plan, such as `checkout`. */
                plan?: string;
                /** @description Where it stands. */
                state?: "running" | "waiting" | "compensating" | "completed" | "compensated";
                /** @description Step that it is at. */
                step?: string;
                /** @description Only those that are stuck: that do not go on by themselves. */
                stuck?: boolean;
                /** @description Part of the last error, or of the reason of the compensation. */
                text?: string;
                /** @description Those of this user's orders. */
                user?: components["schemas"]["UserId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_SagaInList"];
                };
            };
            /** @description `malformed`: `cursor` or another part of the query cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names the part of the query that is out of range */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    find_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The saga as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SagaLife"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    cancel_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Act"];
            };
        };
        responses: {
            /** @description What it did, or would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Acted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `act-refused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    pause_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Act"];
            };
        };
        responses: {
            /** @description What it did, or would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Acted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `act-refused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    resolve_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResolveAct"];
            };
        };
        responses: {
            /** @description What it did, or would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Acted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `act-refused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    resume_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Act"];
            };
        };
        responses: {
            /** @description What it did, or would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Acted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `act-refused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    retry_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Act"];
            };
        };
        responses: {
            /** @description What it did, or would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Acted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `act-refused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    signal_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignalAct"];
            };
        };
        responses: {
            /** @description What it did, or would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Acted"];
                };
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `act-refused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    send_trace: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is sent */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TraceSent"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    why_saga: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The saga */
                id: components["schemas"]["SagaId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The cause as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Why"];
                };
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    check_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session is live, and the account has the token's roles */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthenticated`, or `session-over` */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    list_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenSessions"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    end_other_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They are over */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    end_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is over */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed` */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `not-found` */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    settings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The settings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Settings"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    verify_email: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerifyEmail"];
            };
        };
        responses: {
            /** @description The address is verified */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `malformed`: the body is not JSON */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-large`: more than 64 KiB */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unsupported-media-type`: not `application/json` */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `invalid`: `errors` names each field and what is wrong with it */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    send_verification: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A mail is on its way, or the address is verified already */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `forbidden`: a call for others */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `too-many-requests` */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description `unavailable`: something that is needed is not there right now; see `Retry-After` */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
}
