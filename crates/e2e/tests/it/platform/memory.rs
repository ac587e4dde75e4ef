//! Requests and limits of the rendered manifests, against a node and against the settings.

use std::{collections::BTreeMap, path::Path};

use regex::Regex;

use super::{
    files::{below, read},
    rendered::{Labels, Overlay, bytes, items, labels, millis},
};

/// Processors that kube-system's pods request on a cluster of one node (kind: CoreDNS twice, etcd,
/// API server, controllers, scheduler, the network plugin), an ingress controller's 100m and a
/// metrics server's 100m.
const OTHERS: u64 = 950 + 100 + 100;

#[test]
fn the_local_overlay_fits_two_processors_during_a_rollout() {
    let overlay = Overlay::read("local");
    let (mut processors, mut memory) = (OTHERS, 512 << 20);
    for pod in overlay.pods() {
        let count = match pod.kind.as_str() {
            "Deployment" => overlay.most(&pod.name),
            // doctor, migrate, seed and an operator's command at the same time
            _ => 1,
        };
        for container in pod.containers() {
            let requests = &container["resources"]["requests"];
            processors += count * millis(&requests["cpu"]);
            memory += count * bytes(requests["memory"].as_str().unwrap());
        }
    }
    assert!(processors <= 2000, "{processors}m are asked for");
    assert!(memory <= 4 << 30, "{memory} bytes are asked for");
}

