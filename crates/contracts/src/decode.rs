//! Reads the bodies of messages. Consumers use these functions, and so does an operator's edit before
//! it sends a body: what one accepts, the other accepts.

use kernel::{MailRequestId, OrderId, UserId};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    command::Command,
    failure::FailureKind,
    payment_event::PaymentEvent,
    topology::{MESSAGES, PAYMENTS_EVENTS_QUEUE},
};

/// Longest body of an event that is read, in bytes: our own have some 350.
const MAX_EVENT: usize = 64 * 1024;

/// Why a consumer cannot read a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    /// The kind of failure, as recorded with the message.
    pub kind: FailureKind,
    /// The sentence for people: the field, and the line and column where they are known.
    pub reason: String,
}

fn undecodable(why: impl std::fmt::Display) -> DecodeError {
    DecodeError {
        kind: FailureKind::Undecodable,
        reason: format!("undecodable: {why}"),
    }
}

/// Reads a payment event that was published under `routing_key`.
///
/// # Errors
/// When the body cannot be read, or contradicts the routing key.
pub fn payment_event(body: &[u8], routing_key: &str) -> Result<PaymentEvent, DecodeError> {
    if body.len() > MAX_EVENT {
        let bytes = body.len();
        return Err(undecodable(format!(
            "{bytes} bytes, and an event has at most {MAX_EVENT}"
        )));
    }
    let event: PaymentEvent = serde_json::from_slice(body)
        .map_err(|error| undecodable(located::<PaymentEvent>(body, &error)))?;
    let key = event.outcome.routing_key();
    if routing_key != key {
        let reason = format!(
            "contradictory: published under the key {routing_key:?}, and its body says {key}"
        );
        let kind = FailureKind::Contradictory;
        return Err(DecodeError { kind, reason });
    }
    Ok(event)
}

/// Reads a command; `message_id` is the id of its message, which identifies its mail.
///
/// # Errors
/// When the body cannot be read, or the message has no id.
pub fn command<'a>(
    body: &[u8],
    message_id: Option<&'a str>,
) -> Result<(Command, &'a str), DecodeError> {
    let command = serde_json::from_slice(body)
        .map_err(|error| undecodable(located::<CommandFields>(body, &error)))?;
    let id = message_id.ok_or_else(|| undecodable("the command has no message id"))?;
    Ok((command, id))
}

/// Reads a message as the consumer of `queue` does. A queue of another consumer says nothing.
///
/// # Errors
/// When that consumer could not read it.
pub fn check(
    queue: &str,
    body: &[u8],
    routing_key: &str,
    message_id: Option<&str>,
) -> Result<(), DecodeError> {
    match queue {
        PAYMENTS_EVENTS_QUEUE => payment_event(body, routing_key).map(drop),
        MESSAGES => command(body, message_id).map(drop),
        _ => Ok(()),
    }
}

/// The error with the path of its field, found by reading the body as `T`. serde names no field in
/// an error about a value.
fn located<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> String {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(located) => located.to_string(),
        Ok(_) => error.to_string(),
    }
}

/// The fields of all commands: an error in a tagged enum has neither path nor position.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only its errors are read")]
struct CommandFields {
    command: String,
    user_id: Option<UserId>,
    order_id: Option<OrderId>,
    request_id: Option<MailRequestId>,
}

#[cfg(test)]
mod tests {
    use crate::topology::{TRANSACTION_CANCELED, TRANSACTION_COMPLETED};

    use super::*;

    fn wrong(queue: &str, body: &str) -> DecodeError {
        check(queue, body.as_bytes(), TRANSACTION_COMPLETED, Some("m-1")).unwrap_err()
    }

    #[test]
    fn an_error_names_the_field_and_its_place() {
        let id = "12b0d3e0-befa-11f0-aa62-2f547971bbe0";
        for (queue, body, parts) in [
            (
                PAYMENTS_EVENTS_QUEUE,
                format!("{{\"transaction_id\": \"{id}\",\n \"completed_at\": \"soon\"}}"),
                ["completed_at: ", "line 2 column "],
            ),
            (
                PAYMENTS_EVENTS_QUEUE,
                format!(
                    r#"{{"transaction_id": "{id}", "amount": {{"amount": "9", "currency": "EUR"}}}}"#
                ),
                ["amount.amount: ", "line 1 column "],
            ),
            (
                PAYMENTS_EVENTS_QUEUE,
                format!(r#"{{"transaction_id": "{id}", "routing_key": "transaction_completed"}}"#),
                ["`completed_at`", "needs"],
            ),
            (
                PAYMENTS_EVENTS_QUEUE,
                "{\"transaction_id\": ".to_owned(),
                ["EOF while parsing", "line 1 column "],
            ),
            (
                MESSAGES,
                r#"{"command": "send_welcome_email", "user_id": "me"}"#.to_owned(),
                ["user_id: ", "line 1 column "],
            ),
            (
                MESSAGES,
                r#"{"command": "send_welcome_email"}"#.to_owned(),
                ["missing field", "`user_id`"],
            ),
        ] {
            let error = wrong(queue, &body);
            assert_eq!(error.kind, FailureKind::Undecodable);
            for part in parts {
                assert!(error.reason.contains(part), "{part} in {error} of {body}");
            }
        }
    }

    #[test]
    fn a_body_that_contradicts_its_routing_key_is_refused() {
        let body = br#"{"transaction_id": "12b0d3e0-befa-11f0-aa62-2f547971bbe0",
                        "canceled_at": "2025-11-11T12:33:31Z", "routing_key": "transaction_canceled"}"#;
        let read = |key| check(PAYMENTS_EVENTS_QUEUE, body, key, None);
        assert_eq!(read(TRANSACTION_CANCELED), Ok(()));
        let error = read(TRANSACTION_COMPLETED).unwrap_err();
        assert_eq!(error.kind, FailureKind::Contradictory);
    }

    #[test]
    fn a_large_event_or_a_command_without_id_is_refused() {
        let large = wrong(PAYMENTS_EVENTS_QUEUE, &" ".repeat(MAX_EVENT + 1));
        assert!(large.reason.contains("at most 65536"), "{large}");
        let body = r#"{"command": "send_welcome_email", "user_id": "12b0d3e0-befa-11f0-aa62-2f547971bbe0"}"#;
        assert_eq!(check(MESSAGES, body.as_bytes(), "", Some("m-1")), Ok(()));
        let nameless = check(MESSAGES, body.as_bytes(), "", None).unwrap_err();
        assert!(nameless.reason.contains("no message id"), "{nameless}");
    }
}
