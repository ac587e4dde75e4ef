//! Plain English: the two habits that make prose hard to read are counted, and stay rare.
//!
//! In comments of Rust and TypeScript and in Markdown: indefinite persons ("whoever"), in 10,000 words, and statements
//! that begin with a question word ("What is sent is …"), in a hundred sentences.

use std::{fs, process::Command};

use servers::Result;

use crate::{Doing, cargo, fail};

const PERSONS: [&str; 5] = ["whoever", "nobody", "somebody", "anybody", "whatever"];
const OPENINGS: [&str; 9] = [
    "What", "Who", "Whoever", "Whose", "Whom", "Nobody", "Somebody", "Anybody", "Whatever",
];

/// Most persons in 10,000 words.
const MAX_PERSONS: f64 = 2.0;
/// Most openings in 100 sentences.
const MAX_OPENINGS: f64 = 0.5;

/// Counts over all files of the repository.
pub(crate) fn check() -> Result<()> {
    let mut list = Command::new("git");
    list.arg("ls-files").current_dir(cargo::root());
    let list = cargo::output(list, "git ls-files")?;
    let (mut words, mut sentences) = (0_u32, 0_u32);
    let mut found = Vec::new();
    let (mut persons, mut openings) = (0_u32, 0_u32);
    for file in list.lines().filter(|file| is_prose(file)) {
        let path = cargo::root().join(file);
        let text = fs::read_to_string(&path).doing(&format!("read {file}"))?;
        let is_page = path.extension().is_some_and(|kind| kind == "md");
        let text = prose(&text, is_page);
        for word in text.split_whitespace() {
            words += 1;
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            if PERSONS
                .iter()
                .any(|person| bare.eq_ignore_ascii_case(person))
            {
                persons += 1;
                found.push(format!("{file}: {word}"));
            }
        }
        for sentence in split(&text) {
            sentences += 1;
            let first = sentence.split(|c: char| !c.is_alphanumeric()).next();
            let opens = first.is_some_and(|first| OPENINGS.contains(&first));
            if opens && !sentence.ends_with('?') {
                openings += 1;
                found.push(format!("{file}: {sentence}"));
            }
        }
    }
    let share = |count: u32, of: u32, per: f64| per * f64::from(count) / f64::from(of.max(1));
    let (a, b) = (
        share(persons, words, 10_000.0),
        share(openings, sentences, 100.0),
    );
    if a > MAX_PERSONS || b > MAX_OPENINGS {
        return fail(format!(
            "{a:.1} indefinite persons in 10,000 words, {b:.2} openings by a question word in 100 sentences; \
             at most {MAX_PERSONS} and {MAX_OPENINGS} are allowed:\n{}",
            found.join("\n")
        ));
    }
    Ok(())
}

fn is_prose(file: &str) -> bool {
    let kinds = [".rs", ".ts", ".tsx", ".md"];
    kinds.iter().any(|kind| file.ends_with(kind))
        && !file.contains("generated")
        && !file.starts_with("docs/openapi")
}

/// The text of all comments, or of a whole page.
fn prose(text: &str, is_page: bool) -> String {
    let lines = text.lines().map(str::trim);
    let comment = |line: &'_ str| -> Option<String> {
        let rest = ["///", "//!", "//", "*"]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        rest.map(|rest| rest.trim_start().to_owned())
    };
    let kept = lines.filter_map(|line| {
        if is_page {
            Some(line.to_owned())
        } else {
            comment(line)
        }
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// Sentences of three words and more.
fn split(text: &str) -> Vec<String> {
    let mut sentences = vec![String::new()];
    for word in text.split_whitespace() {
        if let Some(sentence) = sentences.last_mut() {
            sentence.push_str(word);
            sentence.push(' ');
        }
        if word.ends_with(['.', '!', '?', ':']) {
            sentences.push(String::new());
        }
    }
    let trimmed = sentences.iter().map(|sentence| sentence.trim().to_owned());
    trimmed
        .filter(|sentence| sentence.split(' ').count() >= 3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{prose, split};

    #[test]
    fn comments_are_read_and_code_is_not() {
        let text = "/// One.\nlet nobody = 1; // not a line of its own\n    // Two.\n * Three.";
        assert_eq!(prose(text, false), "One. Two. Three.");
    }

    #[test]
    fn sentences_end_with_a_mark() {
        assert_eq!(split("a b c. d e: f g h! i"), ["a b c.", "f g h!"]);
    }
}
