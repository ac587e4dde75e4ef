//! The signing keys of each process: a stolen worker must not be able to make an administrator.

use std::collections::BTreeMap;

use super::{
    compose, files,
    rendered::{Overlay, items},
    strings,
};

const KEYS: [&str; 3] = [
    "token_signing_key.pem",
    "service_signing_key.pem",
    "event_signing_key.pem",
];

/// The keys of each process; a process that is not listed has none.
fn expected() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("api", vec![KEYS[0], KEYS[1]]),
        ("payments", vec![KEYS[2]]),
        ("shopctl", vec![KEYS[1]]),
        ("worker-async", vec![KEYS[1]]),
        ("worker-payments", vec![KEYS[1]]),
        ("worker-saga", vec![KEYS[1]]),
    ])
}

fn of<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    let names: Vec<_> = names.collect();
    let has = |key: &&'static str| names.iter().any(|name| name.ends_with(*key));
    KEYS.into_iter().filter(has).collect()
}

#[test]
fn a_composed_process_has_only_its_own_signing_keys() {
    let mut found = BTreeMap::new();
    for file in compose::FILES {
        let composed = files::composed(file);
        for (name, service) in composed["services"].as_object().unwrap() {
            let given = strings(&service["secrets"]);
            let keys = of(given.iter().map(String::as_str));
            if !keys.is_empty() {
                found.insert(name.clone(), keys);
            }
        }
    }
    let expected = expected().into_iter();
    let expected: BTreeMap<_, _> = expected
        .map(|(name, keys)| (name.to_owned(), keys))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_pod_has_the_keys_that_it_signs_with_alone() {
    for overlay in Overlay::all() {
        let mut found = BTreeMap::new();
        for pod in overlay.pods() {
            let container = &pod.spec["containers"][0];
            let given = items(&container["env"]).filter_map(|one| one["value"].as_str());
            let keys = of(given);
            if !keys.is_empty() {
                found.insert(container["name"].as_str().unwrap().to_owned(), keys);
            }
        }
        let expected = expected().into_iter();
        let expected: BTreeMap<_, _> = expected
            .map(|(name, keys)| (name.to_owned(), keys))
            .collect();
        assert_eq!(found, expected, "{}", overlay.name);
        // the local overlay creates the Secrets itself
        for (process, keys) in &expected {
            let Some(secret) = overlay.find("Secret", process) else {
                continue;
            };
            let held = secret["data"].as_object().unwrap().keys();
            assert_eq!(&of(held.map(String::as_str)), keys, "{process}");
        }
    }
}
