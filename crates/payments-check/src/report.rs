//! The printed result of each rule, and the level that follows from it.

use std::io::Write;

use crate::service::Service;

/// Why a service does not keep a rule.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It has the route and breaks the rule.
    Broken(String),
    /// It does not have the part of level 2 that the rule is about.
    Missing(String),
}

/// The result of one rule.
pub(crate) type RuleResult = Result<(), Fault>;

/// A rule that does not hold.
pub(crate) fn broken<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Broken(why.into()))
}

/// Exit code of a process whose reader has closed the pipe.
const CLOSED_PIPE: i32 = 141;

/// Prints a line; ends the process if its reader has gone.
fn print(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(CLOSED_PIPE);
    }
}

/// The results so far.
#[derive(Default)]
pub(crate) struct Report {
    broken: u32,
    missing: Vec<&'static str>,
}

impl Report {
    /// Checks one rule and prints it with its requests and answers. `part` is the part of level 2 that
    /// it belongs to.
    pub(crate) async fn rule(
        &mut self,
        service: &Service,
        part: Option<&'static str>,
        rule: &str,
        check: impl Future<Output = RuleResult>,
    ) {
        let result = check.await;
        match result {
            Ok(()) => print(&format!("kept     {rule}")),
            Err(Fault::Broken(why)) => {
                self.broken += 1;
                print(&format!("BROKEN   {rule}: {why}"));
            }
            Err(Fault::Missing(why)) => {
                if let Some(part) = part.filter(|part| !self.missing.contains(part)) {
                    self.missing.push(part);
                }
                print(&format!("missing  {rule}: {why}"));
            }
        }
        for line in service.take_log() {
            print(&format!("             {line}"));
        }
    }

    /// Prints the level; returns whether all is as it must be.
    pub(crate) fn conclude(&self, demanded: u8, with_events: bool) -> bool {
        if !with_events {
            print("Events were not checked: give --amqp.");
        }
        if self.broken > 0 {
            print(&format!("Broken rules: {}.", self.broken));
            return false;
        }
        if self.missing.is_empty() {
            print("The service is of level 2.");
            return true;
        }
        print(&format!(
            "The service is of level 1. For level 2 it lacks: {}.",
            self.missing.join(", ")
        ));
        demanded < 2
    }
}
