//! Every process writes heartbeats for as long as it runs.

use testkit::{System, eventually};

use crate::hurried;

async fn roles(system: &System) -> Vec<String> {
    sqlx::query_scalar("select array_to_string(roles, ' ') from saga.heartbeat where stopped_at is null order by 1")
        .fetch_all(&system.shop)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_says_goodbye_a_killed_one_falls_silent() {
    let system = System::prepare(hurried()).await;
    for role in ["payments", "api", "worker saga relay", "worker async"] {
        system.spawn(role).await;
    }
    eventually("all to beat", || async {
        roles(&system).await == ["api", "async", "saga relay"]
    })
    .await;
    system.stop("worker async");
    assert_eq!(roles(&system).await, ["api", "saga relay"]);
    system.kill("worker saga relay");
    eventually("the killed one to be silent for a while", || async {
        let silent: i64 = sqlx::query_scalar(
            "select count(*) from saga.heartbeat
             where 'saga' = any(roles) and seen_at < clock_timestamp() - interval '3 seconds'",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap();
        silent == 1
    })
    .await;
    system.stop("api");
    assert_eq!(roles(&system).await, ["saga relay"], "it is remembered");
}
