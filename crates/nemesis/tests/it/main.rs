//! Runs each mode for at most half a minute in every test run, and for minutes in the wide one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nemesis::{Mode, Options, PaymentsService, Summary};
use tokio::sync::Mutex;

/// One system at a time: each starts servers of its own.
static ALONE: Mutex<()> = Mutex::const_new(());

fn is_wide() -> bool {
    std::env::var_os("TEST_WIDE").is_some()
}

async fn run(mode: Mode, seed: u64) -> Summary {
    run_with(plain(mode, seed)).await
}

/// A run with nothing planted and no attacker, against our own payments.
fn plain(mode: Mode, seed: u64) -> Options {
    Options {
        seed,
        mode,
        time: Duration::ZERO, // the run decides
        planted: None,
        attacked: false,
        payments: PaymentsService::Ours,
    }
}

/// Runs for as long as the mode needs; in a wide run, with a seed of the moment.
async fn run_with(options: Options) -> Summary {
    let _alone = ALONE.lock().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970");
    let (seed, seconds) = match (is_wide(), options.mode) {
        _ if options.planted.is_some() => (options.seed, 100),
        (true, Mode::Safety) if options.attacked => (options.seed, 120),
        (true, Mode::Scaling | Mode::Rolling) => (now.as_secs(), 180),
        (true, _) => (now.as_secs(), 240),
        (false, Mode::Safety | Mode::Liveness | Mode::Outages) => (options.seed, 30),
        (false, Mode::Scaling) => (options.seed, 12),
        (false, Mode::Rolling) => (options.seed, 1), // one round
    };
    eprintln!("seed {seed}");
    let summary = nemesis::run(Options {
        seed,
        time: Duration::from_secs(seconds),
        ..options
    })
    .await;
    eprintln!("{}", summary.markdown());
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_faults_keep_every_answer_true() {
    let summary = run(Mode::Safety, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.orders_accepted > 0 && summary.completed > 0 && summary.canceled > 0);
    assert!(summary.done.kills + summary.done.pauses + summary.done.links_broken > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_stay_true_beside_level_1_payments() {
    let summary = run_with(Options {
        payments: PaymentsService::Level1,
        ..plain(Mode::Safety, 3)
    })
    .await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.orders_accepted > 0 && summary.completed > 0 && summary.canceled > 0);
    assert!(summary.done.kills + summary.done.pauses + summary.done.links_broken > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_dead_worker_and_link_stop_no_order() {
    let summary = run(Mode::Liveness, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.longest_gap.is_some() && summary.doctor_runs > 0);
    assert!(summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_workers_killed_at_random_recover_and_none_starves() {
    let summary = run(Mode::Scaling, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.done.kills > 0 && summary.done.stops > 0);
    let recovery = summary.recovery.expect("it was measured");
    assert!(recovery.workers == 10 && summary.orders_accepted > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_restart_under_load_fails_no_request() {
    let summary = run(Mode::Rolling, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert_eq!(summary.done.replaced, 12 * summary.rounds);
    assert!(summary.rounds > 0 && summary.completed > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outages_send_nothing_to_failed_and_repeat_no_mail() {
    if !is_wide() {
        eprintln!("left to `--wide`: a busy machine stretches half a minute of outages to many");
        return;
    }
    let summary = run(Mode::Outages, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    let played = summary.done.outages.expect("outages were played");
    assert!(played.locks > 0 && played.read_only + played.alarms > 0);
    assert!(summary.rounds > 0 && summary.completed > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outage_counted_as_an_attempt_is_found() {
    if !is_wide() {
        eprintln!("left to `--wide`: it takes minutes");
        return;
    }
    let summary = run_with(Options {
        planted: Some("an-outage-is-an-attempt"),
        ..plain(Mode::Outages, 1)
    })
    .await;
    let found = summary.violations.iter();
    let found = found.filter(|what| what.contains("nobody sent poison"));
    assert!(found.count() > 0, "{:#?}", summary.violations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_attacker_beside_the_clients_changes_nothing() {
    let seeds: &[u64] = if is_wide() { &[2, 3, 4] } else { &[2] };
    for seed in seeds {
        let summary = run_with(Options {
            attacked: true,
            ..plain(Mode::Safety, *seed)
        })
        .await;
        assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
        let attacks = summary.attacks.expect("there was an attacker");
        for kind in [
            "forged events",
            "floods",
            "poison",
            "requests",
            "revoked tokens",
        ] {
            assert!(
                attacks.get(kind).is_some_and(|count| *count > 0),
                "{kind}: {attacks:?}"
            );
        }
        assert!(summary.completed > 0 && summary.canceled > 0);
    }
}
