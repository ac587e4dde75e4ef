//! How this process sees payments, and `shopctl payments`.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use kernel::Clock;
use operator::{Claim, EVENTS_NOTE, PaymentsAccess, noted};
use payments_client::{EventKeys, PaymentsClient};
use serde::Serialize;
use sqlx::PgPool;
use tokens::Signer;
use workflows::payments::{PaymentsInstance, Support};

use crate::{
    Common, connect,
    exit::Failure,
    output::{self, Output},
};

/// Timeout of a call to payments.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Payments as this command line is configured to see it.
pub(crate) fn access(common: &Common, shop: &PgPool) -> anyhow::Result<PaymentsAccess> {
    if let Some(known) = common.payments.get() {
        return Ok(known.clone());
    }
    let url = url(common)?;
    let key_file = common.profile.find("SERVICE_SIGNING_KEY_FILE")?;
    let client = match (&url, key_file) {
        (None, _) => Err("PAYMENTS_URL is not set".to_owned()),
        (Some(_), None) => Err(
            "SERVICE_SIGNING_KEY_FILE is not set: it names the key of calls to payments".to_owned(),
        ),
        (Some(url), Some(file)) => client(url, &file).map_err(|error| format!("{error:#}")),
    };
    let mut access = match client {
        Ok(client) => PaymentsAccess::service(Arc::new(client)),
        Err(why) => PaymentsAccess::none(why),
    };
    if let Some(database) = common.profile.find("PAYMENTS_DATABASE_URL")? {
        let pool = connect("PAYMENTS_DATABASE_URL", &database, 2)?;
        let service = match &url {
            Some(url) => Ok(Arc::new(EventKeys::new(url)?) as Arc<dyn PaymentsInstance>),
            None => Err("PAYMENTS_URL is not set".to_owned()),
        };
        access = access.claiming(Claim::new(pool, service, shop.clone()));
    }
    Ok(common.payments.get_or_init(|| access).clone())
}

fn url(common: &Common) -> anyhow::Result<Option<String>> {
    let url = common.profile.find("PAYMENTS_URL")?;
    if let Some(url) = url.iter().find(|url| !url.starts_with("http")) {
        return Err(
            Failure::usage(format!("PAYMENTS_URL is no http(s) URL: {url}"))
                .hint("such as http://127.0.0.1:8081")
                .into(),
        );
    }
    Ok(url)
}

fn client(url: &str, key_file: &str) -> anyhow::Result<PaymentsClient> {
    let pem = std::fs::read_to_string(key_file)
        .with_context(|| format!("SERVICE_SIGNING_KEY_FILE: {key_file} cannot be read"))?;
    let signer = Signer::from_pem(&pem, Clock::System).context("SERVICE_SIGNING_KEY_FILE")?;
    PaymentsClient::new(url, signer, TIMEOUT).context("PAYMENTS_URL")
}

#[derive(clap::Args)]
pub(crate) struct Payments {}

/// The payments service, as the workers and this program see it.
#[derive(Serialize)]
pub(crate) struct ServiceReport {
    /// Its address.
    url: Option<String>,
    /// The level of the contract that it was found to keep.
    level: Option<u8>,
    /// The parts of level 2 that it has.
    parts: Option<Support>,
    /// Why it could not be asked.
    not_asked: Option<String>,
    database: Database,
    /// PAYMENTS_EVENTS of the payments worker that started last.
    events: Option<String>,
}

/// Whether payments' database is read.
#[derive(Serialize)]
struct Database {
    read: bool,
    why: String,
}

impl ServiceReport {
    pub(crate) async fn ask(common: &Common, shop: &PgPool) -> anyhow::Result<Self> {
        let access = access(common, shop)?;
        let asked = match access.api() {
            Ok(api) => api.support().await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let database = match access.need_database().await {
            Ok(_) => Database {
                read: true,
                why: "it proved to be payments' own".to_owned(),
            },
            Err(why) => Database { read: false, why },
        };
        Ok(Self {
            url: url(common)?,
            level: asked.as_ref().ok().map(Support::level),
            parts: asked.as_ref().ok().copied(),
            not_asked: asked.err(),
            database,
            events: noted(shop, EVENTS_NOTE).await?,
        })
    }

    fn database(&self) -> String {
        let read = if self.database.read {
            "read"
        } else {
            "not read"
        };
        format!("{read}: {}", self.database.why)
    }

    fn events(&self) -> &str {
        let unknown = "unknown: no payments worker has run within the last hour";
        self.events.as_deref().unwrap_or(unknown)
    }

    /// Everything on one line.
    pub(crate) fn line(&self) -> String {
        let url = self.url.as_deref().unwrap_or("an unknown address");
        let level = match (&self.level, &self.parts) {
            (Some(level), Some(parts)) => {
                let missing = parts.parts().into_iter().filter(|(_, there)| !there);
                let missing: Vec<_> = missing.map(|(part, _)| part).collect();
                if missing.is_empty() {
                    format!("level {level}")
                } else {
                    format!("level {level}, without {}", missing.join(", "))
                }
            }
            _ => format!(
                "not asked: {}",
                self.not_asked.as_deref().unwrap_or_default()
            ),
        };
        format!(
            "Payments at {url}: {level}. Its database is {}. PAYMENTS_EVENTS is {}.",
            self.database(),
            self.events()
        )
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![(
            "address",
            self.url.clone().unwrap_or_else(|| "not set".to_owned()),
        )];
        rows.extend(self.level.map(|level| ("level", level.to_string())));
        let parts = self.parts.iter().flat_map(Support::parts);
        rows.extend(parts.map(|(part, there)| (part, if there { "yes" } else { "no" }.to_owned())));
        rows.push(("database", self.database()));
        rows.push(("PAYMENTS_EVENTS", self.events().to_owned()));
        rows
    }
}

impl Payments {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let report = ServiceReport::ask(common, &common.shop()?).await?;
        match common.output {
            Output::Json => output::object(&report)?,
            Output::Table | Output::Wide => {
                output::rows(
                    common.output,
                    &["PART", "FOUND"],
                    &report.rows(),
                    |(part, found)| vec![(*part).to_owned(), found.clone()],
                )?;
            }
        }
        match report.not_asked {
            None => Ok(()),
            Some(why) => Err(Failure::unreachable(format!("payments was not asked: {why}"))
                .hint("set PAYMENTS_URL and SERVICE_SIGNING_KEY_FILE; `. .dev/env` sets those of `cargo xtask up`")
                .into()),
        }
    }
}
