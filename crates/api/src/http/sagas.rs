use std::time::Duration;

use axum::extract::State;
use commerce::{order, page::Cursor};
use kernel::{OrderId, SagaId, UserId};
use operator::{
    Why,
    cause::Code,
    diagnosed::{self, DiagnosedPage, DiagnosisFilter},
    sagas::{self, Filter, SagaDetail, SagaSummary},
};
use saga::machine::StateKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::{CallerProblems, IdProblems, Json, Operator, PageProblems, Path, Problem, Query, kinds};

use super::{App, read_orders::Sought, rules, shapes};

/// Sagas that one call examines to find a cause.
const MAX_EXAMINED: usize = 200;

#[derive(Deserialize, IntoParams)]
pub(super) struct Which {
    /// State of the saga.
    #[param(value_type = Option<StateKind>, inline)]
    state: Option<String>,
    /// Name of the plan, such as `checkout`.
    #[param(value_type = Option<rules::SearchText>, inline)]
    plan: Option<String>,
    /// Current step.
    #[param(value_type = Option<rules::SearchText>, inline)]
    step: Option<String>,
    /// Minimum seconds since the saga last moved.
    #[param(value_type = Option<rules::Seconds>, inline)]
    older_than: Option<u32>,
    /// Only stuck sagas that have been in their state, at their step, for this many seconds.
    #[param(value_type = Option<rules::Seconds>, inline)]
    stuck_for: Option<u32>,
    /// Only sagas whose step has been attempted for this many seconds and whose last attempt failed.
    #[param(value_type = Option<rules::Seconds>, inline)]
    failing_for: Option<u32>,
    /// The saga of this order.
    order: Option<OrderId>,
    /// The sagas of this user's orders.
    user: Option<UserId>,
    /// The saga of this order: its number, its id or its transaction's id; or the sagas of the
    /// orders of the customer with this e-mail address.
    #[param(value_type = Option<rules::OrderReference>, inline)]
    find: Option<String>,
    /// Part of the last error, or of the reason for compensating.
    #[param(value_type = Option<rules::SearchText>, inline)]
    text: Option<String>,
    /// Only sagas with this cause, as `why` names it.
    #[param(value_type = Option<Code>, inline)]
    cause: Option<String>,
    /// Only stuck sagas: those that do not continue by themselves.
    #[serde(default)]
    stuck: bool,
    /// Report each saga's cause, as with `cause` and `stuck`.
    #[serde(default)]
    causes: bool,
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<rules::PageCursor>, inline)]
    cursor: Option<String>,
    /// Items per page; 20 by default.
    #[param(value_type = Option<rules::PageLimit>, inline)]
    limit: Option<u32>,
}

impl Which {
    /// The requested filter by cause, if causes matter.
    fn wanted(&self) -> Result<Option<DiagnosisFilter>, Problem> {
        let cause = self.cause.as_deref().map(str::parse::<Code>).transpose();
        let cause = cause.map_err(|message| Problem::invalid("cause", "unknown", message))?;
        let stuck = self.stuck || self.stuck_for.is_some();
        let matters = self.causes || stuck || cause.is_some();
        Ok(matters.then_some(DiagnosisFilter { cause, stuck }))
    }

    fn checked(self) -> Result<(Filter, u32), Problem> {
        let state = self.state.as_deref().map(str::parse::<StateKind>);
        let state = state.transpose();
        let state = state.map_err(|message| Problem::invalid("state", "unknown", message))?;
        for (name, text) in [
            ("plan", &self.plan),
            ("step", &self.step),
            ("text", &self.text),
        ] {
            rules::check_search(name, text.as_deref())?;
        }
        let (cursor, limit) = shapes::Paging::new(self.cursor, self.limit).checked()?;
        let filter = Filter {
            state,
            plan: self.plan,
            step: self.step,
            older_than: seconds(self.older_than),
            in_state_for: seconds(self.stuck_for),
            failing_for: seconds(self.failing_for),
            order: self.order,
            user: self.user,
            orders: None,
            text: self.text,
            after: cursor.map(|cursor| SagaId::from(cursor.id)),
        };
        Ok((filter, limit))
    }
}

