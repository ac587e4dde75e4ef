//! The effects of an action: messages sent, and stock and money moved.

use saga::{Engine, EngineError, Preview, Verdict, store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

/// The actual or predicted effects of an action on one saga and its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effects {
    /// The saga.
    pub saga_id: kernel::SagaId,
    /// The saga's order, if it has one.
    pub order_id: Option<kernel::OrderId>,
    /// The revision from which the effects were computed.
    pub revision: i64,
    /// The saga's state before the action.
    pub from: String,
    /// The saga's state right after the action.
    pub to: String,
    /// The state in which the saga comes to rest, or waits, if every answer is positive.
    #[serde(rename = "then")]
    pub next: String,
    /// Messages and requests sent to other services until then.
    #[serde(rename = "sends")]
    pub messages: Vec<String>,
    /// Changes to the order, its stock and its money until then.
    #[serde(rename = "moves")]
    pub state_changes: Vec<String>,
    /// Further remarks for the operator.
    pub notes: Vec<String>,
}

pub(crate) async fn effects(
    engine: &Engine,
    conn: &mut PgConnection,
    preview: &Preview,
    row: &store::Row,
) -> Result<Effects, EngineError> {
    let order_id = row.input.get("order_id").and_then(Value::as_str);
    let mut effects = Effects {
        saga_id: preview.saga_id,
        order_id: order_id.and_then(|id| id.parse().ok()),
        revision: preview.revision,
        from: preview.before.to_string(),
        to: preview.after.to_string(),
        next: preview.ends.to_string(),
        messages: Vec::new(),
        state_changes: Vec::new(),
        notes: Vec::new(),
    };
    for effect in &preview.planned {
        let described = engine.describe(conn, row, *effect).await?;
        effects.messages.extend(described.sends);
        effects.state_changes.extend(described.moves);
        effects.notes.extend(described.notes);
    }
    let note = match preview.verdict {
        Some(Verdict::Early) => Some("it cannot act yet: it is kept for the next transition"),
        None if preview.after.paused && !preview.before.paused => {
            Some("nothing runs until it is resumed; what comes in is kept")
        }
        None if preview.after.paused => Some("it is paused: this is kept for `saga resume`"),
        _ => None,
    };
    effects.notes.extend(note.map(str::to_owned));
    Ok(effects)
}
