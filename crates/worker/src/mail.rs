//! Sends mails over SMTP or, without a server, writes them to files.

use std::time::Duration;

use anyhow::Context;
use kernel::Email;
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};

use crate::config::{MailConfig, MailTransport};

/// Longest wait for one answer of the mail server.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest SMTP dialogue about one mail: a server may stall in the middle of it.
const DIALOGUE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// The mail server failed or could not be reached; it may accept the mail later.
    Later(String),
    /// The mail server refuses this mail for good (5xx).
    Refused(String),
    /// The mail could not be composed: our own error.
    Invalid(String),
}

/// A mail to be sent.
pub(crate) struct OutgoingEmail<'a> {
    /// The command's message id: the same for every attempt.
    pub(crate) id: &'a str,
    pub(crate) address: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) body: &'a str,
}

#[derive(Clone)]
pub(crate) struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Files(AsyncFileTransport<Tokio1Executor>),
}

impl Mailer {
    pub(crate) fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let from = config
            .from
            .parse()
            .with_context(|| format!("MAIL_FROM: `{}` is no address", config.from))?;
        let transport = match &config.transport {
            MailTransport::Smtp(url) => {
                let smtp = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
                    .context("SMTP_URL is not an SMTP URL")?;
                Transport::Smtp(smtp.timeout(Some(TIMEOUT)).build())
            }
            MailTransport::Files(dir) => {
                std::fs::create_dir_all(dir)
                    .with_context(|| format!("MAIL_DIR: {} cannot be made", dir.display()))?;
                Transport::Files(AsyncFileTransport::new(dir))
            }
        };
        Ok(Self { from, transport })
    }

    /// Hands a mail to the mail server.
    ///
    /// # Errors
    /// [`NotSent::Later`] after a temporary failure, such as a failed connection or a temporary
    /// refusal (4xx); [`NotSent::Refused`] after a permanent refusal (5xx); [`NotSent::Invalid`] if
    /// the mail cannot be composed. The text contains no address, since it goes to the log.
    pub(crate) async fn send(&self, email: &OutgoingEmail<'_>) -> Result<(), NotSent> {
        let mail = self.compose(email);
        let mail = mail.map_err(|error| NotSent::Invalid(format!("{error:#}")))?;
        let sent = async {
            match &self.transport {
                Transport::Smtp(smtp) => smtp.send(mail).await.map(drop).map_err(refusal),
                Transport::Files(files) => {
                    let sent = files.send(mail).await;
                    sent.map(drop)
                        .map_err(|error| NotSent::Later(format!("the mail directory: {error}")))
                }
            }
        };
        tokio::time::timeout(DIALOGUE_TIMEOUT, sent)
            .await
            .unwrap_or_else(|_| {
                let why = format!("the mail server did not take it within {DIALOGUE_TIMEOUT:?}");
                Err(NotSent::Later(why))
            })
    }

    fn compose(&self, email: &OutgoingEmail<'_>) -> anyhow::Result<Message> {
        let to: Email = email.address.parse().context("the address")?;
        // without a display name: the user chose it, and need not own the address
        let to = Mailbox::new(None, to.as_str().parse().context("the address")?);
        let mail = Message::builder()
            .message_id(Some(format!("<{}@shop>", email.id)))
            .from(self.from.clone())
            .to(to)
            .subject(email.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(email.body.to_owned())?;
        Ok(mail)
    }
}

/// A refused login of ours (530 to 538) says nothing about the mail, so it is not final.
fn refusal(error: lettre::transport::smtp::Error) -> NotSent {
    let is_final = error.is_permanent()
        && !error
            .status()
            .is_some_and(|code| code.to_string().starts_with("53"));
    let text = format!("SMTP: {:#}", anyhow::Error::new(error));
    let text = without_addresses(&text);
    if is_final {
        NotSent::Refused(text)
    } else {
        NotSent::Later(text)
    }
}

/// Removes addresses: servers repeat the recipient in their answers, and logs and reasons must
/// contain no addresses.
fn without_addresses(text: &str) -> String {
    let words = text.split_whitespace();
    let words = words.map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use lettre::Address;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_of_the_mail_server_is_told_without_addresses() {
        let answer = "SMTP: 550: <ada@shop.example>: no such mailbox, to=ada@shop.example";
        assert_eq!(without_addresses(answer), "SMTP: 550: … no such mailbox, …");
    }

    proptest! {
        #[test]
        fn an_address_that_may_register_can_be_mailed(
            local in "[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,66}",
            domain in "[a-z0-9.-]{1,66}[.][a-z0-9]{1,3}",
        ) {
            let text = format!("{local}@{domain}");
            if let Ok(email) = text.parse::<Email>() {
                prop_assert!(email.as_str().parse::<Address>().is_ok(), "{text}");
            }
        }
    }
}