/// Whole seconds as a duration.
fn seconds(value: Option<u32>) -> Option<Duration> {
    value.map(|seconds| Duration::from_secs(seconds.into()))
}

/// A saga in a list, with its cause if that was requested.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaInList)]
pub(super) struct Row {
    #[serde(flatten)]
    saga: SagaSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Code>,
    /// Whether the saga does not continue by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck: Option<bool>,
}

impl Row {
    fn plain(saga: SagaSummary) -> Self {
        Self {
            saga,
            cause: None,
            stuck: None,
        }
    }

    fn diagnosed((saga, why): (SagaSummary, Why)) -> Self {
        Self {
            saga,
            cause: Some(why.diagnosis.code),
            stuck: Some(why.diagnosis.stuck),
        }
    }
}

/// Sagas, oldest first: those not at rest, unless a state, an order or a user is given.
///
/// Causes are diagnosed on request, for at most some hundred sagas per call: with `cause` or
/// `stuck` a page may hold fewer items than fit, or none. There are more pages as long as
/// `next_cursor` is present.
#[utoipa::path(
    get, path = "/api/sagas", operation_id = "list_sagas", security(("bearer" = [])), params(Which),
    responses(
        (status = 200, body = shapes::Page<Row>, description = "A page of them"),
        CallerProblems, PageProblems,
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    _: Operator,
    Query(which): Query<Which>,
) -> Result<Json<shapes::Page<Row>>, Problem> {
    let wanted = which.wanted()?;
    let find = which.find.clone();
    let find = find.as_deref().map(str::trim);
    let (mut filter, limit) = which.checked()?;
    if let Some(find) = find.filter(|find| !find.is_empty()) {
        match Sought::by(&app, find).await? {
            Sought::Customer(Some(user)) => filter.user = Some(user),
            Sought::Customer(None) => filter.orders = Some(Vec::new()),
            Sought::Order(number) => {
                filter.orders =
                    Some(order::find_ids(&mut *app.pool.acquire().await?, &number).await?);
            }
        }
    }
    let (items, after) = if let Some(wanted) = wanted {
        let diagnosed =
            diagnosed::list(&app.operator, &filter, wanted, limit as usize, MAX_EXAMINED);
        let DiagnosedPage { found, after } = diagnosed.await?;
        (found.into_iter().map(Row::diagnosed).collect(), after)
    } else {
        let mut conn = app.pool.acquire().await?;
        let mut lines = sagas::list(&mut conn, &filter, i64::from(limit) + 1).await?;
        let more = lines.len() > limit as usize;
        lines.truncate(limit as usize);
        let last = lines.last().filter(|_| more).map(|saga| saga.saga_id);
        (lines.into_iter().map(Row::plain).collect(), last)
    };
    Ok(Json(shapes::Page {
        next_cursor: after.map(|saga| Cursor::at(saga.uuid()).to_string()),
        items,
    }))
}

/// A saga's whole life: steps, attempts, errors, signals, operators' acts, and the next step.
#[utoipa::path(
    get, path = "/api/sagas/{id}", operation_id = "find_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = SagaDetail, description = "The saga as it is now"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<SagaId>,
) -> Result<Json<SagaDetail>, Problem> {
    let mut conn = app.pool.acquire().await?;
    let detail = sagas::find_detail(&mut conn, id, &app.engine).await?;
    detail.map(Json).ok_or_else(|| not_found(id))
}

/// Why a saga is in its current state: the cause, the evidence, and the safe next command.
///
/// This process reads payments through its API and so cannot read its outbox: `shopctl saga why`
/// sees more. The answer lists the sources that could not be read.
#[utoipa::path(
    get, path = "/api/sagas/{id}/why", operation_id = "why_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Why, description = "The cause as it is now"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn why(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<SagaId>,
) -> Result<Json<Why>, Problem> {
    let mut found = operator::why(&app.operator, &[id]).await?;
    found.pop().map(Json).ok_or_else(|| not_found(id))
}

pub(super) fn not_found(id: SagaId) -> Problem {
    Problem::new(kinds::NOT_FOUND).detail(format!(
        "There is no saga {id}; old ones at rest are archived."
    ))
}
