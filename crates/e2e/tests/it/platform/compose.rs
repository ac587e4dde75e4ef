//! The compose files as an engine would read them, as far as tests can check without an engine;
//! `cargo xtask test containers` runs them.

use std::{collections::BTreeSet, process::Command};

use regex::Regex;
use serde_json::Value;

use super::{PROCESSES, files, memory, read, started, strings};

/// The services beside the shop, and the endpoint of traces, are in a file of their own.
pub(super) const FILES: [&str; 2] = ["docker-compose.yml", "docker/observability.yml"];

fn services(file: &str) -> serde_json::Map<String, Value> {
    let compose = files::composed(file);
    compose["services"].as_object().unwrap().clone()
}

fn service(name: &str) -> Value {
    services(FILES[0])[name].clone()
}

/// The networks of a service.
fn networks(name: &str) -> BTreeSet<String> {
    strings(&service(name)["networks"]).into_iter().collect()
}

/// Bytes of `2g` or `128m`.
fn bytes(limit: &Value) -> u64 {
    let limit = limit.as_str().unwrap();
    let (number, unit) = limit.split_at(limit.len() - 1);
    let factor = match unit {
        "g" => 1 << 30,
        "m" => 1 << 20,
        _ => panic!("{limit} has another unit"),
    };
    number.parse::<u64>().unwrap() * factor
}

/// Each line of the documents that runs a service once: service and arguments.
fn documented_runs() -> Vec<(String, Vec<String>)> {
    let run =
        Regex::new(r"docker compose run --rm ((?:-\S+ (?:sh )?)*)([\w-]+)([^`|<\n]*)").unwrap();
    let mut found = Vec::new();
    for file in [
        "README.md",
        "docs/operations.md",
        "docker-compose.yml",
        "docker/upgrade.sh",
    ] {
        let text = read(file).replace("\\\n", " ");
        for line in run.captures_iter(&text) {
            let arguments = line[3]
                .split_whitespace()
                .map(|word| word.trim_end_matches(',').to_owned());
            found.push((line[2].to_owned(), arguments.collect()));
        }
    }
    found
}

#[test]
fn a_documented_run_is_a_command_that_the_program_knows() {
    let runs = documented_runs();
    assert!(runs.len() > 10, "{runs:?}");
    let mut asked = 0;
    for (name, arguments) in runs {
        let service = service(&name);
        let entrypoint = strings(&service["entrypoint"]);
        match name.as_str() {
            "shopctl" => assert_eq!(entrypoint, ["shopctl"]),
            "doctor" => assert_eq!(entrypoint, ["shopctl", "doctor"]),
            "migrate" | "postgres" => continue,
            other => panic!("{other} is run once, and is no tool"),
        }
        // the leading plain words, which name a command
        let plain = |word: &&String| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        let verbs = arguments
            .iter()
            .take_while(plain)
            .filter(|word| !word.starts_with('-'));
        let help = Command::new(started::program("shopctl"))
            .args(&entrypoint[1..])
            .args(verbs.take(2))
            .arg("--help")
            .output()
            .unwrap();
        assert!(help.status.success(), "{name} {arguments:?}: {help:?}");
        asked += 1;
    }
    assert!(asked > 8);
}

#[test]
fn one_service_builds_each_image_without_a_registry() {
    for image in ["shop-system:dev", "shop-frontend:dev"] {
        let all = services(FILES[0]);
        let of_it = || all.iter().filter(|(_, service)| service["image"] == image);
        let building: Vec<_> = of_it()
            .filter(|(_, service)| service.get("build").is_some())
            .collect();
        assert_eq!(building.len(), 1, "{image}");
        for (name, service) in of_it() {
            assert_eq!(service["pull_policy"], "never", "{name}");
        }
    }
}

