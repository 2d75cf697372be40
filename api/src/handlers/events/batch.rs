//! Appending many events with an answer each.

use axum::extract::{Request, State};
use daybook_store::append::{AppendError, Candidate, Offered, Receipt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::append::{AppendBody, Wait, candidate, published, receipt_body, status, waits};
use crate::app::{App, now};
use crate::extract::Query;
use crate::problem::{Problem, ProblemKind};

/// Bytes of a batch's body.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Events of a batch.
const MAX_EVENTS: usize = 1_000;
/// Bytes of one event of a batch with its openings.
const MAX_EVENT: usize = 64 * 1024;
/// Events that are parsed and verified at a time: some milliseconds of work.
const CHUNK: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `events`")]
struct BatchBody {
    events: Vec<AppendBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchQuery {
    wait: Option<Wait>,
}

/// One event on its way: what it is called, and what becomes of it.
struct Sent {
    stream: String,
    seq: u64,
    offered: Offered,
}

/// Appends events in their order, each by itself: 200, with a status and a receipt or a problem for each.
pub(crate) async fn append_batch(
    State(app): State<App>,
    Query(query): Query<BatchQuery>,
    request: Request,
) -> Result<axum::Json<Value>, Problem> {
    let wait = waits(&app, query.wait)?;
    let mut held = app.bodies.read::<BatchBody>(request, MAX_BODY).await?;
    let mut events = std::mem::take(&mut held.body.events);
    if events.len() > MAX_EVENTS {
        let detail = format!(
            "A batch has at most {MAX_EVENTS} events, this one has {}. None was appended.",
            events.len()
        );
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    let mut batch = app.appender.batch(now());
    let mut sent = Vec::with_capacity(events.len());
    while !events.is_empty() {
        let rest = events.split_off(events.len().min(CHUNK));
        let chunk = std::mem::replace(&mut events, rest);
        let parsed = tokio::task::spawn_blocking(move || chunk.iter().map(parse).collect::<Vec<_>>()).await;
        let parsed = parsed.map_err(|error| Problem::internal(&error))?;
        sent.extend(offer(&mut batch, parsed).await);
    }
    let mut results = Vec::with_capacity(sent.len());
    let mut end = 0;
    for one in sent {
        let outcome = match one {
            Ok(one) => answer(one).await,
            Err(problem) => Err(problem),
        };
        results.push(match outcome {
            Ok((receipt, body)) => {
                end = end.max(receipt.index + 1);
                json!({ "status": status(&receipt).as_u16(), "receipt": body })
            }
            Err(problem) => {
                json!({ "status": problem.kind().status().as_u16(), "problem": problem.to_json() })
            }
        });
    }
    // Who only waits to be published takes no room from others.
    drop(held);
    let mut answer = json!({ "results": results });
    if let Some(wait) = wait {
        // One checkpoint covers them all; each proof against it is at `/v1/events/{index}/proof`.
        let released = if end == 0 {
            None
        } else {
            published(&app, wait, end).await
        };
        answer[wait.word()] = json!(released.is_some());
        if let Some(released) = released {
            answer["checkpoint"] = json!(&*released.note);
        }
    }
    Ok(axum::Json(answer))
}

fn parse(body: &AppendBody) -> Result<Candidate, Problem> {
    let bytes = body.event.len() + body.openings.iter().map(String::len).sum::<usize>();
    if bytes > MAX_EVENT {
        let detail = format!(
            "An event of a batch has at most {MAX_EVENT} bytes with its openings, this one has {bytes}. Send it alone."
        );
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    candidate(body)
}

/// Offers what could be read, and puts what could not back into its place.
async fn offer(
    batch: &mut daybook_store::append::Batch,
    parsed: Vec<Result<Candidate, Problem>>,
) -> Vec<Result<Sent, Problem>> {
    let (mut candidates, mut places) = (Vec::new(), Vec::with_capacity(parsed.len()));
    for one in parsed {
        places.push(one.map(|candidate| {
            let claims = candidate.event.claims();
            let name = (claims.sub.to_string(), claims.seq);
            candidates.push(candidate);
            name
        }));
    }
    let mut offered = batch.offer(candidates).await.into_iter();
    places
        .into_iter()
        .map(|place| {
            let (stream, seq) = place?;
            // There is one for each that was offered.
            let offered = offered.next().ok_or(AppendError::OutcomeUnknown)?;
            Ok(Sent { stream, seq, offered })
        })
        .collect()
}

async fn answer(sent: Sent) -> Result<(Receipt, Value), Problem> {
    let receipt = sent.offered.answer().await?;
    let body = receipt_body(&receipt, &sent.stream, sent.seq);
    Ok((receipt, body))
}
