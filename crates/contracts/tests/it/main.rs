//! The AsyncAPI document says what the types say.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{collections::BTreeSet, fs, path::Path};

use contracts::{
    command::Command,
    payment_event::{Outcome, PaymentEvent},
    topology::{BINDINGS, MESSAGES, PAYMENTS_EVENTS},
};
use serde_json::{Map, Value};

fn document() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi/shop.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The names of the messages of a channel; each must lead to a message of that name.
fn messages(document: &Value, channel: &str) -> BTreeSet<String> {
    let messages = &document["channels"][channel]["messages"];
    let messages = messages.as_object().unwrap().iter();
    messages
        .map(|(name, reference)| {
            let reference = reference["$ref"].as_str().unwrap();
            assert_eq!(reference, format!("#/components/messages/{name}"));
            assert_eq!(document["components"]["messages"][name]["name"], **name);
            name.clone()
        })
        .collect()
}

/// The type that a channel carries reads this body and writes it again; `None` if it cannot.
fn read_back(channel: &str, body: &Map<String, Value>) -> Option<(String, Value)> {
    let body = Value::Object(body.clone());
    if channel == PAYMENTS_EVENTS {
        let event: PaymentEvent = serde_json::from_value(body).ok()?;
        let key = event.outcome.routing_key().to_owned();
        Some((key, serde_json::to_value(event).unwrap()))
    } else {
        let command: Command = serde_json::from_value(body).ok()?;
        let key = command.name().to_owned();
        Some((key, serde_json::to_value(command).unwrap()))
    }
}

#[test]
fn the_channels_carry_what_is_bound() {
    let document = document();
    for channel in [PAYMENTS_EVENTS, MESSAGES] {
        let bound = BINDINGS
            .iter()
            .filter(|(exchange, ..)| *exchange == channel);
        let bound: BTreeSet<_> = bound.map(|(.., key)| (*key).to_owned()).collect();
        assert_eq!(messages(&document, channel), bound);
        assert_eq!(document["channels"][channel]["address"], channel);
    }
    let outcomes = [Outcome::Completed, Outcome::Canceled].map(Outcome::routing_key);
    let commands = Command::NAMES;
    let all = document["components"]["messages"].as_object().unwrap();
    assert_eq!(all.len(), outcomes.len() + commands.len());
}

#[test]
fn each_payload_has_exactly_the_fields_of_its_type() {
    let document = document();
    for channel in [PAYMENTS_EVENTS, MESSAGES] {
        for name in messages(&document, channel) {
            let message = &document["components"]["messages"][&name];
            let required = message["payload"]["required"].as_array().unwrap();
            let required: BTreeSet<_> = required.iter().map(|it| it.as_str().unwrap()).collect();
            let properties = message["payload"]["properties"].as_object().unwrap();
            let fields: BTreeSet<_> = properties.keys().map(String::as_str).collect();
            let examples = message["examples"].as_array().unwrap();
            let examples = examples.iter().map(|it| it["payload"].as_object().unwrap());
            let mut shown = BTreeSet::new();
            for example in examples {
                shown.extend(example.keys().map(String::as_str));
                let (key, written) = read_back(channel, example).unwrap();
                assert_eq!((&key, &written), (&name, &Value::Object(example.clone())));
                for field in example.keys() {
                    let mut without = example.clone();
                    without.remove(field);
                    let needed = read_back(channel, &without).is_none();
                    assert_eq!(needed, required.contains(field.as_str()), "{name}: {field}");
                }
            }
            assert_eq!(shown, fields, "{name}: an example shows every field");
        }
    }
}