#[test]
fn a_machine_with_one_processor_can_start_every_container() {
    let mut seen = 0;
    for file in FILES {
        for (name, service) in services(file) {
            if service.get("image").is_some() {
                assert_eq!(service["cpus"], 1, "{name}");
                seen += 1;
            }
        }
    }
    assert!(seen > 15);
}

#[test]
fn postgres_has_memory_for_the_connections_that_pools_may_open() {
    // memory of a busy backend beside shared buffers, as measured in a container, with a margin
    const BACKEND: u64 = 9 << 20;
    const SHARED_BUFFERS: u64 = 128 << 20;
    const OPERATORS: u64 = 12;
    let default = |program: &str, name: &str| -> u64 {
        let reference = read("docs/configuration.md");
        let section = reference
            .split("\n## ")
            .find(|section| section.starts_with(program))
            .unwrap();
        let row = Regex::new(&format!(r"`{name}` \| `(\d+)`")).unwrap();
        row.captures(section).unwrap()[1].parse().unwrap()
    };
    let mut wanted = OPERATORS;
    for name in PROCESSES {
        let program = name.split('-').next().unwrap();
        let variable = match program {
            "payments" => "PAYMENTS_DATABASE_MAX_CONNECTIONS",
            _ => "SHOP_DATABASE_MAX_CONNECTIONS",
        };
        let set = &service(name)["environment"][variable];
        let pool = set
            .as_str()
            .map_or_else(|| default(program, variable), |set| set.parse().unwrap());
        // the api has two pools; docker/upgrade.sh runs two instances of each service that answers
        // requests
        wanted += pool
            * match program {
                "api" => 4,
                "payments" => 2,
                _ => 1,
            };
    }
    let postgres = service("postgres");
    let command = strings(&postgres["command"]).join(" ");
    let connections = Regex::new(r"max_connections=(\d+)").unwrap();
    let connections: u64 = connections.captures(&command).unwrap()[1].parse().unwrap();
    assert!(wanted <= connections, "{wanted} of {connections}");
    let memory = connections * BACKEND + SHARED_BUFFERS;
    assert!(memory <= bytes(&postgres["mem_limit"]), "{memory}");
}

#[test]
fn rabbitmqs_watermark_is_of_its_container_not_of_the_machine() {
    let limit = bytes(&service("rabbitmq")["mem_limit"]);
    let config = read("docker/rabbitmq.conf");
    let mark = Regex::new(r"(?m)^vm_memory_high_watermark\.absolute = (\d+)MiB$").unwrap();
    let mark = mark.captures(&config).unwrap()[1].parse::<u64>().unwrap() << 20;
    assert!(
        (limit / 2..limit * 7 / 10).contains(&mark),
        "{mark} of {limit}"
    );
    assert!(!config.contains("watermark.relative"));
}

#[test]
fn the_web_servers_workers_fit_the_memory_of_their_containers() {
    let size = Regex::new(r"^/tmp:.*\bsize=(\d+[mg])\b").unwrap();
    for (name, config) in [
        (
            "frontend",
            [
                "frontend/nginx/nginx.conf",
                "frontend/nginx/shop.conf.template",
            ],
        ),
        (
            "edge",
            ["docker/edge/nginx.conf", "docker/edge/edge.conf.template"],
        ),
    ] {
        let service = service(name);
        let tmpfs = strings(&service["tmpfs"]).join(" ");
        // without a size it may grow to half of the machine's memory
        let tmp = size
            .captures(&tmpfs)
            .unwrap_or_else(|| panic!("{name}: {tmpfs} has no size"));
        let needed =
            memory::of_web_server(&config.map(read).concat()) + bytes(&tmp[1].to_owned().into());
        let limit = bytes(&service["mem_limit"]);
        assert!(needed <= limit, "{name}: {needed} of {limit}");
    }
}

