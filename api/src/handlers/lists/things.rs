//! `GET /v1/datasets`, `GET /v1/workflows` and `GET /v1/tres`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_core::id::Slug;
use daybook_rules::Table;
use daybook_views::{Dataset, DatasetFilter, Tre, Workflow, WorkflowFilter};
use serde_json::{Value, json};

use super::{at_least, id_in_path, listed, newest, newest_place, of_list, one, page, time, views};
use crate::app::App;
use crate::extract::Path;
use crate::params::Params;
use crate::problem::{Problem, ProblemKind};

/// Datasets, the last registered first.
pub(crate) async fn list_datasets(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["tre", "state"])?;
    let filter = DatasetFilter {
        tre: params.slug("tre")?,
        state: params.one_of("state", Table::v1().states("dataset"))?,
    };
    let page = newest(&params, "datasets")?;
    let found = views(&app)?.datasets(&filter, &page).await?;
    let place = |dataset: &Dataset| newest_place(dataset.place());
    Ok(listed(&headers, ("datasets", "datasets"), &found, dataset, place))
}

/// One dataset.
pub(crate) async fn get_dataset(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at_least = at_least(&params.only(&["at_least"])?)?;
    let found = views(&app)?
        .dataset(id_in_path("dataset", &id)?, at_least)
        .await?;
    one(&headers, ("dataset", &id), &found, dataset)
}

/// Workflows, the last registered first.
pub(crate) async fn list_workflows(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["state"])?;
    let filter = WorkflowFilter {
        state: params.one_of("state", Table::v1().states("workflow"))?,
    };
    let page = newest(&params, "workflows")?;
    let found = views(&app)?.workflows(&filter, &page).await?;
    let place = |workflow: &Workflow| newest_place(workflow.place());
    Ok(listed(
        &headers,
        ("workflows", "workflows"),
        &found,
        workflow,
        place,
    ))
}

/// One workflow.
pub(crate) async fn get_workflow(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at_least = at_least(&params.only(&["at_least"])?)?;
    let found = views(&app)?
        .workflow(id_in_path("workflow", &id)?, at_least)
        .await?;
    one(&headers, ("workflow", &id), &found, workflow)
}

/// TREs, in the order of their ids.
pub(crate) async fn list_tres(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &[])?;
    let is_id = |id: String| id.parse::<Slug>().ok().map(|id| id.to_string());
    let page = page(&params, "tres", is_id)?;
    let found = views(&app)?.tres(&page).await?;
    let place = |tre: &Tre| tre.id.clone();
    Ok(listed(&headers, ("tres", "tres"), &found, tre, place))
}

/// One TRE.
pub(crate) async fn get_tre(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at_least = at_least(&params.only(&["at_least"])?)?;
    id.parse::<Slug>()
        .map_err(|error| Problem::because(ProblemKind::NotFound, &error))?;
    let found = views(&app)?.tre(&id, at_least).await?;
    one(&headers, ("TRE", &id), &found, tre)
}

fn dataset(dataset: &Dataset) -> Value {
    json!({
        "id": dataset.id, "tre": dataset.tre, "state": dataset.state, "withdrawn": dataset.withdrawn,
        "version": dataset.version, "details": dataset.details, "registered": dataset.registered,
        "at": time(dataset.at), "latest": dataset.latest,
    })
}

fn workflow(workflow: &Workflow) -> Value {
    json!({
        "id": workflow.id, "registrar": workflow.registrar, "state": workflow.state,
        "withdrawn": workflow.withdrawn, "version": workflow.version, "digest": workflow.digest,
        "registered": workflow.registered, "at": time(workflow.at), "latest": workflow.latest,
    })
}

fn tre(tre: &Tre) -> Value {
    let reported = tre.reported.map(|at| {
        json!({
            "at": time(at), "made": tre.made, "acknowledged": tre.acknowledged, "outstanding": tre.outstanding,
            "runs": tre.runs,
        })
    });
    json!({
        "id": tre.id, "root": tre.root, "invited": tre.invited, "joined": tre.joined,
        "joined_at": tre.joined_at.and_then(time), "details": tre.details, "suspended": tre.suspended,
        "suspension": tre.suspension, "reported": reported,
    })
}
