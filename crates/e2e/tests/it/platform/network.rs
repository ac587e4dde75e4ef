//! Network policies: each flow of ARCHITECTURE.md is checked against the rendered policies of each
//! overlay, as a network plugin reads them. Each needed flow is allowed, and each allowed flow is
//! needed.

use std::{collections::BTreeSet, net::Ipv4Addr};

use regex::Regex;
use serde_json::Value;

use super::{
    files::read,
    rendered::{Labels, Overlay, items, labels, name},
};

/// From, to and port.
type Flow = (String, String, u64);

/// One end of a connection: a pod of ours, a pod of another namespace, or an address.
struct End {
    /// The name used in the table.
    name: String,
    namespace: &'static str,
    labels: Labels,
    address: Option<Ipv4Addr>,
}

const OURS: &str = "shop-system";

/// Pods of other namespaces that might talk to the shop, by the labels of their own manifests,
/// including some that must never be admitted.
const FOREIGN: [(&str, &str, &str); 7] = [
    ("ingress-nginx", "app.kubernetes.io/name", "ingress-nginx"),
    ("monitoring", "app.kubernetes.io/name", "prometheus"),
    ("keda", "app", "keda-operator"),
    ("cnpg-system", "app.kubernetes.io/name", "cloudnative-pg"),
    (
        "rabbitmq-system",
        "app.kubernetes.io/component",
        "rabbitmq-operator",
    ),
    ("default", "app", "stranger"),
    ("kube-system", "k8s-app", "metrics-server"),
];

/// Addresses: a machine on the internet, the API server and others in the cluster's own networks,
/// and the cloud's metadata service, which hands out credentials.
const ADDRESSES: [(&str, Ipv4Addr); 3] = [
    ("outside", Ipv4Addr::new(203, 0, 113, 10)),
    ("inside", Ipv4Addr::new(10, 96, 0, 1)),
    ("metadata", Ipv4Addr::new(169, 254, 169, 254)),
];

/// The pods that the operators of PostgreSQL and RabbitMQ create, with their documented labels:
/// members, and the Job by which a PostgreSQL member is initialised or joins.
fn of_operators(overlay: &Overlay) -> Vec<(String, Labels)> {
    let mut pods = Vec::new();
    for cluster in overlay.of_kind("Cluster") {
        let mut inherited = labels(&cluster["spec"]["inheritedMetadata"]["labels"]);
        inherited.insert("cnpg.io/cluster".to_owned(), name(cluster).to_owned());
        let mut member = inherited.clone();
        member.insert("cnpg.io/podRole".to_owned(), "instance".to_owned());
        let mut job = inherited;
        job.insert("cnpg.io/jobRole".to_owned(), "join".to_owned());
        pods.extend([
            ("postgres".to_owned(), member),
            ("postgres".to_owned(), job),
        ]);
    }
    for cluster in overlay.of_kind("RabbitmqCluster") {
        let label = |key: &str, value: &str| (format!("app.kubernetes.io/{key}"), value.to_owned());
        let member = [
            label("name", name(cluster)),
            label("component", "rabbitmq"),
            label("part-of", "rabbitmq"),
        ];
        pods.push(("rabbitmq".to_owned(), member.into()));
    }
    pods
}

fn ends(overlay: &Overlay) -> Vec<End> {
    let own = overlay
        .pods()
        .into_iter()
        .map(|pod| (pod.labels["app.kubernetes.io/name"].clone(), pod.labels));
    let own = own.chain(of_operators(overlay)).map(|(name, labels)| End {
        name,
        namespace: OURS,
        labels,
        address: None,
    });
    let foreign = FOREIGN.iter().map(|(namespace, key, value)| End {
        name: (*namespace).to_owned(),
        namespace,
        labels: [((*key).to_owned(), (*value).to_owned())].into(),
        address: None,
    });
    let addresses = ADDRESSES.iter().map(|(name, address)| End {
        name: (*name).to_owned(),
        namespace: "",
        labels: Labels::new(),
        address: Some(*address),
    });
    own.chain(foreign).chain(addresses).collect()
}

