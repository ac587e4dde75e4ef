//! `shopctl failed`.
//!
//! Each change is recorded in the audit before it is made at the broker. A crash in between leaves
//! the message in `failed`. A crash between the publisher confirm and the ack leaves the message in
//! both queues: it may be delivered twice, which the inbox deduplicates, but it is never lost.

use std::time::Duration;

use clap::{Args, Subcommand};
use contracts::topology::{CONSUMERS, MESSAGES, PAYMENTS_EVENTS_QUEUE};
use messaging::failed::{self, FailedMessage, Group, Held, MOST, Page, Review};
use operator::failed::{Decided, FailedError};
use sqlx::PgPool;

use crate::{
    Common,
    exit::Failure,
    output::{self, Output, Progress},
};

/// The queues whose messages can end in `failed`.
const QUEUES: [&str; 2] = [PAYMENTS_EVENTS_QUEUE, MESSAGES];

#[derive(Subcommand)]
pub(crate) enum Failed {
    /// List messages that could not be handled, grouped by queue and reason; `-o json` prints one
    /// line per message.
    #[command(
        after_help = "Examples:\n  shopctl failed list\n  shopctl failed list --queue messages --each\n  \
                            shopctl failed list --text undecodable -o json"
    )]
    List(List),
    /// Show one message in full.
    #[command(
        after_help = "Examples:\n  shopctl failed show 01996e0e-0000-7000-8000-000000000001\n  \
                            shopctl failed show sha:0123456789abcdef"
    )]
    Show {
        /// The message id, or `sha:…` as listed.
        id: String,
    },
    /// Send messages to the queues they came from, as if delivered for the first time.
    #[command(
        after_help = "Examples:\n  shopctl failed retry 01996e0e-0000-7000-8000-000000000001 --reason 'the mail server is back'\n  \
                            shopctl failed retry --queue messages --text 'mail server' --reason 'it is back'\n  \
                            shopctl failed retry --all --reason 'the release is mended' --yes"
    )]
    Retry(Retry),
    /// Send a message to its queue with a new body, under the same id.
    #[command(
        after_help = "Examples:\n  shopctl failed edit 01996e0e-0000-7000-8000-000000000001 --body mended.json --reason 'a comma was missing'\n  \
                            shopctl failed edit sha:0123456789abcdef --body - --reason 'a comma was missing' < mended.json"
    )]
    Edit(Edit),
    /// Remove messages from `failed` for good; the audit keeps them in full.
    #[command(
        after_help = "Examples:\n  shopctl failed drop 01996e0e-0000-7000-8000-000000000001 --reason 'a test of the partner'\n  \
                            shopctl failed drop --queue messages --text undecodable --reason 'not ours'\n  \
                            shopctl failed drop --settle --reason 'their orders are at rest'"
    )]
    Drop(Discard),
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    group: InGroup,
    /// One line per message, instead of per group.
    #[arg(long)]
    each: bool,
    /// Maximum number of messages to read.
    #[arg(long, default_value_t = MOST)]
    limit: usize,
    /// Number of messages to skip first.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Newest first, instead of oldest first.
    #[arg(long)]
    newest: bool,
}

/// A filter on the messages in `failed`.
#[derive(Args, Clone, Default)]
struct InGroup {
    /// Only messages that came from this queue.
    #[arg(long, value_parser = QUEUES)]
    queue: Option<String>,
    /// Only messages with this text in their reason, type or body.
    #[arg(long)]
    text: Option<String>,
}

#[derive(Args)]
pub(crate) struct Retry {
    /// The messages' ids.
    #[arg(required_unless_present_any = ["all", "queue"], conflicts_with_all = ["all", "queue", "text"])]
    ids: Vec<String>,
    #[command(flatten)]
    group: InGroup,
    /// All messages.
    #[arg(long, conflicts_with_all = ["queue", "text"])]
    all: bool,
    /// The queue to send them to, instead of the one that the consumer recorded.
    #[arg(long, value_name = "QUEUE", value_parser = QUEUES)]
    to: Option<String>,
    /// Reason; kept in the audit.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct Edit {
    /// The message's id.
    id: String,
    /// The queue to send it to, instead of the one that the consumer recorded.
    #[arg(long, value_name = "QUEUE", value_parser = QUEUES)]
    to: Option<String>,
    /// The new body: a file, `-` for stdin, or the JSON itself. Its consumer must be able to read
    /// it, or it is not sent.
    #[arg(long)]
    body: String,
    /// Reason; kept in the audit.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct Discard {
    /// The messages' ids.
    #[arg(required_unless_present_any = ["queue", "settle"], conflicts_with_all = ["queue", "text"])]
    ids: Vec<String>,
    #[command(flatten)]
    group: InGroup,
    /// Only payment events whose orders are at rest in agreement with payments. Another message
    /// that is named by its id is refused.
    #[arg(long)]
    settle: bool,
    /// Reason; kept in the audit.
    #[arg(long)]
    reason: String,
}

