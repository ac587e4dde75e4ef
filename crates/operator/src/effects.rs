//! What an act means in the world: what is sent, what money and stock move.

use saga::{Engine, EngineError, Preview, Verdict, store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

/// What an act does, or would do, to one saga and its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effects {
    /// The saga.
    pub saga_id: kernel::SagaId,
    /// Its order, if it is about one.
    pub order_id: Option<kernel::OrderId>,
    /// The revision that this was worked out on.
    pub revision: i64,
    /// Where the saga stands.
    pub from: String,
    /// Where it stands right after the act.
    pub to: String,
    /// Where it comes to rest, or waits, if every answer is a good one.
    pub then: String,
    /// What is sent to others until then.
    pub sends: Vec<String>,
    /// What of the order, its stock and its money moves until then.
    pub moves: Vec<String>,
    /// What else one should know.
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
        then: preview.ends.to_string(),
        sends: Vec::new(),
        moves: Vec::new(),
        notes: Vec::new(),
    };
    for effect in &preview.planned {
        let described = engine.describe(conn, row, *effect).await?;
        effects.sends.extend(described.sends);
        effects.moves.extend(described.moves);
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