fn selects(selector: &Value, labels: &Labels) -> bool {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let mut exact = exact.map(|(key, value)| labels.get(key).map(String::as_str) == value.as_str());
    let mut expressions = items(&selector["matchExpressions"]).map(|expression| {
        let value = labels.get(expression["key"].as_str().unwrap());
        let listed = || {
            items(&expression["values"]).any(|listed| listed.as_str() == value.map(String::as_str))
        };
        match expression["operator"].as_str().unwrap() {
            "In" => value.is_some() && listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            operator => panic!("{operator} is no operator"),
        }
    });
    exact.all(|holds| holds) && expressions.all(|holds| holds)
}

fn contains(cidr: &str, address: Ipv4Addr) -> bool {
    let (network, bits) = cidr.split_once('/').unwrap();
    let network: Ipv4Addr = network.parse().unwrap();
    let bits: u32 = bits.parse().unwrap();
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    network.to_bits() & mask == address.to_bits() & mask
}

/// Whether a peer of a rule matches this end. An address block applies to addresses outside of the
/// cluster.
fn is(peer: &Value, end: &End) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let within = |cidr: &Value| {
            end.address
                .is_some_and(|address| contains(cidr.as_str().unwrap(), address))
        };
        return within(&block["cidr"]) && !items(&block["except"]).any(within);
    }
    let namespace = [(
        "kubernetes.io/metadata.name".to_owned(),
        end.namespace.to_owned(),
    )];
    let there = match peer.get("namespaceSelector") {
        Some(selector) => selects(selector, &namespace.into()),
        None => end.namespace == OURS,
    };
    let pod = peer
        .get("podSelector")
        .is_none_or(|selector| selects(selector, &end.labels));
    end.address.is_none() && there && pod
}

fn opens(rule: &Value, port: u64) -> bool {
    let Some(ports) = rule["ports"].as_array() else {
        return true;
    };
    ports.iter().any(|open| {
        let first = open["port"].as_u64().expect("ports are numbers");
        let last = open["endPort"].as_u64().unwrap_or(first);
        open["protocol"].as_str().unwrap_or("TCP") == "TCP" && (first..=last).contains(&port)
    })
}

/// One direction: whether the policies of a pod let it reach (or be reached by) the other end. A
/// pod that no policy selects is open.
fn lets(policies: &[&Value], pod: &End, other: &End, port: u64, direction: &str) -> bool {
    if pod.namespace != OURS {
        return true;
    }
    let (field, side) = match direction {
        "Egress" => ("egress", "to"),
        _ => ("ingress", "from"),
    };
    let mut selected = policies.iter().filter(|policy| {
        items(&policy["spec"]["policyTypes"]).any(|kind| kind == direction)
            && selects(&policy["spec"]["podSelector"], &pod.labels)
    });
    if selected.clone().next().is_none() {
        return true;
    }
    selected.any(|policy| {
        items(&policy["spec"][field]).any(|rule| {
            let peers = rule[side].as_array();
            let peer = peers.is_none_or(|peers| peers.iter().any(|peer| is(peer, other)));
            peer && opens(rule, port)
        })
    })
}

fn allowed(policies: &[&Value], from: &End, to: &End, port: u64) -> bool {
    lets(policies, from, to, port, "Egress") && lets(policies, to, from, port, "Ingress")
}

