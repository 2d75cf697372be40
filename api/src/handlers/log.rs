//! `/log`: the log as other people's tools read it (C2SP tlog-tiles); what witnesses say is beside, in [`super::witnesses`].

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::tree::{Resource, TilePath, encode_tile};

use crate::app::App;
use crate::conditional;
use crate::problem::{Problem, ProblemKind};

pub(crate) const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
pub(super) const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=1");
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// How long an instance may take to catch up with what another has published: several of its own intervals.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(2);

/// The newest published checkpoint.
///
/// Another instance under the same name may have answered with a newer one than this instance knows. It is waited for, so
/// that no reader sees the log go back.
pub(crate) async fn get_checkpoint(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let size = app.reader.published_size().await?;
    if size == 0 {
        return Err(Problem::new(ProblemKind::NotFound, "Nothing is published yet."));
    }
    let mut published = app.published.clone();
    let released = tokio::time::timeout(CATCH_UP, published.covering(size)).await;
    let released = released.ok().flatten();
    let released = released.ok_or_else(|| {
        Problem::new(
            ProblemKind::Unavailable,
            "This instance has not caught up with the newest checkpoint.",
        )
    })?;
    let released = match &app.witnessing {
        Some(witnessing) if witnessing.waits => witnessing.witnesses.witnessed().ok_or_else(|| {
            Problem::new(
                ProblemKind::NotFound,
                "No checkpoint has the cosignatures of the quorum yet.",
            )
        })?,
        _ => app.decorated(released),
    };
    let kind = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, BRIEF)];
    // Who signs, and how often, may change while the tree does not.
    let tag = Hash::of(released.note.as_bytes()).to_base64url();
    let answer = (kind, released.note.to_string()).into_response();
    Ok(conditional::tagged(&headers, &tag, answer))
}

/// A tile or an entry bundle: what the published checkpoint implies, and nothing beyond.
pub(crate) async fn get_tile(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let path = uri.path().strip_prefix("/log/").unwrap_or_default();
    let path: TilePath = path
        .parse()
        .map_err(|error| Problem::because(ProblemKind::MalformedRequest, &error))?;
    let mut size = app.published.latest().map_or(0, |released| released.head.size);
    if !path.exists_at(size) {
        // Another instance may have answered with a checkpoint that this one has not heard of yet.
        size = app.reader.published_size().await?.max(size);
    }
    if !path.exists_at(size) {
        return Err(Problem::new(
            ProblemKind::NotFound,
            format!("A tree of {size} entries has no such tile."),
        ));
    }
    let id = path.tile();
    let bytes = match path.resource() {
        Resource::Hashes(_) => encode_tile(&app.reader.tile(id, path.width()).await?),
        Resource::Entries(_) => app.reader.bundle(id.n, path.width()).await?,
    };
    Ok((
        [(header::CONTENT_TYPE, BYTES), (header::CACHE_CONTROL, IMMUTABLE)],
        bytes,
    )
        .into_response())
}
