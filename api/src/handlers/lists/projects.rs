//! `GET /v1/projects`, their members, and the states of their register entries.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_rules::Table;
use daybook_views::{Member, MemberFilter, MemberKey, Project, ProjectFilter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{at_least, id_in_path, listed, newest, newest_place, of_list, one, page, time, views};
use crate::app::App;
use crate::extract::Path;
use crate::params::Params;
use crate::problem::{Problem, ProblemKind};

/// Projects, the last registered first.
pub(crate) async fn list_projects(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["state", "register"])?;
    let filter = ProjectFilter {
        state: params.one_of("state", Table::v1().states("project"))?,
        register: params.one_of("register", Table::v1().states("register"))?,
        ..ProjectFilter::default()
    };
    let page = newest(&params, "projects")?;
    let found = views(&app)?.projects(&filter, &page).await?;
    let place = |project: &Project| newest_place(project.place());
    Ok(listed(&headers, ("projects", "projects"), &found, project, place))
}

/// One project.
pub(crate) async fn get_project(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at_least = at_least(&params.only(&["at_least"])?)?;
    let found = views(&app)?
        .project(id_in_path("project", &id)?, at_least)
        .await?;
    one(&headers, ("project", &id), &found, project)
}

/// The memberships of a project, under their random ids.
pub(crate) async fn list_members(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["state"])?;
    let project = id_in_path("project", &id)?;
    let state = params.one_of("state", &["current", "removed"])?;
    let filter = MemberFilter {
        project: Some(project),
        is_removed: state.map(|state| state == "removed"),
    };
    let list = format!("members of {project}");
    let page = page(&params, &list, |member: Uuid| Some(MemberKey { project, member }))?;
    let views = views(&app)?;
    let found = views.members(&filter, &page).await?;
    // A project without members is there all the same, and one that is not there has none.
    if found.rows.is_empty() && views.project(project, None).await?.row.is_none() {
        let detail = format!("There is no project {id:?} yet.");
        return Err(Problem::new(ProblemKind::NotFound, detail).with("as_of", found.as_of));
    }
    let place = |member: &Member| member.member;
    Ok(listed(&headers, ("members", &list), &found, member, place))
}

/// The register entries that there are, and in which state: by project, the last registered first.
pub(crate) async fn list_register(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["state"])?;
    let filter = ProjectFilter {
        register: params.one_of("state", Table::v1().states("register"))?,
        has_register: true,
        ..ProjectFilter::default()
    };
    let page = newest(&params, "register")?;
    let found = views(&app)?.projects(&filter, &page).await?;
    let tell = |project: &Project| {
        let mut entry = register(project);
        entry["project"] = json!(project.id);
        entry
    };
    let place = |project: &Project| newest_place(project.place());
    Ok(listed(&headers, ("entries", "register"), &found, tell, place))
}

fn project(project: &Project) -> Value {
    json!({
        "id": project.id, "state": project.state, "closed": project.closed, "registrar": project.registrar,
        "version": project.version, "details": project.details, "until": time(project.until),
        "members": project.members, "outputs": project.outputs, "register": register(project),
        "registered": project.registered, "at": time(project.at), "latest": project.latest,
    })
}

/// A project's entry of the register; null before the first.
fn register(project: &Project) -> Value {
    let Some(state) = &project.register else {
        return Value::Null;
    };
    json!({
        "state": state, "version": project.register_version, "cause": project.register_cause,
        "until": project.register_until.and_then(time), "code": project.register_code,
        "tre": project.register_tre, "latest": project.register_entry,
    })
}

fn member(member: &Member) -> Value {
    json!({
        "id": member.member, "version": member.version, "added": member.added, "at": time(member.at),
        "removed": member.removed, "reason": member.reason, "suspect_from": member.suspect_from,
    })
}
