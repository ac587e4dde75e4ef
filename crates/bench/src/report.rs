//! The measurements, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{Table, TableStyle};
use serde::Serialize;

use crate::{
    load::Measured, raw::Limit, recovery::Recovery, statements::Statement, system::Versions,
};

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) versions: Versions,
    pub(crate) rows: Vec<Row>,
    pub(crate) limits: Vec<Beside>,
    pub(crate) comparisons: Vec<Comparison>,
    /// Bytes on disk of each finished saga, its order and everything else that stays of it.
    pub(crate) bytes_per_finished: Option<f64>,
    pub(crate) recovery: Option<Recovery>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) statements: Vec<Statement>,
    /// Memory by process before any load, MiB.
    pub(crate) idle: BTreeMap<String, f64>,
    /// Peak memory by process, MiB.
    pub(crate) memory: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) run: String,
    pub(crate) concurrency: usize,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Row {
    pub(crate) fn new(run: &str, concurrency: usize, measured: Measured) -> Self {
        Self {
            run: run.to_owned(),
            concurrency,
            measured,
        }
    }
}

/// A measurement of whole checkouts, and of the raw limit right after it.
pub(crate) struct Turn {
    whole: Measured,
    limit: Limit,
    ratio: f64,
}

impl Turn {
    pub(crate) fn new(whole: Measured, limit: Limit) -> Self {
        let ratio = whole.sagas_per_second / limit.sagas_per_second;
        Self {
            whole,
            limit,
            ratio,
        }
    }
}

/// The raw limit in comparison with whole checkouts.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    #[serde(flatten)]
    limit: Limit,
    /// Rate of whole checkouts divided by the limit's rate, in the median turn.
    ratio: f64,
    /// The same ratio of each turn, ascending.
    ratios: Vec<f64>,
}

/// A system in comparison with another one, in turns.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    label: String,
    with: String,
    concurrency: usize,
    /// Rate divided by that of the other system, in each turn, ascending.
    rates: Vec<f64>,
    /// Processor time, of servers too, divided by that of the other system, in each turn, ascending.
    processor: Vec<f64>,
}

fn median(ascending: &[f64]) -> f64 {
    ascending
        .get(ascending.len() / 2)
        .copied()
        .unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "stdout is where data goes")]
pub(crate) fn data(text: &str) {
    println!("{text}");
}

impl Report {
    /// Adds the turn whose ratio is the median.
    pub(crate) fn add(&mut self, concurrency: usize, mut turns: Vec<Turn>) {
        turns.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
        let ratios = turns.iter().map(|turn| turn.ratio).collect();
        let Turn {
            whole,
            limit,
            ratio,
        } = turns.swap_remove(turns.len() / 2);
        self.rows.push(Row::new("checkout", concurrency, whole));
        self.limits.push(Beside {
            limit,
            ratio,
            ratios,
        });
    }

    /// Adds the turn of each system whose rate is the median, and the comparison with the first.
    pub(crate) fn compare(&mut self, concurrency: usize, labels: &[&str], turns: &[Vec<Measured>]) {
        for (n, label) in labels.iter().enumerate() {
            let ratios = |figure: fn(&Measured) -> f64| {
                let ratios = turns.iter().map(|turn| figure(&turn[n]) / figure(&turn[0]));
                let mut ratios: Vec<_> = ratios.collect();
                ratios.sort_by(f64::total_cmp);
                ratios
            };
            if n > 0 {
                self.comparisons.push(Comparison {
                    label: (*label).to_owned(),
                    with: labels[0].to_owned(),
                    concurrency,
                    rates: ratios(|m| m.sagas_per_second),
                    processor: ratios(|m| m.costs.processor_ms()),
                });
            }
            let mut of: Vec<_> = turns.iter().map(|turn| turn[n].clone()).collect();
            of.sort_by(|a, b| a.sagas_per_second.total_cmp(&b.sagas_per_second));
            let row = Row::new(label, concurrency, of.swap_remove(of.len() / 2));
            self.rows.push(row);
        }
    }

    pub(crate) fn print(&self) {
        let Versions {
            postgres,
            fsync,
            synchronous_commit,
            cores,
            processor,
        } = &self.versions;
        data(&format!(
            "PostgreSQL {postgres}, fsync {fsync}, synchronous_commit {synchronous_commit}; {cores} cores, {processor}\n"
        ));
        data(&self.speed().to_string());
        data(&self.costs().to_string());
        data(&self.processor().to_string());
        data(&self.limits().to_string());
        if !self.comparisons.is_empty() {
            data(&self.comparisons().to_string());
        }
        if let Some(bytes) = self.bytes_per_finished {
            data(&format!("{bytes:.0} bytes on disk per finished saga\n"));
        }
        if let Some(recovery) = &self.recovery {
            data(&format!("{recovery}\n"));
        }
        if !self.statements.is_empty() {
            data(&self.statements().to_string());
        }
        data(&self.processes().to_string());
    }

