//! RabbitMQ has the same configuration wherever it runs.

use std::collections::BTreeMap;

use super::{files::read, rendered::Overlay};

/// The lines `key = value` of a configuration.
fn settings(config: &str) -> BTreeMap<&str, &str> {
    let lines = config.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = ")).collect()
}

#[test]
fn every_platform_and_the_tests_configure_rabbitmq_alike() {
    let composed = read("docker/rabbitmq.conf");
    let composed = settings(&composed);
    assert!(composed.contains_key("max_message_size"));
    // memory and disk limits depend on the machine, not on the system
    let shared = composed
        .iter()
        .filter(|(key, _)| !key.ends_with(".absolute"));
    for overlay in Overlay::all() {
        let config = match overlay.find("RabbitmqCluster", "rabbitmq") {
            Some(cluster) => cluster["spec"]["rabbitmq"]["additionalConfig"].clone(),
            None => overlay.get("ConfigMap", "rabbitmq-config")["data"]["20-shop.conf"].clone(),
        };
        let deployed = settings(config.as_str().unwrap());
        for (key, value) in shared.clone() {
            assert_eq!(deployed.get(key), Some(value), "{}: {key}", overlay.name);
        }
    }
    let limit = format!("max_message_size = {}", composed["max_message_size"]);
    assert!(read("crates/servers/src/rabbitmq.rs").contains(&limit));
}
