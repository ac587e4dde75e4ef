//! `shopctl saga plan` and `shopctl saga check-compat`.

use std::fmt::Write as _;

use operator::stats;
use saga::{Kind, Role, Shape, StepShape};
use serde::Serialize;

use super::engine;
use crate::{Common, exit::Failure, output};

#[derive(clap::Args)]
pub(crate) struct Plan {
    /// The plan's name; without it, all plans.
    name: Option<String>,
    /// Print a Mermaid state diagram.
    #[arg(long)]
    mermaid: bool,
}

#[derive(clap::Args)]
pub(crate) struct CheckCompat {}

#[derive(Serialize)]
struct PrintedStep {
    plan: &'static str,
    version: i32,
    hash: String,
    step: &'static str,
    kind: &'static str,
    role: &'static str,
    undone: &'static str,
}

impl Plan {
    pub(super) fn run(&self, common: &Common) -> anyhow::Result<()> {
        let mut shapes = common.registry.shapes();
        if let Some(name) = &self.name {
            let known: Vec<_> = shapes.iter().map(|shape| shape.name).collect();
            let hint = format!("it knows {}", known.join(", "));
            shapes.retain(|shape| shape.name == name);
            if shapes.is_empty() {
                return Err(
                    Failure::not_found(format!("this binary knows no plan {name}"))
                        .hint(hint)
                        .into(),
                );
            }
        }
        if self.mermaid {
            for shape in &shapes {
                let diagram = mermaid(shape);
                let object = serde_json::json!({
                    "plan": shape.name, "version": shape.version, "mermaid": diagram,
                });
                output::either(common.output, &object, diagram.trim_end())?;
            }
            return Ok(());
        }
        let steps: Vec<_> = shapes.iter().flat_map(printed_steps).collect();
        let header = ["PLAN", "STEP", "KIND", "ROLE", "UNDONE"];
        output::rows(common.output, &header, &steps, |step| {
            vec![
                format!("{} v{}", step.plan, step.version),
                step.step.to_owned(),
                step.kind.to_owned(),
                step.role.to_owned(),
                step.undone.to_owned(),
            ]
        })
    }
}

fn printed_steps(shape: &Shape) -> Vec<PrintedStep> {
    let hash = shape.hash();
    let steps = shape.steps.iter();
    steps
        .map(|step| PrintedStep {
            plan: shape.name,
            version: shape.version,
            hash: hash.clone(),
            step: step.name,
            kind: step.kind.as_str(),
            role: step.role.as_str(),
            undone: undone(step),
        })
        .collect()
}

fn undone(step: &StepShape) -> &'static str {
    match (step.role, step.kind) {
        (Role::Retryable, _) => "never",
        (Role::Pivot, _) | (_, Kind::Wait | Kind::Sleep) => "nothing to undo",
        (Role::Compensable, Kind::Local) => "in the transition's transaction",
        (Role::Compensable, Kind::Remote) => "by a call, until it is answered",
    }
}

/// The plan as a state diagram: forward to the end, and compensation back from each step that may
/// refuse.
fn mermaid(shape: &Shape) -> String {
    let steps = &shape.steps;
    let mut text = format!(
        "---\ntitle: {} v{}\n---\nstateDiagram-v2\n",
        shape.name, shape.version
    );
    let mut line = |from: &str, to: &str, why: &str| {
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        writeln!(text, "    {from} --> {to}{why}").expect("a String takes everything");
    };
    let undos: Vec<_> = steps.iter().filter(|step| step.has_an_undo()).collect();
    let undo_of = |step: &StepShape| format!("undo_{}", step.name);
    let mut before = "[*]".to_owned();
    for (at, step) in steps.iter().enumerate() {
        line(&before, step.name, "");
        // compensation begins with the last step that has started and can be undone
        let highest = steps[..=at].iter().rfind(|step| step.has_an_undo());
        let to = highest.map_or_else(|| "compensated".to_owned(), undo_of);
        let why = match (step.role, step.kind) {
            (Role::Retryable, _) | (_, Kind::Local) => None,
            (_, Kind::Remote) => Some("refused"),
            (_, Kind::Wait) => Some("canceled or too late"),
            (_, Kind::Sleep) => Some("canceled"),
        };
        if let Some(why) = why {
            line(step.name, &to, why);
        }
        step.name.clone_into(&mut before);
    }
    line(&before, "completed", "");
    line("completed", "[*]", "");
    let pivot = &steps[shape.pivot()];
    let after = steps
        .get(shape.pivot() + 1)
        .map_or("completed", |step| step.name);
    for (at, step) in undos.iter().enumerate().rev() {
        let to = at
            .checked_sub(1)
            .map_or("compensated".to_owned(), |below| undo_of(undos[below]));
        line(&undo_of(step), &to, "");
        let here = steps.iter().position(|it| it.name == step.name);
        let decides = here.is_some_and(|here| shape.decides_the_pivot(here));
        if decides && at + 1 == undos.len() {
            line(
                &undo_of(step),
                after,
                &format!("overtaken: {} was decided", pivot.name),
            );
        }
    }
    line("compensated", "[*]", "");
    text
}

impl CheckCompat {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let known = engine(common, &pool)?.plan_keys();
        let mut conn = pool.acquire().await?;
        let plans = stats::live_plans(&mut conn, &known).await?;
        let header = ["PLAN", "HASH", "SAGAS", "OLDEST", "THIS BINARY"];
        output::rows(common.output, &header, &plans, |plan| {
            let works = if plan.known {
                "works on them"
            } else {
                "leaves them alone"
            };
            vec![
                format!("{} v{}", plan.plan, plan.version),
                plan.hash.clone(),
                plan.sagas.to_string(),
                plan.oldest.to_string(),
                works.to_owned(),
            ]
        })?;
        let left: i64 = plans
            .iter()
            .filter(|plan| !plan.known)
            .map(|plan| plan.sagas)
            .sum();
        if left == 0 {
            output::talk("This binary works on every live saga.");
            return Ok(());
        }
        Err(
            Failure::not_done(format!("{left} live sagas would be left alone"))
                .hint("keep workers of their release running until they are at rest")
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_as_a_diagram() {
        let shape = &workflows::plans()[0];
        let expected = "\
---
title: checkout v1
---
stateDiagram-v2
    [*] --> place_order
    place_order --> init_payment
    init_payment --> undo_init_payment: refused
    init_payment --> await_payment
    await_payment --> undo_init_payment: canceled or too late
    await_payment --> complete_order
    complete_order --> completed
    completed --> [*]
    undo_init_payment --> undo_place_order
    undo_init_payment --> complete_order: overtaken: await_payment was decided
    undo_place_order --> compensated
    compensated --> [*]
";
        assert_eq!(mermaid(shape), expected);
    }
}
