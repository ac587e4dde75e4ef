//! The result of a run, for people and for programs.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use crate::{chaos::Done, scaling::Recovery, schedule::Mode};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The seed that reproduces its schedule.
    pub seed: u64,
    /// The mode of the run.
    pub mode: Mode,
    /// Duration of the run, without the start of the servers.
    pub seconds: u64,
    /// Rounds of faults.
    pub rounds: u64,
    /// The injected faults.
    #[serde(flatten)]
    pub done: Done,
    /// Orders that were accepted (201 or 202).
    pub orders_accepted: usize,
    /// Completed orders in the database.
    pub completed: usize,
    /// Canceled orders in the database.
    pub canceled: usize,
    /// Number of `doctor` runs during the faults.
    pub doctor_runs: u64,
    /// Number of polls for the causes of all live sagas.
    pub cause_looks: u64,
    /// By call and status: the number of answers.
    pub answers: BTreeMap<String, u64>,
    /// Time from the end of the faults until an order placed then is completed; one per round.
    pub first_completed: Times,
    /// Time from the end of the faults until everything that can be at rest is; one per round. In
    /// liveness mode: from the silence of the clients until all is at rest.
    pub at_rest: Times,
    /// The longest time without a completed order, from the faults to the clients' end, seconds;
    /// liveness mode only.
    pub longest_gap: Option<f64>,
    /// The workers' throughput before the first kill and after the last start; scaling mode only.
    pub recovery: Option<Recovery>,
    /// The number of attacks, by kind.
    pub attacks: Option<BTreeMap<String, u64>>,
    /// Violated promises.
    pub violations: Vec<String>,
}

/// A distribution of times, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Times {
    /// Number of samples.
    pub count: usize,
    /// The median.
    pub p50: f64,
    /// The maximum.
    pub max: f64,
}

impl Times {
    /// The distribution of these times.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
        Self {
            count: times.len(),
            p50: seconds(times.get(times.len().saturating_sub(1) / 2)),
            max: seconds(times.last()),
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.1} s, max {:.1} s ({})",
            self.p50, self.max, self.count
        )
    }
}

impl Summary {
    /// Renders a table in Markdown, with the violations below it.
    pub fn markdown(&self) -> String {
        let done = &self.done;
        let mode = format!("{:?}", self.mode).to_lowercase();
        let gap = self.longest_gap.map(|gap| format!("{gap:.1} s"));
        let outages = done.outages.map(|played| played.to_string());
        let recovery = self.recovery.as_ref().map(ToString::to_string);
        let attacks = self.attacks.as_ref().map(|attacks| {
            let attacks = attacks
                .iter()
                .map(|(name, count)| format!("{name} {count}"));
            attacks.collect::<Vec<_>>().join(", ")
        });
        let rows = [
            ("seed", self.seed.to_string()),
            ("mode", mode),
            ("seconds", self.seconds.to_string()),
            ("rounds", self.rounds.to_string()),
            ("processes killed", done.kills.to_string()),
            ("processes stopped in order", done.stops.to_string()),
            ("processes replaced", done.replaced.to_string()),
            ("processes paused past their lease", done.pauses.to_string()),
            ("PostgreSQL crashes", done.postgres_restarts.to_string()),
            (
                "RabbitMQ crashes and restarts",
                done.rabbitmq_restarts.to_string(),
            ),
            ("database sessions ended", done.sessions_ended.to_string()),
            (
                "links broken (losses and cuts)",
                format!("{} ({})", done.links_broken, done.link_hits),
            ),
            (
                "read-only phases · rows held · alarms · frozen backends · slow payments · silent mail · bindings removed",
                outages.unwrap_or_else(|| "–".to_owned()),
            ),
            (
                "processes that ended by themselves",
                done.restarted.to_string(),
            ),
            ("orders accepted", self.orders_accepted.to_string()),
            (
                "orders completed · canceled",
                format!("{} · {}", self.completed, self.canceled),
            ),
            ("looks of doctor under way", self.doctor_runs.to_string()),
            (
                "looks at all causes under way",
                self.cause_looks.to_string(),
            ),
            (
                "faults over → first order completed",
                self.first_completed.to_string(),
            ),
            ("faults over → all at rest", self.at_rest.to_string()),
            (
                "longest time without a completed order",
                gap.unwrap_or_else(|| "–".to_owned()),
            ),
            (
                "orders completed a second before · after; attempts a worker then",
                recovery.unwrap_or_else(|| "–".to_owned()),
            ),
            ("attacks", attacks.unwrap_or_else(|| "–".to_owned())),
            ("violations", self.violations.len().to_string()),
        ];
        let rows = rows.map(|(name, value)| format!("| {name} | {value} |\n"));
        let violations = self.violations.iter().map(|what| format!("\n- {what}"));
        let text = ["| | |\n|---|---|\n".to_owned()].into_iter();
        text.chain(rows).chain(violations).collect()
    }
}
