//! The record that our own processes write on a message when they move it on, and how it is read
//! back.
//!
//! Headers are a publisher's unverified input until proven otherwise: each is bounded and typed
//! here, and nowhere else. A message that moves on keeps our headers only: foreign headers could
//! fill a frame, and the broker's own (`x-death`) make it detect cycles where none exist.

use kernel::TraceRef;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{TRACEPARENT, text};

/// Header with the detached signature over the body.
pub(crate) const SIGNATURE: &str = "x-signature";
/// Longest signature that is kept, in bytes.
const MAX_SIGNATURE: usize = 1_024;

const ATTEMPT: &str = "x-attempt";
const ORIGINAL_EXCHANGE: &str = "x-original-exchange";
const ORIGINAL_KEY: &str = "x-original-routing-key";
const ORIGINAL_QUEUE: &str = "x-original-queue";
const REASON: &str = "x-reason";
const KIND: &str = "x-failure-kind";

/// Longest reason that is written or read, in bytes.
pub(crate) const MAX_REASON: usize = 1_024;

/// Makes an AMQP short string, of at most 255 bytes. Longer names are cut first, so that no
/// conversion can panic.
pub(super) fn short(name: &str) -> ShortString {
    ShortString::try_new(cut(name, 255)).unwrap_or_default()
}

/// The beginning of `text`, at most `bytes` long.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The record on a message that was moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) attempts: u32,
    /// The queue whose consumer could not handle the message.
    pub(crate) queue: Option<String>,
    /// The exchange that the message was first published to.
    pub(crate) exchange: Option<String>,
    /// The routing key under which the message was first published.
    pub(crate) key: Option<String>,
    /// Why the message was moved on, for people.
    pub(crate) reason: Option<String>,
    /// The kind of failure, for code.
    pub(crate) kind: Option<String>,
}

impl Record {
    /// Reads the record from a message's headers; invalid values are ignored.
    pub(super) fn read(properties: &BasicProperties) -> Self {
        let named = |header| read(properties, header, 255);
        let attempts = match value(properties, ATTEMPT) {
            Some(AMQPValue::LongInt(n)) => u32::try_from(*n).unwrap_or_default(),
            _ => 0,
        };
        let broker = || {
            let why = named("x-first-death-reason")?;
            Some(format!("dead-lettered by the broker: {why}"))
        };
        let reason = match value(properties, REASON) {
            Some(AMQPValue::LongString(long)) => {
                let long = String::from_utf8_lossy(long.as_bytes());
                Some(cut(&long, MAX_REASON).to_owned())
            }
            _ => None,
        };
        Self {
            attempts,
            queue: named(ORIGINAL_QUEUE).or_else(|| named("x-first-death-queue")),
            exchange: named(ORIGINAL_EXCHANGE).or_else(|| named("x-first-death-exchange")),
            key: named(ORIGINAL_KEY),
            reason: reason.or_else(broker),
            kind: named(KIND),
        }
    }

    /// The properties that a message moves on with: the producer's properties that identify it, and
    /// our headers. `user` is the user that moves it: the broker refuses any user id but the
    /// connection's own, which proves the record's author.
    pub(super) fn write(&self, producer: &BasicProperties, user: &str) -> BasicProperties {
        let mut headers = FieldTable::default();
        let attempts = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        headers.insert(ATTEMPT.into(), AMQPValue::LongInt(attempts));
        for (header, value) in [
            (ORIGINAL_QUEUE, &self.queue),
            (ORIGINAL_EXCHANGE, &self.exchange),
            (ORIGINAL_KEY, &self.key),
            (KIND, &self.kind),
        ] {
            if let Some(value) = value {
                headers.insert(header.into(), text(cut(value, 255)));
            }
        }
        if let Some(reason) = &self.reason {
            headers.insert(REASON.into(), text(cut(reason, MAX_REASON)));
        }
        if let Some(trace) = trace(producer) {
            headers.insert(TRACEPARENT.into(), text(&trace.to_string()));
        }
        if let Some(signature) = signature(producer) {
            headers.insert(SIGNATURE.into(), text(&signature));
        }
        // the expiration is not kept: a message that expires in `failed` would be lost
        let mut kept = BasicProperties::default()
            .with_headers(headers)
            .with_delivery_mode(2)
            .with_user_id(short(user));
        if let Some(id) = producer.message_id() {
            kept = kept.with_message_id(id.clone());
        }
        if let Some(kind) = producer.kind() {
            kept = kept.with_type(kind.clone());
        }
        if let Some(content_type) = producer.content_type() {
            kept = kept.with_content_type(content_type.clone());
        }
        if let Some(encoding) = producer.content_encoding() {
            kept = kept.with_content_encoding(encoding.clone());
        }
        if let Some(correlation) = producer.correlation_id() {
            kept = kept.with_correlation_id(correlation.clone());
        }
        if let Some(app) = producer.app_id() {
            kept = kept.with_app_id(app.clone());
        }
        if let Some(timestamp) = producer.timestamp() {
            kept = kept.with_timestamp(*timestamp);
        }
        kept
    }
}