impl InGroup {
    fn has(&self, message: &FailedMessage) -> bool {
        let queue = self.queue.is_none() || message.queue == self.queue;
        let text = self.text.as_ref().is_none_or(|text| {
            let says = [&message.reason, &message.message_type];
            message.body.contains(text)
                || says
                    .iter()
                    .any(|said| said.as_ref().is_some_and(|said| said.contains(text)))
        });
        queue && text
    }
}

impl Failed {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(common).await,
            Self::Show { id } => show(common, id).await,
            Self::Retry(retry) => retry.run(common).await,
            Self::Edit(edit) => edit.run(common).await,
            Self::Drop(drop) => drop.run(common).await,
        }
    }
}

impl List {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let page = Page {
            limit: self.limit,
            skip: self.skip,
            newest: self.newest,
        };
        let listed = failed::page(&common.amqp()?, page).await?;
        let mut messages = listed.messages;
        messages.retain(|message| self.group.has(message));
        let groups = failed::groups(&messages);
        match common.output {
            output @ (Output::Table | Output::Wide) if !self.each => grouped(output, &groups)?,
            output => each(output, &messages)?,
        }
        let more = if listed.more {
            ", and others beside the page that was looked at"
        } else {
            ""
        };
        let messages = output::counted(messages.len(), "message");
        let groups = output::counted(groups.len(), "group");
        output::talk(&format!("{messages} in {groups}{more}"));
        Ok(())
    }
}

fn grouped(output: Output, groups: &[Group]) -> anyhow::Result<()> {
    let header = ["QUEUE", "COUNT", "REASON", "OLDEST"];
    output::rows(output, &header, groups, |group| {
        vec![
            group.queue.clone().unwrap_or_else(|| "?".to_owned()),
            group.count.to_string(),
            group.reason.clone(),
            group.oldest.clone(),
        ]
    })
}

fn each(output: Output, messages: &[FailedMessage]) -> anyhow::Result<()> {
    let header = ["MESSAGE", "TYPE", "QUEUE", "ATTEMPTS", "REASON"];
    output::rows(output, &header, messages, |message| {
        let kind = message.message_type.as_ref();
        vec![
            message.id.clone(),
            kind.unwrap_or(&message.routing_key).clone(),
            message.queue.clone().unwrap_or_else(|| "?".to_owned()),
            message.attempts.to_string(),
            message.reason.clone().unwrap_or_default(),
        ]
    })
}

async fn show(common: &Common, id: &str) -> anyhow::Result<()> {
    let message = failed::find(&common.amqp()?, id, usize::MAX).await?;
    let message = message.ok_or_else(|| missing(id))?;
    output::data(&match common.output {
        Output::Table | Output::Wide => serde_json::to_string_pretty(&message)?,
        Output::Json => serde_json::to_string(&message)?,
    })
}

fn missing(what: &str) -> Failure {
    Failure::not_found(format!("`failed` holds no message {what}"))
        .hint("`shopctl failed list --each` tells their ids")
}

/// How long requeued messages may take to reappear in `failed`.
const RETURN: Duration = Duration::from_secs(2);

/// Takes the messages in `failed` and returns the `wanted` ones. The others are held until the
/// review ends.
async fn take(
    review: &mut Review,
    wanted: impl FnMut(&FailedMessage) -> bool,
) -> anyhow::Result<Vec<Held>> {
    Ok(review.take_those(MOST, wanted).await?)
}