/// The pools that a program's sources open, by name, each with its maximum size; `pool` stands for
/// the setting.
fn pools(program: &str, pool: u64) -> BTreeMap<String, u64> {
    let opened = Regex::new(r#"PoolConfig::new\("([a-z ]+)", ([a-z0-9_.]+)\)"#).unwrap();
    let files = below(&format!("crates/{program}/src"));
    let rust = |file: &&String| Path::new(file).extension().is_some_and(|end| end == "rs");
    let files = files.iter().filter(rust);
    let mut pools = BTreeMap::new();
    for text in files.map(|file| read(file)) {
        for found in opened.captures_iter(&text) {
            let most = match &found[2] {
                "config.database_max_connections" => pool,
                number => number.parse().unwrap(),
            };
            pools.insert(found[1].to_owned(), most);
        }
    }
    assert!(!pools.is_empty(), "{program}");
    pools
}

/// A numeric setting of a program, or its default.
fn setting(program: &str, name: &str, settings: &Labels) -> u64 {
    let page = read("docs/configuration.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with(program));
    let default = Regex::new(&format!(r"\| `{name}` \| `(\d+)` \|")).unwrap();
    let default = default.captures(section.unwrap()).unwrap()[1].to_owned();
    settings.get(name).unwrap_or(&default).parse().unwrap()
}

/// The most connections that one process with this name opens.
fn connections(process: &str, settings: &Labels) -> u64 {
    let shop = |program| setting(program, "SHOP_DATABASE_MAX_CONNECTIONS", settings);
    match process {
        "api" => pools("api", shop("api")).values().sum(),
        "payments" => pools(
            "payments",
            setting("payments", "PAYMENTS_DATABASE_MAX_CONNECTIONS", settings),
        )
        .values()
        .sum(),
        _ => {
            let pools = pools("worker", shop("worker"));
            let own = |(name, most): (&String, &u64)| match name.as_str() {
                "worker" => *most,
                "worker jobs" | "worker stats" | "worker retention"
                    if process == "worker-async" =>
                {
                    *most
                }
                "worker jobs" | "worker stats" | "worker retention" | "migrate" => 0,
                name => panic!("pool {name}: which role opens it?"),
            };
            pools.iter().map(own).sum()
        }
    }
}

/// Connections other than those of the processes: two operators with shopctl, `seed` and doctor
/// (four and two each), `migrate` (two), KEDA's three queries, a database operator's own and its
/// metrics (ten), and three that PostgreSQL reserves for its administrator.
const BESIDE: u64 = 4 * 6 + 2 + 3 + 10 + 3;

/// Memory of one PostgreSQL backend with its prepared statements: 6.8 MiB at most in the end-to-end
/// tests (`Anonymous` of smaps), with a margin.
const BACKEND: u64 = 8 << 20;

#[test]
fn postgres_has_memory_for_every_connection_that_may_be_opened() {
    for overlay in Overlay::all() {
        let settings = labels(&overlay.get("ConfigMap", "settings")["data"]);
        let processes = overlay
            .pods()
            .into_iter()
            .filter(|pod| pod.kind == "Deployment" && pod.is_ours());
        let mut opened = BESIDE;
        for process in processes {
            opened += overlay.most(&process.name) * connections(&process.name, &settings);
        }
        let (most, buffers, limit) = if let Some(cluster) = overlay.find("Cluster", "postgres") {
            let parameters = labels(&cluster["spec"]["postgresql"]["parameters"]);
            (
                parameters["max_connections"].clone(),
                parameters["shared_buffers"].clone(),
                cluster["spec"]["resources"]["limits"]["memory"].clone(),
            )
        } else {
            let server = overlay.get("StatefulSet", "postgres");
            let container = &server["spec"]["template"]["spec"]["containers"][0];
            let argument = |name: &str| {
                let mut values = items(&container["args"])
                    .filter_map(|argument| argument.as_str()?.strip_prefix(name));
                values.next().map(str::to_owned)
            };
            (
                argument("max_connections=").unwrap(),
                argument("shared_buffers=").unwrap_or_else(|| "128MB".to_owned()),
                container["resources"]["limits"]["memory"].clone(),
            )
        };
        let most: u64 = most.parse().unwrap();
        assert!(
            opened <= most,
            "{}: {opened} connections may be opened, max_connections is {most}",
            overlay.name
        );
        let needed = bytes(&buffers) + most * BACKEND;
        let limit = bytes(limit.as_str().unwrap());
        assert!(
            needed <= limit / 10 * 9,
            "{}: {needed} bytes of a limit of {limit}",
            overlay.name
        );
    }
}

#[test]
fn rabbitmq_raises_its_alarm_below_its_memory_limit() {
    let watermark = Regex::new(r"vm_memory_high_watermark\.(\w+) = (\S+)").unwrap();
    for overlay in Overlay::all() {
        let cluster = overlay.find("RabbitmqCluster", "rabbitmq");
        let (config, limit) = if let Some(cluster) = cluster {
            (
                cluster["spec"]["rabbitmq"]["additionalConfig"].clone(),
                cluster["spec"]["resources"]["limits"]["memory"].clone(),
            )
        } else {
            let server = overlay.get("StatefulSet", "rabbitmq");
            let container = &server["spec"]["template"]["spec"]["containers"][0];
            let config = overlay.get("ConfigMap", "rabbitmq-config");
            (
                config["data"]["20-shop.conf"].clone(),
                container["resources"]["limits"]["memory"].clone(),
            )
        };
        let config = config.as_str().unwrap();
        let said: Vec<_> = watermark.captures_iter(config).collect();
        assert_eq!(said.len(), 1, "{}: {config}", overlay.name);
        // a relative mark would refer to the node's memory
        assert_eq!(&said[0][1], "absolute", "{}", overlay.name);
        let (mark, limit) = (bytes(&said[0][2]), bytes(limit.as_str().unwrap()));
        assert!(
            mark <= limit / 10 * 7,
            "{}: {mark} of {limit}",
            overlay.name
        );
        assert!(mark >= limit / 2, "{}: {mark} of {limit}", overlay.name);
    }
}

/// The most memory that nginx uses with this configuration, including its files below /tmp.
pub(super) fn of_web_server(config: &str) -> u64 {
    // measured with nginx 1.22: 5.7 MiB idle; a connection has buffers of at most 16 KiB (for its
    // header, its body or part of its answer)
    const WORKER: u64 = 6 << 20;
    const CONNECTION: u64 = 16 << 10;
    let number = |pattern: &str| -> u64 {
        let found = Regex::new(pattern).unwrap().captures(config);
        found.unwrap_or_else(|| panic!("{pattern}"))[1]
            .parse()
            .unwrap()
    };
    // a number, since `auto` would start one per core of the node
    let workers = number(r"(?m)^worker_processes (\d+);");
    let connections = number(r"worker_connections (\d+);");
    let zone = Regex::new(r"limit_req_zone [^;]*zone=\w+:(\d+)m").unwrap();
    let zones: Vec<u64> = zone
        .captures_iter(config)
        .map(|zone| zone[1].parse::<u64>().unwrap() << 20)
        .collect();
    assert_eq!(zones.len(), config.matches("limit_req_zone ").count());
    WORKER + workers * (WORKER + connections * CONNECTION) + zones.iter().sum::<u64>()
}

#[test]
fn the_web_servers_workers_fit_its_memory() {
    let config = read("frontend/nginx/nginx.conf") + &read("frontend/nginx/shop.conf.template");
    for overlay in Overlay::all() {
        let pod = &overlay.get("Deployment", "frontend")["spec"]["template"]["spec"];
        let limit = &pod["containers"][0]["resources"]["limits"]["memory"];
        let tmp = bytes(pod["volumes"][0]["emptyDir"]["sizeLimit"].as_str().unwrap());
        let needed = of_web_server(&config) + tmp;
        let limit = bytes(limit.as_str().unwrap());
        assert!(needed <= limit, "{}: {needed} of {limit}", overlay.name);
    }
}
