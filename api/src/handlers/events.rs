//! `/v1/events`: append, read, prove, open.

mod append;
mod batch;
mod list;
mod room;

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use daybook_core::event::Event;
use daybook_core::proof_file::ProofFile;
use daybook_core::sealed::{ReaderClass, digest};
use daybook_store::publish::Released;
use daybook_store::read::StoredOpening;
use serde_json::{Value, json};

pub(crate) use self::append::append_event;
pub(crate) use self::batch::append_batch;
pub(crate) use self::list::{MAX_PAGE, list_events};
pub(crate) use self::room::Room;
use crate::app::App;
use crate::auth::MaybeCaller;
use crate::conditional;
use crate::entry::EntryBody;
use crate::extract::Path;
use crate::handlers::log::{CATCH_UP, IMMUTABLE};
use crate::problem::{Problem, ProblemKind};
use crate::reading;

/// One entry. Its bytes are those that its leaf hash names.
pub(crate) async fn get_event(
    State(app): State<App>,
    Path(index): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let index = canonical(&index)?;
    let entry = app.reader.entry(index).await?.ok_or_else(|| no_entry(index))?;
    let tag = entry.leaf.to_base64url();
    let mut answer = axum::Json(EntryBody::from(entry)).into_response();
    let is_published = app
        .published
        .latest()
        .is_some_and(|released| index < released.head.size);
    // What no checkpoint covers yet is promised to nobody.
    let keep = if is_published {
        IMMUTABLE
    } else {
        HeaderValue::from_static("no-cache")
    };
    answer.headers_mut().insert(header::CACHE_CONTROL, keep);
    Ok(conditional::tagged(&headers, &tag, answer))
}

/// The proof of one entry against the newest checkpoint, as a `.tlog-proof`.
pub(crate) async fn get_event_proof(
    State(app): State<App>,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    let index = canonical(&index)?;
    let (proof, _) = proved(&app, index).await?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (header::CONTENT_DISPOSITION, saved_as(index, "tlog-proof")),
    ];
    Ok((headers, proof.to_string()).into_response())
}

/// The proof of an entry, and the published checkpoint that it is against.
pub(super) async fn proved(app: &App, index: u64) -> Result<(ProofFile, Released), Problem> {
    let latest = app.published.latest();
    let covers = latest.filter(|released| index < released.head.size);
    let released = match covers {
        Some(released) => released,
        // Another instance may have published what this one has not heard of yet.
        None if index < app.reader.published_size().await? => {
            let mut published = app.published.clone();
            let heard = tokio::time::timeout(CATCH_UP, published.covering(index + 1)).await;
            heard.ok().flatten().ok_or_else(|| unpublished(app, index))?
        }
        None => return Err(unpublished(app, index)),
    };
    // The newest checkpoint that the quorum has cosigned proves more than a newer one that it has not.
    let witnessed = app.witnessing.as_ref().and_then(|one| one.witnesses.witnessed());
    let released = witnessed
        .filter(|witnessed| index < witnessed.head.size)
        .unwrap_or_else(|| app.decorated(released));
    let proof = app.reader.proof(index, &released).await?;
    let proof = proof.ok_or_else(|| unpublished(app, index))?;
    Ok((proof, released))
}

/// The name under which a browser saves what is about an entry.
pub(super) fn saved_as(index: u64, end: &str) -> HeaderValue {
    let name = format!("attachment; filename=\"daybook-{index}.{end}\"");
    HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"))
}

/// The openings of one entry that the caller may read, and how many digests of it stay closed.
///
/// Decoys and erased openings count as closed: how many openings there are would tell which optional fields were said.
pub(crate) async fn get_event_openings(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    let index = canonical(&index)?;
    let entry = app.reader.entry(index).await?.ok_or_else(|| no_entry(index))?;
    let event = Event::parse(&entry.event).map_err(|error| Problem::internal(&error))?;
    let parties = reading::parties(&app.reader, &event).await?;
    let openings = app.reader.openings(index).await?;
    let published = published(&app, &event, &openings).await?;
    let total = event.claims().digests().count();
    let readable: Vec<Value> = openings
        .into_iter()
        .filter(|opening| {
            published.contains(&digest(&opening.opening).to_base64url())
                || reading::may_read(opening.class, caller.as_ref(), &event, &parties)
        })
        .map(|opening| json!({ "name": opening.name, "class": opening.class.as_str(), "opening": opening.opening }))
        .collect();
    let withheld = total.saturating_sub(readable.len());
    let body = json!({ "index": index, "withheld": withheld, "openings": readable });
    // For this caller, and only until it is erased: no copy stays on the way.
    let keep = [(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    )];
    Ok((keep, axum::Json(body)).into_response())
}

/// Those openings of an event that the register has published: they are for everybody.
///
/// The digest of a page comes with the entry that publishes it. All others are listed by such an entry, once the screen has
/// passed them; a hub without views does not know which, and serves none.
async fn published(
    app: &App,
    event: &Event,
    openings: &[StoredOpening],
) -> Result<BTreeSet<String>, Problem> {
    let public = openings
        .iter()
        .filter(|opening| matches!(opening.class, ReaderClass::Public | ReaderClass::PublicFrom));
    let digests: Vec<String> = public
        .map(|opening| digest(&opening.opening).to_base64url())
        .collect();
    if event.claims().kind == "register-published" {
        return Ok(digests.into_iter().collect());
    }
    match &app.views {
        Some(views) if !digests.is_empty() => {
            Ok(views.published_openings(digests).await?.into_iter().collect())
        }
        _ => Ok(BTreeSet::new()),
    }
}

/// An index in its one spelling: digits without a sign or a leading zero.
pub(super) fn canonical(text: &str) -> Result<u64, Problem> {
    let index = text.parse::<u64>().ok();
    let index = index.filter(|index| index.to_string() == text);
    index.ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "An entry is named by its index, as in `/v1/events/0`.",
        )
    })
}

fn no_entry(index: u64) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("The log has no entry {index}."))
}

fn unpublished(app: &App, index: u64) -> Problem {
    if index < app.head.borrow().size {
        Problem::new(
            ProblemKind::NotPublished,
            format!("No checkpoint covers entry {index} yet."),
        )
    } else {
        no_entry(index)
    }
}
