//! `GET /v1/activity`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_views::{Activity, ActivityFilter, ActivityKey};
use serde_json::{Value, json};

use super::{listed, of_list, page, time, views};
use crate::app::App;
use crate::params::Params;
use crate::problem::Problem;

/// What happened, in sentences, the last first.
pub(crate) async fn list_activity(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["project", "tre"])?;
    let filter = ActivityFilter {
        project: params.id("project")?,
        tre: params.slug("tre")?,
    };
    let page = page(&params, "activity", |(index, part): (u64, i64)| {
        Some(ActivityKey { index, part })
    })?;
    let found = views(&app)?.activity(&filter, &page).await?;
    let place = |activity: &Activity| {
        let key = activity.place();
        (key.index, key.part)
    };
    Ok(listed(
        &headers,
        ("activity", "activity"),
        &found,
        activity,
        place,
    ))
}

fn activity(activity: &Activity) -> Value {
    let tre = activity.tre.as_deref().unwrap_or_default();
    json!({
        "index": activity.entry, "at": time(activity.at), "type": activity.kind,
        "sentence": activity.sentence(tre), "project": activity.project, "tre": activity.tre,
        "job": activity.job, "thing": activity.thing,
    })
}
