use std::time::Duration;

use axum::extract::State;
use messaging::{
    LinkError,
    failed::{self, FailedMessage, Held, Review},
};
use operator::failed::{Decided, FailedError};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::ToSchema;
use web::{
    BodyProblems, Caller, CallerProblems, Json, Operator, Path, Problem, ProblemBody, kinds,
};

use super::{App, problems, saga_acts::actor};

/// Messages that one call looks through: the oldest.
const MOST: usize = 1_000;

/// Looks for a message, and how long after one another: who looks at messages hides them meanwhile.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// Longest wait for what RabbitMQ holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Messages that could not be handled.
#[derive(Serialize, ToSchema)]
pub(super) struct Failed {
    /// By queue and reason, the oldest group first.
    groups: Vec<FailedGroup>,
    /// How many were looked at.
    count: usize,
    /// Whether there may be more behind them.
    more: bool,
}

/// Messages that failed alike.
#[derive(Serialize, ToSchema)]
pub(super) struct FailedGroup {
    /// The queue that they could not be handled from.
    queue: Option<String>,
    /// Why, with ids and numbers as `…`.
    reason: String,
    /// How many.
    count: usize,
    /// All of them, the oldest first.
    messages: Vec<FailedLine>,
}

/// A message that could not be handled; what it says is shown by its own address only.
#[derive(Serialize, ToSchema)]
pub(super) struct FailedLine {
    /// What to call it: its message id or, without one, `sha:` and a hash of what it says.
    id: String,
    /// AMQP `type`.
    message_type: Option<String>,
    /// The key that it was first published under.
    routing_key: String,
    /// Attempts made.
    attempts: u32,
    /// Why it is here.
    reason: Option<String>,
    /// The trace that it belongs to.
    trace_id: Option<String>,
}

/// A message that could not be handled, whole.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedMessage)]
pub(super) struct Whole {
    #[serde(flatten)]
    line: FailedLine,
    /// The queue that it could not be handled from.
    queue: Option<String>,
    /// The exchange that it was first published to.
    exchange: String,
    /// What it says; what is not UTF-8 is shown as replacement characters.
    body: String,
    /// What it says, if that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl From<FailedMessage> for FailedLine {
    fn from(message: FailedMessage) -> Self {
        Self {
            id: message.id,
            message_type: message.message_type,
            routing_key: message.routing_key,
            attempts: message.attempts,
            reason: message.reason,
            trace_id: message.trace_id,
        }
    }
}

impl From<FailedMessage> for Whole {
    fn from(mut message: FailedMessage) -> Self {
        Self {
            queue: message.queue.take(),
            exchange: std::mem::take(&mut message.exchange),
            body: std::mem::take(&mut message.body),
            body_base64: message.body_base64.take(),
            line: message.into(),
        }
    }
}

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// Why: kept in the audit.
    reason: String,
    /// Decide on all that failed alike, of the same queue and for the same reason: how many those are,
    /// as the list told. If they are more or fewer by now, nothing is done.
    alike: Option<usize>,
}

/// What became of messages.
#[derive(Serialize, ToSchema)]
pub(super) struct Decisions {
    /// `sent again`, `dropped`, or `stays` with the reason in `detail`.
    decided: Vec<Decided>,
}

/// Messages that could not be handled, grouped by queue and reason. They stay where they are.
#[utoipa::path(
    get, path = "/api/failed", operation_id = "list_failed", security(("bearer" = [])),
    responses((status = 200, body = Failed, description = "The oldest thousand"), CallerProblems)
)]
pub(super) async fn list(State(app): State<App>, _: Operator) -> Result<Json<Failed>, Problem> {
    let messages = look(&app).await?;
    let groups = failed::groups(&messages);
    let (count, more) = (messages.len(), messages.len() == MOST);
    let mut messages: Vec<_> = messages.into_iter().map(Some).collect();
    let groups = groups.into_iter().map(|group| FailedGroup {
        queue: group.queue,
        reason: group.reason,
        count: group.count,
        messages: group
            .members
            .into_iter()
            .filter_map(|place| messages[place].take())
            .map(FailedLine::from)
            .collect(),
    });
    Ok(Json(Failed {
        groups: groups.collect(),
        count,
        more,
    }))
}

