//! The worker, with the workflows of this shop.

fn main() -> anyhow::Result<()> {
    worker::run(workflows::registry)
}