    fn statements(&self) -> Table {
        let mut table = table(&["CALLS", "EXEC ms", "PLAN ms", "WAL KiB", "STATEMENT"]);
        for statement in &self.statements {
            table.add_row([
                statement.calls.to_string(),
                format!("{:.0}", statement.exec_ms),
                format!("{:.0}", statement.plan_ms),
                format!("{:.0}", statement.wal_bytes / 1024.0),
                statement.query.clone(),
            ]);
        }
        table
    }

    fn speed(&self) -> Table {
        let mut table = table(&[
            "RUN",
            "CLIENTS",
            "SAGAS",
            "SAGAS/S",
            "201 p50 ms",
            "p95",
            "p99",
            "p99.9",
            "COMPLETED p50 ms",
            "p95",
            "p99",
            "p99.9",
        ]);
        for Row {
            run,
            concurrency,
            measured: m,
        } in &self.rows
        {
            let mut row = vec![
                run.clone(),
                concurrency.to_string(),
                m.sagas.to_string(),
                format!("{:.0}", m.sagas_per_second),
            ];
            for quantiles in [m.accepted, m.completed] {
                row.extend(
                    [quantiles.p50, quantiles.p95, quantiles.p99, quantiles.p999]
                        .map(|ms| format!("{ms:.1}")),
                );
            }
            table.add_row(row);
        }
        table
    }

    fn costs(&self) -> Table {
        let mut table = table(&[
            "RUN",
            "CLIENTS",
            "OURS ms",
            "POSTGRESQL ms",
            "RABBITMQ ms",
            "COMMITS",
            "FSYNCS",
            "WAL bytes",
            "FULL PAGES",
            "STATEMENTS",
            "INSERTED",
            "DEAD ROWS",
        ]);
        for Row {
            run,
            concurrency,
            measured,
        } in &self.rows
        {
            let c = &measured.costs;
            let mut row = vec![run.clone(), concurrency.to_string()];
            row.extend(
                [c.ours_ms, c.postgres_ms, c.rabbitmq_ms, c.commits, c.fsyncs]
                    .map(|n| format!("{n:.2}")),
            );
            row.extend([
                format!("{:.0}", c.wal_bytes),
                format!("{:.2}", c.full_page_images),
                c.statements
                    .map_or_else(String::new, |statements| format!("{statements:.1}")),
                format!("{:.2}", c.inserted),
                format!("{:.2}", c.dead_rows),
            ]);
            table.add_row(row);
        }
        table
    }

    /// Processor time by process.
    fn processor(&self) -> Table {
        let names: BTreeSet<_> = self
            .rows
            .iter()
            .flat_map(|row| row.measured.costs.processes_ms.keys())
            .collect();
        let mut header = vec!["PROCESSOR ms", "CLIENTS"];
        header.extend(names.iter().map(|name| name.as_str()));
        let mut table = table(&header);
        for row in &self.rows {
            let mut cells = vec![row.run.clone(), row.concurrency.to_string()];
            let processes = &row.measured.costs.processes_ms;
            cells.extend(names.iter().map(|name| {
                let ms = processes.get(*name);
                ms.map_or_else(String::new, |ms| format!("{ms:.2}"))
            }));
            table.add_row(cells);
        }
        table
    }

    fn limits(&self) -> Table {
        let mut table = table(&[
            "RAW LIMIT",
            "SAGAS/S",
            "POSTGRESQL ms",
            "COMMITS",
            "FSYNCS",
            "WAL bytes",
            "WHOLE / LIMIT",
            "ALL TURNS",
        ]);
        for Beside {
            limit,
            ratio,
            ratios,
        } in &self.limits
        {
            let all: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
            table.add_row([
                format!("{} clients", limit.concurrency),
                format!("{:.0}", limit.sagas_per_second),
                format!("{:.2}", limit.costs.postgres_ms),
                format!("{:.2}", limit.costs.commits),
                format!("{:.2}", limit.costs.fsyncs),
                format!("{:.0}", limit.costs.wal_bytes),
                format!("{ratio:.3}"),
                all.join(" "),
            ]);
        }
        table
    }

    fn comparisons(&self) -> Table {
        let mut table = table(&[
            "COMPARED",
            "WITH",
            "CLIENTS",
            "SAGAS/S",
            "ALL TURNS",
            "PROCESSOR",
            "ALL TURNS",
        ]);
        let list = |ratios: &[f64]| -> String {
            let all: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
            all.join(" ")
        };
        for comparison in &self.comparisons {
            let Comparison {
                label,
                with,
                concurrency,
                rates,
                processor,
            } = comparison;
            table.add_row([
                label.clone(),
                with.clone(),
                concurrency.to_string(),
                format!("{:.2}", median(rates)),
                list(rates),
                format!("{:.2}", median(processor)),
                list(processor),
            ]);
        }
        table
    }

    fn processes(&self) -> Table {
        let mut table = table(&["PROCESS", "IDLE MiB", "PEAK MiB"]);
        for (name, peak) in &self.memory {
            let idle = self
                .idle
                .get(name)
                .map_or_else(String::new, |idle| format!("{idle:.0}"));
            table.add_row([name.clone(), idle, format!("{peak:.0}")]);
        }
        table
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header.to_vec());
    table
}
