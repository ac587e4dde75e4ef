//! Who may talk to whom: the table of ARCHITECTURE.md is what Kubernetes is told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files::read, manifests};

/// From, to and port.
type Arrow = (String, String, u64);

/// The rows of the table: `| from | to:port, to:port |`.
fn of_the_map() -> BTreeSet<Arrow> {
    let text = read("ARCHITECTURE.md");
    let (_, rest) = text.split_once("## Who talks to whom").unwrap();
    let rest = rest.split("\n## ").next().unwrap();
    let cells = |row: &str| -> Vec<String> {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    let rows = rest.lines().filter(|line| line.starts_with("| `"));
    let arrows = rows.map(cells).flat_map(|row| {
        let to: Vec<_> = row[1].split(", ").map(str::to_owned).collect();
        to.into_iter().map(move |to| {
            let (to, port) = to
                .rsplit_once(':')
                .unwrap_or_else(|| panic!("{to} has no port"));
            (row[0].clone(), to.to_owned(), port.parse().unwrap())
        })
    });
    arrows.collect()
}

/// What a rule lets in or out: pods of ours by their name, others by their namespace.
fn peers(rule: &Value, side: &str) -> Vec<String> {
    let peers = rule[side]
        .as_array()
        .expect("a rule names its peers")
        .iter();
    let peer = |peer: &Value| {
        let pod = &peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"];
        let namespace = &peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
        let name = pod.as_str().or(namespace.as_str());
        name.unwrap_or_else(|| panic!("{peer} is anybody"))
            .to_owned()
    };
    peers.map(peer).collect()
}

fn ports(rule: &Value) -> Vec<u64> {
    let ports = rule["ports"]
        .as_array()
        .expect("a rule names its ports")
        .iter();
    ports.map(|port| port["port"].as_u64().unwrap()).collect()
}

#[test]
fn network_policies_are_the_arrows_of_the_map() {
    let (mut out, mut into) = (BTreeSet::new(), BTreeSet::new());
    let mut named = BTreeSet::new();
    for policy in manifests("base") {
        if policy["kind"] != "NetworkPolicy" {
            continue;
        }
        let name = policy["metadata"]["name"].as_str().unwrap().to_owned();
        let spec = &policy["spec"];
        if name == "default-deny" {
            assert_eq!(
                spec["policyTypes"],
                serde_json::json!(["Ingress", "Egress"])
            );
            assert_eq!(spec["podSelector"], serde_json::json!({}));
            assert!(spec.get("ingress").is_none() && spec.get("egress").is_none());
            continue;
        }
        if name == "dns" {
            continue;
        }
        let pod = spec["podSelector"]["matchLabels"]["app.kubernetes.io/name"].as_str();
        assert_eq!(pod, Some(name.as_str()));
        let rules = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
        for rule in rules("egress") {
            for (to, port) in peers(&rule, "to")
                .into_iter()
                .flat_map(|to| ports(&rule).into_iter().map(move |port| (to.clone(), port)))
            {
                out.insert((name.clone(), to, port));
            }
        }
        for rule in rules("ingress") {
            for (from, port) in peers(&rule, "from").into_iter().flat_map(|from| {
                ports(&rule)
                    .into_iter()
                    .map(move |port| (from.clone(), port))
            }) {
                into.insert((from, name.clone(), port));
            }
        }
        named.insert(name);
    }
    let map = of_the_map();
    assert!(map.len() > 30, "{map:?}");
    // an arrow leaves where we have a pod, and arrives where we have one
    let leaves = |arrow: &&Arrow| named.contains(&arrow.0);
    let arrives = |arrow: &&Arrow| named.contains(&arrow.1);
    assert_eq!(out, map.iter().filter(leaves).cloned().collect());
    assert_eq!(into, map.iter().filter(arrives).cloned().collect());
}
