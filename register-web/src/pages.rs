//! The pages: one file each, with its template of the same name.
//!
//! A page is a struct with a field `page` (its [`Frame`](crate::frame::Frame)) and a template that extends `base.html`. Its
//! handler reads views, fills the struct and hands it to [`show`]. Routes are listed here, without the language.

mod check;
mod data;
mod datasets;
pub(crate) mod history;
mod home;
mod job;
mod jobs;
mod numbers;
pub(crate) mod organisations;
mod project;
pub(crate) mod projects;
mod record;
mod texts;
mod tres;
mod workflows;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use daybook_views::Page;

use crate::failure::Failure;
use crate::frame::Frame;
use crate::machine;
use crate::site::Site;

/// What a handler answers with.
pub(crate) type Shown = Result<Response, Failure>;

/// Every page's path.
pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .merge(machine::routes())
        .route("/", get(home::get))
        .route("/projects", get(projects::get))
        .route("/projects/{id}", get(project::get))
        .route("/projects/{id}/history", get(history::get))
        .route("/projects/{id}/record.json", get(history::newest_record))
        .route("/projects/{id}/versions/{number}", get(history::version))
        .route(
            "/projects/{id}/versions/{number}/record.json",
            get(history::record),
        )
        .route("/projects/{id}/jobs", get(jobs::of_project))
        .route("/jobs", get(jobs::get))
        .route("/jobs/{id}", get(job::get))
        .route("/tres", get(tres::all))
        .route("/tres/{id}", get(tres::one))
        .route("/datasets", get(datasets::all))
        .route("/datasets/{id}", get(datasets::one))
        .route("/organisations", get(organisations::get))
        .route("/workflows", get(workflows::all))
        .route("/workflows/{id}", get(workflows::one))
        .route("/numbers", get(numbers::get))
        .route("/record", get(record::get))
        .route("/data", get(data::get))
        .route("/glossary", get(texts::glossary))
        .route("/protection", get(texts::protection))
        .route("/coverage", get(texts::coverage))
        .route("/accessibility", get(texts::accessibility))
        .route("/check/{index}", get(check::get))
        .route("/check/{index}/entry.jws", get(check::bytes))
}

/// Renders a page that programs find their way from (Signposting): what it is, what describes it, how to cite it.
pub(crate) fn posted(page: &impl Template, frame: &Frame) -> Shown {
    let mut response = show(page)?;
    let links = frame.posts().join(", ");
    if let Ok(links) = HeaderValue::from_str(&links) {
        response.headers_mut().insert(header::LINK, links);
    }
    Ok(response)
}

/// Things of a kind that the page of another thing shows; lists of their own show all.
const SHOWN: u16 = 10;

/// As many as that, from the beginning.
pub(crate) fn first<K>() -> Page<K> {
    Page {
        limit: SHOWN,
        ..Page::default()
    }
}

/// Renders a page.
pub(crate) fn show(page: &impl Template) -> Shown {
    Ok(Html(page.render()?).into_response())
}
