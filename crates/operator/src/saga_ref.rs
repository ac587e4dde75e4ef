//! One id is enough: finds the saga that an id is about, be it the id of a saga, of an order (whole,
//! or the short number that customers see), of a transaction or of a message.

use std::str::FromStr;

use commerce::order::{self, Number};
use kernel::{OrderId, SagaId};
use messaging::failed;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Operator;

/// An id as an operator types it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyId {
    /// The short number of an order, or the last eight digits of a saga's id, as narrow tables show
    /// it.
    Short(String),
    /// The id of a saga, an order, a transaction or a message.
    Whole(Uuid),
    /// The name of a message in `failed` that has no id: a hash of its content.
    Hash(String),
}

impl FromStr for AnyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.starts_with("sha:") {
            return Ok(Self::Hash(text.to_owned()));
        }
        match text.parse() {
            Ok(Number::Short(short)) => Ok(Self::Short(short)),
            Ok(Number::Whole(id)) => Ok(Self::Whole(id)),
            Err(_) => Err(
                "enter the id of a saga, an order, a transaction or a message, or an order number \
                 such as 1C1FB183"
                    .to_owned(),
            ),
        }
    }
}

impl std::fmt::Display for AnyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short(short) => f.write_str(&short.to_uppercase()),
            Self::Whole(id) => id.fmt(f),
            Self::Hash(hash) => f.write_str(hash),
        }
    }
}

/// The saga that an id is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SagaRef {
    /// The saga; it may be archived.
    pub saga_id: SagaId,
    /// The saga's order.
    pub order_id: Option<OrderId>,
}

