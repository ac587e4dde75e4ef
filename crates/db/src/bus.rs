use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::PgConnection;

/// Handles the event `E` inside the transaction in which it occurs.
///
/// A listener's writes commit or roll back together with their cause. A listener does no I/O except
/// SQL.
pub trait Listener<E: 'static>: Send + Sync + 'static {
    /// Handles the event.
    ///
    /// # Errors
    /// Any database error; the caller's transaction must then roll back.
    fn on<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        event: &'a E,
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}

/// Synchronous domain events: modules react to each other without depending on each other.
///
/// The listeners run one after the other in the publisher's transaction, so every registered user
/// is a client before the registration is answered.
pub struct Bus<E: 'static> {
    listeners: Vec<Arc<dyn Listener<E>>>,
}

impl<E: 'static> Clone for Bus<E> {
    fn clone(&self) -> Self {
        Self {
            listeners: self.listeners.clone(),
        }
    }
}

impl<E: 'static> Default for Bus<E> {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
        }
    }
}

impl<E: Sync + 'static> Bus<E> {
    /// Adds a listener after the existing ones.
    #[must_use]
    pub fn with(mut self, listener: impl Listener<E>) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Calls every listener, in the order in which they were added.
    ///
    /// # Errors
    /// The first listener's error; later listeners are not called.
    pub async fn publish(&self, conn: &mut PgConnection, event: &E) -> sqlx::Result<()> {
        for listener in &self.listeners {
            listener.on(conn, event).await?;
        }
        Ok(())
    }
}
