use axum::extract::State;
use doctor::{CHECKS, CheckResult, Limits, PaymentsSource, Sources, Violation};
use serde::Serialize;
use utoipa::ToSchema;
use web::{CallerProblems, Json, Operator, Problem};

use super::App;

/// Orders that are compared with payments: a page waits for the answer.
const MAX_ORDERS: i64 = 2_000;

/// Results of the checks of the shop's database and, if they are reachable, of payments and RabbitMQ.
#[derive(Serialize, ToSchema)]
pub(super) struct Report {
    /// Whether no invariant is violated. The ones that were not checked are in `summary`.
    well: bool,
    /// The result in one sentence: how many invariants hold, and why others were not checked.
    summary: String,
    checks: Vec<Check>,
    /// Sources that this process could not read; `shopctl doctor` reads more.
    #[serde(rename = "unseen")]
    unavailable: Vec<String>,
}

/// One check.
#[derive(Serialize, ToSchema)]
pub(super) struct Check {
    id: &'static str,
    /// The promise that the check verifies.
    promise: &'static str,
    /// The check's result.
    result: CheckResult,
    /// The part that was checked, if the check did not see everything.
    in_part: Option<String>,
    /// Meaning of the check.
    explanation: &'static str,
    /// Recommended action.
    hint: &'static str,
    found: Vec<Found>,
}

/// A finding of a check.
#[derive(Serialize, ToSchema)]
pub(super) struct Found {
    /// The affected object.
    subject: String,
    /// The problem with the object.
    what: String,
}

/// Check every invariant and hygiene rule of the shop's database, payments' API and RabbitMQ.
#[utoipa::path(
    get, path = "/api/doctor", operation_id = "doctor", security(("bearer" = [])),
    responses((status = 200, body = Report, description = "What was found"), CallerProblems)
)]
pub(super) async fn doctor(State(app): State<App>, _: Operator) -> Result<Json<Report>, Problem> {
    let data = app.operator.sources();
    let payments = PaymentsSource {
        api: data.payments.api().cloned(),
        database: Ok(None),
    };
    let sources = Sources {
        shop: &app.pool,
        payments: &payments,
        amqp_url: data.amqp_url.as_deref(),
        management_url: None,
        without: &[],
        plans: &app.operator.registry().shapes(),
    };
    let limits = Limits {
        orders: Some(MAX_ORDERS),
        ..Limits::default()
    };
    let report = doctor::examine_all(sources, &limits).await?;
    let found = |id: &str| -> Vec<&Violation> {
        let all = report.violations.iter().chain(&report.warnings);
        all.filter(|found| found.check == id).collect()
    };
    let checks = CHECKS.iter().map(|check| {
        let found = found(check.id);
        Check {
            id: check.id,
            promise: check.promise,
            result: report.result(check),
            in_part: report.part(check),
            explanation: check.explanation,
            hint: check.hint,
            found: found
                .into_iter()
                .map(|found| Found {
                    subject: found.subject.clone(),
                    what: found.what.clone(),
                })
                .collect(),
        }
    });
    Ok(Json(Report {
        well: report.violations.is_empty(),
        summary: report.summary(),
        checks: checks.collect(),
        unavailable: report.unavailable.iter().map(ToString::to_string).collect(),
    }))
}
