//! Each mode for half a minute in every test run, for minutes in the wide one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nemesis::{Mode, Options, Summary};
use tokio::sync::Mutex;

/// One system at a time: each has servers of its own.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn run(mode: Mode, seed: u64) -> Summary {
    let _alone = ALONE.lock().await;
    let wide = std::env::var_os("TEST_WIDE").is_some();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970");
    let (seed, seconds) = match (wide, mode) {
        (true, Mode::Scaling | Mode::Rolling) => (now.as_secs(), 180),
        (true, _) => (now.as_secs(), 240),
        (false, Mode::Safety | Mode::Liveness) => (seed, 30),
        (false, Mode::Scaling) => (seed, 12),
        (false, Mode::Rolling) => (seed, 1), // one round
    };
    eprintln!("seed {seed}");
    let time = Duration::from_secs(seconds);
    let summary = nemesis::run(Options { seed, mode, time }).await;
    eprintln!("{}", summary.markdown());
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_goes_wrong_every_answer_stays_true_and_all_comes_to_rest() {
    let summary = run(Mode::Safety, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.orders_accepted > 0 && summary.completed > 0 && summary.canceled > 0);
    assert!(summary.done.kills + summary.done.pauses + summary.done.links_broken > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_one_worker_dead_and_one_link_black_for_good_orders_go_on_and_all_comes_to_rest() {
    let summary = run(Mode::Liveness, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.longest_gap.is_some() && summary.doctor_runs > 0);
    assert!(summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_workers_killed_and_started_at_random_lose_nothing_recover_and_none_of_them_starves() {
    let summary = run(Mode::Scaling, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert!(summary.done.kills > 0 && summary.done.stops > 0);
    let recovery = summary.recovery.expect("it was measured");
    assert!(recovery.workers == 10 && summary.orders_accepted > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_restart_of_every_process_under_load_fails_no_request_and_every_order_comes_to_rest()
 {
    let summary = run(Mode::Rolling, 1).await;
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert_eq!(summary.done.replaced, 12 * summary.rounds);
    assert!(summary.rounds > 0 && summary.completed > 0);
    assert!(summary.doctor_runs > 0 && summary.cause_looks > 0);
}
