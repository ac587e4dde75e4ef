//! The look-ups before a mail is written. Mails that are prepared at the same moment share them.

use contracts::{command::Command, topology};
use db::{Batch, Batcher, Lane};
use kernel::UserId;
use messaging::inbox;

/// The state of a command before it is carried out.
#[derive(Debug, Clone)]
pub(super) struct CommandState {
    /// Whether it has been carried out already.
    pub(super) is_handled: bool,
    /// The address of its user, if its mail needs no more than that.
    pub(super) address: Option<String>,
}

pub(super) struct Lookup(Batcher<Reads>);

impl Lookup {
    pub(super) fn new(lane: Lane) -> Self {
        Self(Batcher::new(Reads(lane)))
    }

    pub(super) async fn find(&self, id: &str, command: &Command) -> sqlx::Result<CommandState> {
        let item = (id.to_owned(), addressee(command));
        self.0
            .run(item)
            .await
            .unwrap_or_else(|error| Err(sqlx::Error::Io(std::io::Error::other(error))))
    }
}

/// The user whose address is all that the command's mail needs.
pub(super) fn addressee(command: &Command) -> Option<UserId> {
    match command {
        Command::SendPasswordChanged { user_id }
        | Command::SendRegistrationAttempt { user_id }
        | Command::SendOrderConfirmation { user_id, .. } => Some(*user_id),
        Command::SendPasswordReset { .. }
        | Command::SendWelcomeEmail { .. }
        | Command::SendVerificationEmail { .. } => None,
    }
}

struct Reads(Lane);

impl Batch for Reads {
    type Item = (String, Option<UserId>);
    type Answer = sqlx::Result<CommandState>;

    async fn together(&self, items: &[Self::Item]) -> Vec<Option<Self::Answer>> {
        match self.find(items).await {
            Ok(found) => found.into_iter().map(|state| Some(Ok(state))).collect(),
            Err(error) if items.len() == 1 => vec![Some(Err(error))],
            Err(_) => items.iter().map(|_| None).collect(),
        }
    }

    async fn alone(&self, item: Self::Item) -> Self::Answer {
        let mut found = self.find(&[item]).await?;
        found.pop().ok_or(sqlx::Error::RowNotFound)
    }
}

impl Reads {
    async fn find(&self, items: &[(String, Option<UserId>)]) -> sqlx::Result<Vec<CommandState>> {
        let mut conn = self.0.acquire().await?;
        let ids: Vec<_> = items.iter().map(|(id, _)| id.clone()).collect();
        let handled = inbox::handled(&mut conn, topology::MESSAGES, &ids).await?;
        let users: Vec<_> = items.iter().filter_map(|(_, user)| *user).collect();
        let addresses = auth::find_addresses(&mut conn, &users).await?;
        conn.release();
        let state = items.iter().map(|(id, user)| CommandState {
            is_handled: handled.contains(id),
            address: user.and_then(|user| addresses.get(&user).cloned()),
        });
        Ok(state.collect())
    }
}
