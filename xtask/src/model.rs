//! `cargo xtask model`: explores every interleaving of a checkout, to the end.

use servers::Result;

use crate::cargo::{self, cargo};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut run = cargo(&["run", "--quiet", "-p", "model", "--"]);
    run.args(arguments);
    cargo::run(run, "the model check")
}
