//! A shop with clients, catalog and orders, without the saga that executes them.

use commerce::{
    order::{self, Basket, CancelCause, Item, NewOrder, Order, PlaceError, PriceError, Status},
    product::{self, Draft, EditError, Product, StockEdit},
};
use futures::future::join_all;
use kernel::{Money, OrderId, ProductId, SagaId, TransactionId, UserId};
use sqlx::{PgPool, postgres::PgPoolOptions};

/// The trace of every order in these tests.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) pool: PgPool,
    pub(crate) user: UserId,
}

/// A product's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Pieces in stock, including reserved ones.
    pub(crate) lying: i64,
    pub(crate) reserved: i64,
    pub(crate) sold: i64,
}

/// A saga's transition of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    AwaitPayment,
    BeginCanceling,
    Complete,
    Cancel,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self {
            pool: testkit::shop_db().await,
            user: UserId::new(),
        }
    }

    /// A shop with enough connections that concurrent callers do not wait for one.
    pub(crate) async fn crowded(callers: u32) -> Self {
        let shop = Self::open().await;
        let options = PgPoolOptions::new().max_connections(callers + 1);
        let pool = options
            .connect_with(shop.pool.connect_options().as_ref().clone())
            .await
            .unwrap();
        Self { pool, ..shop }
    }

    pub(crate) async fn product(&self, name: &str, cents: i64, stock: i64) -> ProductId {
        self.create(&draft(name, cents, stock)).await.id
    }

    pub(crate) async fn create(&self, draft: &Draft) -> Product {
        self.try_create(draft).await.unwrap()
    }

    pub(crate) async fn try_create(&self, draft: &Draft) -> Result<Product, EditError> {
        let mut tx = self.pool.begin().await?;
        let product = product::create(&mut tx, ProductId::new(), draft).await?;
        tx.commit().await?;
        Ok(product)
    }

    pub(crate) async fn edit(
        &self,
        id: ProductId,
        version: i64,
        draft: &Draft,
    ) -> Result<Product, EditError> {
        let mut tx = self.pool.begin().await?;
        let seen = product::find(&mut tx, id).await?;
        let stock = StockEdit::Change {
            seen: seen.map_or(0, |seen| seen.available + seen.reserved),
            to: draft.stock,
        };
        let product = product::update(&mut tx, id, version, draft, stock).await?;
        tx.commit().await?;
        Ok(product)
    }

    pub(crate) async fn delete(&self, id: ProductId, version: i64) -> Result<(), EditError> {
        product::delete(&mut *self.pool.acquire().await?, id, version).await
    }

    pub(crate) async fn find(&self, id: ProductId) -> Option<Product> {
        product::find(&mut self.pool.acquire().await.unwrap(), id)
            .await
            .unwrap()
    }

    pub(crate) async fn price(&self, items: &[Item]) -> Result<Basket, PriceError> {
        let mut conn = self.pool.acquire().await.unwrap();
        let mut priced = order::price(&mut conn, &[items]).await.unwrap();
        priced.pop().unwrap()
    }

    pub(crate) async fn try_place(&self, items: &[Item]) -> Result<OrderId, PlaceError> {
        let basket = self.price(items).await.unwrap();
        let order = self.new_order(&basket);
        let mut tx = self.pool.begin().await.unwrap();
        let placed = order::place(&mut tx, std::slice::from_ref(&order)).await;
        tx.commit().await.unwrap();
        placed.unwrap().pop().unwrap().map(|()| order.id)
    }

    pub(crate) async fn place(&self, items: &[Item]) -> OrderId {
        self.try_place(items).await.unwrap()
    }

    pub(crate) fn new_order<'a>(&self, basket: &'a Basket) -> NewOrder<'a> {
        NewOrder {
            id: OrderId::new(),
            user_id: self.user,
            saga_id: SagaId::new(),
            transaction_id: TransactionId::new(),
            basket,
            trace_id: TRACE,
        }
    }

    /// Places an order and moves it to this status by legal transitions.
    pub(crate) async fn order_at(&self, status: Status, items: &[Item]) -> OrderId {
        let id = self.place(items).await;
        let moves: &[Move] = match status {
            Status::Pending => &[],
            Status::AwaitingPayment => &[Move::AwaitPayment],
            Status::Completed => &[Move::AwaitPayment, Move::Complete],
            Status::Canceled => &[Move::Cancel],
        };
        for step in moves {
            self.go(*step, &[id]).await.unwrap();
        }
        id
    }

    /// Moves orders as one batch, in a transaction of its own.
    pub(crate) async fn go(&self, step: Move, ids: &[OrderId]) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        let reasons: Vec<_> = ids.iter().map(|id| (*id, "a test")).collect();
        match step {
            Move::AwaitPayment => order::await_payment(&mut tx, ids).await,
            Move::BeginCanceling => {
                let cause = CancelCause::Requested;
                let orders: Vec<_> = ids.iter().map(|id| (*id, cause, "a test")).collect();
                order::begin_canceling(&mut tx, &orders).await
            }
            Move::Complete => order::complete(&mut tx, ids).await,
            Move::Cancel => order::cancel(&mut tx, &reasons).await,
        }?;
        tx.commit().await
    }

    pub(crate) async fn find_order(&self, id: OrderId) -> Order {
        order::find(&mut self.pool.acquire().await.unwrap(), id, None)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn stock(&self, id: ProductId) -> Stock {
        let (lying, reserved, sold) = sqlx::query_as(
            "select on_hand, reserved, sold from commerce.stock where product_id = $1",
        )
        .bind(id.uuid())
        .fetch_one(&self.pool)
        .await
        .unwrap();
        Stock {
            lying,
            reserved,
            sold,
        }
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The constraint that refuses this statement; `None` when the statement succeeds.
    pub(crate) async fn refusing_constraint(&self, sql: &str) -> Option<String> {
        let outcome = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await;
        let refused = match outcome {
            Ok(done) => {
                assert_ne!(done.rows_affected(), 0, "it touches nothing: {sql}");
                return None;
            }
            Err(refused) => refused,
        };
        let constraint = db::constraint(&refused).map(str::to_owned);
        Some(constraint.unwrap_or_else(|| panic!("{sql}: {refused}")))
    }

    /// Waits until this many connections are waiting for a lock.
    pub(crate) async fn until_waiting(&self, connections: i64) {
        let what = format!("{connections} connections to wait for a lock");
        testkit::eventually(&what, || async {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            waiting == connections
        })
        .await;
    }
}

pub(crate) fn eur(cents: i64) -> Money {
    Money::new(cents, "EUR".parse().unwrap())
}

pub(crate) fn draft(name: &str, cents: i64, stock: i64) -> Draft {
    Draft {
        name: name.to_owned(),
        description: "As good as it gets.".to_owned(),
        price: eur(cents),
        stock,
    }
}

pub(crate) fn item(product_id: ProductId, quantity: u32) -> Item {
    Item {
        product_id,
        quantity,
    }
}

/// Runs `n` futures concurrently.
pub(crate) async fn at_once<T, F>(n: usize, start: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..n).map(|i| tokio::spawn(start(i))).collect();
    join_all(running)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}
