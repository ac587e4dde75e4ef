//! shopctl, with the workflows of this shop.

use std::process::ExitCode;

fn main() -> ExitCode {
    shopctl::run(workflows::registry)
}
