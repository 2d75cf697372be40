//! Whether the hub lives, and whether it is ready.

use axum::extract::State;
use axum::http::Uri;

use crate::app::App;
use crate::problem::{Problem, ProblemKind};

/// Answers as long as the process does.
pub(crate) async fn get_healthz() -> &'static str {
    "alive\n"
}

/// Ready to append: the database answers and nothing has stopped the hub.
pub(crate) async fn get_readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    app.reader.ping().await?;
    if app.health.stopped().is_some() {
        return Err(Problem::new(
            ProblemKind::Stopped,
            "The hub has found a doubt about its log and writes nothing.",
        ));
    }
    Ok("ready\n")
}

/// What no route takes.
pub(crate) async fn no_route(uri: Uri) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        format!("There is no route {}.", uri.path()),
    )
}

/// What a route takes by another method only.
pub(crate) async fn no_method(uri: Uri) -> Problem {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        format!("{} does not take this method.", uri.path()),
    )
}
