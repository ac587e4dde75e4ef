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
        let batch = command(page, "shopctl saga retry --text");
        let line = format!("{}{batch}", shopctl.display());
        let preview = ran(&mut place.shell(&line));
        assert_eq!(preview.code, Some(0), "{page}: {preview:?}");
        assert!(preview.out.contains(&saga), "{page}: {batch}\n{preview:?}");
    }
}