/// A message that could not be handled, whole. It stays where it is.
#[utoipa::path(
    get, path = "/api/failed/{id}", operation_id = "find_failed", security(("bearer" = [])),
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, body = Whole, description = "The message, with what it says"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`malformed`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Json<Whole>, Problem> {
    let mut looks = 0;
    loop {
        let messages = look(&app).await?;
        if let Some(found) = messages.into_iter().find(|message| message.id == id) {
            return Ok(Json(found.into()));
        }
        looks += 1;
        if looks == LOOKS {
            return Err(not_found(&id));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Send a message to the queue it came from, as if for the first time.
#[utoipa::path(
    post, path = "/api/failed/{id}/retry", operation_id = "retry_failed", security(("bearer" = [])),
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, body = Decisions, description = "What became of each"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`failed-changed`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Decisions>, Problem> {
    decide(&app, &caller, &id, decision, What::Retry).await
}

/// Take a message out of `failed` for good; the audit keeps it whole.
#[utoipa::path(
    post, path = "/api/failed/{id}/drop", operation_id = "drop_failed", security(("bearer" = [])),
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, body = Decisions, description = "What became of each"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`failed-changed`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn discard(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Decisions>, Problem> {
    decide(&app, &caller, &id, decision, What::Drop).await
}

#[derive(Clone, Copy)]
enum What {
    Retry,
    Drop,
}

async fn decide(
    app: &App,
    caller: &Caller,
    id: &str,
    decision: Decision,
    what: What,
) -> Result<Json<Decisions>, Problem> {
    let actor = actor(caller, decision.reason)?;
    let (pool, url) = (app.pool.clone(), amqp_url(app)?.to_owned());
    let id = id.to_owned();
    // what is begun is done, also when the caller hangs up
    let deciding = tokio::spawn(
        async move {
            let (review, held) = hold(&url, &id, decision.alike).await?;
            let held: Vec<_> = held.iter().collect();
            let decided = match what {
                What::Retry => operator::failed::retry(&pool, &review, &held, &actor, |_| {}).await,
                What::Drop => {
                    operator::failed::discard(&pool, &review, &held, &actor, |_| {}).await
                }
            };
            review.close().await;
            decided.map_err(|error| match error {
                FailedError::Audit(error) => error.into(),
                FailedError::Broker(error) => away(&error),
            })
        }
        .in_current_span(),
    );
    let decided = deciding
        .await
        .map_err(|error| Problem::internal("decide on failed messages", &error))??;
    Ok(Json(Decisions { decided }))
}

/// Takes a message, or as many as failed like it, and holds them. Whatever somebody else looks at
/// right now is waited for.
async fn hold(url: &str, id: &str, alike: Option<usize>) -> Result<(Review, Vec<Held>), Problem> {
    let mut looks = 0;
    loop {
        let mut review = Review::open(url, "api failed")
            .await
            .map_err(|error| away(&error))?;
        let held = match review.take(MOST).await {
            Ok(held) => held,
            Err(error) => {
                review.close().await;
                return Err(away(&error));
            }
        };
        let found = chosen(held, id, alike.is_some());
        if !found.is_empty() && alike.is_none_or(|count| count == found.len()) {
            return Ok((review, found));
        }
        review.close().await;
        looks += 1;
        if looks == LOOKS {
            return Err(match alike {
                Some(count) if !found.is_empty() => changed(id, count, found.len()),
                _ => not_found(id),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Of what is held: the message, more than once if it is there more than once, or all of its group.
fn chosen(mut held: Vec<Held>, id: &str, alike: bool) -> Vec<Held> {
    if alike {
        let messages: Vec<_> = held.iter().map(|held| held.message.clone()).collect();
        let groups = failed::groups(&messages);
        let named = |place: &usize| messages[*place].id == id;
        let group = groups
            .into_iter()
            .find(|group| group.members.iter().any(named));
        let members = group.map(|group| group.members).unwrap_or_default();
        let mut place = 0..;
        held.retain(|_| place.next().is_some_and(|place| members.contains(&place)));
    } else {
        held.retain(|held| held.message.id == id);
    }
    held
}

async fn look(app: &App) -> Result<Vec<FailedMessage>, Problem> {
    let looked = tokio::time::timeout(PATIENCE, failed::list(amqp_url(app)?, MOST)).await;
    looked
        .unwrap_or(Err(LinkError::Timeout(PATIENCE)))
        .map_err(|error| away(&error))
}

fn amqp_url(app: &App) -> Result<&str, Problem> {
    app.operator.sight().amqp_url.as_deref().ok_or_else(|| {
        Problem::new(kinds::UNAVAILABLE).retry_after(60).detail(
            "This api does not see RabbitMQ: AMQP_URL is not set. Set it, or use `shopctl failed`.",
        )
    })
}

fn away(error: &LinkError) -> Problem {
    tracing::warn!(%error, "RabbitMQ cannot be used right now");
    Problem::new(kinds::UNAVAILABLE).detail(format!(
        "RabbitMQ cannot be used right now ({error}). What it has not confirmed stays in `failed`: look again."
    ))
}

fn not_found(id: &str) -> Problem {
    Problem::new(kinds::NOT_FOUND).detail(format!(
        "There is no message {id} among the oldest {MOST} in `failed`: it was decided on, or has not failed."
    ))
}

fn changed(id: &str, count: usize, found: usize) -> Problem {
    Problem::new(problems::FAILED_CHANGED)
        .detail(format!(
            "{found} messages, not {count}, failed like {id} by now. Nothing was done: look again."
        ))
        .with("alike", found)
}