/// The rows of the table for an overlay: `| from | to:port, to:port | overlays |`.
fn needed(overlay: &str) -> BTreeSet<Flow> {
    let text = read("ARCHITECTURE.md");
    let (_, rest) = text.split_once("## Who talks to whom").unwrap();
    let rest = rest.split("\n## ").next().unwrap();
    let cells = |row: &str| -> Vec<String> {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    let rows = rest.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(cells).filter(|row| row[2].contains(overlay));
    let flows = rows.flat_map(|row| {
        let to: Vec<_> = row[1].split(", ").map(str::to_owned).collect();
        to.into_iter().map(move |to| {
            let (to, port) = to
                .rsplit_once(':')
                .unwrap_or_else(|| panic!("{to} has no port"));
            (row[0].clone(), to.to_owned(), port.parse().unwrap())
        })
    });
    flows.collect()
}

/// Every port in the table or in a policy, and some that nothing should reach.
fn ports(policies: &[&Value], needed: &BTreeSet<Flow>) -> BTreeSet<u64> {
    let mut ports: BTreeSet<u64> = needed.iter().map(|flow| flow.2).collect();
    for policy in policies {
        for field in ["ingress", "egress"] {
            let rules = items(&policy["spec"][field]);
            for open in rules.flat_map(|rule| items(&rule["ports"])) {
                ports.extend(open["port"].as_u64());
                ports.extend(open["endPort"].as_u64());
            }
        }
    }
    ports.extend([22, 80, 443, 8443, 9090]);
    ports.remove(&53); // every pod resolves names
    ports
}

#[test]
fn every_needed_flow_is_allowed_and_no_other() {
    for overlay in Overlay::all() {
        let needed = needed(&overlay.name);
        assert!(needed.len() > 25, "{needed:?}");
        let policies: Vec<_> = overlay.of_kind("NetworkPolicy").collect();
        let ends = ends(&overlay);
        let mut open = BTreeSet::new();
        let mut walked = BTreeSet::new();
        for from in &ends {
            for to in ends
                .iter()
                .filter(|to| from.namespace == OURS || to.namespace == OURS)
            {
                for port in ports(&policies, &needed) {
                    let flow = (from.name.clone(), to.name.clone(), port);
                    if allowed(&policies, from, to, port) {
                        open.insert(flow.clone());
                    } else {
                        // if several pods have this name (members, a Job that joins), each must be
                        // allowed
                        assert!(
                            !needed.contains(&flow),
                            "{}: {flow:?} is needed, and the policies drop it ({:?} to {:?})",
                            overlay.name,
                            from.labels,
                            to.labels
                        );
                    }
                    walked.insert(flow);
                }
            }
        }
        let unknown: Vec<_> = needed.difference(&walked).collect();
        assert!(
            unknown.is_empty(),
            "{}: no such pods: {unknown:?}",
            overlay.name
        );
        let needless: Vec<_> = open.difference(&needed).collect();
        assert!(
            needless.is_empty(),
            "{}: allowed, and no row of ARCHITECTURE.md needs it: {needless:?}",
            overlay.name
        );
    }
}

#[test]
fn every_pod_is_closed_in_both_directions_but_for_names() {
    for overlay in Overlay::all() {
        let policies: Vec<_> = overlay.of_kind("NetworkPolicy").collect();
        let closed = overlay.get("NetworkPolicy", "default-deny");
        assert_eq!(closed["spec"]["podSelector"], serde_json::json!({}));
        let dns = End {
            name: "dns".to_owned(),
            namespace: "kube-system",
            labels: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
            address: None,
        };
        for end in ends(&overlay).iter().filter(|end| end.namespace == OURS) {
            assert!(allowed(&policies, end, &dns, 53), "{}", end.name);
            let selected = policies
                .iter()
                .filter(|policy| selects(&policy["spec"]["podSelector"], &end.labels));
            let kinds: BTreeSet<_> = selected
                .flat_map(|policy| items(&policy["spec"]["policyTypes"]))
                .filter_map(Value::as_str)
                .collect();
            assert_eq!(kinds.len(), 2, "{}", end.name);
        }
    }
}

/// Each address that a process gets, by a variable or in a file that it reads.
fn addresses(overlay: &Overlay) -> Vec<(String, String, u64)> {
    let url = Regex::new(r"^([a-z]+)://(?:[^@/\s]*@)?([a-z0-9.-]+)(?::(\d+))?").unwrap();
    let mut found = Vec::new();
    for pod in overlay.pods() {
        let container = &pod.spec["containers"][0];
        let mut texts: Vec<String> = items(&container["env"])
            .filter_map(|variable| variable["value"].as_str().map(str::to_owned))
            .collect();
        for volume in items(&pod.spec["volumes"]) {
            let Some(secret) = volume["secret"]["secretName"].as_str() else {
                continue;
            };
            let Some(secret) = overlay.find("Secret", secret) else {
                continue;
            };
            let chosen: BTreeSet<_> = items(&volume["secret"]["items"])
                .filter_map(|item| item["key"].as_str())
                .collect();
            let values = secret["data"].as_object().unwrap().iter();
            texts.extend(
                values
                    .filter(|(key, _)| chosen.is_empty() || chosen.contains(key.as_str()))
                    .map(|(_, value)| decoded(value.as_str().unwrap())),
            );
        }
        for text in texts {
            if let Some(parts) = url.captures(text.trim()) {
                let scheme = match &parts[1] {
                    "http" => 80,
                    "https" => 443,
                    _ => 0,
                };
                let port = parts
                    .get(3)
                    .map_or(scheme, |port| port.as_str().parse().unwrap());
                let name = pod.labels["app.kubernetes.io/name"].clone();
                found.push((name, parts[2].to_owned(), port));
            }
        }
    }
    found
}

/// Base64, as Secrets have it.
fn decoded(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let Some(value) = alphabet.iter().position(|known| *known == letter) else {
            continue; // long values are wrapped
        };
        bits = bits << 6 | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn every_configured_address_is_a_reachable_service() {
    let overlay = Overlay::read("local");
    let policies: Vec<_> = overlay.of_kind("NetworkPolicy").collect();
    let ends = ends(&overlay);
    let addresses = addresses(&overlay);
    assert!(addresses.len() > 20, "{addresses:?}");
    let settings = labels(&overlay.get("ConfigMap", "settings")["data"]);
    assert_eq!(settings["PAYMENTS_URL"], "http://payments:8081");
    for (from, host, port) in addresses {
        let service = overlay.get("Service", &host);
        let listed = items(&service["spec"]["ports"]).find(|listed| listed["port"] == port);
        let listed = listed.unwrap_or_else(|| panic!("service {host} has no port {port}"));
        let selector = serde_json::json!({ "matchLabels": service["spec"]["selector"] });
        let behind = overlay
            .pods()
            .into_iter()
            .find(|pod| selects(&selector, &pod.labels))
            .unwrap_or_else(|| panic!("service {host} has no pods"));
        let target = items(&behind.spec["containers"][0]["ports"])
            .find(|port| port["name"] == listed["targetPort"])
            .and_then(|port| port["containerPort"].as_u64())
            .unwrap_or_else(|| panic!("service {host}: no container has {}", listed["targetPort"]));
        let end = |name: &str| ends.iter().find(|end| end.name == name).unwrap();
        let to = end(&behind.labels["app.kubernetes.io/name"]);
        assert!(
            allowed(&policies, end(&from), to, target),
            "{from} is told of {host}:{port}, and may not reach it"
        );
    }
}

#[test]
fn mails_leave_by_the_ports_of_both_documented_schemes() {
    let overlay = Overlay::read("production");
    let policies: Vec<_> = overlay.of_kind("NetworkPolicy").collect();
    let ends = ends(&overlay);
    let end = |name: &str| ends.iter().find(|end| end.name == name).unwrap();
    let page = read("docs/configuration.md");
    for (scheme, port) in [("smtp://", 587), ("smtps://", 465)] {
        assert!(page.contains(scheme), "{scheme} is documented");
        let out = |to: &str| allowed(&policies, end("worker-async"), end(to), port);
        assert!(out("outside"), "{scheme} leaves by {port}");
        assert!(!out("inside") && !out("metadata"), "{scheme}");
    }
}

#[test]
fn three_members_of_each_server_form_a_cluster() {
    let overlay = Overlay::read("production");
    let policies: Vec<_> = overlay.of_kind("NetworkPolicy").collect();
    let ends = ends(&overlay);
    for (kind, members, name, ports) in [
        ("Cluster", "instances", "postgres", &[5432, 8000][..]),
        // including the ports of rabbitmqctl
        (
            "RabbitmqCluster",
            "replicas",
            "rabbitmq",
            &[4369, 25672, 35672, 35677, 35682],
        ),
    ] {
        let cluster = overlay.get(kind, name);
        assert_eq!(cluster["spec"][members], 3, "{kind}");
        let pods: Vec<_> = ends.iter().filter(|end| end.name == name).collect();
        assert!(!pods.is_empty(), "{kind}");
        for port in ports {
            for from in &pods {
                for to in &pods {
                    assert!(allowed(&policies, from, to, *port), "{name}:{port}");
                }
            }
        }
    }
}
