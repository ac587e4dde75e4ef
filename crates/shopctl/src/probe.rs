//! Checks whether a process is ready, for the health checks of images that have no shell and no
//! curl.

use std::time::Duration;

use reqwest::{Client, redirect};

use crate::{Common, exit::Failure, output};

/// Timeout of a probe; longer than a readiness check may take.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Probe {
    /// URL on an admin port, such as http://127.0.0.1:9080/readyz.
    url: String,
}

impl Probe {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let url = &self.url;
        if !url.starts_with("http://") {
            return Err(Failure::usage(format!("`{url}` is no http:// URL"))
                .hint("such as http://127.0.0.1:9080/readyz")
                .into());
        }
        let (is_ready, body) = self.ask().await.map_err(|error| {
            if error.is_timeout() {
                return Failure::unreachable(format!("{url} gave no answer within {TIMEOUT:?}"));
            }
            let error = anyhow::Error::new(error.without_url());
            Failure::unreachable(format!("{url}: {error:#}"))
        })?;
        let body = body.trim_end();
        if is_ready {
            return output::either(common.output, &serde_json::json!({ "body": body }), body);
        }
        Err(Failure::not_done(format!("{url} is not ready: {body}")).into())
    }

    async fn ask(&self) -> reqwest::Result<(bool, String)> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .tls_certs_only([]) // no probe uses TLS
            .build()?;
        let answer = client.get(&self.url).send().await?;
        Ok((answer.status() == 200, answer.text().await?))
    }
}