/// Asks for confirmation and returns the same messages. No message is held while the operator
/// decides, so that other operators can see and change all of `failed`.
async fn agreed(
    common: &Common,
    name: &str,
    review: Review,
    held: Vec<Held>,
    question: &str,
) -> anyhow::Result<(Review, Vec<Held>)> {
    if common.yes {
        return Ok((review, held));
    }
    let ids: Vec<_> = held.iter().map(|held| held.message.id.clone()).collect();
    drop(held);
    review.close().await;
    output::confirm(common.yes, question)?;
    let amqp = common.amqp()?;
    let until = tokio::time::Instant::now() + RETURN;
    loop {
        let mut review = Review::open(&amqp, name, &CONSUMERS).await?;
        let mut left = ids.clone();
        let held = take(&mut review, |message| {
            let place = left.iter().position(|id| *id == message.id);
            place.map(|place| left.swap_remove(place)).is_some()
        })
        .await?;
        if left.is_empty() || tokio::time::Instant::now() > until {
            for id in &left {
                output::talk(&format!("Message {id} is not there any more."));
            }
            return Ok((review, held));
        }
        // messages requeued a moment ago may not have reappeared yet
        drop(held);
        review.close().await;
    }
}

/// Fails if one of these ids is not held.
fn all_there(ids: &[String], held: &[Held]) -> Result<(), Failure> {
    let there = |id: &&String| !held.iter().any(|held| held.message.id == **id);
    match ids.iter().find(there) {
        Some(id) => Err(missing(id)),
        None => Ok(()),
    }
}

/// Describes the action and the messages that it affects.
fn consequences(what: &str, held: &[Held]) -> String {
    let messages: Vec<_> = held.iter().map(|held| held.message.clone()).collect();
    let n = output::counted(messages.len(), "message");
    let mut lines = vec![format!("{n} {what}:")];
    lines.extend(failed::groups(&messages).iter().map(|group| {
        let queue = group.queue.as_deref().unwrap_or("?");
        format!("  {} of {queue}: {}", group.count, group.reason)
    }));
    lines.join("\n") + "\n"
}

impl Retry {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let (pool, amqp) = (common.shop()?, common.amqp()?);
        let mut review = Review::open(&amqp, "failed retry", &CONSUMERS).await?;
        let held = take(&mut review, |message| {
            self.all
                || self.ids.contains(&message.id)
                || self.ids.is_empty() && self.group.has(message)
        })
        .await?;
        all_there(&self.ids, &held)?;
        if held.is_empty() {
            return nothing(self.all.then_some("`failed` is empty."));
        }
        let what = match &self.to {
            Some(queue) => format!("to be sent again, to {queue}"),
            None => "to be sent again, to the queues they came from".to_owned(),
        };
        let question = consequences(&what, &held);
        let (review, mut held) = agreed(common, "failed retry", review, held, &question).await?;
        let bar = Progress::new(held.len() as u64, "messages");
        let mut some: Vec<_> = held.iter_mut().collect();
        let to = self.to.as_deref();
        let done = |n| bar.set(n as u64);
        let decided = operator::failed::retry(&pool, &review, &mut some, to, &actor, done);
        let decided = decided.await.map_err(broken)?;
        drop(bar);
        review.close().await;
        print(common, &decided)
    }
}

/// Nothing was selected. That is no error of a command that takes what there is, which says so in
/// these words.
fn nothing(fine: Option<&str>) -> anyhow::Result<()> {
    if let Some(words) = fine {
        output::talk(words);
        return Ok(());
    }
    Err(missing("like that").into())
}

