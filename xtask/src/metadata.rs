//! Generated files that are committed: what the query macros know of the databases (`.sqlx`, one
//! folder a crate), and the OpenAPI documents.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::SystemTime,
};

use servers::{Postgres, PostgresOptions, Result};

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir, root},
    fail, lock, storefront,
};

const OPENAPI: [&str; 2] = ["api", "payments"];

/// Writes them.
pub(crate) fn generate() -> Result<()> {
    for (folder, queries) in queries()? {
        fs::remove_dir_all(&folder).ok();
        if !queries.is_empty() {
            fs::create_dir_all(&folder).doing(&format!("make {}", folder.display()))?;
        }
        for (name, text) in queries {
            fs::write(folder.join(&name), text).doing(&format!("write {name}"))?;
        }
    }
    for (path, text) in documents()? {
        fs::create_dir_all(root().join("docs/openapi")).doing("make docs/openapi")?;
        fs::write(&path, text).doing(&format!("write {}", path.display()))?;
    }
    storefront::generate()
}

/// Makes them elsewhere, and compares.
pub(crate) fn check() -> Result<()> {
    for (folder, fresh) in queries()? {
        let committed = read_folder(&folder)?;
        if committed != fresh {
            return fail(format!(
                "{} is stale: run `cargo xtask generate` and commit it",
                folder.display()
            ));
        }
    }
    for (path, text) in documents()? {
        if fs::read_to_string(&path).unwrap_or_default() != text {
            return fail(format!(
                "{} is stale: run `cargo xtask generate` and commit it",
                path.display()
            ));
        }
    }
    Ok(())
}

type Queries = BTreeMap<String, String>;

/// Folder by folder, what the macros of a crate say when they are asked anew, with live databases.
fn queries() -> Result<Vec<(PathBuf, Queries)>> {
    let _alone = lock::take("metadata")?;
    let postgres = Postgres::start(
        &dev_dir().join("metadata"),
        PostgresOptions {
            durable: false,
            max_connections: 50,
            statements: false,
        },
    )?;
    for database in ["shop", "payments"] {
        postgres.psql("postgres", &format!("drop database if exists {database}"))?;
        postgres.create_database(database)?;
        let mut files: Vec<_> = list(&root().join("migrations").join(database))?;
        files.sort();
        for file in files {
            postgres.psql_file(database, &file)?;
        }
    }
    let out = dev_dir().join("metadata-out");
    fs::remove_dir_all(&out).ok();
    let folders = crates_with_sql()?;
    for folder in &folders {
        fs::create_dir_all(out.join(name_of(folder))).doing("make a folder for query metadata")?;
        // cargo must compile it again, though nothing of it has changed
        for file in ["src/lib.rs", "src/main.rs"] {
            if let Ok(file) = fs::File::options().append(true).open(folder.join(file)) {
                file.set_modified(SystemTime::now())
                    .doing("touch a crate")?;
            }
        }
    }
    let mut command = cargo(&["check", "--quiet", "--workspace", "--all-targets"]);
    command
        .env("SQLX_OFFLINE", "false")
        .env("SHOP_DATABASE_URL", postgres.url("shop"))
        .env("PAYMENTS_DATABASE_URL", postgres.url("payments"))
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            std::env::current_exe().doing("find this program")?,
        )
        .env(OUT, &out);
    cargo::run(command, "checking the queries")?;
    folders
        .into_iter()
        .map(|folder| {
            let fresh = read_folder(&out.join(name_of(&folder)))?;
            Ok((folder.join(".sqlx"), fresh))
        })
        .collect()
}

/// Set when cargo calls this program in place of rustc; says where query metadata goes.
pub(crate) const OUT: &str = "XTASK_QUERY_METADATA";

/// Compiles one crate, its query metadata going to a folder of its own: the macros know only one
/// folder for all crates that a build compiles.
pub(crate) fn rustc(arguments: &[String]) -> ExitCode {
    let Some((rustc, rest)) = arguments.split_first() else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(rustc);
    command.args(rest);
    if let (Some(out), Some(name)) = (std::env::var_os(OUT), std::env::var_os("CARGO_PKG_NAME")) {
        let folder = PathBuf::from(out).join(name);
        if folder.exists() {
            command.env("SQLX_OFFLINE_DIR", folder);
        }
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The crates whose queries are checked: those with a `sqlx.toml`.
fn crates_with_sql() -> Result<Vec<PathBuf>> {
    let mut folders = list(&root().join("crates"))?;
    folders.push(root().join("workflows"));
    folders.retain(|folder| folder.join("sqlx.toml").exists());
    folders.sort();
    Ok(folders)
}

/// The OpenAPI documents, as the services print them.
fn documents() -> Result<Vec<(PathBuf, String)>> {
    cargo::run(
        cargo(&["build", "--quiet", "--bins", "-p", "api", "-p", "payments"]),
        "the build",
    )?;
    OPENAPI
        .iter()
        .map(|service| {
            let mut command = Command::new(bin_dir(false).join(service));
            command.arg("openapi");
            let text = cargo::output(command, &format!("`{service} openapi`"))?;
            Ok((
                root().join("docs/openapi").join(format!("{service}.json")),
                text,
            ))
        })
        .collect()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn read_folder(folder: &Path) -> Result<Queries> {
    if !folder.exists() {
        return Ok(Queries::new());
    }
    let entry = |path: PathBuf| {
        Ok((
            name_of(&path),
            fs::read_to_string(&path).doing(&format!("read {}", path.display()))?,
        ))
    };
    list(folder)?.into_iter().map(entry).collect()
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).doing(&format!("list {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}
