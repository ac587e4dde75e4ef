//! A second workflow needs one file and one line of a registry; everything that runs and shows
//! sagas then supports it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{Method, StatusCode},
    routing::any,
};
use e2e::parcel::{DELIVERED, Parcel, ParcelInput};
use kernel::{SagaId, SignalId, TraceRef};
use messaging::Wakeup;
use saga::{Engine, EngineConfig, NewSaga, NewSignal};
use serde_json::{Value, json};
use testkit::{Collector, System, SystemOptions, eventually};
use tokio::net::TcpListener;
use uuid::Uuid;
use workflows::Settings;

use crate::{hurried, next_release, text};

/// The courier's service: the requests that it has accepted, by parcel.
#[derive(Default)]
struct Books {
    entries: BTreeSet<(String, Uuid)>,
    /// Parcels for which it sells no label.
    refused: BTreeSet<Uuid>,
    /// Whether it answers 503 to every request that would change something.
    is_away: bool,
}

impl Books {
    fn answer(&mut self, method: &Method, what: &str, parcel: Uuid) -> StatusCode {
        let entry = (what.to_owned(), parcel);
        if method == Method::GET {
            let is_there = self.entries.contains(&entry);
            return if is_there {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            };
        }
        let canceled = self.has("cancellations", parcel);
        match what {
            _ if self.is_away => return StatusCode::SERVICE_UNAVAILABLE,
            "bookings" if canceled => return StatusCode::CONFLICT,
            "labels" if self.refused.contains(&parcel) => return StatusCode::CONFLICT,
            _ => {}
        }
        self.entries.insert(entry);
        StatusCode::OK
    }

    fn has(&self, what: &str, parcel: Uuid) -> bool {
        self.entries.contains(&(what.to_owned(), parcel))
    }
}

type Courier = Arc<Mutex<Books>>;

async fn courier() -> (Courier, String) {
    let books = Courier::default();
    let answer = async |State(books): State<Courier>,
                        method: Method,
                        UrlPath((what, parcel)): UrlPath<(String, Uuid)>| {
        books.lock().unwrap().answer(&method, &what, parcel)
    };
    let router = Router::new()
        .route("/{what}/{parcel}", any(answer))
        .with_state(Arc::clone(&books));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (books, url)
}

/// The real processes of the next release, the courier, and a way to send parcels.
struct Depot {
    system: System,
    courier: Courier,
    url: String,
    engine: Engine,
}

impl Depot {
    async fn open(mut options: SystemOptions) -> Self {
        options.release = Some(next_release());
        let system = System::prepare(options).await;
        let registry = e2e::registry(&Settings::default());
        let (pool, config) = (system.shop.clone(), EngineConfig::default());
        let engine = Engine::new(&registry, pool, config, Wakeup::default()).unwrap();
        let (courier, url) = courier().await;
        Self {
            system,
            courier,
            url,
            engine,
        }
    }

