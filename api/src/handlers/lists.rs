//! Lists over the views, and single things that only a view knows. Each answer says up to which tree size it is true.
//!
//! Views hold the clear core only: nothing here was typed by a person, or is for some readers and not for others.

mod activity;
mod approvals;
mod jobs;
mod projects;
mod things;

use axum::http::HeaderMap;
use axum::response::Response;
use daybook_core::id::random_id;
use daybook_views::{Found, Listed, MAX_LIMIT, NewestKey, Page, ViewError, Views};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::activity::list_activity;
pub(crate) use self::approvals::list_approvals;
pub(crate) use self::jobs::{list_jobs, list_submissions};
pub(crate) use self::projects::{get_project, list_members, list_projects, list_register};
pub(crate) use self::things::{get_dataset, get_tre, get_workflow, list_datasets, list_tres, list_workflows};
use crate::app::App;
use crate::params::Params;
use crate::problem::{Problem, ProblemKind};
use crate::{conditional, cursor};

/// Rows of a page where the query does not say.
const USUAL_LIMIT: u16 = 50;
/// What every list takes besides its filters.
const PAGING: [&str; 3] = ["limit", "cursor", "at_least"];

/// The views of this hub.
fn views(app: &App) -> Result<&Views, Problem> {
    app.views.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemKind::Unavailable,
            "This instance of the hub keeps no views. Ask another one.",
        )
    })
}

/// The parameters of a list with these filters.
fn of_list(params: Params, filters: &[&str]) -> Result<Params, Problem> {
    params.only(&[filters, &PAGING].concat())
}

/// Which page of a list is wanted; `to_key` makes the key of its first row from what a cursor holds, if that can be one.
fn page<T: DeserializeOwned, K>(
    params: &Params,
    list: &str,
    to_key: impl FnOnce(T) -> Option<K>,
) -> Result<Page<K>, Problem> {
    let after = match params.text("cursor") {
        Some(text) => {
            let place = to_key(cursor::decode(list, text)?);
            Some(place.ok_or_else(cursor::refused)?)
        }
        None => None,
    };
    let limit = params.number("limit", 1..=u64::from(MAX_LIMIT))?;
    Ok(Page {
        after,
        limit: limit
            .and_then(|limit| limit.try_into().ok())
            .unwrap_or(USUAL_LIMIT),
        at_least: at_least(params)?,
    })
}

/// The same for a list that begins with the newest.
fn newest(params: &Params, list: &str) -> Result<Page<NewestKey>, Problem> {
    page(params, list, |(index, id): (u64, Uuid)| {
        Some(NewestKey { index, id })
    })
}

/// The place of a row in such a list, as a cursor holds it.
fn newest_place(key: NewestKey) -> (u64, Uuid) {
    (key.index, key.id)
}

fn at_least(params: &Params) -> Result<Option<u64>, Problem> {
    params.number("at_least", 0..=u64::MAX)
}

/// A page of a list, which has its rows under `name`.
fn listed<T, P: Serialize>(
    headers: &HeaderMap,
    (name, list): (&str, &str),
    found: &Listed<T>,
    tell: impl Fn(&T) -> Value,
    place: impl Fn(&T) -> P,
) -> Response {
    let end = found.rows.last().filter(|_| found.has_more);
    let next = end.map(|row| cursor::encode(list, &place(row)));
    let rows: Vec<Value> = found.rows.iter().map(tell).collect();
    let mut body = json!({ "as_of": found.as_of, "next": next });
    body[name] = rows.into();
    conditional::json(headers, &body)
}

/// One thing, or that the view knows of none.
fn one<T>(
    headers: &HeaderMap,
    (kind, id): (&str, &str),
    found: &Found<T>,
    tell: impl Fn(&T) -> Value,
) -> Result<Response, Problem> {
    let Some(row) = &found.row else {
        let detail = format!(
            "There is no {kind} {id:?} among the first {} entries of the log.",
            found.as_of
        );
        return Err(Problem::new(ProblemKind::NotFound, detail).with("as_of", found.as_of));
    };
    let mut body = tell(row);
    body["as_of"] = found.as_of.into();
    Ok(conditional::json(headers, &body))
}

/// A random id in a path.
fn id_in_path(kind: &str, text: &str) -> Result<Uuid, Problem> {
    random_id(text).map_err(|_| Problem::new(ProblemKind::NotFound, format!("There is no {kind} {text:?}.")))
}

/// Seconds since 1970 in RFC 3339; none beyond the years that it can write.
fn time(seconds: i64) -> Option<String> {
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Store(error) => error.into(),
            ViewError::Ahead { wanted, head } => Self::new(
                ProblemKind::MalformedRequest,
                format!("`at_least` is {wanted}, and the log has {head} entries."),
            ),
            ViewError::Behind {
                as_of: 0, wanted: 0, ..
            } => {
                let detail = "The view is only being made, and holds nothing yet.";
                Self::new(ProblemKind::ViewBehind, detail).with("as_of", 0)
            }
            ViewError::Behind { as_of, wanted, .. } => {
                let detail = format!(
                    "The view has followed the log up to {as_of} entries, and not yet up to {wanted}."
                );
                Self::new(ProblemKind::ViewBehind, detail).with("as_of", as_of)
            }
            ViewError::Full => Self::new(
                ProblemKind::Busy,
                "As many requests wait for views as may. Ask again in a moment, or without `at_least`.",
            ),
        }
    }
}
