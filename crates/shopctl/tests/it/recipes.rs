//! The commands that a runbook prints, run as they stand there.

use std::{fs, path::Path};

use crate::place::{Place, ran};

/// The commands on the page of this cause that begin with `verb`.
fn commands(cause: &str, verb: &str) -> Vec<String> {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let page = fs::read_to_string(pages.join(format!("{cause}.md"))).unwrap();
    let lines = page.lines().filter(|line| line.starts_with(verb));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_batch_of_the_page_selects_the_saga_with_the_cause() {
    let place = Place::open().await;
    let cause = "participant-unreachable";
    let saga = place.stuck(cause);
    let batches = commands(cause, "shopctl saga retry --text");
    let [batch] = &batches[..] else {
        panic!("one batch on the page: {batches:?}");
    };
    let shopctl = Path::new(env!("CARGO_BIN_EXE_shopctl"));
    let script = format!("{}{}", shopctl.display(), &batch["shopctl".len()..]);
    let preview = ran(&mut place.shell(&script));
    assert_eq!(preview.code, Some(0), "{preview:?}");
    assert!(preview.out.contains(&saga), "{batch}\n{preview:?}");
}
