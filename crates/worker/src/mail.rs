//! Mails: over SMTP or, without a server, into files.

use std::time::Duration;

use anyhow::Context;
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};

use crate::config::{MailConfig, MailTransport};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A mail to be sent.
pub(crate) struct Letter<'a> {
    /// The command's message id: the same for every attempt.
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
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

    pub(crate) async fn send(&self, letter: &Letter<'_>) -> anyhow::Result<()> {
        let to = Mailbox::new(
            Some(letter.name.to_owned()),
            letter.address.parse().context("the address")?,
        );
        let mail = Message::builder()
            .message_id(Some(format!("<{}@shop>", letter.id)))
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(format!("Hello {},\n\n{}\n", letter.name, letter.body))?;
        match &self.transport {
            Transport::Smtp(smtp) => smtp.send(mail).await.map(drop).context("SMTP"),
            Transport::Files(files) => files
                .send(mail)
                .await
                .map(drop)
                .context("the mail directory"),
        }
    }
}
