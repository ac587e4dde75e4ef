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
        /** Read a product and its stock. */
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
        /** Check every invariant and hygiene rule of the shop's database, payments' API and RabbitMQ. */
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
        /** Messages that could not be handled, grouped by queue and reason. They stay in `failed`. */
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
        /** A message that could not be handled, with its body. It stays in `failed`. */
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
        /** The caller's orders, newest first. */
        get: operations["list_orders"];
        put?: never;
        /**
         * Place an order.
         * @description Requests with the same `Idempotency-Key` make one order: a repeat is answered with the current
         *     state of that order. `Prefer: respond-async` asks for 202 at once.
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
        /** Read an order. */
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
         * @description Payments decides: an order that is paid in the meantime still completes. The body is optional.
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
         * Watch an order: one server-sent event per change of its status.
         * @description An event is called `status`; its `id` is the change's number, its data the entry of the order's
         *     `history`. The stream begins with the first change, or after `Last-Event-ID`. It ends after the
         *     last change, and when the session is over; 204 says that the client has already seen the last
         *     change.
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
        /**
         * Change the password.
         * @description All sessions of the account end; the answer is a new one. The owner gets a mail.
         */
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
        /**
         * Ask for a mail to reset a forgotten password.
         * @description The answer is the same whether or not the address has an account.
         */
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
        /** Set a new password with the token of a mailed link, once. All sessions of the account end. */
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
        /** Read about a problem: its meaning and its remedy. Every problem's `type` leads here. */
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
        /** Read a product. */
        get: operations["find_product"];
        /** Edit a product; its slug does not change. */
        put: operations["update_product"];
        post?: never;
        /** Remove a product from the catalog; existing orders keep their lines. */
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
        /**
         * Create an account.
         * @description The answer is the same if the address already has an account; in that case its owner gets a
         *     mail.
         */
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
        /**
         * The runbook of a cause: its page of docs/runbooks, as Markdown. It reveals nothing about any
         *     saga.
         */
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
         * Sagas, oldest first: those not at rest, unless a state, an order or a user is given.
         * @description Causes are diagnosed on request, for at most some hundred sagas per call: with `cause` or
         *     `stuck` a page may hold fewer items than fit, or none. There are more pages as long as
         *     `next_cursor` is present.
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
        /** A saga's whole life: steps, attempts, errors, signals, operators' acts, and the next step. */
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
        /** Compensate the saga: its order is canceled, unless it is paid before payments processes this. */
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
        /** Stop running the saga; signals are kept. */
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
        /** Declare the saga's current step done or undone. For admins. */
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
        /** Apply the signals that were kept during the pause, then continue. */
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
        /** Run the saga's current work now; its retry budget starts again. */
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
        /** Give the saga a decision of payments that it has not received. */
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
         * Send a saga's trace again, from its journal, so that a viewer that lost it shows it again.
         * @description The spans keep their original ids.
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
         * Why a saga is in its current state: the cause, the evidence, and the safe next command.
         * @description This process reads payments through its API and so cannot read its outbox: `shopctl saga why`
         *     sees more. The answer lists the sources that could not be read.
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
        /** Check whether the token's session is live. Services ask this before they change a user's data. */
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
        /** End all of the caller's sessions except the one of this request. */
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
        /** Settings that the storefront needs before it starts. */
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
        /** Verify an account's e-mail address with the token of a mailed link, once. */
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
        /** Ask for another mail to verify the address. */
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
        /** @description An operator's act. */
        Act: {
            /** @description Change nothing; only report what the act would do. */
            dry_run?: boolean;
            /** @description Reason: kept in journal, audit and trace. */
            reason: components["schemas"]["Reason"];
            /**
             * Format: int64
             * @description Act only if the saga is still at this revision.
             */
            revision?: number | null;
        };
        /** @description The effects of an act, or of its dry run. */
        Acted: components["schemas"]["Effects"] & {
            /** @description Whether the act was only simulated. */
            dry_run: boolean;
        };
        /** @description A row of the audit. */
        AuditRow: {
            /** @description The actor: a user id or a login name. */
            actor: string;
            /** @description State after the action. */
            after?: unknown;
            /**
             * Format: date-time
             * @description When the action was taken.
             */
            at: string;
            /**
             * Format: uuid
             * @description The row's id.
             */
            audit_id: string;
            /**
             * Format: int64
             * @description The batch that the action was a part of.
             */
            batch_id?: number | null;
            /** @description State before the action. */
            before?: unknown;
            /** @description The reason given. */
            reason: string;
            /** @description Id of the subject. */
            subject_id: string;
            /** @description Kind of the subject. */
            subject_kind: components["schemas"]["AuditSubject"];
            /** @description The action. */
            verb: components["schemas"]["AuditVerb"];
        };
        /**
         * @description The kind of object that an action was taken on.
         * @enum {string}
         */
        AuditSubject: "saga" | "message" | "outbox" | "user" | "batch" | "order" | "product" | "database_session";
        /**
         * @description An action as the audit records it: the command with its noun.
         * @enum {string}
         */
        AuditVerb: "saga retry" | "saga pause" | "saga resume" | "saga cancel" | "saga signal" | "saga resolve" | "failed retry" | "failed edit" | "failed drop" | "outbox retry" | "outbox park" | "batch stop" | "user create" | "user grant" | "user revoke" | "user end-sessions" | "user disable" | "user login" | "product create" | "product update" | "product delete" | "order cancel" | "db end-session";
        /** @description The reason for canceling an order. */
        CancelOrder: {
            /** @description Kept in the audit. An admin must give one for another user's order. */
            reason?: string | null;
        };
        /**
         * @description A cause. `saga why`, `saga list --stuck`, the HTTP API and the metric `saga_stuck` use the same
         *     codes.
         * @enum {string}
         */
        Cause: "waiting-for-signal" | "retry-backoff" | "lease-held" | "lease-expired" | "no-worker" | "blocked-by-session" | "job-lost" | "outbox-unpublished" | "unroutable" | "queue-without-consumer" | "queue-backlog" | "message-failed" | "participant-unreachable" | "payment-event-lost" | "outcome-unknown" | "paused-by" | "payment-mismatch" | "unknown-plan-version" | "compensation-overdue" | "healthy";
        /** @description The current password and its replacement. */
        ChangePassword: {
            current_password: string;
            new_password: string;
        };
        /** @description One check. */
        Check: {
            /** @description Meaning of the check. */
            explanation: string;
            found: components["schemas"]["Found"][];
            /** @description Recommended action. */
            hint: string;
            id: string;
            /** @description The part that was checked, if the check did not see everything. */
            in_part?: string | null;
            /** @description The promise that the check verifies. */
            promise: string;
            /** @description The check's result. */
            result: components["schemas"]["CheckResult"];
        };
        /**
         * @description The result of one check.
         * @enum {string}
         */
        CheckResult: "holds" | "violated" | "warning" | "not checked" | "left out";
        /** @description A product and its quantity. The price is the catalog's. */
        CreateLine: {
            product_id: components["schemas"]["ProductId"];
            quantity: components["schemas"]["Quantity"];
        };
        /** @description The items of an order. */
        CreateOrder: {
            expected_total?: components["schemas"]["Money"] | null;
            items: components["schemas"]["CreateLine"][];
        };
        /**
         * @description Three upper-case letters, as in ISO 4217.
         * @example EUR
         */
        Currency: string;
        /** @description The customer of an order. */
        Customer: {
            /** @description Absent when the account is gone. */
            email?: string | null;
            /** @description Absent when the account is gone. */
            name?: string | null;
            user_id: components["schemas"]["UserId"];
        };
        /** @description The result for one message. */
        Decided: {
            /** @description Why the message stays. */
            detail?: string | null;
            /** @description The message's id. */
            id: string;
            /** @description The queue that the message came from. */
            queue?: string | null;
            /** @description The result. */
            result: components["schemas"]["DecidedResult"];
        };
        /**
         * @description The result of a decision on a message.
         * @enum {string}
         */
        DecidedResult: "sent again" | "dropped" | "stays";
        /** @description A decision to drop. */
        Decision: {
            /**
             * @description Decide on all messages of the same queue and reason. The value is their count, as listed; if
             *     there are more or fewer by now, nothing is done.
             */
            alike?: number | null;
            /** @description Reason: kept in the audit. */
            reason: components["schemas"]["Reason"];
        };
        /** @description Results of a decision, by message. */
        Decisions: {
            /** @description One result for each message. */
            decided: components["schemas"]["Decided"][];
        };
        /** @description The desired state of a product. */
        EditProduct: {
            description: components["schemas"]["ProductDescription"];
            name: components["schemas"]["ProductName"];
            price: components["schemas"]["Price"];
            stock?: components["schemas"]["Stock"] | null;
            stock_seen?: components["schemas"]["Stock"] | null;
        };
        /** @description The actual or predicted effects of an action on one saga and its order. */
        Effects: {
            /** @description The saga's state before the action. */
            from: string;
            /** @description Changes to the order, its stock and its money until then. */
            moves: string[];
            /** @description Further remarks for the operator. */
            notes: string[];
            order_id?: components["schemas"]["OrderId"] | null;
            /**
             * Format: int64
             * @description The revision from which the effects were computed.
             */
            revision: number;
            /** @description The saga. */
            saga_id: components["schemas"]["SagaId"];
            /** @description Messages and requests sent to other services until then. */
            sends: string[];
            /** @description The state in which the saga comes to rest, or waits, if every answer is positive. */
            then: string;
            /** @description The saga's state right after the action. */
            to: string;
        };
        /**
         * Format: email
         * @description An e-mail address.
         */
        Email: string;
        /**
         * @description The result of a step.
         * @enum {string}
         */
        Ended: "done" | "undone";
        /** @description One piece of evidence for a diagnosis. */
        Evidence: {
            /** @description Name of the evidence; see [`crate::cause::About::evidence`]. */
            name: string;
            /** @description Value of the evidence, for people. */
            value: string;
        };
        /** @description Messages that could not be handled. */
        Failed: {
            /** @description Number of messages on this page. */
            count: number;
            /** @description By queue and reason, in the order of their first messages. */
            groups: components["schemas"]["FailedGroup"][];
            /** @description Whether there are messages beyond this page. */
            more: boolean;
        };
        /** @description Messages that failed in the same queue for the same reason. */
        FailedGroup: {
            /** @description Number of messages. */
            count: number;
            /** @description All of them, in the requested order. */
            messages: components["schemas"]["FailedLine"][];
            /** @description The queue whose consumer could not handle them. */
            queue?: string | null;
            /** @description Reason of the failure, with ids and numbers as `…`. */
            reason: string;
        };
        /** @description A message that could not be handled; only its own address shows its body. */
        FailedLine: {
            /**
             * Format: int32
             * @description Attempts made.
             */
            attempts: number;
            /** @description Its message id or, without one, `sha:` and a hash of its body. */
            id: string;
            kind?: components["schemas"]["FailureKind"] | null;
            /** @description AMQP `type`. */
            message_type?: string | null;
            /** @description Why it is in `failed`, for people. */
            reason?: string | null;
            /** @description The routing key of its first publication. */
            routing_key: string;
            /** @description The trace that it belongs to. */
            trace_id?: string | null;
        };
        /** @description A message that could not be handled, with its body. */
        FailedMessage: components["schemas"]["FailedLine"] & {
            /** @description Its body; replacement characters stand for NUL and for bytes that are not UTF-8. */
            body: string;
            /** @description Its body, if it is not UTF-8 or holds a NUL character. */
            body_base64?: string | null;
            /** @description Length of the body, bytes. */
            body_bytes: number;
            /** @description Whether the body exceeds the shown first MiB: `shopctl failed show` prints all of it. */
            body_cut: boolean;
            /** @description The exchange of its first publication. */
            exchange: string;
            /** @description The queue whose consumer could not handle it. */
            queue?: string | null;
        };
        /**
         * @description The kind of a failure. A message that was retried until its last attempt has none, and neither
         *     has a message that another program, the broker or an earlier release put into `failed`.
         * @enum {string}
         */
        FailureKind: "undecodable" | "contradictory" | "unknown_subject" | "payment_mismatch" | "undeliverable";
        /** @description An error in one field. */
        FieldError: {
            /** @description Code for programs. */
            code: string;
            /** @description Path of the field, such as `items[0].quantity`. */
            field: string;
            /** @description Message for people. */
            message: string;
        };
        /** @description A finding of a check. */
        Found: {
            /** @description The affected object. */
            subject: string;
            /** @description The problem with the object. */
            what: string;
        };
        /**
         * @description The kind of an event in a saga's journal.
         * @enum {string}
         */
        JournalKind: "begun" | "done" | "refused" | "transient" | "unknown" | "contradicted" | "undone" | "overtaken" | "lost" | "deadline_passed" | "woken" | "signal" | "signal_decided" | "operator" | "compensation_begun" | "breach";
        /** @description The diagnosis of a saga: why it is in its current state. */
        Judgement: {
            /** @description The cause. */
            code: components["schemas"]["Cause"];
            /** @description The sources that could not be read, and why. */
            could_not_see: string[];
            /** @description The evidence for the cause. */
            evidence: components["schemas"]["Evidence"][];
            /** @description The meaning of the cause. */
            explanation: string;
            /** @description Next steps, the best first. */
            next: components["schemas"]["NextStep"][];
            /** @description The path of the cause's runbook. */
            runbook: string;
            /**
             * Format: date-time
             * @description Since when the cause has applied.
             */
            since: string;
            /** @description Whether the saga does not continue by itself. */
            stuck: boolean;
            /** @description How certain the diagnosis is. */
            sure: components["schemas"]["Sure"];
            /** @description The cause in a few words. */
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
        /** @description A request to log in. */
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
        /** @description A next step that is safe to take. */
        NextStep: {
            /** @description The command, ready to be pasted. */
            command: string;
            /** @description The purpose of the step. */
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
             * @description Time at which its last token was issued.
             */
            renewed_at: string;
            /**
             * Format: date-time
             * @description Time of its login.
             */
            started_at: string;
            /** @description The browser's `User-Agent` at the login. */
            user_agent?: string | null;
        };
        /** @description The live sessions of an account. */
        OpenSessions: {
            /** @description The most recently renewed session comes first. */
            items: components["schemas"]["OpenSession"][];
        };
        /** @description An order. */
        Order: {
            /** @description Whether the order is being canceled. */
            canceling: boolean;
            /** Format: date-time */
            created_at: string;
            history: components["schemas"]["StatusChange"][];
            id: components["schemas"]["OrderId"];
            items: components["schemas"]["Line"][];
            /** @description Where the order stands. */
            status: components["schemas"]["OrderStatus"];
            total: components["schemas"]["Money"];
            /** @description The trace of the order's whole life. */
            trace_id: string;
            /** @description The transaction to pay; it exists once the order is awaiting payment. */
            transaction_id: components["schemas"]["TransactionId"];
        };
        /**
         * @description Why an order is canceled.
         * @enum {string}
         */
        OrderCancelCause: "requested" | "operator" | "payment_canceled" | "deadline_passed" | "refused" | "budget_spent";
        /**
         * @description The status that an entry of an order's history reports.
         * @enum {string}
         */
        OrderHistoryStatus: "pending" | "awaiting_payment" | "canceling" | "completed" | "canceled";
        /**
         * Format: uuid
         * @description An order.
         */
        OrderId: string;
        /**
         * @description The state of an order.
         * @enum {string}
         */
        OrderStatus: "pending" | "awaiting_payment" | "completed" | "canceled";
        /** @description Some items, and the cursor of the next ones. */
        Page_Order: {
            items: {
                /** @description Whether the order is being canceled. */
                canceling: boolean;
                /** Format: date-time */
                created_at: string;
                history: components["schemas"]["StatusChange"][];
                id: components["schemas"]["OrderId"];
                items: components["schemas"]["Line"][];
                /** @description Where the order stands. */
                status: components["schemas"]["OrderStatus"];
                total: components["schemas"]["Money"];
                /** @description The trace of the order's whole life. */
                trace_id: string;
                /** @description The transaction to pay; it exists once the order is awaiting payment. */
                transaction_id: components["schemas"]["TransactionId"];
            }[];
            /** @description Send this as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description Some items, and the cursor of the next ones. */
        Page_Product: {
            items: {
                /**
                 * Format: int64
                 * @description Units that can be ordered now; 99 stands for 99 or more.
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
                 * @description The version that `If-Match` compares.
                 */
                version: number;
            }[];
            /** @description Send this as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description Some items, and the cursor of the next ones. */
        Page_SagaInList: {
            items: (components["schemas"]["Saga"] & {
                cause?: components["schemas"]["Cause"] | null;
                /** @description Whether the saga does not continue by itself. */
                stuck?: boolean | null;
            })[];
            /** @description Send this as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description Some items, and the cursor of the next ones. */
        Page_StaffOrder: {
            items: (components["schemas"]["Order"] & {
                customer: components["schemas"]["Customer"];
                /** @description The saga that drives it. */
                saga_id: components["schemas"]["SagaId"];
            })[];
            /** @description Send this as `cursor` for the next page; absent at the end. */
            next_cursor?: string | null;
        };
        /** @description The name of a person. */
        PersonName: string;
        /** @description An amount of money in minor units (cents), greater than zero. */
        Price: {
            /** Format: int32 */
            amount: number;
            currency: components["schemas"]["Currency"];
        };
        /** @description A problem document (RFC 9457), as documented. */
        ProblemBody: {
            /** @description An explanation of this occurrence, and what to do. */
            detail?: string | null;
            /** @description Errors in single fields. */
            errors?: components["schemas"]["FieldError"][];
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The title, the same for every problem of the kind. */
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
             * @description Units that can be ordered now; 99 stands for 99 or more.
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
             * @description The version that `If-Match` compares.
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
        /** @description A reason: kept in the audit. */
        Reason: string;
        /** @description A decision to send again. */
        Redrive: {
            /**
             * @description Decide on all messages of the same queue and reason, as for a drop. The value is their
             *     count.
             */
            alike?: number | null;
            /**
             * @description The queue to send to, if the message's own record is not trusted because its consumer did
             *     not write it.
             */
            queue?: string | null;
            /** @description Reason: kept in the audit. */
            reason: components["schemas"]["Reason"];
        };
        /** @description A request for an account. */
        Register: {
            email: components["schemas"]["Email"];
            name: components["schemas"]["PersonName"];
            password: string;
        };
        /** @description An accepted registration. */
        RegistrationAccepted: {
            /** @description The address that a mail goes to. */
            email: string;
        };
        /** @description Results of the checks of the shop's database and, if they are reachable, of payments and RabbitMQ. */
        Report: {
            checks: components["schemas"]["Check"][];
            /** @description The result in one sentence: how many invariants hold, and why others were not checked. */
            summary: string;
            /** @description Sources that this process could not read; `shopctl doctor` reads more. */
            unseen: string[];
            /** @description Whether no invariant is violated. The ones that were not checked are in `summary`. */
            well: boolean;
        };
        /** @description The address of the account whose password is forgotten. */
        RequestReset: {
            email: string;
        };
        /** @description A new password, with the token of a mailed link. */
        ResetPassword: {
            new_password: string;
            /** @description The link's token, found after `#token=`. */
            token: string;
        };
        /** @description The result of the current step. */
        ResolveAct: {
            /** @description The step's result; the state of payments must confirm it. */
            as: components["schemas"]["Ended"];
            /** @description Change nothing; only report what the act would do. */
            dry_run?: boolean;
            /** @description How the operator knows the result. */
            evidence: components["schemas"]["Reason"];
            /** @description Reason: kept in journal, audit and trace. */
            reason: components["schemas"]["Reason"];
            /**
             * Format: int64
             * @description Act only if the saga is still at this revision.
             */
            revision?: number | null;
            /** @description The step that the saga is at. */
            step: components["schemas"]["Reason"];
        };
        /**
         * @description A privilege of an account besides shopping.
         * @enum {string}
         */
        Role: "admin" | "operator";
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
             * @description When the saga's wait ends.
             */
            deadline?: string | null;
            /**
             * Format: date-time
             * @description When the saga acts next; during an attempt, the end of the lease.
             */
            due_at?: string | null;
            /** @description The error of the last attempt. */
            last_error?: string | null;
            /** @description The order that the saga drives. */
            order_id?: string | null;
            /** @description Whether an operator has paused the saga. */
            paused: boolean;
            /** @description The saga's plan. */
            plan: string;
            /**
             * Format: int32
             * @description The plan's version.
             */
            plan_version: number;
            /** @description Why the saga is, or was, compensated. */
            reason?: string | null;
            /**
             * Format: int64
             * @description Incremented by every write.
             */
            revision: number;
            /** @description The saga. */
            saga_id: components["schemas"]["SagaId"];
            /** @description The saga's state. */
            state: components["schemas"]["SagaState"];
            /** @description The step of its outbox entry, or `<step>/undo`. */
            step?: string | null;
            /** @description The id of the saga's single trace. */
            trace_id: string;
            /**
             * Format: date-time
             * @description When the saga last moved.
             */
            updated_at: string;
        };
        /**
         * Format: uuid
         * @description A saga.
         */
        SagaId: string;
        /** @description A saga in a list, with its cause if that was requested. */
        SagaInList: components["schemas"]["Saga"] & {
            cause?: components["schemas"]["Cause"] | null;
            /** @description Whether the saga does not continue by itself. */
            stuck?: boolean | null;
        };
        /** @description A saga with its complete history. */
        SagaLife: components["schemas"]["Saga"] & {
            /** @description The operators' actions, newest first. */
            acts: components["schemas"]["AuditRow"][];
            /** @description The signals received. */
            signals: components["schemas"]["SagaSignal"][];
            /** @description The plan's steps; empty if this binary does not know the plan. */
            steps: components["schemas"]["SagaStep"][];
            /** @description The journal, in sequence. */
            timeline: components["schemas"]["SagaMoment"][];
        };
        /** @description One event in a saga's history. */
        SagaMoment: {
            /** @description The actor of an operator's action, or the source of a signal. */
            actor?: string | null;
            /**
             * Format: date-time
             * @description When the event happened.
             */
            at: string;
            /**
             * Format: int32
             * @description The attempt.
             */
            attempt?: number | null;
            /** @description The error, verdict or reason. */
            detail?: string | null;
            /** @description The kind of event. */
            kind: components["schemas"]["JournalKind"];
            /**
             * Format: int64
             * @description The revision that the event created.
             */
            revision: number;
            /** @description The saga's state after the event. */
            state: components["schemas"]["SagaState"];
            /** @description The step. */
            step?: string | null;
        };
        /** @description A signal with its verdict. */
        SagaSignal: {
            /** @description The signal's name. */
            name: string;
            /**
             * Format: date-time
             * @description When the signal arrived.
             */
            received_at: string;
            /**
             * Format: uuid
             * @description The signal's id.
             */
            signal_id: string;
            /** @description The signal's source. */
            source: string;
            verdict?: components["schemas"]["SignalVerdict"] | null;
        };
        /**
         * @description The state of a saga, without its position.
         * @enum {string}
         */
        SagaState: "running" | "waiting" | "compensating" | "completed" | "compensated";
        /** @description A step of the plan, with its progress. */
        SagaStep: {
            /** @description Where the step takes effect. */
            kind: components["schemas"]["SagaStepKind"];
            /** @description The step's name. */
            name: string;
            /** @description The step's progress. */
            status: components["schemas"]["SagaStepStatus"];
        };
        /**
         * @description Where a step takes effect.
         * @enum {string}
         */
        SagaStepKind: "local" | "remote" | "wait" | "sleep";
        /**
         * @description The progress of a step.
         * @enum {string}
         */
        SagaStepStatus: "untouched" | "running" | "waiting" | "done" | "undoing" | "undone";
        /** @description Addresses that the storefront needs and that are not under its own origin. */
        Settings: {
            /** @description URL at which faults can be injected, in development. */
            demo_url?: string | null;
            /**
             * @description URL at which browsers reach payments.
             * @example http://localhost:8081
             */
            payments_url: string;
            /**
             * @description URL template of a trace's page, with `{trace_id}` for the id, if a trace viewer is
             *     configured.
             */
            trace_url?: string | null;
        };
        /** @description A decision of payments that the saga has not received. */
        SignalAct: {
            /** @description Change nothing; only report what the act would do. */
            dry_run?: boolean;
            /** @description `transaction_completed` or `transaction_canceled`; the state of payments must confirm it. */
            name: components["schemas"]["Reason"];
            /** @description A note for people, stored with the signal; U+FFFD replaces a NUL character. */
            payload?: unknown;
            /** @description Reason: kept in journal, audit and trace. */
            reason: components["schemas"]["Reason"];
            /**
             * Format: int64
             * @description Act only if the saga is still at this revision.
             */
            revision?: number | null;
        };
        /**
         * @description The engine's verdict on a signal.
         * @enum {string}
         */
        SignalVerdict: "applied" | "duplicate" | "early" | "late";
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
            cancel_cause?: components["schemas"]["OrderCancelCause"] | null;
            reason?: string | null;
            /** @description The new status. */
            status: components["schemas"]["OrderHistoryStatus"];
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
             * @description Pieces reserved by orders that are not paid yet.
             */
            reserved: number;
            slug: string;
            /**
             * Format: int64
             * @description Pieces physically in stock, including those reserved by orders.
             */
            stock: number;
            /**
             * Format: int64
             * @description The version that `If-Match` compares.
             */
            version: number;
        };
        /**
         * @description How certain a diagnosis is.
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
            /** @description Number of the saga's spans. Spans of the requests and calls around it are not kept. */
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
            roles: components["schemas"]["Role"][];
        };
        /**
         * Format: uuid
         * @description An account.
         */
        UserId: string;
        /** @description The token of a mailed link. */
        VerifyEmail: {
            /** @description The link's token, found after `#token=`. */
            token: string;
        };
        /** @description The diagnosis of a saga: why it is in its current state. */
        Why: components["schemas"]["Judgement"] & {
            order_id?: components["schemas"]["OrderId"] | null;
            /** @description The saga. */
            saga_id: components["schemas"]["SagaId"];
            /** @description The saga's state. */
            state: components["schemas"]["SagaState"];
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
                /** @description `next_cursor` of the previous page. */
                cursor?: string;
                /** @description An order's number or id, its transaction's id, or its customer's e-mail address. */
                find?: string;
                /** @description Items per page; 20 by default. */
                limit?: number;
                /** @description Status of the orders. */
                status?: "pending" | "awaiting_payment" | "completed" | "canceled";
                /** @description The customer. */
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
                /** @description Maximum messages on the page, 1 to 1000. */
                limit?: number;
                /** @description `oldest` (the default) or `newest` first. */
                order?: "oldest" | "newest";
                /** @description Messages to skip before the page. */
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
                /** @description `next_cursor` of the previous page. */
                cursor?: string;
                /** @description Items per page; 20 by default. */
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
                /** @description `next_cursor` of the previous page. */
                cursor?: string;
                /** @description Items per page; 20 by default. */
                limit?: number;
                /** @description Words or prefixes of words; typing mistakes are tolerated. */
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
                /** @description Only sagas with this cause, as `why` names it. */
                cause?: "waiting-for-signal" | "retry-backoff" | "lease-held" | "lease-expired" | "no-worker" | "blocked-by-session" | "job-lost" | "outbox-unpublished" | "unroutable" | "queue-without-consumer" | "queue-backlog" | "message-failed" | "participant-unreachable" | "payment-event-lost" | "outcome-unknown" | "paused-by" | "payment-mismatch" | "unknown-plan-version" | "compensation-overdue" | "healthy";
                /** @description Report each saga's cause, as with `cause` and `stuck`. */
                causes?: boolean;
                /** @description `next_cursor` of the previous page. */
                cursor?: string;
                /** @description Only sagas whose step has been attempted for this many seconds and whose last attempt failed. */
                failing_for?: number;
                /**
                 * @description The saga of this order: its number, its id or its transaction's id; or the sagas of the
                 *     orders of the customer with this e-mail address.
                 */
                find?: string;
                /** @description Items per page; 20 by default. */
                limit?: number;
                /** @description Minimum seconds since the saga last moved. */
                older_than?: number;
                /** @description The saga of this order. */
                order?: components["schemas"]["OrderId"];
                /** @description Name of the plan, such as `checkout`. */
                plan?: string;
                /** @description State of the saga. */
                state?: "running" | "waiting" | "compensating" | "completed" | "compensated";
                /** @description Current step. */
                step?: string;
                /** @description Only stuck sagas: those that do not continue by themselves. */
                stuck?: boolean;
                /** @description Only stuck sagas that have been in their state, at their step, for this many seconds. */
                stuck_for?: number;
                /** @description Part of the last error, or of the reason for compensating. */
                text?: string;
                /** @description The sagas of this user's orders. */
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
