//! The data sources beside the shop's database that this process can read. Each is optional: a
//! diagnosis names the sources that it could not read.
//!
//! Payments may belong to another team, and a database may be left over from another payments
//! service. So payments is asked through its API, and a database is read only if it proves to be
//! the one that the service itself uses: both must give the same name ([`Claim`]).

use std::{sync::Arc, time::Duration};

use saga::heartbeat;
use sqlx::PgPool;
use tokio::sync::OnceCell;
use workflows::payments::{NoAnswer, Payments, PaymentsInstance};

/// The note of a worker's heartbeat with the proof that it asks of payment events.
pub const EVENTS_NOTE: &str = "PAYMENTS_EVENTS";
/// The note of a worker's heartbeat with the name of payments' database.
pub const INSTANCE_NOTE: &str = "payments_instance";
/// The role of the worker that writes these notes.
pub const NOTING_ROLE: &str = "payments";

/// Longest wait for a proof.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How payments can be queried.
#[derive(Clone)]
pub struct PaymentsAccess {
    service: Result<Arc<dyn Payments>, String>,
    database: Database,
}

#[derive(Clone)]
enum Database {
    /// No database is set.
    Unset,
    /// The caller knows that it is payments' own.
    Known(PgPool),
    /// Its proof is asked for at the first read.
    Claimed(Arc<Claim>),
}

/// A database that is said to be payments' own, and what is needed to prove it.
pub struct Claim {
    database: PgPool,
    /// The payments service, or why it cannot be asked.
    service: Result<Arc<dyn PaymentsInstance>, String>,
    /// The shop's database: its workers note the name that payments gave when it last answered.
    shop: PgPool,
    /// The proof, once it was given or refused.
    proof: OnceCell<Result<(), String>>,
}

impl Claim {
    /// Claims that `database` is the one that `service` uses.
    pub fn new(
        database: PgPool,
        service: Result<Arc<dyn PaymentsInstance>, String>,
        shop: PgPool,
    ) -> Self {
        Self {
            database,
            service,
            shop,
            proof: OnceCell::new(),
        }
    }

    /// Proves the claim; asks at most once.
    async fn proved(&self) -> Result<&PgPool, String> {
        let proof = self.proof.get_or_init(|| async {
            let asked = tokio::time::timeout(2 * TIMEOUT, self.prove()).await;
            asked.unwrap_or_else(|_| Err(format!("no proof within {:?}", 2 * TIMEOUT)))
        });
        proof.await.clone().map(|()| &self.database)
    }

    async fn prove(&self) -> Result<(), String> {
        let theirs = self.of_service().await?;
        let ours: String = sqlx::query_scalar("select instance_id::text from payments.instance")
            .fetch_one(&self.database)
            .await
            .map_err(|error| error.to_string())?;
        if ours == theirs {
            return Ok(());
        }
        Err(format!(
            "it is not verified: it is database {ours}, and the payments service uses {theirs}"
        ))
    }

    /// The name of the database that the service uses. While the service is away, the workers' notes
    /// tell what it said last.
    async fn of_service(&self) -> Result<String, String> {
        let service = self.service.as_ref().map_err(|why| {
            format!("it is not verified: nothing proves that it belongs to payments, because {why}")
        })?;
        let asked = tokio::time::timeout(TIMEOUT, service.instance()).await;
        let answer = asked
            .unwrap_or_else(|_| Err(NoAnswer::Unknown(format!("no answer within {TIMEOUT:?}"))));
        match answer {
            Ok(Some(instance)) => Ok(instance),
            Ok(None) => Err(
                "it is not verified: the payments service does not name its database".to_owned(),
            ),
            Err(error) => {
                let noted = noted(&self.shop, INSTANCE_NOTE).await.ok().flatten();
                noted.ok_or_else(|| {
                    format!("it is not verified: the payments service cannot confirm it ({error})")
                })
            }
        }
    }
}

/// A note of the payments worker that started last.
///
/// # Errors
/// When the shop's database cannot be read.
pub async fn noted(shop: &PgPool, name: &str) -> sqlx::Result<Option<String>> {
    let mut conn = shop.acquire().await?;
    let notes = heartbeat::notes_of(&mut conn, NOTING_ROLE).await?;
    Ok(notes.and_then(|mut notes| notes.remove(name)))
}

impl PaymentsAccess {
    /// Payments cannot be queried.
    pub fn none(why: impl Into<String>) -> Self {
        Self {
            service: Err(why.into()),
            database: Database::Unset,
        }
    }

    /// Payments is queried through its API.
    pub const fn service(payments: Arc<dyn Payments>) -> Self {
        Self {
            service: Ok(payments),
            database: Database::Unset,
        }
    }

    /// Payments is queried in a database that the caller knows to be payments' own.
    pub fn known_database(pool: PgPool) -> Self {
        Self {
            service: Err("only its database is configured here".to_owned()),
            database: Database::Known(pool),
        }
    }

    /// Reads this database, too, if it proves to be payments' own.
    #[must_use]
    pub fn claiming(mut self, claim: Claim) -> Self {
        self.database = Database::Claimed(Arc::new(claim));
        self
    }

    /// Payments' API.
    ///
    /// # Errors
    /// Why it cannot be called.
    pub fn api(&self) -> Result<&Arc<dyn Payments>, String> {
        self.service.as_ref().map_err(Clone::clone)
    }

    /// Payments' database, if one is set and proves to be payments' own.
    ///
    /// # Errors
    /// Why it is not read.
    pub async fn database(&self) -> Result<Option<&PgPool>, String> {
        match &self.database {
            Database::Unset => Ok(None),
            Database::Known(pool) => Ok(Some(pool)),
            Database::Claimed(claim) => claim.proved().await.map(Some),
        }
    }

    /// Payments' database.
    ///
    /// # Errors
    /// Why there is none to read.
    pub async fn need_database(&self) -> Result<&PgPool, String> {
        let found = self.database().await?;
        found.ok_or_else(|| "PAYMENTS_DATABASE_URL is not set".to_owned())
    }
}

/// Why payments is read neither through its API nor in its database.
pub(crate) fn both(api: &str, database: &str) -> String {
    format!("{api}; its database: {database}")
}

/// The data sources that this process can read.
#[derive(Clone)]
pub struct DataSources {
    /// Payments.
    pub payments: PaymentsAccess,
    /// RabbitMQ's URL.
    pub amqp_url: Option<String>,
    /// Whether this process may read `failed`: operators may, workers may not.
    pub reads_failed: bool,
}

impl DataSources {
    /// The data sources of an operator's process.
    pub fn of_operators(payments: PaymentsAccess, amqp_url: Option<String>) -> Self {
        Self {
            payments,
            amqp_url,
            reads_failed: true,
        }
    }
}