#[test]
fn only_services_with_a_port_can_reach_outside() {
    let compose = files::compose();
    for network in ["web", "back"] {
        assert_eq!(compose["networks"][network]["internal"], true, "{network}");
    }
    for (name, service) in services(FILES[0]) {
        let published = service.get("ports").is_some();
        assert_eq!(networks(&name).contains("front"), published, "{name}");
    }
    // no port that a browser reaches leads to RabbitMQ's management API or to an admin port
    assert_eq!(networks("rabbitmq"), BTreeSet::from(["back".to_owned()]));
    for name in PROCESSES {
        assert!(!networks(name).contains("front"), "{name}");
    }
}

#[test]
fn nothing_exports_traces_where_no_collector_runs() {
    for (name, service) in services(FILES[0]) {
        let environment = service["environment"].as_object().into_iter().flatten();
        for (variable, _) in environment {
            assert!(
                !["OTEL_EXPORTER_OTLP_ENDPOINT", "TRACE_URL"].contains(&variable.as_str()),
                "{name}: {variable}"
            );
        }
    }
    assert!(
        !Regex::new("(?m)^(OTEL_|TRACE_URL)")
            .unwrap()
            .is_match(&read(".env.example"))
    );
    let beside = services(FILES[1]);
    assert!(beside.contains_key("otel-collector"));
    let tells = |name: &str, variable: &str| beside[name]["environment"].get(variable).is_some();
    for name in PROCESSES.iter().chain(&["migrate", "shopctl"]) {
        assert!(tells(name, "OTEL_EXPORTER_OTLP_ENDPOINT"), "{name}");
    }
    for name in ["api", "shopctl"] {
        assert!(tells(name, "TRACE_URL"), "{name}");
    }
}

#[test]
fn every_compose_setting_is_explained_in_the_example() {
    let used = Regex::new(r"\$\{(\w+)(?::-|\})").unwrap();
    let example = read(".env.example");
    for file in FILES {
        for name in used.captures_iter(&read(file)) {
            // set by the shell, or derived from JAEGER_PORT
            if !["USER", "TRACE_URL"].contains(&&name[1]) {
                let line = Regex::new(&format!("(?m)^#?{}=", &name[1])).unwrap();
                assert!(line.is_match(&example), "{file}: {}", &name[1]);
            }
        }
    }
}

#[test]
fn every_process_to_scrape_is_found_by_name() {
    let prometheus: Value = serde_saphyr::from_str(&read("observability/prometheus.yml")).unwrap();
    let mut scraped = BTreeSet::new();
    for found in prometheus["scrape_configs"][0]["dns_sd_configs"]
        .as_array()
        .unwrap()
    {
        assert_eq!(found["type"], "A");
        for name in strings(&found["names"]) {
            let program = name.split('-').next().unwrap().to_uppercase();
            let listen = format!("{program}_ADMIN_LISTEN=0.0.0.0:{}", found["port"]);
            assert!(read("Dockerfile").contains(&listen), "{name}");
            scraped.insert(name);
        }
    }
    assert_eq!(scraped, PROCESSES.map(str::to_owned).into());
}

#[test]
fn both_web_servers_are_of_the_same_version() {
    let base = Regex::new("ARG RUNTIME_IMAGE=(\\S+)").unwrap();
    let dockerfile = read("frontend/Dockerfile");
    assert_eq!(
        service("edge")["image"],
        base.captures(&dockerfile).unwrap()[1]
    );
}

/// The migrations of both databases, after an upgrade was rolled back.
#[tokio::test]
async fn an_earlier_release_starts_on_later_migrations() {
    for (pool, migrator) in [
        (testkit::shop_db().await, &db::SHOP),
        (testkit::payments_db().await, &db::PAYMENTS),
    ] {
        let later = "insert into _sqlx_migrations
            (version, description, success, checksum, execution_time)
            values (99990101000000, 'of a later release', true, '', 0)";
        sqlx::query(later).execute(&pool).await.unwrap();
        db::migrate(&pool, migrator).await.unwrap();
        assert_eq!(db::missing(&pool, migrator).await.unwrap(), None);
    }
}
