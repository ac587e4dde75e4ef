//! Half a minute of each mode in every test run, minutes in the wide one.

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
    let (seed, seconds) = if wide {
        (now.as_secs(), 240)
    } else {
        (seed, 30)
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
