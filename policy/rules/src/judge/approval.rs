//! Conditions about who may run anything at all: suspension, approvals, the register.

use daybook_core::constitution::State;
use daybook_core::id::{Actor, Stream, Subject};
use serde_json::Value;

use super::condition::{integer, must};
use super::{Scene, word};
use crate::refusal::Refusal;

pub(super) fn is_suspended(scene: &Scene<'_>, tre: &str) -> bool {
    scene
        .facts
        .state(&Stream::Federation)
        .and_then(|state| state.get("suspended")?.get(tre))
        .is_some()
}

/// The author's TRE is not suspended.
pub(super) fn active(scene: &Scene<'_>) -> Result<(), Refusal> {
    match &scene.event.claims().iss {
        Actor::Tre(tre, _) if is_suspended(scene, tre.as_str()) => {
            Err(Refusal::Suspended { tre: tre.to_string() })
        }
        _ => Ok(()),
    }
}

/// The leaf hash for which an approval must have been granted.
fn stands_for<'a>(alias: &str, scene: &Scene<'a>) -> Option<&'a Value> {
    let facts = scene.facts;
    let state = |alias: &str| {
        let stream = scene.streams(alias).into_iter().next()?;
        facts.state(&stream)
    };
    match alias {
        "approval-project" => state("project")?.get("version"),
        "approval-workflow" => state("workflow")?.get("version"),
        _ => state("project")?
            .get("members")?
            .get(scene.field("member")?.as_str()?),
    }
}

/// All three approvals stand, now and for exactly this.
pub(super) fn approved(scene: &Scene<'_>, aliases: [&'static str; 3]) -> Result<(), Refusal> {
    let now = scene.now();
    let mut granted = Vec::new();
    for alias in aliases {
        let lapsed = |why: &'static str| Refusal::ApprovalLapsed {
            subject: alias.trim_start_matches("approval-"),
            why,
        };
        let approval = scene.other(alias).ok_or_else(|| lapsed("it was never granted"))?;
        must(word(approval) == "granted", || lapsed("it was withdrawn"))?;
        must(integer(approval.get("until")) > now, || lapsed("it has expired"))?;
        let subject = stands_for(alias, scene);
        must(subject.is_some() && approval.get("cause") == subject, || {
            lapsed("it was granted for another version, and there was a material change since")
        })?;
        granted.push(approval.get("granted").cloned().unwrap_or_default());
    }
    let allowed = scene
        .other(aliases[0])
        .and_then(|approval| approval.get("datasets")?.as_array());
    let asked = scene.field("datasets").and_then(Value::as_array);
    let is_within = |asked: &Vec<Value>| {
        asked
            .iter()
            .all(|id| allowed.is_some_and(|allowed| allowed.contains(id)))
    };
    must(asked.is_some_and(is_within), || Refusal::ApprovalLapsed {
        subject: "project",
        why: "it does not name all of these datasets",
    })?;
    match scene.field("approvals") {
        Some(quoted) if *quoted != Value::Array(granted.clone()) => Err(Refusal::NotEqual {
            field: "approvals".to_owned(),
            of: "the approvals of project, workflow and member have as \"granted\"".to_owned(),
            expected: Value::Array(granted).to_string(),
        }),
        _ => Ok(()),
    }
}

/// What is approved is exactly the event that stands for the subject, with the fields that fit it.
pub(super) fn approves(scene: &Scene<'_>) -> Result<(), Refusal> {
    let Stream::Approval(_, subject, id) = &scene.event.claims().sub else {
        return Ok(());
    };
    let expected: &[&str] = match subject {
        Subject::Project => &["datasets"],
        Subject::Workflow => &["egress", "sign_off"],
        Subject::Member => &["project"],
    };
    for field in ["datasets", "egress", "project", "sign_off"] {
        let wanted = expected.contains(&field);
        must(scene.field(field).is_some() == wanted, || {
            Refusal::ApprovalField {
                subject: subject.as_str(),
                field,
                wanted,
            }
        })?;
    }
    let version = |states: &[&str]| {
        let found: Option<&State> = scene.other("subject");
        found
            .filter(|found| states.contains(&word(found)))?
            .get("version")
            .cloned()
    };
    let stands = match subject {
        // What is closed or withdrawn runs no more, and what ran before may wait for its release longer than the approval stands.
        Subject::Project => version(&["open", "closed"]),
        Subject::Workflow => version(&["registered", "withdrawn"]),
        Subject::Member => scene
            .other("project")
            .and_then(|project| project.get("members")?.get(id.to_string()))
            .cloned(),
    };
    must(
        stands.is_some() && stands.as_ref() == scene.field("cause"),
        || Refusal::NotEqual {
            field: "cause".to_owned(),
            of: format!("stands for the {} now", subject.as_str()),
            expected: stands
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), Value::to_string),
        },
    )
}

/// The workflow's approval stands and holds this code.
fn workflow_says(scene: &Scene<'_>, member: &str, code: &str) -> bool {
    scene
        .other("approval-workflow")
        .filter(|approval| word(approval) == "granted")
        .filter(|approval| integer(approval.get("until")) > scene.now())
        .and_then(|approval| approval.get(member)?.as_str())
        == Some(code)
}

/// Without a reviewer only where the approval of the workflow says so.
pub(super) fn egress(scene: &Scene<'_>) -> Result<(), Refusal> {
    let nobody = scene.field("reviews").and_then(Value::as_i64) == Some(0);
    must(!nobody || workflow_says(scene, "egress", "standing"), || {
        Refusal::NotStanding {
            field: "reviews",
            member: "egress",
        }
    })
}

/// Without a signatory only where the approval of the workflow says so.
pub(super) fn standing(scene: &Scene<'_>) -> Result<(), Refusal> {
    let nobody = scene.field("how").and_then(Value::as_str) == Some("standing");
    must(!nobody || workflow_says(scene, "sign_off", "standing"), || {
        Refusal::NotStanding {
            field: "how",
            member: "sign_off",
        }
    })
}

/// The project is on the register, or an embargo runs.
pub(super) fn registered(scene: &Scene<'_>) -> Result<(), Refusal> {
    let entry = scene.other("register");
    let holds = entry.is_some_and(|entry| match word(entry) {
        "published" => true,
        "held" if entry.contains_key("version") => true,
        // A version that waits for a person lets the embargo go on.
        "held" | "deferred" => integer(entry.get("until")) > scene.now(),
        _ => false,
    });
    must(holds, || Refusal::NotRegistered)
}
