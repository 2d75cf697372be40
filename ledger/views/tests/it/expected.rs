//! Every row is what the states of the streams say, which the rules fold in their own way.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::id::Stream;
use daybook_rules::{State, Table, words};
use daybook_views::{
    ActivityFilter, ApprovalFilter, DatasetFilter, Job, JobFilter, KeyFilter, MemberFilter, Page,
    ProjectFilter, SubmissionFilter, Views, WorkflowFilter,
};
use daybook_world::World;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Log, everything};

/// Reads a whole list, three rows at a time.
macro_rules! whole {
    ($views:expr, $list:ident, $filter:expr) => {{
        let mut rows = Vec::new();
        let mut page = Page {
            limit: 3,
            ..Page::default()
        };
        loop {
            let listed = $views.$list($filter, &page).await.unwrap();
            page.after = listed.rows.last().map(|row| row.place());
            rows.extend(listed.rows);
            if !listed.has_more {
                break rows;
            }
        }
    }};
}

async fn folded() -> (Log, daybook_store::project::Projector, Views) {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    (log, projector, views)
}

/// The states of one kind of stream, by the last part of their names.
fn states<'a>(world: &'a World, kind: &'a str) -> BTreeMap<String, &'a State> {
    let of_kind = world
        .states()
        .iter()
        .filter(move |(stream, _)| stream.kind() == kind);
    of_kind
        .map(|(stream, state)| {
            let name = stream.to_string();
            (name.split_once('/').unwrap().1.to_owned(), state)
        })
        .collect()
}

fn index_of(world: &World, leaf: &str) -> u64 {
    let at = world
        .entries()
        .iter()
        .position(|event| event.leaf().to_base64url() == leaf);
    at.unwrap() as u64
}

/// The last entry of a stream.
fn last(world: &World, stream: &str) -> u64 {
    let is_of = |event: &daybook_core::event::Event| event.claims().sub.to_string() == stream;
    world.entries().iter().rposition(is_of).unwrap() as u64
}

#[test]
fn every_type_was_said() {
    let said: BTreeSet<&str> = everything()
        .entries()
        .iter()
        .map(|event| event.claims().kind.as_str())
        .collect();
    let all: BTreeSet<&str> = Table::v1().events().map(|(kind, _)| kind).collect();
    assert_eq!(said, all);
}

/// What a row of jobs says, in the words of its stream's state.
fn as_state(job: &Job) -> Value {
    let mut state = json!({
        "author": format!("tre/{}", job.tre), "cause": job.cause, "datasets": job.datasets, "member": job.member,
        "packet": job.packet, "project": job.project, "state": job.state, "submission": job.submission, "tre": job.tre,
        "workflow": job.workflow,
    });
    let optional = [
        ("resume", json!(job.resume)),
        ("held", json!(job.held)),
        ("attempts", json!(job.attempts)),
        ("failure", json!(job.failure)),
        ("set", json!(job.output_set)),
        ("extent", json!(job.extent)),
        ("began", json!(job.began)),
        ("results", json!(job.results)),
        ("recalled", json!(job.recalled)),
    ];
    let flags = [
        ("answered", job.answered),
        ("cancellation", job.cancellation),
        ("received", job.received),
        ("expired", job.expired),
    ];
    let members = state.as_object_mut().unwrap();
    for (name, value) in optional {
        if !value.is_null() {
            members.insert(name.to_owned(), value);
        }
    }
    for (name, flag) in flags {
        if flag {
            members.insert(name.to_owned(), true.into());
        }
    }
    if !job.tags.is_empty() {
        members.insert("tags".to_owned(), json!(job.tags));
    }
    state
}

/// A stream's state with what the view keeps of it: marks become flags, and hashes that it does not keep go.
fn kept(state: &State) -> Value {
    let mut state = state.clone();
    for name in ["answered", "cancellation", "received", "expired"] {
        if let Some(mark) = state.get_mut(name) {
            *mark = true.into();
        }
    }
    let others = [
        "approved",
        "changes",
        "decision",
        "outputs",
        "rechecked",
        "released",
        "retrieved",
        "reviews",
        "ruleset",
        "signatory",
        "withheld_by",
    ];
    state.retain(|name, value| !others.contains(&name.as_str()) && *value != json!([]));
    Value::Object(state)
}

#[tokio::test]
async fn jobs_are_in_the_states_of_their_streams() {
    let (_log, projector, views) = folded().await;
    let world = everything();
    let jobs = whole!(views, jobs, &JobFilter::default());
    let expected = states(world, "job");
    assert_eq!(jobs.len(), expected.len());
    assert!(
        jobs.windows(2).all(|pair| pair[0].place() > pair[1].place()),
        "the newest first"
    );
    for job in &jobs {
        let state = expected[&job.id.to_string()];
        assert_eq!(as_state(job), kept(state), "{}", job.id);
        assert_eq!(job.public("Wessex"), words::of_named(state, "Wessex"));
        assert_eq!(job.submitted, index_of(world, &job.cause));
        assert_eq!(job.waiting, job.state == "submitted");
        assert_eq!(
            job.ending.is_some(),
            Table::v1().is_end("job", &job.state),
            "{}",
            job.state
        );
        let about = |event: &daybook_core::event::Event| {
            let claims = event.claims();
            let names = claims.data.get("job") == Some(&json!(job.id)) && claims.sub.kind() == "submission";
            claims.sub == Stream::Job(job.id) || names || event.leaf().to_base64url() == job.cause
        };
        let latest = world.entries().iter().rposition(about).unwrap();
        assert_eq!(job.latest, latest as u64);
        assert_eq!(job.latest_at, world.entries()[latest].claims().iat);
    }
    projector.stop().await;
}

