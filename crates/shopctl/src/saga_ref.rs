//! The saga that an id on the command line is about.

use operator::{
    Operator,
    saga_ref::{self, AnyId, FindSagaError, SagaRef},
};

use crate::exit::Failure;

/// Finds the saga of an id.
pub(crate) async fn find(operator: &Operator, id: &AnyId) -> anyhow::Result<SagaRef> {
    saga_ref::find(operator, id).await.map_err(|error| {
        let message = error.to_string();
        match error {
            FindSagaError::NotFound { unavailable, .. } if unavailable.is_empty() => {
                Failure::not_found(message)
                    .hint("`shopctl saga list --user USER` lists the sagas of a user's orders")
                    .into()
            }
            FindSagaError::NotFound { unavailable, .. } => Failure::not_found(message)
                .hint(format!("not searched: {}", unavailable.join("; ")))
                .into(),
            FindSagaError::Ambiguous { orders, .. } => {
                let orders: Vec<_> = orders.iter().map(ToString::to_string).collect();
                Failure::conflict(message)
                    .hint(format!("name one by its whole id: {}", orders.join(", ")))
                    .into()
            }
            FindSagaError::AmbiguousSaga { .. } => Failure::conflict(message)
                .hint("name one by its whole id: `shopctl saga list -o wide` shows them")
                .into(),
            FindSagaError::Db(error) => error.into(),
        }
    })
}

/// A saga that is no longer among the live ones: its order still shows how it ended.
pub(crate) fn archived(saga: SagaRef) -> Failure {
    let SagaRef { saga_id, order_id } = saga;
    let shown = order_id.map_or_else(|| "ORDER".to_owned(), |order| order.to_string());
    Failure::not_found(format!("saga {saga_id} is at rest and archived"))
        .hint(format!("`shopctl order show {shown}` shows how it ended"))
}
