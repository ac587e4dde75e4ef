//! The commands that a page prints, run as they stand there.

use std::{fs, path::Path};

use crate::place::{Place, ran};

/// The one command on this page of docs that begins with `verb`, without its program.
fn command(page: &str, verb: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let text = fs::read_to_string(docs.join(page)).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with(verb)).collect();
    let [line] = lines[..] else {
        panic!("{page}: not one `{verb}`: {lines:?}");
    };
    line.strip_prefix("shopctl").unwrap().to_owned()
}

#[tokio::test]
async fn the_batch_for_an_outage_of_payments_selects_its_sagas() {
    let place = Place::open().await;
    let saga = place.stuck("participant-unreachable");
    let shopctl = Path::new(env!("CARGO_BIN_EXE_shopctl"));
    for page in ["runbooks/participant-unreachable.md", "shopctl.md"] {
        let batch = command(page, "shopctl saga retry --error");
        let line = format!("{}{batch}", shopctl.display());
        let preview = ran(&mut place.shell(&line));
        assert_eq!(preview.code, Some(0), "{page}: {preview:?}");
        assert!(preview.out.contains(&saga), "{page}: {batch}\n{preview:?}");
    }
}

#[tokio::test]
async fn a_long_failing_saga_is_found_between_its_attempts() {
    let place = Place::open().await;
    let saga = place.stuck("participant-unreachable");
    let list = |filter: &[&str]| {
        let listed = place.run(&[&["saga", "list", "-o", "json"], filter].concat());
        assert_eq!(listed.code, Some(0), "{listed:?}");
        listed.out.contains(&saga)
    };
    let filters = [
        ["--failing-for", "5m"],
        ["--older-than", "5m"],
        ["--stuck-for", "5m"],
    ];
    assert_eq!(filters.map(|filter| list(&filter)), [false, false, false]);

    age(&place, &saga).await;
    assert_eq!(
        filters.map(|filter| list(&filter)),
        [true, false, true],
        "an attempt a moment ago moved it"
    );
    let error = ["--failing-for", "5m", "--error", "cannot be reached"];
    assert!(list(&error));
    assert!(!list(&["--failing-for", "5m", "--error", "another text"]));

    let recipe = command("shopctl.md", "shopctl saga list --failing-for");
    let shopctl = Path::new(env!("CARGO_BIN_EXE_shopctl"));
    let listed = ran(&mut place.shell(&format!("{}{recipe}", shopctl.display())));
    assert!(listed.out.contains(&saga[saga.len() - 8..]), "{listed:?}");
}

#[tokio::test]
async fn a_stuck_saga_is_found_by_its_time_in_state() {
    let place = Place::open().await;
    let saga = place.stuck("paused-by");
    let list = |filter: &str| {
        let listed = place.run(&["saga", "list", "-o", "json", "--stuck-for", filter]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
        listed.out.contains(&saga)
    };
    assert!(!list("5m"));
    age(&place, &saga).await;
    assert!(list("5m"));
    assert!(!list("15m"));
}

#[tokio::test]
async fn a_saga_of_an_unknown_plan_is_parked_by_command() {
    let place = Place::open().await;
    let saga = place.stuck("unknown-plan-version");
    let page = place.run(&["runbook", "unknown-plan-version", &saga]);
    let pause = format!("shopctl saga pause {saga} ");
    let mut lines = page.out.lines().map(str::trim);
    let pause = lines.find(|line| line.starts_with(&pause)).unwrap();
    let shopctl = Path::new(env!("CARGO_BIN_EXE_shopctl"));
    let line = pause.replacen("shopctl", &shopctl.display().to_string(), 1);
    let parked = ran(&mut place.shell(&format!("{line} --yes")));
    assert_eq!(parked.code, Some(0), "{parked:?}");
    let why = place.run(&["why", &saga, "-o", "json"]).objects().remove(0);
    assert_eq!(why["code"], "paused-by", "{why}");
    assert_eq!(why["next"][0]["command"], "shopctl saga check-compat");
    let resume = ["saga", "resume", &saga, "--reason", "r", "--yes"];
    let refused = place.run(&resume);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let sentence = "is not known to this binary";
    assert!(refused.err.contains(sentence), "{refused:?}");
}

/// Makes a saga ten minutes older in its state and at its step, as if it had been attempted since.
async fn age(place: &Place, saga: &str) {
    for statement in [
        "update saga.saga set state_since = state_since - interval '10 minutes' where saga_id = $1::uuid",
        "update messaging.outbox set since = since - interval '10 minutes' where saga_id = $1::uuid",
    ] {
        let query = sqlx::query(statement).bind(saga);
        query.execute(&place.shop).await.unwrap();
    }
}