#[tokio::test]
async fn submissions_are_those_of_their_streams() {
    let (_log, projector, views) = folded().await;
    let world = everything();
    let rows = whole!(views, submissions, &SubmissionFilter::default());
    let expected = states(world, "submission");
    assert_eq!(rows.len(), expected.len());
    for row in &rows {
        let state = expected[&row.id.to_string()];
        let jobs = state["jobs"].as_object().unwrap();
        assert_eq!(row.tres, jobs.keys().cloned().collect::<Vec<_>>());
        let ids: Vec<Value> = jobs.values().map(|job| job["job"].clone()).collect();
        assert_eq!(json!(row.jobs), json!(ids));
        for (name, value) in [
            ("project", row.project),
            ("member", row.member),
            ("workflow", row.workflow),
            ("packet", row.packet),
        ] {
            assert_eq!(state[name], json!(value));
        }
        assert_eq!(row.latest, last(world, &format!("submission/{}", row.id)));
    }
    projector.stop().await;
}

#[tokio::test]
async fn projects_and_members_are_those_of_their_streams() {
    let (_log, projector, views) = folded().await;
    let world = everything();
    let rows = whole!(views, projects, &ProjectFilter::default());
    let expected = states(world, "project");
    assert_eq!(rows.len(), expected.len());
    let members = whole!(views, members, &MemberFilter::default());
    for row in &rows {
        let state = expected[&row.id.to_string()];
        assert_eq!(
            json!([row.state, row.version, row.until]),
            json!([state["state"], state["version"], state["until"]])
        );
        let register = world.state_of(&format!("register/{}", row.id));
        let of = |name: &str| register.get(name).cloned().unwrap_or_default();
        assert_eq!(
            json!([
                row.register,
                row.register_version,
                row.register_cause,
                row.register_until,
                row.register_code,
                row.register_tre
            ]),
            json!([
                of("state"),
                of("version"),
                of("cause"),
                of("until"),
                of("code"),
                of("tre")
            ]),
            "{register:?}"
        );
        let here: BTreeMap<String, String> = members
            .iter()
            .filter(|member| member.project == row.id && member.removed.is_none())
            .map(|member| (member.member.to_string(), member.version.clone()))
            .collect();
        assert_eq!(
            json!(here),
            state.get("members").cloned().unwrap_or_else(|| json!({}))
        );
        assert_eq!(row.members, i64::try_from(here.len()).unwrap());
        assert_eq!(row.latest, last(world, &format!("project/{}", row.id)));
    }
    let removed = whole!(
        views,
        members,
        &MemberFilter {
            is_removed: Some(true),
            ..MemberFilter::default()
        }
    );
    assert_eq!(removed.len(), 1);
    assert_eq!(
        (removed[0].member, removed[0].reason.as_deref()),
        (world.cast.colleague, Some("left"))
    );
    projector.stop().await;
}

#[tokio::test]
async fn tres_datasets_and_workflows_are_those_of_their_streams() {
    let (_log, projector, views) = folded().await;
    let world = everything();
    let federation = world.state_of("federation");
    let tres = views.tres(&Page::default()).await.unwrap().rows;
    let roots: BTreeMap<&str, Value> = tres
        .iter()
        .map(|tre| (tre.id.as_str(), json!({ "root": tre.root })))
        .collect();
    assert_eq!(json!(roots), federation["tres"]);
    for tre in &tres {
        let suspended = federation.get("suspended").and_then(|all| all.get(&tre.id));
        assert_eq!(
            tre.suspended,
            suspended.map(|leaf| index_of(world, leaf.as_str().unwrap()))
        );
        let state = world.state_of(&format!("tre/{}", tre.id));
        assert_eq!(tre.joined.is_some(), state.contains_key("state"), "{}", tre.id);
        assert_eq!(
            json!(tre.reported),
            state.get("reported").cloned().unwrap_or_default()
        );
    }
    let expected = states(world, "dataset");
    let datasets = whole!(views, datasets, &DatasetFilter::default());
    assert_eq!(datasets.len(), expected.len());
    for row in &datasets {
        let state = expected[&row.id.to_string()];
        assert_eq!(
            json!([row.state, row.version, format!("tre/{}", row.tre)]),
            json!([state["state"], state["version"], state["author"]])
        );
        assert_eq!(row.withdrawn.is_some(), row.state == "withdrawn");
    }
    let expected = states(world, "workflow");
    let workflows = whole!(views, workflows, &WorkflowFilter::default());
    assert_eq!(workflows.len(), expected.len());
    for row in &workflows {
        let state = expected[&row.id.to_string()];
        assert_eq!(
            json!([row.state, row.version, row.digest]),
            json!([state["state"], state["version"], state["digest"]])
        );
    }
    projector.stop().await;
}

