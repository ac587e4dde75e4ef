//! `shopctl user`.

use std::io::Read;

use anyhow::Context;
use auth::{Auth, AuthConfig, AuthError, Hasher, Profile, Role, Which};
use clap::{Subcommand, ValueEnum};
use commerce::client::CreateClientOnRegistration;
use db::Bus;
use kernel::{Clock, UserId};
use operator::{Actor, audit};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokens::Signer;
use uuid::Uuid;

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
    /// Create an account; the password is read from stdin. An existing account stays unchanged.
    #[command(
        after_help = "Examples:\n  shopctl user create --email ada@shop.example --name Ada --role operator --reason 'on call from Monday' < password"
    )]
    Create {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// The person's display name.
        #[arg(long)]
        name: String,
        /// Additional role, beside shopping; may be repeated.
        #[arg(long)]
        role: Vec<RoleArg>,
        /// Reason; kept in the audit.
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
        /// Reason; kept in the audit.
        #[arg(long)]
        reason: String,
    },
    /// Take a role from an account; its sessions can change nothing with this role from then on.
    #[command(
        after_help = "Examples:\n  shopctl user revoke --email ada@shop.example --role operator --reason 'no longer on call'"
    )]
    Revoke {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// The role.
        #[arg(long)]
        role: RoleArg,
        /// Reason; kept in the audit.
        #[arg(long)]
        reason: String,
    },
    /// List the live sessions of an account.
    #[command(after_help = "Examples:\n  shopctl user sessions --email ada@shop.example")]
    Sessions {
        /// E-mail address.
        #[arg(long)]
        email: String,
    },
    /// End all sessions of an account, or one.
    #[command(
        after_help = "Examples:\n  shopctl user end-sessions --email ada@shop.example --reason 'her phone was stolen'"
    )]
    EndSessions {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// Only this session.
        #[arg(long)]
        session: Option<Uuid>,
        /// Reason; kept in the audit.
        #[arg(long)]
        reason: String,
    },
    /// Disable an account: logins are refused, and its sessions end. An issued token can still read
    /// for ten minutes.
    #[command(
        after_help = "Examples:\n  shopctl user disable --email ada@shop.example --reason 'she has left'"
    )]
    Disable {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// Reason; kept in the audit.
        #[arg(long)]
        reason: String,
    },
}

/// Accounts, under the same rules as in the api.
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
        let users = Users { pool, auth, common };
        match self {
            Self::Create {
                email,
                name,
                role,
                reason,
            } => users.create(email, name, role, reason).await,
            Self::Grant {
                email,
                role,
                reason,
            } => users.grant(email, Role::from(*role), reason).await,
            Self::Revoke {
                email,
                role,
                reason,
            } => users.revoke(email, Role::from(*role), reason).await,
            Self::Sessions { email } => users.list_sessions(email).await,
            Self::EndSessions {
                email,
                session,
                reason,
            } => users.end_sessions(email, *session, reason).await,
            Self::Disable { email, reason } => users.disable(email, reason).await,
        }
    }
}

/// Runs the verbs of `shopctl user` on the accounts.
struct Users<'a> {
    pool: PgPool,
    auth: Auth,
    common: &'a Common,
}

