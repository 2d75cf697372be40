//! Witnesses: the policy, checkpoints with their cosignatures, and cosignatures that witnesses bring.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Json, body};
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_core::trust::TrustPolicy;
use daybook_store::witnessed::CosignatureError;
use serde_json::{Value, json};

use super::log::{BRIEF, TEXT};
use crate::app::{App, Witnessing, now};
use crate::extract::Path;
use crate::problem::{Problem, ProblemKind};

/// Bytes of a note that brings cosignatures: dozens of lines.
const MAX_BODY: usize = 16 * 1024;

/// A copy of the policy by which this log wants to be verified. Verifiers take theirs from elsewhere.
pub(crate) async fn get_policy(State(app): State<App>) -> Result<Response, Problem> {
    let mut text = String::from(
        "# A copy. Take the policy that you verify with from somewhere that the hub cannot change.\n",
    );
    if let Some(witnessing) = &app.witnessing {
        text.push_str(&in_words(witnessing));
    } else {
        let key = app.log_key.parse().map_err(|error| Problem::internal(&error))?;
        text.push_str(&TrustPolicy::of_log(key).to_string());
    }
    Ok((
        [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, BRIEF)],
        text,
    )
        .into_response())
}

fn in_words(witnessing: &Witnessing) -> String {
    let policy = witnessing.witnesses.policy();
    let outside = match &*witnessing.independent {
        [] => "# No witness is from outside of the federation.".to_owned(),
        names => format!("# From outside of the federation: {}.", names.join(", ")),
    };
    format!(
        "{outside}\n# Two checkpoints that disagree can both meet the quorum only if {} witnesses lie; {} may be away.\n{policy}",
        policy.split_needs(),
        policy.may_be_away()
    )
}

/// How each witness stands, as JSON.
pub(crate) async fn list_witnesses(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let published = app.published.latest().map_or(0, |released| released.head.size);
    let Some(witnessing) = &app.witnessing else {
        return Ok(Json(json!({
            "published_size": published, "witnessed_size": null, "split_needs": 0, "may_be_away": 0, "witnesses": [],
        })));
    };
    let (witnesses, now) = (&witnessing.witnesses, now().unsigned_abs());
    let mut list = Vec::new();
    for witness in witnesses.policy().witnesses() {
        let key = witness.key.to_string();
        let standing = witnesses.standing(&key).await?;
        list.push(json!({
            "name": witness.name(), "key": key, "is_independent": witnessing.independent.contains(&witness.name().into_owned()),
            "size": standing.size, "age_seconds": standing.time.map(|time| now.saturating_sub(time)),
            "trouble": standing.trouble,
        }));
    }
    let newest = witnesses.witnessed().map(|released| released.head.size);
    let policy = witnesses.policy();
    Ok(Json(json!({
        "published_size": published, "witnessed_size": newest, "split_needs": policy.split_needs(),
        "may_be_away": policy.may_be_away(), "witnesses": list,
    })))
}

/// A published checkpoint of one size, with every cosignature that is kept of it.
pub(crate) async fn get_checkpoint_of_size(
    State(app): State<App>,
    Path(size): Path<String>,
) -> Result<Response, Problem> {
    let number = size
        .parse::<u64>()
        .ok()
        .filter(|number| number.to_string() == size);
    let unknown = || Problem::new(ProblemKind::NotFound, "No checkpoint of that size was published.");
    let size = number.ok_or_else(unknown)?;
    let found = match &app.witnessing {
        Some(witnessing) => witnessing.witnesses.checkpoint(size).await?,
        None => app.reader.checkpoint(size).await?,
    };
    let released = found.ok_or_else(unknown)?;
    let kind = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, BRIEF)];
    Ok((kind, released.note.to_string()).into_response())
}

/// Takes cosignatures from a witness that is never called: it looks at the log by itself and brings what it says.
///
/// The body is the checkpoint's note with the witness's line among its lines. Lines of others are passed over.
pub(crate) async fn post_cosignatures(
    State(app): State<App>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let Some(witnessing) = &app.witnessing else {
        return Err(Problem::new(
            ProblemKind::NoWitnesses,
            "No witness cosigns this log's checkpoints. Ask its operator to take yours into the policy.",
        ));
    };
    let bytes = body::to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| {
        Problem::new(
            ProblemKind::TooLarge,
            format!("A note with cosignatures has at most {MAX_BODY} bytes."),
        )
    })?;
    let malformed =
        |error: &(dyn std::error::Error + 'static)| Problem::because(ProblemKind::MalformedRequest, error);
    let note = Note::parse(&bytes).map_err(|error| malformed(&error))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| malformed(&error))?;
    let (mut taken, mut refused) = (0, None);
    for line in note.signatures() {
        match witnessing.witnesses.record(checkpoint.size(), line).await {
            Ok(()) => taken += 1,
            Err(CosignatureError::Stranger) => {}
            Err(CosignatureError::Store(error)) => return Err(error.into()),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if taken == 0 => Err(Problem::because(ProblemKind::BadCosignature, &error)),
        None if taken == 0 => {
            let detail = "None of the lines is of a witness of this log's policy.";
            Err(Problem::new(ProblemKind::BadCosignature, detail))
        }
        _ => Ok(Json(json!({ "size": checkpoint.size(), "taken": taken }))),
    }
}
