//! `shopctl runbook`.

use operator::{Why, cause::Code, saga_ref::AnyId};

use crate::{
    Common,
    output::{self, Output},
    saga::operator,
    saga_ref,
};

/// The id that the pages use as an example.
const EXAMPLE: &str = "01996e0e-0000-7000-8000-000000000001";

#[derive(clap::Args)]
pub(crate) struct Runbook {
    /// The cause, as `saga why` names it.
    #[arg(value_parser = crate::causes())]
    cause: Code,
    /// Fill in the ids of this saga, order, transaction or message; this needs the shop's database.
    id: Option<AnyId>,
}

#[derive(serde::Serialize)]
struct Page {
    cause: &'static str,
    page: String,
}

impl Runbook {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let about = self.cause.about();
        let page = match &self.id {
            None => fill(about.page, &|line| placeholder(line).to_owned()),
            Some(id) => {
                let operator = operator(common, &common.shop()?)?;
                let found = saga_ref::find(&operator, id).await?;
                let why = operator::why(&operator, &[found.saga_id]).await?.pop();
                let why = why.ok_or_else(|| saga_ref::archived(found))?;
                if why.diagnosis.code != self.cause {
                    output::talk(&format!(
                        "Saga {} has another cause now: {} ({}).",
                        why.saga_id, why.diagnosis.code, why.diagnosis.title
                    ));
                }
                fill(about.page, &|line| id_for(line, &why))
            }
        };
        if common.output == Output::Json {
            let cause = about.code;
            return output::object(&Page { cause, page });
        }
        output::data(page.trim_end())
    }
}

/// The id that a command of the page takes: an order, a message or a saga.
fn placeholder(line: &str) -> &'static str {
    if line.contains("shopctl order ") {
        "ORDER"
    } else if line.contains("shopctl failed ") || line.contains("shopctl outbox ") {
        "MESSAGE"
    } else {
        "SAGA"
    }
}

fn id_for(line: &str, why: &Why) -> String {
    let evidence = |name| {
        let mut all = why.diagnosis.evidence.iter();
        all.find(|evidence| evidence.name == name)
            .map(|evidence| evidence.value.clone())
    };
    let id = match placeholder(line) {
        "ORDER" => why.order_id.map(|order| order.to_string()),
        "MESSAGE" => evidence("message"),
        _ => Some(why.saga_id.to_string()),
    };
    id.unwrap_or_else(|| placeholder(line).to_owned())
}

/// The page as plain text: commands are indented, and have the id for their line.
fn fill(page: &str, id: &dyn Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        if in_block {
            text.push_str("  ");
        }
        text.push_str(&line.replace(EXAMPLE, &id(line)));
        text.push('\n');
    }
    text
}

/// The command that prints the page of a diagnosis.
pub(crate) fn command(why: &Why) -> String {
    format!("shopctl runbook {} {}", why.diagnosis.code, why.saga_id)
}