impl Users<'_> {
    async fn create(
        &self,
        email: &str,
        name: &str,
        role: &[RoleArg],
        reason: &str,
    ) -> anyhow::Result<()> {
        let actor = crate::actor(reason)?;
        let mut password = String::new();
        std::io::stdin()
            .read_to_string(&mut password)
            .context("the password could not be read from stdin")?;
        let roles: Vec<Role> = role.iter().copied().map(Role::from).collect();
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        let mut tx = db::begin(&self.pool).await?;
        let ensured = self
            .auth
            .ensure(&mut tx, email, name, &password, &roles)
            .await;
        let (profile, new) = ensured.map_err(failure)?;
        if new {
            let after = json!({ "roles": profile.roles });
            record(
                &mut tx,
                audit::Verb::UserCreate,
                &profile,
                None,
                after,
                &actor,
            )
            .await?;
        }
        tx.commit().await?;
        let object = json!({ "user_id": profile.id, "created": new });
        output::either(self.common.output, &object, &profile.id.to_string())?;
        if !new {
            output::talk("It is there already, and stays as it is.");
        }
        Ok(())
    }

    async fn grant(&self, email: &str, role: Role, reason: &str) -> anyhow::Result<()> {
        let actor = crate::actor(reason)?;
        let question = format!("Account {email} may {} from now on.", may(role));
        output::confirm(self.common.yes, &question)?;
        let mut tx = db::begin(&self.pool).await?;
        let before = self
            .auth
            .grant(&mut tx, email, role)
            .await
            .map_err(failure)?;
        let after = json!({ "granted": role.as_str() });
        record(
            &mut tx,
            audit::Verb::UserGrant,
            &before,
            Some(&before),
            after,
            &actor,
        )
        .await?;
        tx.commit().await?;
        output::talk("Granted; it is in the next token.");
        Ok(())
    }

    async fn revoke(&self, email: &str, role: Role, reason: &str) -> anyhow::Result<()> {
        let actor = crate::actor(reason)?;
        let question = format!("Account {email} may no longer {}.", may(role));
        output::confirm(self.common.yes, &question)?;
        let mut tx = db::begin(&self.pool).await?;
        let before = self
            .auth
            .revoke(&mut tx, email, role)
            .await
            .map_err(failure)?;
        if !before.roles.iter().any(|has| has == role.as_str()) {
            let (id, role) = (before.id, role.as_str());
            return Err(Failure::conflict(format!("account {id} has no role {role}")).into());
        }
        let after = json!({ "revoked": role.as_str() });
        record(
            &mut tx,
            audit::Verb::UserRevoke,
            &before,
            Some(&before),
            after,
            &actor,
        )
        .await?;
        tx.commit().await?;
        output::talk("Taken back.");
        Ok(())
    }

    async fn list_sessions(&self, email: &str) -> anyhow::Result<()> {
        let mut conn = self.pool.acquire().await?;
        let id = account(&mut conn, email).await?;
        let sessions = auth::list_sessions(&mut conn, id).await?;
        let header = ["SESSION", "SINCE", "RENEWED", "WHERE"];
        output::rows(self.common.output, &header, &sessions, |session| {
            vec![
                session.session_id.to_string(),
                session.started_at.format("%F %T").to_string(),
                session.renewed_at.format("%F %T").to_string(),
                session.user_agent.clone().unwrap_or_default(),
            ]
        })?;
        output::talk(&output::counted(sessions.len(), "session"));
        Ok(())
    }

    async fn end_sessions(
        &self,
        email: &str,
        session: Option<Uuid>,
        reason: &str,
    ) -> anyhow::Result<()> {
        let actor = crate::actor(reason)?;
        let (question, which) = match session {
            Some(id) => (
                format!("Session {id} of account {email} ends."),
                Which::Only(id),
            ),
            None => (
                format!("All sessions of account {email} end."),
                Which::AllBut(None),
            ),
        };
        output::confirm(self.common.yes, &question)?;
        let mut tx = db::begin(&self.pool).await?;
        let id = account(&mut tx, email).await?;
        let ended = auth::end_sessions(&mut tx, id, which).await?;
        if ended == 0 {
            return Err(Failure::not_found("no such session is live")
                .hint("`shopctl user sessions` lists those that are")
                .into());
        }
        let act = audit::Act {
            actor: &actor,
            verb: audit::Verb::UserEndSessions,
            subject: audit::Subject::User(&id.to_string()),
            before: Value::Null,
            after: json!({ "ended": ended, "session": session }),
            batch_id: None,
            trace_id: None,
        };
        audit::record(&mut tx, &act).await?;
        tx.commit().await?;
        output::talk(&format!("Ended {ended}."));
        Ok(())
    }

    async fn disable(&self, email: &str, reason: &str) -> anyhow::Result<()> {
        let actor = crate::actor(reason)?;
        let question = format!("Nobody logs in to account {email} any more, and its sessions end.");
        output::confirm(self.common.yes, &question)?;
        let mut tx = db::begin(&self.pool).await?;
        let (before, new) = self.auth.disable(&mut tx, email).await.map_err(failure)?;
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
            audit::Verb::UserDisable,
            &before,
            Some(&before),
            after,
            &actor,
        )
        .await?;
        tx.commit().await?;
        output::talk("Disabled.");
        Ok(())
    }
}

/// The id of the account with this address.
async fn account(conn: &mut PgConnection, email: &str) -> anyhow::Result<UserId> {
    let found = auth::find_user(conn, email).await?;
    found.ok_or_else(|| failure(AuthError::NotFound))
}

const fn may(role: Role) -> &'static str {
    match role {
        Role::Admin => "edit the catalog, see all orders, and resolve sagas",
        Role::Operator => "see and repair sagas",
    }
}

async fn record(
    conn: &mut PgConnection,
    verb: audit::Verb,
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
