//! The lists over the views.

mod schemas;

use serde_json::json;

pub(super) use self::schemas::schemas;
use super::example;
use super::operation::Operation;
use super::schema::{id, one_of, slug, state_of, text};
use crate::problem::ProblemKind as Kind;

fn list(path: &'static str, id: &str, summary: &str, schema: &str) -> Operation {
    at_least(Operation::get("lists", path, id, summary))
        .in_query(
            "limit",
            &json!({ "type": "integer", "minimum": 1, "maximum": 200 }),
            "Rows in the page; 50 where it is missing.",
        )
        .in_query(
            "cursor",
            &text(),
            "`next` of the page before, which had the same query.",
        )
        .json(200, "A page of the list.", schema)
        .conditional()
}

fn at_least(operation: Operation) -> Operation {
    let size = json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX });
    let text = "Answer only once the view has followed the log up to so many entries; ten seconds at most.";
    operation
        .in_query("at_least", &size, text)
        .fails(&[Kind::ViewBehind, Kind::Busy])
}

fn one(path: &'static str, id: &str, summary: &str, schema: &str) -> Operation {
    at_least(Operation::get("lists", path, id, summary))
        .json(200, "It, as the view knows it.", schema)
        .conditional()
        .fails(&[Kind::NotFound])
}

pub(super) fn operations() -> Vec<Operation> {
    [of_jobs(), of_projects(), of_things()].concat()
}

fn of_jobs() -> Vec<Operation> {
    vec![
        list(
            "/v1/jobs",
            "list_jobs",
            "Jobs, those submitted last first",
            "JobList",
        )
        .in_query_such_as("project", &id(), example::PROJECT, "Only of this project.")
        .in_query_such_as("tre", &slug(), example::TRE, "Only at this TRE.")
        .in_query("state", &state_of("job"), "Only in this state.")
        .in_query_such_as(
            "member",
            &id(),
            example::MEMBER,
            "Only submitted by this membership.",
        )
        .in_query_such_as("workflow", &id(), example::WORKFLOW, "Only with this workflow.")
        .in_query_such_as(
            "dataset",
            &id(),
            example::DATASET,
            "Only those that ask for this dataset.",
        )
        .in_query_such_as(
            "submission",
            &id(),
            example::SUBMISSION,
            "Only of this submission.",
        ),
        list(
            "/v1/submissions",
            "list_submissions",
            "Submissions, the last first",
            "SubmissionList",
        )
        .in_query_such_as("project", &id(), example::PROJECT, "Only of this project.")
        .in_query_such_as("member", &id(), example::MEMBER, "Only by this membership.")
        .in_query_such_as("workflow", &id(), example::WORKFLOW, "Only with this workflow."),
        list(
            "/v1/activity",
            "list_activity",
            "What happened, in sentences, the last first",
            "ActivityList",
        )
        .in_query_such_as("project", &id(), example::PROJECT, "Only about this project.")
        .in_query_such_as("tre", &slug(), example::TRE, "Only at this TRE."),
    ]
}

fn of_projects() -> Vec<Operation> {
    let states = state_of("register");
    let project = |operation: Operation| operation.in_path("id", &id(), example::PROJECT, "The project.");
    vec![
        list(
            "/v1/projects",
            "list_projects",
            "Projects, the last registered first",
            "ProjectList",
        )
        .in_query_such_as("state", &state_of("project"), "open", "Only in this state.")
        .in_query("register", &states, "Only with a register entry in this state."),
        project(one("/v1/projects/{id}", "get_project", "One project", "Project")),
        project(list(
            "/v1/projects/{id}/members",
            "list_members",
            "The memberships of a project",
            "MemberList",
        ))
        .note("Under their random ids, in the order of these.")
        .in_query_such_as(
            "state",
            &one_of(&["current", "removed"]),
            "current",
            "Only those.",
        )
        .fails(&[Kind::NotFound]),
        list(
            "/v1/register",
            "list_register",
            "The states of the register's entries",
            "RegisterList",
        )
        .in_query("state", &states, "Only in this state."),
        list(
            "/v1/approvals",
            "list_approvals",
            "Approvals of projects, workflows and members by TREs",
            "ApprovalList",
        )
        .note("As they were granted last, in the order of TRE, kind and id.")
        .in_query_such_as("tre", &slug(), example::TRE, "Only by this TRE.")
        .in_query_such_as(
            "subject",
            &one_of(&["member", "project", "workflow"]),
            "project",
            "Only of this kind.",
        )
        .in_query_such_as("id", &id(), example::PROJECT, "Only of what has this id.")
        .in_query_such_as(
            "project",
            &id(),
            example::PROJECT,
            "Only of this project, or of memberships of it.",
        )
        .in_query_such_as("state", &state_of("approval"), "granted", "Only in this state."),
    ]
}

fn of_things() -> Vec<Operation> {
    vec![
        list(
            "/v1/datasets",
            "list_datasets",
            "Datasets, the last registered first",
            "DatasetList",
        )
        .in_query_such_as("tre", &slug(), example::TRE, "Only of this TRE.")
        .in_query_such_as("state", &state_of("dataset"), "registered", "Only in this state."),
        one("/v1/datasets/{id}", "get_dataset", "One dataset", "Dataset").in_path(
            "id",
            &id(),
            example::DATASET,
            "The dataset.",
        ),
        list(
            "/v1/workflows",
            "list_workflows",
            "Workflows, the last registered first",
            "WorkflowList",
        )
        .in_query_such_as(
            "state",
            &state_of("workflow"),
            "registered",
            "Only in this state.",
        ),
        one("/v1/workflows/{id}", "get_workflow", "One workflow", "Workflow").in_path(
            "id",
            &id(),
            example::WORKFLOW,
            "The workflow.",
        ),
        list(
            "/v1/tres",
            "list_tres",
            "TREs, in the order of their ids",
            "TreList",
        ),
        one("/v1/tres/{tre}", "get_tre", "One TRE", "Tre").in_path("tre", &slug(), example::TRE, "The TRE."),
    ]
}
