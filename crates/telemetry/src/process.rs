//! Build information and resource usage of the process.

use crate::admin;

/// Publishes `shop_build_info` and the operating system's data about this process
/// (`process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds`, …).
pub(crate) fn watch(service: &'static str) {
    let process = metrics_process::Collector::default();
    admin::on_scrape(move || {
        process.collect();
        metrics::gauge!("shop_build_info", "service" => service, "version" => env!("CARGO_PKG_VERSION"))
            .set(1);
    });
}
