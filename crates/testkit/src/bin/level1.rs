//! A payments service of level 1 as a process, in place of ours: `docs/payments-contract.md`.

use std::error::Error;

use testkit::Level1;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Level1::run().await
}
