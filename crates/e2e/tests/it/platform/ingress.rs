//! The requests that the ingress admits: for payments, only those of payers. Every annotation is
//! one that the controller knows.

use serde_json::Value;

use super::{
    files::read,
    rendered::{Overlay, items},
};

/// The service behind a path, chosen as Kubernetes does: an exact rule, then the longest prefix.
fn backend<'a>(rule: &'a Value, path: &str) -> Option<&'a str> {
    let matching = items(&rule["http"]["paths"]).filter_map(|one| {
        let known = one["path"].as_str()?;
        let rank = match one["pathType"].as_str()? {
            "Exact" => (path == known).then_some(usize::MAX),
            "Prefix" => {
                let below = path.strip_prefix(known.trim_end_matches('/'))?;
                (below.is_empty() || below.starts_with('/')).then_some(known.len())
            }
            other => panic!("{other} is not decided by Kubernetes"),
        };
        Some((rank?, one["backend"]["service"]["name"].as_str()?))
    });
    matching.max_by_key(|(rank, _)| *rank).map(|(_, name)| name)
}

#[test]
fn only_the_calls_of_payers_lead_to_payments() {
    let document: Value = serde_json::from_str(&read("docs/openapi/payments.json")).unwrap();
    for overlay in Overlay::all() {
        let ingress = overlay.get("Ingress", "shop");
        let payments = items(&ingress["spec"]["rules"])
            .find(|rule| rule["host"].as_str().unwrap().starts_with("payments."))
            .unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let mut operations = operations.as_object().unwrap().values();
            let payers = operations.all(|operation| operation["tags"][0] == "payer");
            let id = "01996e0e-0000-7000-8000-000000000001";
            let leads_to = backend(payments, &path.replace("{id}", id));
            let reached = leads_to == Some("payments");
            assert_eq!(
                reached, payers,
                "{}: {path} leads to {leads_to:?}",
                overlay.name
            );
        }
        for path in [
            "/",
            "/docs",
            "/docs/index.html",
            "/openapi.json",
            "/metrics",
        ] {
            assert_eq!(backend(payments, path), None, "{}: {path}", overlay.name);
        }
    }
}

/// The controller refuses a larger body with a page of HTML; the servers behind it, with a problem
/// document.
#[test]
fn an_ingress_leaves_large_bodies_to_its_servers() {
    let config = read("frontend/nginx/nginx.conf");
    let (_, limit) = config.split_once("client_max_body_size ").unwrap();
    let (limit, _) = limit.split_once("k;").unwrap();
    let limit = limit.parse::<u64>().unwrap() << 10;
    for overlay in Overlay::all() {
        let ingress = overlay.get("Ingress", "shop");
        let annotations = &ingress["metadata"]["annotations"];
        let size = &annotations["nginx.ingress.kubernetes.io/proxy-body-size"];
        // the controller's default is 1m
        let size = size.as_str().unwrap_or("1m");
        let mebibytes = size
            .strip_suffix('m')
            .map(|size| size.parse::<u64>().unwrap());
        let allowed = mebibytes.unwrap_or(0) << 20;
        assert!(allowed > limit, "{}: {size}", overlay.name);
    }
}

#[test]
fn every_ingress_annotation_exists_at_its_controller() {
    // the annotations that we use, from
    // https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations
    const KNOWN: [&str; 2] = [
        "nginx.ingress.kubernetes.io/proxy-body-size",
        "nginx.ingress.kubernetes.io/proxy-read-timeout",
    ];
    for overlay in Overlay::all() {
        for ingress in overlay.of_kind("Ingress") {
            let annotations = ingress["metadata"]["annotations"].as_object();
            for name in annotations.into_iter().flatten().map(|(name, _)| name) {
                assert!(KNOWN.contains(&name.as_str()), "{}: {name}", overlay.name);
            }
        }
    }
}