/// Why no saga was found.
#[derive(Debug, thiserror::Error)]
pub enum FindSagaError {
    /// Nothing has this id, as far as the sources show that could be read.
    #[error("no saga, order, transaction or message has the id {id}")]
    NotFound {
        /// The id.
        id: AnyId,
        /// The sources that could not be searched, and why.
        unavailable: Vec<String>,
    },
    /// Several orders have this number.
    #[error("{} orders have the number {id}", orders.len())]
    Ambiguous {
        /// The number.
        id: AnyId,
        /// The orders.
        orders: Vec<OrderId>,
    },
    /// Several sagas have this number.
    #[error("several sagas have the number {id}")]
    AmbiguousSaga {
        /// The number.
        id: AnyId,
    },
    /// A database failed.
    #[error("a database failed")]
    Db(#[from] sqlx::Error),
}

/// Finds the saga that `id` is about: in the shop's database, then among the messages of payments'
/// outbox and of `failed`, if they can be read.
///
/// # Errors
/// See [`FindSagaError`].
pub async fn find(operator: &Operator, id: &AnyId) -> Result<SagaRef, FindSagaError> {
    let mut conn = operator.engine.pool().acquire().await?;
    let found = match id {
        AnyId::Short(short) => return numbered(&mut conn, id, short).await,
        AnyId::Whole(whole) => in_shop(&mut conn, *whole).await?,
        AnyId::Hash(_) => None,
    };
    if let Some(saga) = found {
        return Ok(saga);
    }
    let mut unavailable = Vec::new();
    let body = match body_of_message(operator, id).await {
        Ok(body) => body,
        Err(missing) => {
            unavailable = missing;
            None
        }
    };
    for named in body.iter().flat_map(names) {
        if let Some(saga) = in_shop(&mut conn, named).await? {
            return Ok(saga);
        }
    }
    Err(FindSagaError::NotFound {
        id: id.clone(),
        unavailable,
    })
}

async fn numbered(
    conn: &mut PgConnection,
    id: &AnyId,
    short: &str,
) -> Result<SagaRef, FindSagaError> {
    let number = Number::Short(short.to_owned());
    let orders = order::find_ids(&mut *conn, &number).await?;
    let not_found = || FindSagaError::NotFound {
        id: id.clone(),
        unavailable: Vec::new(),
    };
    match orders.as_slice() {
        [] => {
            let mut sagas = sqlx::query_as!(
                SagaRef,
                r#"
                select saga_id as "saga_id: SagaId", (input->>'order_id')::uuid as "order_id: OrderId"
                from saga.saga
                where right(saga_id::text, 8) = $1
                order by created_at desc
                limit 2
                "#,
                short,
            )
            .fetch_all(conn)
            .await?;
            match (sagas.pop(), sagas.is_empty()) {
                (None, _) => Err(not_found()),
                (Some(saga), true) => Ok(saga),
                (Some(_), false) => Err(FindSagaError::AmbiguousSaga { id: id.clone() }),
            }
        }
        [order] => in_shop(conn, order.uuid()).await?.ok_or_else(not_found),
        _ => Err(FindSagaError::Ambiguous {
            id: id.clone(),
            orders,
        }),
    }
}

/// The saga with this id, or that of the order, transaction, outbox message or event with this id.
async fn in_shop(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<SagaRef>> {
    let found = sqlx::query_as!(
        SagaRef,
        r#"
        select saga_id as "saga_id!: SagaId", order_id as "order_id: OrderId"
        from (
            select 1 as place, saga_id, (input->>'order_id')::uuid as order_id
            from saga.saga where saga_id = $1
            union all
            select 2, saga_id, (story->'input'->>'order_id')::uuid
            from saga.archive where saga_id = $1
            union all
            select 3, saga_id, order_id
            from commerce."order" where order_id = $1 or transaction_id = $1
            union all
            select 4, coalesce(m.saga_id, o.saga_id), coalesce(o.order_id, (s.input->>'order_id')::uuid)
            from messaging.outbox m
                 left join commerce."order" o on o.order_id = (m.body->>'order_id')::uuid
                 left join saga.saga s on s.saga_id = m.saga_id
            where m.entry_id = $1
            union all
            select 5, g.saga_id, (s.input->>'order_id')::uuid
            from saga.signal g join saga.saga s using (saga_id)
            where g.signal_id = $1
        ) as found
        where saga_id is not null
        order by place
        limit 1
        "#,
        id,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if found.is_some() {
        return Ok(found);
    }
    // last, since no index finds a signal by the message that brought it
    sqlx::query_as!(
        SagaRef,
        r#"
        select g.saga_id as "saga_id: SagaId", (s.input->>'order_id')::uuid as "order_id: OrderId"
        from saga.signal g join saga.saga s using (saga_id)
        where g.source = 'message ' || $1::uuid::text
        limit 1
        "#,
        id,
    )
    .fetch_optional(conn)
    .await
}

/// The body of a message that is still in payments' outbox, or in `failed`.
async fn body_of_message(operator: &Operator, id: &AnyId) -> Result<Option<Value>, Vec<String>> {
    let mut unavailable = Vec::new();
    let payments = match id {
        AnyId::Whole(id) => operator
            .sources
            .payments
            .database()
            .await
            .map(|pool| Some((id, pool?))),
        _ => Ok(None),
    };
    if let Err(why) = &payments {
        unavailable.push(format!("payments' outbox: {why}"));
    }
    if let Ok(Some((id, payments))) = payments {
        // the macros of this crate know only the shop's database
        let body = sqlx::query_scalar("select body from messaging.outbox where entry_id = $1")
            .bind(id)
            .fetch_optional(payments);
        match body.await {
            Ok(Some(body)) => return Ok(Some(body)),
            Ok(None) => {}
            Err(error) => unavailable.push(format!("payments' outbox: {error}")),
        }
    }
    match &operator.sources.amqp_url {
        Some(url) => match failed::find(url, &id.to_string(), failed::SHOWN).await {
            Ok(Some(message)) => return Ok(serde_json::from_str(&message.body).ok()),
            Ok(None) => {}
            Err(error) => unavailable.push(format!("`failed`: {error}")),
        },
        None => unavailable.push("`failed`: AMQP_URL is not set".to_owned()),
    }
    if unavailable.is_empty() {
        Ok(None)
    } else {
        Err(unavailable)
    }
}

/// The ids by which a message names its order.
fn names(body: &Value) -> impl Iterator<Item = Uuid> {
    let fields = ["order_id", "transaction_id"].into_iter();
    fields.filter_map(|field| body.get(field)?.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_whole_an_order_number_or_a_hash() {
        let whole = "01996e0e-0000-7000-8000-000000000001";
        assert_eq!(whole.parse(), Ok(AnyId::Whole(whole.parse().unwrap())));
        for number in ["1C1FB183", "#1c1fb183"] {
            assert_eq!(number.parse(), Ok(AnyId::Short("1c1fb183".to_owned())));
        }
        assert_eq!("sha:ab".parse(), Ok(AnyId::Hash("sha:ab".to_owned())));
        assert!("not-an-id".parse::<AnyId>().is_err());
    }
}
