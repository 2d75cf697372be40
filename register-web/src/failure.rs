//! Why a page is not shown, and the page that says so.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use daybook_store::StoreError;
use daybook_store::calm::Calm;
use daybook_views::ViewError;
use thiserror::Error;
use tracing::error;

use crate::frame::Frame;
use crate::site::Site;
use crate::visit::Visit;

/// A page is not shown.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// There is nothing under this address.
    #[error("nothing is under this address")]
    NotFound,
    /// What was asked for cannot be meant.
    #[error("the address asks for something that cannot be meant")]
    Malformed,
    /// The database or a view.
    #[error("a view")]
    View(#[source] ViewError),
    /// A template.
    #[error("a template")]
    Template(#[from] askama::Error),
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::View(ViewError::Store(error))
    }
}

/// Which failure a response stands for, until the front has made a page of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) StatusCode);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        static FAILED: Calm = Calm::new();
        let status = match &self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::View(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Template(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error()
            && let Some(unsaid) = FAILED.may_say()
        {
            error!(
                error = &self as &dyn std::error::Error,
                unsaid, "A page of the register could not be shown"
            );
        }
        let mut response = status.into_response();
        response.extensions_mut().insert(Failed(status));
        response
    }
}

/// The page in place of one that cannot be shown.
#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    page: Frame,
    lead: &'static str,
    hint: &'static str,
}

/// What is said instead of a page.
pub(crate) fn page(site: &Site, visit: &Visit, status: StatusCode) -> Option<String> {
    let (title, lead, hint) = match status {
        StatusCode::NOT_FOUND => (
            "failure.not-found",
            "failure.not-found-lead",
            "failure.not-found-hint",
        ),
        StatusCode::BAD_REQUEST => (
            "failure.malformed",
            "failure.malformed-lead",
            "failure.malformed-hint",
        ),
        StatusCode::METHOD_NOT_ALLOWED => ("failure.method", "failure.method-lead", "failure.method-hint"),
        _ => ("failure.away", "failure.away-lead", "failure.away-hint"),
    };
    let language = visit.language;
    let mut frame = Frame::new(site, visit, "", language.say(title));
    frame.is_indexed = false;
    let page = FailurePage {
        lead: language.say(lead),
        hint: language.say(hint),
        page: frame,
    };
    page.render().ok()
}
