//! Finished sagas do not slow live ones down: no statement of a checkout scans accumulated rows.

use contracts::topology::{TRANSACTION_CANCELED, TRANSACTION_COMPLETED};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::shop::{Shop, quick};

/// Tables that grow without limit.
const GROWING: [&str; 8] = [
    "saga",
    "journal",
    "signal",
    "inbox",
    "order",
    "order_line",
    "order_status_before",
    "idempotency_key",
];

const FILL: &str = r#"
    set session_replication_role = replica;
    create temporary table t as
    select gen_random_uuid() as order_id, gen_random_uuid() as saga_id, gen_random_uuid() as transaction_id,
           gen_random_uuid() as user_id, now() - interval '9 days' + n * interval '1 second' as at
    from generate_series(1, 20000) as n;
    insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount, currency, trace_id,
                                  created_at, updated_at)
    select order_id, user_id, saga_id, transaction_id, 'completed', 1290, 'EUR', md5(order_id::text), at, at from t;
    insert into commerce.order_line (order_id, line_no, product_id, name, quantity, unit_amount)
    select order_id, 1, gen_random_uuid(), 'Enamel Mug', 1, 1290 from t;
    insert into commerce.order_status_before (order_id, seq, status, at)
    select order_id, s.seq, s.status, at
    from t, (values (1, 'pending'), (2, 'awaiting_payment'), (3, 'completed')) as s(seq, status);
    insert into commerce.idempotency_key (user_id, key, request_hash, order_id, created_at)
    select user_id, order_id::text, '\x00', order_id, at from t;
    insert into saga.saga (saga_id, plan, plan_version, plan_hash, state, step, revision, input, trace_id, root_span_id,
                           created_at, updated_at, ended_at)
    select saga_id, 'checkout', 1, 'finished', 'completed', 3, 3, '{}', md5(saga_id::text), 'b7ad6b7169203331', at, at,
           at
    from t;
    insert into saga.journal (saga_id, revision, n, at, kind, step, state)
    select saga_id, r, 0, at, 'done', 'init_payment', 'completed' from t, generate_series(1, 3) as r;
    insert into saga.signal (signal_id, saga_id, name, verdict, source, received_at, decided_at)
    select transaction_id, saga_id, 'transaction_completed', 'applied', 'filled', at, at from t;
    insert into messaging.inbox (consumer, message_id, handled_at)
    select 'messages', order_id, at from t;
    drop table t;
    set session_replication_role = origin;
    analyze;
"#;

/// A shop with many rows, with one session and the settings of the processes' own pools.
async fn full() -> Shop {
    let url = testkit::database("shop", &db::SHOP).await;
    let one = db::connect(&url, &db::PoolConfig::new("test", 1).by_key()).unwrap();
    sqlx::raw_sql(FILL).execute(&one).await.unwrap();
    Shop::open_on(one, quick()).await
}

#[tokio::test]
async fn no_statement_of_a_checkout_scans_what_has_gathered() {
    let shop = full().await;
    // one order that completes, one that is canceled, and every query about them
    let paid = shop.awaiting().await;
    shop.signal_newest(TRANSACTION_COMPLETED).await;
    shop.awaiting().await;
    shop.signal_newest(TRANSACTION_CANCELED).await;
    shop.work().await;
    let mut conn = shop.pool.acquire().await.unwrap();
    commerce::order::find_terms(&mut conn, &[paid.transaction_id])
        .await
        .unwrap();
    let id = ["x".to_owned()];
    messaging::inbox::record(&mut conn, "messages", &id)
        .await
        .unwrap();
    messaging::inbox::handled(&mut conn, "messages", &id)
        .await
        .unwrap();
    drop(conn);

    let statements = prepared(&shop.pool).await;
    let (mut looked, mut scans) = (0, Vec::new());
    for (name, text, parameters) in statements {
        let nulls = vec!["null"; usize::try_from(parameters).unwrap()].join(", ");
        let arguments = if nulls.is_empty() {
            String::new()
        } else {
            format!("({nulls})")
        };
        let explain = format!("explain (format json) execute \"{name}\"{arguments}");
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_one(&shop.pool)
            .await
            .unwrap();
        looked += 1;
        scans.extend(
            scanned(&plan)
                .into_iter()
                .map(|table| (table, text.clone())),
        );
    }
    assert!(looked >= 15, "{looked} statements were looked at");
    assert!(scans.is_empty(), "{scans:#?}");
}

/// Statements on growing tables that this session has prepared: name, text, number of parameters.
async fn prepared(pool: &PgPool) -> Vec<(String, String, i32)> {
    sqlx::query_as(
        "select name, statement, coalesce(cardinality(parameter_types), 0)
         from pg_prepared_statements
         where statement ~ '(saga|commerce|messaging)[.]' and statement !~ 'pg_prepared'",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// The growing tables that a plan reads from end to end.
fn scanned(plan: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match plan {
        Value::Array(parts) => found.extend(parts.iter().flat_map(scanned)),
        Value::Object(fields) => {
            let relation = fields.get("Relation Name").and_then(Value::as_str);
            if fields.get("Node Type").and_then(Value::as_str) == Some("Seq Scan")
                && let Some(table) = relation.filter(|table| GROWING.contains(table))
            {
                found.push(table.to_owned());
            }
            found.extend(fields.values().flat_map(scanned));
        }
        _ => {}
    }
    found
}
