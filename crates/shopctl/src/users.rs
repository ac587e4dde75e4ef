//! `shopctl user`.

use std::io::Read;

use anyhow::Context;
use auth::{Auth, AuthConfig, AuthError, Hasher, Role};
use clap::{Subcommand, ValueEnum};
use commerce::client::CreateClientOnRegistration;
use db::Bus;
use kernel::Clock;
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
        after_help = "Examples:\n  shopctl user create --email ada@shop.example --name Ada --role operator < password"
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
    },
    /// Give an account a role.
    #[command(
        after_help = "Examples:\n  shopctl user grant --email ada@shop.example --role operator"
    )]
    Grant {
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// The role.
        #[arg(long)]
        role: RoleArg,
    },
}

impl User {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        // no token is ever signed here
        let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System)?;
        let bus = Bus::default().with(CreateClientOnRegistration);
        let auth = Auth::new(
            common.shop()?,
            bus,
            signer,
            Hasher::new(1)?,
            AuthConfig::default(),
        );
        match self {
            Self::Create { email, name, role } => {
                let mut password = String::new();
                std::io::stdin()
                    .read_to_string(&mut password)
                    .context("the password could not be read from stdin")?;
                let roles: Vec<Role> = role.iter().copied().map(Role::from).collect();
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                let profile = auth
                    .ensure(email, name, password, &roles)
                    .await
                    .map_err(failure)?;
                output::data(&profile.id.to_string());
                Ok(())
            }
            Self::Grant { email, role } => Ok(auth
                .grant(email, Role::from(*role))
                .await
                .map_err(failure)?),
        }
    }
}

fn failure(error: AuthError) -> anyhow::Error {
    match error {
        AuthError::NotFound => {
            Failure::not_found("there is no account with this e-mail address").into()
        }
        AuthError::Db(error) => error.into(),
        error => Failure::not_done(error.to_string()).into(),
    }
}
