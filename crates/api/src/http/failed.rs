use std::time::Duration;

use axum::extract::State;
use contracts::{failure::FailureKind, topology::CONSUMERS};
use kernel::Stored;
use messaging::{
    BrokerError,
    failed::{self, DeadLetterSession, FailedMessage, Held, Listed, Page},
};
use operator::failed::{Decided, FailedError};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};
use web::{
    BodyProblems, Caller, CallerProblems, IdProblems, Json, Operator, Path, Problem, ProblemBody,
    Query, kinds,
};

use super::{App, problems, problems::MessageProblems, rules, saga_acts::actor};

/// Maximum messages that one call shows or decides on.
const MAX_MESSAGES: usize = 1_000;
/// Maximum bytes of a body that one call shows.
const MAX_SHOWN_BYTES: usize = 1024 * 1024;

/// Attempts to find a message, and the pause between them: a reader hides messages from others.
const MAX_ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// Longest wait for RabbitMQ's messages: the newest of many are behind all others.
const TIMEOUT: Duration = Duration::from_secs(25);

/// Messages that could not be handled.
#[derive(Serialize, ToSchema)]
pub(super) struct Failed {
    /// By queue and reason, in the order of their first messages.
    groups: Vec<FailedGroup>,
    /// Number of messages on this page.
    count: usize,
    /// Whether there are messages beyond this page.
    more: bool,
}

/// Messages that failed in the same queue for the same reason.
#[derive(Serialize, ToSchema)]
pub(super) struct FailedGroup {
    /// The queue whose consumer could not handle them.
    queue: Option<String>,
    /// Reason of the failure, with ids and numbers as `…`.
    reason: String,
    /// Number of messages.
    count: usize,
    /// All of them, in the requested order.
    messages: Vec<FailedLine>,
}

/// A message that could not be handled; only its own address shows its body.
#[derive(Serialize, ToSchema)]
pub(super) struct FailedLine {
    /// Its message id or, without one, `sha:` and a hash of its body.
    id: String,
    /// AMQP `type`.
    message_type: Option<String>,
    /// The routing key of its first publication.
    routing_key: String,
    /// Attempts made.
    attempts: u32,
    /// Why it is in `failed`, for people.
    reason: Option<String>,
    /// The kind of failure; none if its consumer recorded none.
    #[schema(value_type = Option<FailureKind>)]
    kind: Option<Stored<FailureKind>>,
    /// The trace that it belongs to.
    trace_id: Option<String>,
}

/// A message that could not be handled, with its body.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedMessage)]
pub(super) struct Whole {
    #[serde(flatten)]
    line: FailedLine,
    /// The queue whose consumer could not handle it.
    queue: Option<String>,
    /// The exchange of its first publication.
    exchange: String,
    /// Its body; replacement characters stand for NUL and for bytes that are not UTF-8.
    body: String,
    /// Its body, if it is not UTF-8 or holds a NUL character.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// Length of the body, bytes.
    body_bytes: usize,
    /// Whether the body exceeds the shown first MiB: `shopctl failed show` prints all of it.
    body_cut: bool,
}

/// Selects the messages to show.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `oldest` (the default) or `newest` first.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// Maximum messages on the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u16>,
    /// Messages to skip before the page.
    #[param(maximum = 50000, default = 0)]
    skip: Option<u32>,
}

#[derive(Deserialize, ToSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Oldest,
    Newest,
}

impl From<FailedMessage> for FailedLine {
    fn from(message: FailedMessage) -> Self {
        Self {
            id: message.id,
            message_type: message.message_type,
            routing_key: message.routing_key,
            attempts: message.attempts,
            reason: message.reason,
            kind: message.kind.map(Stored::read),
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
            body_bytes: message.body_bytes,
            body_cut: message.body_cut,
            body_base64: message.body_base64.take(),
            line: message.into(),
        }
    }
}

/// A decision to drop.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// Reason: kept in the audit.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Decide on all messages of the same queue and reason. The value is their count, as listed; if
    /// there are more or fewer by now, nothing is done.
    alike: Option<usize>,
}

/// A decision to send again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redrive {
    /// Reason: kept in the audit.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Decide on all messages of the same queue and reason, as for a drop. The value is their
    /// count.
    alike: Option<usize>,
    /// The queue to send to, if the message's own record is not trusted because its consumer did
    /// not write it.
    queue: Option<String>,
}

/// Results of a decision, by message.
#[derive(Serialize, ToSchema)]
pub(super) struct Decisions {
    /// One result for each message.
    decided: Vec<Decided>,
}

