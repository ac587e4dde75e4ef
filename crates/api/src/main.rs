//! The shop's API, with the workflows of this shop: `api` serves, `api openapi` prints its OpenAPI document,
//! `api settings` its settings.

fn main() -> anyhow::Result<()> {
    api::run(workflows::registry)
}
