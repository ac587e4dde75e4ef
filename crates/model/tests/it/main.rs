//! The model check itself: it finds no violation in production, and every planted mutation.

use std::{fs, path::Path};

use model::{Mutation, summarize};

#[test]
fn nothing_is_found_and_whatever_is_broken_on_purpose_is() {
    let summary = summarize();
    eprintln!("{}", summary.tables);
    assert!(
        summary.violations.is_empty(),
        "{}",
        summary.violations.join("\n")
    );
    assert!(summary.missed.is_empty(), "{}", summary.missed.join("\n"));
    assert_eq!(summary.stories.len(), Mutation::ALL.len());

    let (_, story) = summary
        .stories
        .iter()
        .find(|(of, _)| *of == Mutation::EntryIdUnchecked)
        .unwrap();
    assert_eq!(story, STORY);

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability/model.md");
    let docs = fs::read_to_string(docs).unwrap();
    assert!(
        docs.contains(&summary.tables),
        "docs/reliability/model.md quotes other figures than these: put in what `cargo xtask model` prints"
    );
}

/// This defect once existed.
const STORY: &str = "\
1. the order and its saga are created; worker A holds its entry (epoch 1) and asks payments for a transaction
2. payments handles worker A's creation and answers → the transaction is pending
3. an operator pauses the saga
4. an operator resumes the saga
5. worker B claims the entry (epoch 1)
6. worker A stores `done`
⇒ fence: a worker that has lost its claim wrote
";