/// Messages that could not be handled, grouped by queue and reason. They stay in `failed`.
#[utoipa::path(
    get, path = "/api/failed", operation_id = "list_failed", security(("bearer" = [])), params(Which),
    responses(
        (status = 200, body = Failed, description = "A page of them"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`malformed`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`invalid`"),
        CallerProblems,
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    _: Operator,
    Query(which): Query<Which>,
) -> Result<Json<Failed>, Problem> {
    let limit = usize::from(which.limit.unwrap_or(1_000));
    let skip = which.skip.unwrap_or(0) as usize;
    if !(1..=MAX_MESSAGES).contains(&limit) {
        return Err(Problem::invalid("limit", "range", "1 to 1000"));
    }
    if skip > failed::WALKED {
        return Err(Problem::invalid("skip", "range", "at most 50000"));
    }
    let newest = which.order == Order::Newest;
    let page = Page {
        limit,
        skip,
        newest,
    };
    let Listed { messages, more } = read_page(&app, page).await?;
    let groups = failed::groups(&messages);
    let count = messages.len();
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

/// A message that could not be handled, with its body. It stays in `failed`.
#[utoipa::path(
    get, path = "/api/failed/{id}", operation_id = "find_failed", security(("bearer" = [])),
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, body = Whole, description = "The message, with what it says"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Json<Whole>, Problem> {
    let mut attempts = 0;
    loop {
        let found = failed::find(amqp_url(&app)?, &id, MAX_SHOWN_BYTES);
        if let Some(found) = with_timeout(found).await? {
            return Ok(Json(found.into()));
        }
        attempts += 1;
        if attempts == MAX_ATTEMPTS {
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
        MessageProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    Json(redrive): Json<Redrive>,
) -> Result<Json<Decisions>, Problem> {
    let decision = Decision {
        reason: redrive.reason,
        alike: redrive.alike,
    };
    decide(&app, &caller, &id, decision, What::Retry(redrive.queue)).await
}

/// Take a message out of `failed` for good; the audit keeps it whole.
#[utoipa::path(
    post, path = "/api/failed/{id}/drop", operation_id = "drop_failed", security(("bearer" = [])),
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, body = Decisions, description = "What became of each"),
        MessageProblems, CallerProblems, BodyProblems,
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

enum What {
    /// Sends to this queue or, without one, to the queue that the consumer recorded.
    Retry(Option<String>),
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
    // a decision that has begun is completed even if the caller disconnects
    let deciding = tokio::spawn(
        async move {
            let (session, mut held) = hold(&url, &id, decision.alike).await?;
            let mut held: Vec<_> = held.iter_mut().collect();
            let decided = match what {
                What::Retry(to) => {
                    let to = to.as_deref();
                    operator::failed::retry(&pool, &session, &mut held, to, &actor, |_| {}).await
                }
                What::Drop => {
                    operator::failed::discard(&pool, &session, &mut held, false, &actor, |_| {})
                        .await
                }
            };
            session.close().await;
            decided.map_err(|error| match error {
                FailedError::Audit(error) => error.into(),
                FailedError::Broker(error) => unreachable(&error),
            })
        }
        .in_current_span(),
    );
    let decided = deciding
        .await
        .map_err(|error| Problem::internal("decide on failed messages", &error))??;
    Ok(Json(Decisions { decided }))
}

/// Takes a message, or all that failed for the same reason, and holds them. Waits for messages that
/// another reader holds.
async fn hold(
    url: &str,
    id: &str,
    alike: Option<usize>,
) -> Result<(DeadLetterSession, Vec<Held>), Problem> {
    let mut attempts = 0;
    loop {
        let group = match alike {
            Some(_) => failed::find(url, id, 0)
                .await
                .map_err(|error| unreachable(&error))?
                .map(|message| failed::alike(&message)),
            None => None,
        };
        let mut session = DeadLetterSession::open(url, "api failed", &CONSUMERS)
            .await
            .map_err(|error| unreachable(&error))?;
        let wanted = |message: &FailedMessage| match &group {
            Some(group) => failed::alike(message) == *group,
            None => message.id == id,
        };
        // one more than expected: it reveals that the group has grown
        let max = alike.map_or(MAX_MESSAGES, |count| {
            count.saturating_add(1).min(MAX_MESSAGES)
        });
        let found = match session.take_those(max, wanted).await {
            Ok(found) => found,
            Err(error) => {
                session.close().await;
                return Err(unreachable(&error));
            }
        };
        if !found.is_empty() && alike.is_none_or(|count| count == found.len()) {
            return Ok((session, found));
        }
        session.close().await;
        attempts += 1;
        if attempts == MAX_ATTEMPTS {
            return Err(match alike {
                Some(count) if !found.is_empty() => changed(id, count, found.len()),
                _ => not_found(id),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A page of failed messages. An empty page is read again: another reader may hold all messages.
async fn read_page(app: &App, page: Page) -> Result<Listed, Problem> {
    let mut attempts = 0;
    loop {
        let listed = with_timeout(failed::page(amqp_url(app)?, page)).await?;
        attempts += 1;
        if !listed.messages.is_empty() || attempts == MAX_ATTEMPTS {
            return Ok(listed);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn with_timeout<T>(
    request: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, Problem> {
    let answer = tokio::time::timeout(TIMEOUT, request).await;
    answer
        .unwrap_or(Err(BrokerError::Timeout(TIMEOUT)))
        .map_err(|error| unreachable(&error))
}

fn amqp_url(app: &App) -> Result<&str, Problem> {
    app.operator.sources().amqp_url.as_deref().ok_or_else(|| {
        Problem::new(kinds::UNAVAILABLE).retry_after(60).detail(
            "This api does not see RabbitMQ: AMQP_URL is not set. Set it, or use `shopctl failed`.",
        )
    })
}

fn unreachable(error: &BrokerError) -> Problem {
    tracing::warn!(%error, "RabbitMQ cannot be used right now");
    Problem::new(kinds::UNAVAILABLE).detail(format!(
        "RabbitMQ cannot be used right now ({error}). What it has not confirmed stays in `failed`: look again."
    ))
}

fn not_found(id: &str) -> Problem {
    Problem::new(kinds::NOT_FOUND).detail(format!(
        "There is no message {id} in `failed`: it was decided on, or has not failed."
    ))
}

fn changed(id: &str, count: usize, found: usize) -> Problem {
    Problem::new(problems::FAILED_CHANGED)
        .detail(format!(
            "{found} messages, not {count}, failed like {id} by now. Nothing was done: look again."
        ))
        .with("alike", found)
}
