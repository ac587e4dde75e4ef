//! Traces for development: a receiver of OTLP over gRPC, with the Jaeger UI in front of it, all in
//! memory.
//!
//! `JAEGER_UI_LISTEN` (127.0.0.1:16686) and `JAEGER_OTLP_LISTEN` (127.0.0.1:4317) are its
//! addresses. Its search ignores tags; it finds a trace by id, service or name. For anything but
//! development, use Jaeger itself.

use std::{env, net::SocketAddr};

use otlp_embedded::{Config, State, TraceServiceImpl, TraceServiceServer, ui_app};
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Number of traces that are kept, the newest ones.
const TRACES: u32 = 20_000;
/// Maximum memory of the kept traces, in bytes.
const MEMORY: usize = 128 << 20;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let ui = TcpListener::bind(address("JAEGER_UI_LISTEN", "127.0.0.1:16686")?).await?;
    let otlp = address("JAEGER_OTLP_LISTEN", "127.0.0.1:4317")?;
    let state = State::new(Config {
        max_length: TRACES,
        max_memory_usage: MEMORY,
    });
    let receiver = TraceServiceServer::new(TraceServiceImpl::new(state.clone()));
    let receiver = tonic::transport::Server::builder()
        .add_service(receiver)
        .serve(otlp);
    let pages = axum::serve(ui, ui_app(state, "/"));
    tokio::select! {
        ended = receiver => ended?,
        ended = async { pages.await } => ended?,
    }
    Ok(())
}

fn address(variable: &str, usual: &str) -> Result<SocketAddr, Error> {
    let address = env::var(variable).unwrap_or_else(|_| usual.to_owned());
    address
        .parse()
        .map_err(|_| format!("{variable}: `{address}` is no address such as {usual}").into())
}
