//! The shop's API, with the workflows of this shop: `api` serves, `api openapi` prints the OpenAPI
//! document, and `api settings` prints the settings.

fn main() -> anyhow::Result<()> {
    api::run(workflows::registry)
}
