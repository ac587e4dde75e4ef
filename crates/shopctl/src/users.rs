//! `shopctl user`.

use std::io::Read;

use anyhow::Context;
use auth::{Auth, AuthConfig, AuthError, Hasher, Profile, Role};
use clap::{Subcommand, ValueEnum};
use commerce::client::CreateClientOnRegistration;
use db::Bus;
use kernel::Clock;
use operator::{Actor, audit};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokens::Signer;

use crate::{Common, exit::Failure, output};

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    /// Edit the catalog, see all orders.
    Admin,
    /// See and repair sagas.
    Operator,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Admin => Self::Admin,
            RoleArg::Operator => Self::Operator,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum User {
    /// Make an account; the password is read from stdin. One that is there stays as it is.
    #[command(
        after_help = "Examples:\n  shopctl user create --email ada@shop.example --name Ada --role operator --reason 'on call from Monday' < password"
    )]
    Create {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// How the person wants to be called.
        #[arg(long)]
        name: String,
        /// What it may do beside shopping.
        #[arg(long)]
        role: Vec<RoleArg>,
        /// Why; kept in the audit.
        #[arg(long)]
        reason: String,
    },
    /// Give an account a role.
    #[command(
        after_help = "Examples:\n  shopctl user grant --email ada@shop.example --role operator --reason 'on call from Monday'"
    )]
    Grant {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// The role.
        #[arg(long)]
        role: RoleArg,
        /// Why; kept in the audit.
        #[arg(long)]
        reason: String,
    },
    /// End an account: nobody logs in to it any more, and its sessions end within minutes.
    #[command(
        after_help = "Examples:\n  shopctl user disable --email ada@shop.example --reason 'she has left'"
    )]
    Disable {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// Why; kept in the audit.
        #[arg(long)]
        reason: String,
    },
}

/// Accounts, as the api keeps them.
pub(crate) fn accounts(pool: &PgPool) -> anyhow::Result<Auth> {
    // no token is ever signed here
    let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System)?;
    Ok(Auth::new(
        pool.clone(),
        Bus::default().with(CreateClientOnRegistration),
        signer,
        Hasher::new(1)?,
        AuthConfig::default(),
    ))
}

impl User {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let auth = accounts(&pool)?;
        match self {
            Self::Create {
                email,
                name,
                role,
                reason,
            } => {
                let actor = crate::actor(reason)?;
                let mut password = String::new();
                std::io::stdin()
                    .read_to_string(&mut password)
                    .context("the password could not be read from stdin")?;
                let roles: Vec<Role> = role.iter().copied().map(Role::from).collect();
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                let mut tx = pool.begin().await?;
                let ensured = auth.ensure(&mut tx, email, name, password, &roles).await;
                let (profile, new) = ensured.map_err(failure)?;
                if new {
                    let after = json!({ "roles": profile.roles });
                    record(&mut tx, "user create", &profile, None, after, &actor).await?;
                }
                tx.commit().await?;
                output::data(&profile.id.to_string());
                if !new {
                    output::talk("It is there already, and stays as it is.");
                }
            }
            Self::Grant {
                email,
                role,
                reason,
            } => {
                let actor = crate::actor(reason)?;
                let role = Role::from(*role);
                let question = format!("Account {email} may {} from now on.", may(role));
                output::confirm(common.yes, &question)?;
                let mut tx = pool.begin().await?;
                let before = auth.grant(&mut tx, email, role).await.map_err(failure)?;
                let after = json!({ "granted": role.as_str() });
                record(&mut tx, "user grant", &before, Some(&before), after, &actor).await?;
                tx.commit().await?;
                output::talk("Granted; it is in the next token.");
            }
            Self::Disable { email, reason } => {
                let actor = crate::actor(reason)?;
                let question = format!(
                    "Nobody logs in to account {email} any more; its sessions end within ten minutes."
                );
                output::confirm(common.yes, &question)?;
                let mut tx = pool.begin().await?;
                let (before, new) = auth.disable(&mut tx, email).await.map_err(failure)?;
                if !new {
                    let id = before.id;
                    return Err(
                        Failure::conflict(format!("account {id} is disabled already"))
                            .hint("`shopctl audit list` tells by whom")
                            .into(),
                    );
                }
                let after = json!({ "disabled": true });
                record(
                    &mut tx,
                    "user disable",
                    &before,
                    Some(&before),
                    after,
                    &actor,
                )
                .await?;
                tx.commit().await?;
                output::talk("Disabled.");
            }
        }
        Ok(())
    }
}

const fn may(role: Role) -> &'static str {
    match role {
        Role::Admin => "edit the catalog, see all orders, and resolve sagas",
        Role::Operator => "see and repair sagas",
    }
}

async fn record(
    conn: &mut PgConnection,
    verb: &str,
    account: &Profile,
    before: Option<&Profile>,
    after: Value,
    actor: &Actor,
) -> sqlx::Result<()> {
    let act = audit::Act {
        actor,
        verb,
        subject: audit::Subject::User(&account.id.to_string()),
        before: before.map_or(Value::Null, |before| json!({ "roles": before.roles })),
        after,
        batch_id: None,
        trace_id: None,
    };
    audit::record(conn, &act).await.map(drop)
}

pub(crate) fn failure(error: AuthError) -> anyhow::Error {
    match error {
        AuthError::NotFound => Failure::not_found("there is no account with this e-mail address")
            .hint("`shopctl user create` makes one")
            .into(),
        AuthError::Db(error) => error.into(),
        error => Failure::not_done(error.to_string()).into(),
    }
}
