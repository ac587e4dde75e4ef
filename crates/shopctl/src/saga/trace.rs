//! `shopctl saga trace`.

use kernel::SagaId;
use operator::{saga_ref::AnyId, trace_export};
use serde::Serialize;

use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
    saga_ref,
};

#[derive(clap::Args)]
pub(crate) struct Trace {
    /// A saga, or the order, transaction or message that it is about.
    id: AnyId,
    /// Export the saga's spans again, from its journal, to OTEL_EXPORTER_OTLP_ENDPOINT. The ids are
    /// the same, so that no span is stored twice.
    #[arg(long)]
    reemit: bool,
}

#[derive(Serialize)]
struct Found {
    saga_id: SagaId,
    trace_id: String,
    url: Option<String>,
    spans: usize,
    reemitted: bool,
}

impl Trace {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let found = saga_ref::find(&super::operator(common, &pool)?, &self.id).await?;
        let saga_id = found.saga_id;
        let trace = trace_export::rebuild(
            &super::engine(common, &pool)?,
            &mut *pool.acquire().await?,
            saga_id,
        )
        .await?;
        let trace = trace.ok_or_else(|| saga_ref::archived(found))?;
        let url = common.profile.find("TRACE_URL")?;
        let found = Found {
            saga_id,
            url: url.map(|url| url.replace("{trace_id}", &trace.trace_id)),
            trace_id: trace.trace_id,
            spans: trace.spans.len(),
            reemitted: self.reemit,
        };
        if self.reemit {
            let endpoint = common.profile.get("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            let sent = tokio::task::spawn_blocking({
                let runtime = tokio::runtime::Handle::current();
                move || {
                    let _inside = runtime.enter();
                    let guard = telemetry::export_to(&endpoint)?;
                    let sent = telemetry::span_export::export_all(trace.spans);
                    guard.shutdown();
                    sent
                }
            });
            sent.await?.map_err(|error| {
                Failure::unreachable(format!("the spans could not be sent: {error}"))
                    .hint("look whether OTEL_EXPORTER_OTLP_ENDPOINT names a collector that answers")
            })?;
            output::talk(&format!("Sent {} spans again.", found.spans));
        }
        if common.output == Output::Json {
            output::data(&serde_json::to_string(&found)?)?;
        } else {
            output::data(found.url.as_deref().unwrap_or(&found.trace_id))?;
            if found.url.is_none() {
                output::talk(
                    "That is its trace id; TRACE_URL, with {trace_id} in it, makes a link of it.",
                );
            }
        }
        Ok(())
    }
}
