//! Checks whether a process is ready, for the health checks of images that have no shell and no
//! curl.

use std::time::Duration;

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Common, exit::Failure, output};

/// Timeout of a probe; longer than a readiness check may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of bytes read of an answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

#[derive(clap::Args)]
pub(crate) struct Probe {
    /// URL on an admin port, such as http://127.0.0.1:9080/readyz.
    url: String,
}

impl Probe {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let (authority, path) = self.parts()?;
        let asked = tokio::time::timeout(TIMEOUT, ask(authority, path)).await;
        let answer = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Err(Failure::unreachable(format!("{}: {error:#}", self.url)).into());
            }
            Err(_) => {
                let sentence = format!("{} gave no answer within {TIMEOUT:?}", self.url);
                return Err(Failure::unreachable(sentence).into());
            }
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if head.split(' ').nth(1) == Some("200") {
            let body = body.trim_end();
            return output::either(common.output, &serde_json::json!({ "body": body }), body);
        }
        Err(Failure::not_done(format!("{} is not ready: {}", self.url, body.trim_end())).into())
    }

    fn parts(&self) -> Result<(&str, String), Failure> {
        let rest = self.url.strip_prefix("http://").ok_or_else(|| {
            Failure::usage(format!("`{}` is no http:// URL", self.url))
                .hint("such as http://127.0.0.1:9080/readyz")
        })?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok((authority, format!("/{path}")))
    }
}

async fn ask(authority: &str, path: String) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut answer)
        .await?;
    String::from_utf8(answer).context("the answer is not text")
}
