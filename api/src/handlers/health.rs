//! Whether the hub lives, and whether it is ready.

use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::IntoResponse;
use serde_json::json;

use crate::app::App;
use crate::problem::{Problem, ProblemKind};
use crate::ready::to_json;

/// Answers as long as the process does.
pub(crate) async fn get_healthz() -> &'static str {
    "alive\n"
}

/// Ready to do all that it is for, with every check in words; else a problem that has the same checks.
pub(crate) async fn get_readyz(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let checks = app.readiness.look().await;
    let failing: Vec<&str> = checks
        .iter()
        .filter(|check| !check.holds)
        .map(|check| check.name)
        .collect();
    if !failing.is_empty() {
        let detail = format!("These checks do not hold: {}.", failing.join(", "));
        return Err(Problem::new(ProblemKind::NotReady, detail).with("checks", to_json(&checks)));
    }
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let body = json!({ "ready": true, "checks": to_json(&checks) });
    Ok((fresh, axum::Json(body)))
}

/// What no route takes.
pub(crate) fn no_route(uri: &Uri) -> Problem {
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
