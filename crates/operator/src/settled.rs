//! Messages in `failed` that their orders no longer need: an operator's act, or a second event, has
//! brought the order to rest without them.

use std::collections::HashMap;

use commerce::order;
use contracts::topology::MESSAGES;
use kernel::TransactionId;
use messaging::failed::FailedMessage;
use saga::machine::StateKind;

use crate::{
    Operator, Why,
    cause::Code,
    diagnosis::{Confidence, Diagnosis},
    why,
};

/// For each message, why it is not settled; none if each order whose transaction it names is at
/// rest, and payments agrees with it.
///
/// # Errors
/// When the shop's database cannot be read.
pub async fn unsettled(
    operator: &Operator,
    messages: &[&FailedMessage],
) -> sqlx::Result<Vec<Option<String>>> {
    let named: Vec<_> = messages
        .iter()
        .map(|message| transactions(&message.body))
        .collect();
    let mut conn = operator.engine.pool().acquire().await?;
    let terms = order::find_terms(&mut conn, &named.concat()).await?;
    drop(conn);
    let sagas: Vec<_> = terms.iter().map(|terms| terms.saga_id).collect();
    let whys = why(operator, &sagas).await?;
    let whys: HashMap<_, _> = whys.iter().map(|why| (why.saga_id, why)).collect();
    let of_transaction = |id: &TransactionId| {
        let terms = terms.iter().find(|terms| terms.transaction_id == *id)?;
        let why = whys.get(&terms.saga_id);
        Some(why.map_or_else(
            || Some(format!("the saga of order {} is archived", terms.order_id)),
            |why| not_at_rest(why),
        ))
    };
    let settled = messages.iter().zip(&named).map(|(message, named)| {
        if message.queue.as_deref() == Some(MESSAGES) {
            return Some("it is a command, and nothing else carries it out".to_owned());
        }
        let mut orders = named.iter().filter_map(of_transaction).peekable();
        if orders.peek().is_none() {
            return Some("it names no transaction of an order".to_owned());
        }
        orders.flatten().next()
    });
    Ok(settled.collect())
}

/// Why the saga's order is not surely at rest, in agreement with payments.
fn not_at_rest(why: &Why) -> Option<String> {
    let Diagnosis {
        code, confidence, ..
    } = &why.diagnosis;
    let is_at_rest = why.state.known().is_some_and(StateKind::is_at_rest);
    if is_at_rest && *code == Code::Healthy && *confidence == Confidence::Certain {
        return None;
    }
    let order = match &why.order_id {
        Some(order_id) => format!("order {order_id}"),
        None => format!("saga {}", why.saga_id),
    };
    Some(match (is_at_rest, code) {
        (false, _) => format!("{order} is {}, not at rest", why.state),
        (true, Code::Healthy) => format!("payments cannot be asked about {order}"),
        (true, _) => format!("{order} is at rest, and not healthy: {code}"),
    })
}

/// The ids that a body contains, be it readable or not.
fn transactions(body: &str) -> Vec<TransactionId> {
    let words = body.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    let ids = words.filter(|word| word.len() == 36);
    ids.filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_a_broken_body() {
        let id = "12b0d3e0-befa-11f0-aa62-2f547971bbe0";
        let body = format!(r#"{{"event":"x","transaction_id":"{id}","completed"#);
        assert_eq!(transactions(&body), [id.parse().unwrap()]);
        assert_eq!(transactions("{nonsense"), []);
    }
}