/// The trace that a message belongs to.
pub(super) fn trace(properties: &BasicProperties) -> Option<TraceRef> {
    read(properties, TRACEPARENT, 255)?.parse().ok()
}

/// The signature of the body, not yet verified.
pub(super) fn signature(properties: &BasicProperties) -> Option<String> {
    read(properties, SIGNATURE, MAX_SIGNATURE)
}

/// `properties` without the signature, for a changed body.
pub(super) fn unsigned(properties: &BasicProperties) -> BasicProperties {
    let Some(headers) = properties.headers() else {
        return properties.clone();
    };
    let kept = headers.inner().iter();
    let kept = kept.filter(|(name, _)| name.as_str() != SIGNATURE);
    let kept: std::collections::BTreeMap<_, _> =
        kept.map(|(k, v)| (k.clone(), v.clone())).collect();
    properties.clone().with_headers(FieldTable::from(kept))
}

fn value<'a>(properties: &'a BasicProperties, header: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(header)
}

/// A text header of at most `most` bytes; any other value counts as absent.
fn read(properties: &BasicProperties, header: &str, most: usize) -> Option<String> {
    match value(properties, header)? {
        AMQPValue::LongString(long) if long.len() <= most => {
            String::from_utf8(long.as_bytes().to_vec()).ok()
        }
        AMQPValue::ShortString(short) => Some(short.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headed(headers: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_headers(table)
    }

    #[test]
    fn an_invalid_header_counts_as_absent() {
        let long = "a".repeat(300);
        for value in [
            text(&long),
            AMQPValue::LongInt(1),
            AMQPValue::ByteArray(b"q".to_vec().into()),
            AMQPValue::LongString(vec![0xFF].into()),
            AMQPValue::Void,
        ] {
            let record = Record::read(&headed(&[
                (ORIGINAL_QUEUE, value.clone()),
                (ORIGINAL_KEY, value),
            ]));
            assert_eq!((record.queue, record.key), (None, None));
        }
        for value in [AMQPValue::LongInt(-1), AMQPValue::LongLongInt(5), text("3")] {
            assert_eq!(Record::read(&headed(&[(ATTEMPT, value)])).attempts, 0);
        }
    }

    #[test]
    fn a_reason_is_cut_at_a_kilobyte_between_characters() {
        let record = Record {
            attempts: 1,
            queue: Some("q".to_owned()),
            exchange: None,
            key: None,
            reason: Some("ä".repeat(1_000)),
            kind: None,
        };
        let read = Record::read(&record.write(&BasicProperties::default(), "shop"));
        assert_eq!(read.reason.unwrap(), "ä".repeat(512));
        let foreign = Record::read(&headed(&[(REASON, text(&"b".repeat(5_000)))]));
        assert_eq!(foreign.reason.unwrap().len(), MAX_REASON);
    }

    #[test]
    fn a_message_moves_on_with_our_headers_and_no_others() {
        let producer = headed(&[
            ("pad", text(&"p".repeat(130_000))),
            ("x-death", AMQPValue::FieldArray(vec![text("q")].into())),
            (
                TRACEPARENT,
                text("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"),
            ),
            (SIGNATURE, text("a..b")),
        ]);
        let producer = producer
            .with_message_id("1".into())
            .with_expiration("1".into())
            .with_reply_to("r".into());
        let record = Record {
            attempts: 2,
            queue: Some("q".to_owned()),
            exchange: Some("e".to_owned()),
            key: Some("k".to_owned()),
            reason: Some("r".to_owned()),
            kind: Some("f".to_owned()),
        };
        let written = record.write(&producer, "worker");
        let names: Vec<_> = written
            .headers()
            .as_ref()
            .unwrap()
            .inner()
            .keys()
            .map(ShortString::as_str)
            .collect();
        let ours = [
            TRACEPARENT,
            ATTEMPT,
            KIND,
            ORIGINAL_EXCHANGE,
            ORIGINAL_QUEUE,
            ORIGINAL_KEY,
            REASON,
            SIGNATURE,
        ];
        assert_eq!(names, ours);
        assert_eq!(Record::read(&written), record);
        assert_eq!(written.message_id().as_ref().unwrap().as_str(), "1");
        assert_eq!(written.user_id().as_ref().unwrap().as_str(), "worker");
        assert!(written.expiration().is_none() && written.reply_to().is_none());
        assert!(signature(&unsigned(&written)).is_none());
    }

    #[test]
    fn a_name_of_any_length_becomes_a_name() {
        assert_eq!(short(&"n".repeat(300)).as_str().len(), 255);
        assert_eq!(short("queue").as_str(), "queue");
    }
}
