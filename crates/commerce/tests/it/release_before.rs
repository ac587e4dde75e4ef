//! Statements of the release before, as its processes send them while both releases run.

use commerce::order::{
    HistoryStatus::{AwaitingPayment, Canceled, Canceling, Completed, Pending},
    Status,
};
use uuid::Uuid;

use crate::shop::{Shop, item};

const AWAIT_PAYMENT: &str = r#"
    with moved as (
        update commerce."order"
        set status = 'awaiting_payment', updated_at = clock_timestamp()
        where order_id = any($1)
          and status = 'pending'
        returning order_id
    )
    insert into commerce.order_status (order_id, seq, status)
    select m.order_id, 1 + (select max(seq) from commerce.order_status h where h.order_id = m.order_id),
           'awaiting_payment'
    from moved m
"#;

const BEGIN_CANCELING: &str = r#"
    with moved as (
        update commerce."order" o
        set canceling = true, updated_at = clock_timestamp()
        from unnest($1::uuid[], $2::text[]) as r(order_id, reason)
        where o.order_id = r.order_id
          and o.status in ('pending', 'awaiting_payment')
        returning o.order_id, r.reason
    )
    insert into commerce.order_status (order_id, seq, status, reason)
    select m.order_id, 1 + (select max(seq) from commerce.order_status h where h.order_id = m.order_id),
           'canceling', m.reason
    from moved m
"#;

const CANCEL: &str = r#"
    with moved as (
        update commerce."order" o
        set status = 'canceled', canceling = false, updated_at = clock_timestamp()
        from unnest($1::uuid[], $2::text[]) as r(order_id, reason)
        where o.order_id = r.order_id
          and o.status in ('pending', 'awaiting_payment')
        returning o.order_id, r.reason
    )
    insert into commerce.order_status (order_id, seq, status, reason)
    select m.order_id, 1 + (select max(seq) from commerce.order_status h where h.order_id = m.order_id),
           'canceled', m.reason
    from moved m
"#;

const COMPLETE: &str = r#"
    with moved as (
        update commerce."order"
        set status = 'completed', canceling = false, updated_at = clock_timestamp()
        where order_id = any($1)
          and status = 'awaiting_payment'
        returning order_id, user_id, trace_id
    ), history as (
        insert into commerce.order_status (order_id, seq, status)
        select m.order_id, 1 + (select max(seq) from commerce.order_status h where h.order_id = m.order_id),
               'completed'
        from moved m
    )
    select order_id, user_id, trace_id from moved
"#;

#[tokio::test]
async fn orders_that_the_release_before_moves_have_a_history() {
    let shop = Shop::open().await;
    let mug = shop.product("Mug", 1290, 1000).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(shop.order_at(Status::Pending, &[item(mug, 1)]).await);
    }
    let ids: Vec<Uuid> = orders.iter().map(|id| id.uuid()).collect();
    let moved = async |statement: &'static str, ids: &[Uuid], reason: Option<&str>| {
        let mut query = sqlx::query(statement).bind(ids);
        if let Some(reason) = reason {
            query = query.bind(vec![reason; ids.len()]);
        }
        query.execute(&shop.pool).await.unwrap().rows_affected()
    };
    assert_eq!(moved(AWAIT_PAYMENT, &ids[..3], None).await, 3);
    assert_eq!(moved(COMPLETE, &ids[..2], None).await, 2);
    let late = Some("it was not paid in time");
    assert_eq!(moved(BEGIN_CANCELING, &ids[2..], late).await, 2);
    assert_eq!(moved(CANCEL, &ids[2..], late).await, 2);

    let completed = [Pending, AwaitingPayment, Completed];
    let canceled = [Pending, AwaitingPayment, Canceling, Canceled];
    let refused = [Pending, Canceling, Canceled];
    let expected = [&completed[..], &completed, &canceled, &refused];
    for (order, expected) in orders.into_iter().zip(expected) {
        let history = shop.find_order(order).await.history;
        let statuses: Vec<_> = history
            .iter()
            .filter_map(|change| change.status.known())
            .collect();
        assert_eq!(statuses, expected);
        let seqs: Vec<_> = history.iter().map(|change| change.seq).collect();
        assert_eq!(seqs, (1..).take(expected.len()).collect::<Vec<_>>());
        assert!(history.is_sorted_by_key(|change| change.at));
        for change in &history {
            let has_reason = matches!(change.status.known(), Some(Canceling | Canceled));
            assert_eq!(change.reason.is_some(), has_reason, "{change:?}");
            assert_eq!(change.cancel_cause, None, "{change:?}");
        }
    }
}
