//! One saga as a file that may be given to outsiders: it contains no names, addresses or user ids.
//! Other ids are hashed, equal ids to equal hashes, so that the sequence of events can still be
//! followed.

use std::fmt::Write as _;

use kernel::SagaId;
use saga::{journal::StoredRow, replay::Position, store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

/// The format that this binary writes.
const FORMAT: u32 = 2;

/// A saga, redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// Version of the file format.
    pub format: u32,
    /// The saga's hashed id.
    pub saga: String,
    /// Its plan.
    pub plan: String,
    /// Its plan's version.
    pub plan_version: i32,
    /// Hash of its plan's shape.
    pub plan_hash: String,
    /// The saga's position.
    #[serde(flatten)]
    pub position: Position,
    /// The saga's input, fixed before the first request was sent.
    pub input: Value,
    /// The journal, in sequence.
    pub journal: Vec<StoredRow>,
}

/// Reads a saga that is not archived.
///
/// # Errors
/// When the database cannot be read.
pub async fn export(conn: &mut PgConnection, saga_id: SagaId) -> sqlx::Result<Option<Export>> {
    let Some(row) = store::load(&mut *conn, &[saga_id.uuid()]).await?.pop() else {
        return Ok(None);
    };
    let mut journals = store::journals(conn, &[saga_id.uuid()]).await?;
    let journal = journals.remove(&saga_id).unwrap_or_default();
    Ok(Some(Export {
        format: FORMAT,
        saga: hashed(&saga_id.to_string()),
        position: Position::of(&row),
        plan: row.plan,
        plan_version: row.plan_version,
        plan_hash: row.plan_hash,
        input: input(row.input),
        journal: journal.into_iter().map(redacted_row).collect(),
    }))
}

/// Whether this binary can read an exported saga. The parser refuses a file without a format.
pub fn is_readable(export: &Value) -> bool {
    export.get("format").is_none_or(|format| *format == FORMAT)
}

fn input(mut input: Value) -> Value {
    if let Some(fields) = input.as_object_mut() {
        fields.remove("user_id");
        for value in fields.values_mut() {
            if let Value::String(text) = value {
                *text = redacted(text);
            }
        }
    }
    input
}

fn redacted_row(row: StoredRow) -> StoredRow {
    // an operator's reason and evidence are free text
    let by_operator = row.fact["kind"] == "operator"
        || row.attempt.is_none() && (row.fact["kind"] == "done" || row.fact["kind"] == "undone");
    let detail = row.detail.filter(|_| !by_operator);
    let mut fact = row.fact;
    if let Some(Value::String(signal)) = fact.get_mut("signal") {
        *signal = redacted(signal);
    }
    StoredRow {
        fact,
        detail: detail.map(|detail| redacted(&detail)),
        actor: row.actor.map(|actor| hashed(&actor)),
        ..row
    }
}

/// `id:` and twelve hex digits.
fn hashed(text: &str) -> String {
    let digest = Sha256::digest(text.to_lowercase());
    let mut hash = "id:".to_owned();
    for byte in &digest[..6] {
        write!(hash, "{byte:02x}").expect("a String takes everything");
    }
    hash
}

/// `text` with ids hashed and email addresses removed.
fn redacted(text: &str) -> String {
    let of_a_word = |c: char| c.is_alphanumeric() || "-_.@+".contains(c);
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| of_a_word(c) != of_a_word(first));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        let bare = word.trim_end_matches('.');
        if word.contains('@') {
            shown.push_str("<address>");
        } else if is_id(bare) {
            shown.push_str(&hashed(bare));
            shown.push_str(&word[bare.len()..]);
        } else {
            shown.push_str(word);
        }
        rest = after;
    }
    shown
}

/// A UUID, or 32 hex digits.
fn is_id(word: &str) -> bool {
    let digits = word.chars().filter(|c| *c != '-');
    digits.clone().count() == 32 && digits.clone().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hashed_alike_and_addresses_are_gone() {
        let id = "01996e0e-0000-7000-8000-000000000001";
        let shown = redacted(&format!("order {id} of ada@shop.example: {id}."));
        let hash = hashed(id);
        assert_eq!(shown, format!("order {hash} of <address>: {hash}."));
        assert_eq!(
            redacted("connect error: 127.0.0.1:8081"),
            "connect error: 127.0.0.1:8081"
        );
    }
}
