//! `shopctl db`: sessions of the shop's database.

use clap::{Args, Subcommand};
use operator::blocking::{self, BlockingSession, EndError};

use crate::{Common, exit::Failure, output};

#[derive(Subcommand)]
pub(crate) enum Db {
    /// List sessions that have held locks on tables or rows of sagas, orders, stock or messages for
    /// two seconds or longer, the oldest transaction first.
    #[command(after_help = "Examples:\n  shopctl db sessions\n  shopctl db sessions -o json")]
    Sessions,
    /// End a session that blocks sagas: its transaction is rolled back. Other sessions are refused.
    #[command(
        after_help = "Examples:\n  shopctl db end-session 4711 --reason 'a forgotten prompt'"
    )]
    EndSession(EndSession),
}

#[derive(Args)]
pub(crate) struct EndSession {
    /// The process id of the session, as `db sessions` and `saga why` name it.
    pid: i32,
    /// Reason; kept in the audit.
    #[arg(long)]
    reason: String,
}

impl Db {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::Sessions => list(common).await,
            Self::EndSession(end) => end.run(common).await,
        }
    }
}

async fn list(common: &Common) -> anyhow::Result<()> {
    let mut conn = common.shop()?.acquire().await?;
    let sessions = blocking::list(&mut conn).await.map_err(|error| {
        if blocking::is_not_allowed(&error) {
            let message = format!("this role may not list sessions: {error}");
            let hint = "`worker migrate` creates the function and grants it to the role `operator`";
            return Failure::not_done(message).hint(hint).into();
        }
        anyhow::Error::from(error)
    })?;
    output::rows(
        common.output,
        &[
            "PID",
            "PROGRAM",
            "STATE",
            "SINCE",
            "HOLDS",
            "WAITING",
            "STATEMENT",
        ],
        &sessions,
        |session| {
            vec![
                session.pid.to_string(),
                session.program(),
                session.state.clone().unwrap_or_default(),
                session
                    .since
                    .map(|since| since.format("%F %T").to_string())
                    .unwrap_or_default(),
                session.locks(),
                session.waiting.len().to_string(),
                session.statement.clone().unwrap_or_default(),
            ]
        },
    )?;
    output::talk(&output::counted(sessions.len(), "session"));
    Ok(())
}

impl EndSession {
    async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let pool = common.shop()?;
        let pid = self.pid;
        let mut conn = pool.acquire().await?;
        let sessions = blocking::list(&mut conn).await;
        drop(conn);
        let shown = match sessions {
            Ok(sessions) => sessions.into_iter().find(|session| session.pid == pid),
            Err(error) if blocking::is_not_allowed(&error) => {
                return Err(failure(EndError::NotAllowed(pid)));
            }
            Err(error) => return Err(error.into()),
        };
        let shown = shown.ok_or_else(|| failure(EndError::NotBlocking(pid)))?;
        let question = format!("Ends {shown}. Its transaction is rolled back.");
        output::confirm(common.yes, &question)?;
        let ended = blocking::end(&pool, pid, &actor).await.map_err(failure)?;
        output::rows(
            common.output,
            &["PID", "PROGRAM", "HELD"],
            &[ended],
            |ended| vec![ended.pid.to_string(), ended.program(), ended.locks()],
        )?;
        output::talk("Ended; shown as before. What waited for its locks goes on.");
        Ok(())
    }
}

fn failure(error: EndError) -> anyhow::Error {
    let message = error.to_string();
    match error {
        EndError::NotBlocking(_) => Failure::conflict(message)
            .hint("`shopctl db sessions` lists the sessions that block sagas")
            .into(),
        EndError::NotAllowed(pid) => Failure::not_done(message)
            .hint(format!(
                "a superuser, or a member of pg_signal_backend, runs: \
                 `select pg_terminate_backend({pid});`. `worker migrate` grants the right to the role `operator`"
            ))
            .into(),
        EndError::StillThere(pid) => Failure::not_done(message)
            .hint(format!(
                "its server process does not react: look at process {pid} on the database's machine"
            ))
            .into(),
        EndError::Db(error) => error.into(),
    }
}

/// The failure of a command that waited in vain for a lock of these sessions.
pub(crate) fn locked(message: String, sessions: &[BlockingSession]) -> anyhow::Error {
    let hint = match sessions.first() {
        Some(session) => format!("`{}` ends the session", session.end_command()),
        None => "`shopctl db sessions` lists the sessions that block sagas".to_owned(),
    };
    Failure::conflict(message).hint(hint).into()
}

/// Names the sessions that a command waited for in vain. Other errors stay as they are.
pub(crate) async fn name_locks(common: &Common, error: anyhow::Error) -> anyhow::Error {
    let is_locked = error.chain().any(|cause| {
        let database = cause.downcast_ref::<sqlx::Error>();
        database.is_some_and(db::is_locked)
    });
    if !is_locked {
        return error;
    }
    // without the right to list sessions, the lock alone is reported
    let sessions = sessions(common).await.unwrap_or_default();
    let message = match sessions.as_slice() {
        [] => {
            "another session of the shop's database holds a lock that this command needs".to_owned()
        }
        sessions => {
            let named: Vec<_> = sessions.iter().map(ToString::to_string).collect();
            format!("this command needs a lock of {}", named.join("; "))
        }
    };
    locked(message, &sessions)
}

async fn sessions(common: &Common) -> anyhow::Result<Vec<BlockingSession>> {
    let mut conn = common.shop()?.acquire().await?;
    Ok(blocking::list(&mut conn).await?)
}
