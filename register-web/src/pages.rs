//! The pages: one file each, with its template of the same name.
//!
//! A page is a struct with a field `page` (its [`Frame`](crate::frame::Frame)) and a template that extends `base.html`. Its
//! handler reads views, fills the struct and hands it to [`show`]. Routes are listed here, without the language.

mod check;
pub(crate) mod history;
mod home;
mod job;
mod project;
pub(crate) mod projects;

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;

use crate::failure::Failure;
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
        .route("/jobs/{id}", get(job::get))
        .route("/check/{index}", get(check::get))
        .route("/check/{index}/entry.jws", get(check::bytes))
}

/// Renders a page.
pub(crate) fn show(page: &impl Template) -> Shown {
    Ok(Html(page.render()?).into_response())
}
