//! `cargo xtask bench`: measures the speed and the cost of checkouts.

use std::process::Command;

use servers::Result;

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir},
    env::Env,
    lock,
};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    eprintln!("building optimised");
    let mut build = vec!["build", "--release", "--bins"];
    for name in ["api", "worker", "payments", "shopctl", "bench"] {
        build.extend(["-p", name]);
    }
    cargo::run(cargo(&build), "the build")?;
    let _alone = lock::take("bench")?;
    let mut bench = Command::new(bin_dir(true).join("bench"));
    if !Env::default().take("PAYMENTS_URL") {
        bench.env_remove("PAYMENTS_URL"); // holds at most the value that `up` chose for itself
    }
    let status = bench
        .arg("--bin-dir")
        .arg(bin_dir(true))
        .arg("--dir")
        .arg(dev_dir().join("bench"))
        .args(arguments)
        .status()
        .doing("run the benchmark")?;
    if status.success() {
        Ok(())
    } else {
        crate::fail("the benchmark failed: what it says above is why")
    }
}
