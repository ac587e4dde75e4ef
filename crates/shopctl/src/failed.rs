//! `shopctl failed`.

use clap::Subcommand;
use messaging::failed::{self, FailedMessage};

use crate::{Common, exit::Failure, output};

#[derive(Subcommand)]
pub(crate) enum Failed {
    /// List messages that could not be handled, oldest first.
    #[command(after_help = "Examples:\n  shopctl failed list\n  shopctl failed list -o json")]
    List {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one, with its body.
    #[command(after_help = "Examples:\n  shopctl failed show 01996e0e-0000-7000-8000-000000000001")]
    Show {
        /// Its message id.
        id: String,
    },
    /// Send messages to the queues they came from, as if for the first time.
    #[command(
        after_help = "Examples:\n  shopctl failed retry 01996e0e-0000-7000-8000-000000000001\n  shopctl failed retry --all --yes"
    )]
    Retry {
        /// The message ids.
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
}

/// As many as are looked through to find one.
const MANY: usize = 10_000;

impl Failed {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let amqp = &common.amqp()?;
        match self {
            Self::List { limit } => {
                let messages = failed::list(amqp, *limit).await?;
                table(common, &messages)?;
                output::talk(&format!("{} messages", messages.len()));
                Ok(())
            }
            Self::Show { id } => {
                let messages = failed::list(amqp, MANY).await?;
                let message = messages
                    .iter()
                    .find(|message| message.message_id.as_ref() == Some(id));
                let message = message.ok_or_else(|| {
                    Failure::not_found(format!("no failed message has the id {id}"))
                        .hint("`shopctl failed list`")
                })?;
                output::data(&serde_json::to_string_pretty(message)?);
                Ok(())
            }
            Self::Retry { ids, all } => {
                let what = if *all {
                    "All failed messages".to_owned()
                } else {
                    format!("{} messages", ids.len())
                };
                output::confirm(common.yes, &format!("{what} will be sent again."))?;
                let wanted = |message: &FailedMessage| {
                    *all || message
                        .message_id
                        .as_ref()
                        .is_some_and(|id| ids.contains(id))
                };
                let sent = failed::retry(amqp, MANY, wanted).await?;
                if sent.is_empty() && !*all {
                    return Err(Failure::not_found("none of them is in `failed`")
                        .hint("`shopctl failed list`")
                        .into());
                }
                table(common, &sent)?;
                output::talk(&format!("Sent {} messages again.", sent.len()));
                Ok(())
            }
        }
    }
}

fn table(common: &Common, messages: &[FailedMessage]) -> anyhow::Result<()> {
    output::rows(
        common.output,
        &["MESSAGE", "TYPE", "QUEUE", "ATTEMPTS", "REASON"],
        messages,
        |message| {
            vec![
                message.message_id.clone().unwrap_or_default(),
                message
                    .message_type
                    .clone()
                    .unwrap_or_else(|| message.routing_key.clone()),
                message.queue.clone().unwrap_or_default(),
                message.attempts.to_string(),
                message.reason.clone().unwrap_or_default(),
            ]
        },
    )
}