    /// Begins a saga, as an API for parcels would.
    async fn send(&self, parcel: Uuid) -> SagaId {
        let id = SagaId::new();
        let new = NewSaga::<Parcel> {
            id,
            input: ParcelInput {
                parcel,
                courier: self.url.clone(),
            },
            details: &(),
            trace: TraceRef::random(),
            parent_span: None,
            eager: false,
        };
        let mut tx = self.system.shop.begin().await.unwrap();
        let _started = self.engine.start(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// The courier delivers, and a consumer of the courier's events signals the saga.
    async fn deliver(&self, saga_id: SagaId, parcel: Uuid) {
        let delivery = ("deliveries".to_owned(), parcel);
        self.courier.lock().unwrap().entries.insert(delivery);
        let signal = NewSignal {
            id: SignalId::new(),
            saga_id,
            name: DELIVERED.to_owned(),
            payload: Value::Null,
            source: "courier".to_owned(),
        };
        let mut tx = self.system.shop.begin().await.unwrap();
        let signaled = self.engine.signal(&mut tx, vec![signal]).await.unwrap();
        tx.commit().await.unwrap();
        signaled.after.emit();
    }

    async fn state(&self, saga: SagaId) -> String {
        sqlx::query_scalar("select state from saga.saga where saga_id = $1")
            .bind(saga.uuid())
            .fetch_one(&self.system.shop)
            .await
            .unwrap()
    }

    async fn comes_to(&self, saga: SagaId, state: &str) {
        eventually(&format!("saga {saga} to be {state}"), || async {
            self.state(saga).await == state
        })
        .await;
    }

    fn has(&self, what: &str, parcel: Uuid) -> bool {
        self.courier.lock().unwrap().has(what, parcel)
    }

    /// Runs a verb of `shopctl saga` on this saga, and returns its JSON.
    fn shopctl(&self, verb: &str, saga: SagaId, rest: &[&str]) -> Value {
        let id = saga.to_string();
        let arguments = [&["saga", verb, &id, "-o", "json", "-y"], rest].concat();
        let out = self.system.run("shopctl", &arguments);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    fn assert_replays(&self, saga: SagaId) {
        let out = self
            .system
            .run("shopctl", &["saga", "export", &saga.to_string()]);
        let file = self.system.log(&format!("{saga}")).with_extension("json");
        fs::write(&file, out).unwrap();
        let arguments = ["saga", "replay", file.to_str().unwrap()];
        self.system.run("shopctl", &arguments);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_workflow_is_listed_explained_paused_traced_and_replayed() {
    let collector = Collector::start().await;
    let mut options = hurried();
    let endpoint = collector.endpoint.clone();
    options.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let depot = Depot::open(options).await;
    for role in ["payments", "api", "worker"] {
        depot.system.spawn(role).await;
    }
    let parcel = Uuid::new_v4();
    let saga = depot.send(parcel).await;
    depot.comes_to(saga, "waiting").await;
    assert!(depot.has("bookings", parcel) && depot.has("labels", parcel));

    let listed = depot.system.run(
        "shopctl",
        &["saga", "list", "--plan", "parcel", "-o", "json"],
    );
    let listed: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(
        (text(&listed, "saga_id"), text(&listed, "step")),
        (&*saga.to_string(), "await_delivery")
    );
    let why = depot.shopctl("why", saga, &[]);
    assert_eq!(why["stuck"], json!(false), "{why}");
    depot.system.run("shopctl", &["saga", "plan", "parcel"]);

    let because = ["--reason", "the depot is closed"];
    depot.shopctl("pause", saga, &because);
    depot.deliver(saga, parcel).await;
    assert_eq!(depot.state(saga).await, "waiting", "it is paused");
    let id = saga.to_string();
    let why = depot
        .system
        .command("shopctl")
        .args(["saga", "why", &id])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&why.stdout);
    assert!(said.contains("paused-by"), "{said}");
    depot.shopctl("resume", saga, &because);
    depot.comes_to(saga, "completed").await;
    depot.assert_replays(saga);

    let trace: String = sqlx::query_scalar("select trace_id from saga.saga where saga_id = $1")
        .bind(saga.uuid())
        .fetch_one(&depot.system.shop)
        .await
        .unwrap();
    // the test signaled, and shopctl resumed: neither exports
    depot
        .system
        .run("shopctl", &["saga", "trace", &id, "--reemit"]);
    eventually("its whole life to be in its trace", || async {
        let spans = collector.trace(&trace);
        let has = |name: &str| {
            let of_parcel = |span: &&testkit::Captured| span.get("parcel.id") == parcel.to_string();
            spans.iter().filter(of_parcel).any(|span| span.name == name)
        };
        has("saga.completed") && has("saga.wait")
    })
    .await;
    depot.system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_workflows_assertion_is_verified_by_its_own_participant() {
    let depot = Depot::open(hurried()).await;
    depot.system.spawn("worker saga").await;
    let parcel = Uuid::new_v4();
    let saga = depot.send(parcel).await;
    depot.comes_to(saga, "waiting").await;
    let id = saga.to_string();
    let signal = [
        "saga",
        "signal",
        &id,
        DELIVERED,
        "--reason",
        "they phoned",
        "-y",
    ];
    let refused = depot
        .system
        .command("shopctl")
        .args(signal)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("404"), "{said}");
    assert_eq!(depot.state(saga).await, "waiting");
    let delivery = ("deliveries".to_owned(), parcel);
    depot.courier.lock().unwrap().entries.insert(delivery);
    depot.system.run("shopctl", &signal);
    depot.comes_to(saga, "completed").await;
    depot.system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_workflow_is_retried_and_compensated() {
    let mut options = hurried();
    for setting in ["SAGA_RETRY_BASE_MS", "SAGA_RETRY_CAP_MS"] {
        options.env.insert(setting, "60000".to_owned()); // the operator must act before the retry
    }
    let depot = Depot::open(options).await;
    depot.courier.lock().unwrap().is_away = true;
    depot.system.spawn("worker saga").await;
    let (sold, refused) = (Uuid::new_v4(), Uuid::new_v4());
    depot.courier.lock().unwrap().refused.insert(refused);
    let sagas = [depot.send(sold).await, depot.send(refused).await];
    for saga in sagas {
        eventually("an attempt to fail", || async {
            let shown = depot.shopctl("show", saga, &[]);
            shown.to_string().contains("503")
        })
        .await;
    }
    depot.courier.lock().unwrap().is_away = false;
    for saga in sagas {
        depot.shopctl("retry", saga, &["--reason", "the courier is back"]);
    }
    depot.comes_to(sagas[0], "waiting").await;
    depot.comes_to(sagas[1], "compensated").await;
    assert!(depot.has("cancellations", refused) && !depot.has("labels", refused));
    assert!(!depot.has("cancellations", sold));
    depot.deliver(sagas[0], sold).await;
    depot.comes_to(sagas[0], "completed").await;
    for saga in sagas {
        depot.assert_replays(saga);
    }
    depot.system.assert_whole().await;
}

const WORKER: &str = "worker saga";

impl Depot {
    async fn spawn(&self, dir: &Path) {
        let env = [("CRASH_DIR", dir.to_str().unwrap())];
        self.system.spawn_with(WORKER, &env).await;
    }

    /// Sends one parcel that is delivered and one that gets no label, and runs both to their end; a
    /// dead worker is started again.
    async fn play(&self, dir: &Path) {
        let (sold, refused) = (Uuid::new_v4(), Uuid::new_v4());
        self.courier.lock().unwrap().refused.insert(refused);
        let (forward, back) = (self.send(sold).await, self.send(refused).await);
        for (saga, state) in [
            (forward, "waiting"),
            (back, "compensated"),
            (forward, "completed"),
        ] {
            if state == "completed" {
                self.deliver(saga, sold).await;
            }
            eventually(&format!("saga {saga} to be {state}"), || async {
                if !self.system.runs(WORKER) {
                    self.spawn(dir).await;
                }
                self.state(saga).await == state
            })
            .await;
        }
        assert!(self.has("labels", sold) && !self.has("cancellations", sold));
        assert!(self.has("cancellations", refused) && !self.has("labels", refused));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_workflow_survives_every_crash_point_that_it_passes() {
    let mut options = hurried();
    for (name, value) in [
        ("SAGA_LEASE_MS", "300"),
        ("SAGA_CALL_TIMEOUT_MS", "200"),
        ("SAGA_LEASE_MARGIN_MS", "100"),
        ("SAGA_RETRY_BASE_MS", "50"),
        ("SAGA_RETRY_CAP_MS", "200"),
    ] {
        options.env.insert(name, value.to_owned());
    }
    let depot = Depot::open(options).await;
    let dev = std::env::var("TEST_DEV_DIR").expect("run the tests with `cargo xtask test`");
    let dir = format!("crash-{}", Uuid::new_v4().simple());
    let dir = PathBuf::from(dev).join("run").join(dir);
    fs::create_dir_all(&dir).unwrap();
    depot.spawn(&dir).await;
    depot.play(&dir).await;
    let hits = fs::read_to_string(dir.join("hits")).unwrap();
    let points: BTreeSet<_> = hits
        .lines()
        .filter(|point| point.starts_with("saga."))
        .collect();
    for point in [
        "saga.step.before_call",
        "saga.step.after_call",
        "saga.undo.before_call",
        "saga.undo.after_call",
        "saga.outcome.before_commit",
        "saga.outcome.after_commit",
        "saga.claim.after_commit",
    ] {
        assert!(points.contains(point), "{point} in {points:?}");
    }
    for point in points {
        let (at, draft) = (dir.join("at"), dir.join("draft"));
        fs::write(&draft, format!("SIGKILL {point} 1")).unwrap();
        fs::rename(&draft, &at).unwrap(); // atomically
        depot.play(&dir).await;
        assert!(!at.exists(), "{point} was not passed");
        depot.system.assert_whole().await;
    }
}

#[test]
fn every_plan_of_the_next_release_is_model_checked() {
    for shape in next_release().plans {
        let explored = model::plan::check(&shape).unwrap_or_else(|why| panic!("{why}"));
        assert!(
            explored.completed > 0 && explored.compensated > 0,
            "{explored:?}"
        );
    }
}