impl Edit {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let body = self.read()?;
        let (pool, amqp) = (common.shop()?, common.amqp()?);
        let mut review = Review::open(&amqp, "failed edit", &CONSUMERS).await?;
        let held = take(&mut review, |message| message.id == self.id).await?;
        let [one] = held.as_slice() else {
            return Err(self.not_one(held.len()).into());
        };
        let recorded = one.message.queue.as_deref();
        let to = self.to.as_deref();
        let queue = to.or(recorded).unwrap_or("?");
        operator::failed::check(&one.message, to, &body).map_err(|error| {
            Failure::usage(format!("{queue} cannot read the new body: {error}"))
                .hint("nothing was changed; mend the body and repeat the command")
        })?;
        let question = format!(
            "Message {} goes to {queue} again, with another body:\n  was {}\n  is  {body}\n",
            self.id, one.message.body
        );
        let (review, mut held) = agreed(common, "failed edit", review, held, &question).await?;
        let found = held.len();
        let [held] = held.as_mut_slice() else {
            return Err(self.not_one(found).into());
        };
        let decided = operator::failed::edit(&pool, &review, held, to, &body, &actor).await;
        let decided = decided.map_err(broken)?;
        review.close().await;
        print(common, &[decided])
    }

    fn read(&self) -> Result<String, Failure> {
        let body = match self.body.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()),
            json if json.trim_start().starts_with('{') => Ok(json.to_owned()),
            file => std::fs::read_to_string(file),
        };
        body.map_err(|error| {
            let from = &self.body;
            Failure::usage(format!("the body cannot be read from {from}: {error}"))
                .hint("name a file, `-` and give it on stdin, or give the JSON itself")
        })
    }

    fn not_one(&self, found: usize) -> Failure {
        if found == 0 {
            return missing(&self.id);
        }
        Failure::conflict(format!("{found} messages are called {}", self.id))
            .hint("they are the same message more than once: drop or retry them together")
    }
}

impl Discard {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let (pool, amqp) = (common.shop()?, common.amqp()?);
        let mut review = Review::open(&amqp, "failed drop", &CONSUMERS).await?;
        let mut held = take(&mut review, |message| {
            self.ids.contains(&message.id) || self.ids.is_empty() && self.group.has(message)
        })
        .await?;
        all_there(&self.ids, &held)?;
        if self.settle {
            held = self.settled(common, &pool, held).await?;
        }
        if held.is_empty() {
            let words = "No message in `failed` is about an order at rest.";
            return nothing(self.settle.then_some(words));
        }
        let what = "to be taken out of `failed` for good, and kept in the audit only";
        let question = consequences(what, &held);
        let (review, mut held) = agreed(common, "failed drop", review, held, &question).await?;
        let bar = Progress::new(held.len() as u64, "messages");
        let mut some: Vec<_> = held.iter_mut().collect();
        let done = |n| bar.set(n as u64);
        let decided =
            operator::failed::discard(&pool, &review, &mut some, self.settle, &actor, done);
        let decided = decided.await.map_err(broken)?;
        drop(bar);
        review.close().await;
        print(common, &decided)
    }

    /// The settled messages. One that is named by its id must be settled.
    async fn settled(
        &self,
        common: &Common,
        pool: &PgPool,
        held: Vec<Held>,
    ) -> anyhow::Result<Vec<Held>> {
        let operator = crate::saga::operator(common, pool)?;
        let messages: Vec<_> = held.iter().map(|held| &held.message).collect();
        let unsettled = operator::settled::unsettled(&operator, &messages).await?;
        let mut settled = Vec::with_capacity(held.len());
        for (held, unsettled) in held.into_iter().zip(unsettled) {
            match unsettled {
                None => settled.push(held),
                Some(_) if self.ids.is_empty() => {}
                Some(why) => {
                    let id = &held.message.id;
                    return Err(Failure::conflict(format!("message {id} stays: {why}"))
                        .hint("without --settle it is dropped all the same")
                        .into());
                }
            }
        }
        Ok(settled)
    }
}

fn print(common: &Common, decided: &[Decided]) -> anyhow::Result<()> {
    let header = ["MESSAGE", "QUEUE", "RESULT", "DETAIL"];
    output::rows(common.output, &header, decided, |one| {
        vec![
            one.id.clone(),
            one.queue.clone().unwrap_or_else(|| "?".to_owned()),
            one.result.as_str().to_owned(),
            one.detail.clone().unwrap_or_default(),
        ]
    })?;
    let stay = decided.iter().filter(|one| one.detail.is_some()).count();
    output::talk(&format!("{} done, {stay} stay.", decided.len() - stay));
    if stay == 0 {
        return Ok(());
    }
    Err(Failure::not_done(format!(
        "{} in `failed` still",
        output::counted(stay, "message")
    ))
    .hint("each says why; `shopctl doctor` tells whether a queue is missing")
    .into())
}

fn broken(error: FailedError) -> anyhow::Error {
    anyhow::Error::from(error).context("what is told as done is done")
}
