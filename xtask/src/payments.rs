//! `cargo xtask payments-check`: holds a running payments service to its contract.

use servers::Result;

use crate::cargo;

pub(crate) fn check(arguments: &[String]) -> Result<()> {
    let mut check = cargo::cargo(&["run", "--quiet", "--package", "payments-check", "--"]);
    check.args(arguments);
    cargo::run(check, "the check")
}