#[tokio::test]
async fn approvals_are_those_of_their_streams() {
    let (_log, projector, views) = folded().await;
    let expected = states(everything(), "approval");
    let rows = whole!(views, approvals, &ApprovalFilter::default());
    assert_eq!(rows.len(), expected.len());
    for row in &rows {
        let state = expected[&format!("{}/{}/{}", row.tre, row.subject, row.id)];
        let of = |name: &str| state.get(name).cloned().unwrap_or_default();
        let datasets = if row.datasets.is_empty() {
            Value::Null
        } else {
            json!(row.datasets)
        };
        assert_eq!(
            json!([
                row.state,
                row.version,
                row.cause,
                row.until,
                row.sign_off,
                row.egress,
                row.project
            ]),
            json!([
                of("state"),
                of("granted"),
                of("cause"),
                of("until"),
                of("sign_off"),
                of("egress"),
                of("project")
            ])
        );
        assert_eq!(datasets, of("datasets"));
    }
    projector.stop().await;
}

#[tokio::test]
async fn keys_that_have_not_ended_are_those_of_the_states() {
    let (_log, projector, views) = folded().await;
    let world = everything();
    let mut expected = BTreeMap::new();
    for state in world.states().values() {
        for (kid, key) in state.get("keys").and_then(Value::as_object).into_iter().flatten() {
            expected.insert(kid.clone(), key.clone());
        }
    }
    let valid = whole!(
        views,
        keys,
        &KeyFilter {
            is_ended: Some(false),
            ..KeyFilter::default()
        }
    );
    let found: BTreeMap<String, Value> = valid
        .iter()
        .map(|key| {
            (
                key.kid.clone(),
                json!({ "actor": key.actor, "use": key.usage, "x": key.x }),
            )
        })
        .collect();
    assert_eq!(json!(found), json!(expected));
    let all = whole!(views, keys, &KeyFilter::default());
    let known: BTreeSet<String> = world
        .known_keys()
        .iter()
        .map(daybook_core::Hash::to_base64url)
        .collect();
    assert_eq!(
        all.iter().map(|key| key.kid.clone()).collect::<BTreeSet<_>>(),
        known
    );
    let doubts: BTreeMap<String, Value> = world
        .states()
        .values()
        .filter_map(|state| state.get("doubts")?.as_object())
        .flatten()
        .map(|(kid, from)| (kid.clone(), from.clone()))
        .collect();
    let suspects = all
        .iter()
        .filter_map(|key| Some((key.kid.clone(), json!(key.suspect_from?))));
    assert_eq!(suspects.collect::<BTreeMap<_, _>>(), doubts);
    assert!(all.iter().any(|key| key.settled.as_deref() == Some("disowned")));
    projector.stop().await;
}

#[tokio::test]
async fn activity_tells_of_every_entry_of_a_project_and_of_a_tre() {
    let (_log, projector, views) = folded().await;
    let world = everything();
    let project = world.cast.project;
    let filter = ActivityFilter {
        project: Some(project),
        tre: None,
    };
    let rows = whole!(views, activity, &filter);
    assert!(
        rows.windows(2).all(|pair| pair[0].place() > pair[1].place()),
        "the newest first"
    );
    let jobs: BTreeSet<Uuid> = states(world, "job")
        .iter()
        .filter(|(_, state)| state["project"] == json!(project))
        .map(|(id, _)| id.parse().unwrap())
        .collect();
    let told: BTreeSet<u64> = rows.iter().map(|row| row.entry).collect();
    for (index, event) in (0..).zip(world.entries()) {
        let claims = event.claims();
        let is_of_it = match &claims.sub {
            Stream::Job(job) => jobs.contains(job),
            Stream::Submission(_) => claims.iss.home() == Stream::Project(project),
            Stream::Project(id) | Stream::Register(id) => {
                *id == project && claims.kind != "member-doubts-settled"
            }
            Stream::Approval(_, subject, id) => match subject.as_str() {
                "project" => *id == project,
                "member" => claims.data.get("project") == Some(&json!(project)),
                _ => false,
            },
            _ => false,
        };
        assert_eq!(told.contains(&index), is_of_it, "{index} {}", claims.kind);
    }
    let wessex = ActivityFilter {
        project: None,
        tre: Some("wessex".to_owned()),
    };
    for row in whole!(views, activity, &wessex) {
        let text = row.sentence("Wessex");
        assert!(text.ends_with('.') && !text.contains('{'), "{text}");
        if let Some(job) = row.job {
            assert_eq!(world.job_state(job)["tre"], "wessex");
        }
    }
    projector.stop().await;
}
