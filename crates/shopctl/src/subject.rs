//! The saga that an id on the command line is about.

use operator::{
    Operator,
    subject::{self, AnyId, Subject, SubjectError},
};

use crate::exit::Failure;

/// Finds the saga of an id.
pub(crate) async fn find(operator: &Operator, id: &AnyId) -> anyhow::Result<Subject> {
    subject::find(operator, id).await.map_err(|error| {
        let message = error.to_string();
        match error {
            SubjectError::NotFound { unavailable, .. } if unavailable.is_empty() => {
                Failure::not_found(message)
                    .hint("`shopctl saga list --user USER` lists the sagas of a user's orders")
                    .into()
            }
            SubjectError::NotFound { unavailable, .. } => Failure::not_found(message)
                .hint(format!("not searched: {}", unavailable.join("; ")))
                .into(),
            SubjectError::Ambiguous { orders, .. } => {
                let orders: Vec<_> = orders.iter().map(ToString::to_string).collect();
                Failure::conflict(message)
                    .hint(format!("name one by its whole id: {}", orders.join(", ")))
                    .into()
            }
            SubjectError::AmbiguousSaga { .. } => Failure::conflict(message)
                .hint("name one by its whole id: `shopctl saga list -o wide` shows them")
                .into(),
            SubjectError::Db(error) => error.into(),
        }
    })
}

/// A saga that is no longer among the live ones: its order still shows how it ended.
pub(crate) fn archived(subject: Subject) -> Failure {
    let Subject { saga_id, order_id } = subject;
    let shown = order_id.map_or_else(|| "ORDER".to_owned(), |order| order.to_string());
    Failure::not_found(format!("saga {saga_id} is at rest and archived"))
        .hint(format!("`shopctl order show {shown}` shows how it ended"))
}
