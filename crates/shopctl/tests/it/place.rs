use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// A fresh database of the shop, and shopctl on it.
pub(crate) struct Place {
    pub(crate) shop: PgPool,
    url: String,
}

/// The exit code and the output of a process.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The objects on stdout, one a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
            .collect()
    }
}

impl Place {
    pub(crate) async fn open() -> Self {
        let url = testkit::database("shop", &db::SHOP).await;
        let shop = PgPoolOptions::new()
            .connect(&url)
            .await
            .expect("the fresh database answers");
        Self { shop, url }
    }

    /// The URL of the shop's database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// shopctl with no settings but the shop's database and an actor.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_shopctl")), arguments)
    }

    /// A line of a shell, with the same settings.
    pub(crate) fn shell(&self, line: &str) -> Command {
        self.program(Path::new("sh"), &["-c", line])
    }

    fn program(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", "/nonexistent")
            .env("SHOP_DATABASE_URL", &self.url)
            .env("SHOPCTL_ACTOR", "ada")
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// Places an order whose saga has this cause, and returns the saga's id.
    pub(crate) fn stuck(&self, cause: &str) -> String {
        let seeded = self.run(&["seed"]);
        assert_eq!(seeded.code, Some(0), "{seeded:?}");
        // the build of the whole workspace puts it beside shopctl
        let drill = Path::new(env!("CARGO_BIN_EXE_shopctl")).with_file_name("drill");
        let mut command = self.program(&drill, &["--cause", cause]);
        let stuck = ran(command.env("SHOP_DEV", "1"));
        assert_eq!(stuck.code, Some(0), "{stuck:?}");
        stuck.out.trim().to_owned()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("shopctl starts");
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("stdout is text"),
        err: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}
