//! `GET /v1/approvals`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_core::id::Slug;
use daybook_rules::Table;
use daybook_views::{Approval, ApprovalFilter, ApprovalKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{listed, of_list, page, time, views};
use crate::app::App;
use crate::params::Params;
use crate::problem::Problem;

/// What a TRE approves.
const SUBJECTS: [&str; 3] = ["member", "project", "workflow"];

/// Approvals as they were granted last, in the order of TRE, kind and id.
pub(crate) async fn list_approvals(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["tre", "subject", "id", "project", "state"])?;
    let filter = ApprovalFilter {
        tre: params.slug("tre")?,
        subject: params.one_of("subject", &SUBJECTS)?,
        id: params.id("id")?,
        project: params.id("project")?,
        state: params.one_of("state", Table::v1().states("approval"))?,
    };
    let page = page(&params, "approvals", key)?;
    let found = views(&app)?.approvals(&filter, &page).await?;
    let place = |approval: &Approval| {
        let key = approval.place();
        (key.tre, key.subject, key.id)
    };
    Ok(listed(
        &headers,
        ("approvals", "approvals"),
        &found,
        approval,
        place,
    ))
}

fn key((tre, subject, id): (String, String, Uuid)) -> Option<ApprovalKey> {
    let is_key = tre.parse::<Slug>().is_ok() && SUBJECTS.contains(&subject.as_str());
    is_key.then_some(ApprovalKey { tre, subject, id })
}

fn approval(approval: &Approval) -> Value {
    json!({
        "tre": approval.tre, "subject": approval.subject, "id": approval.id, "state": approval.state,
        "version": approval.version, "cause": approval.cause, "until": time(approval.until),
        "body": approval.body, "project": approval.project, "datasets": approval.datasets,
        "sign_off": approval.sign_off, "egress": approval.egress, "withdrawn": approval.withdrawn,
        "granted": approval.granted, "at": time(approval.at), "latest": approval.latest,
    })
}
