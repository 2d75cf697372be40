//! Conditions that fit one place each, and so have a name and no arguments.

use serde_json::{Map, Value};

use super::condition::{Condition, must};
use super::{Scene, approval};
use crate::refusal::Refusal;

/// Conditions that fit one place each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Active,
    Another,
    Approved,
    Approves,
    Began,
    Egress,
    Extent,
    Jobs,
    Looked,
    MaterialEnd,
    Person,
    Registered,
    Reviewed,
    Holder,
    Standing,
    Versions,
}

/// Name, aliases, fields, and what it says.
pub(super) type Entry = (
    &'static str,
    Named,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

const GATE: [&str; 3] = ["approval-project", "approval-workflow", "approval-member"];

pub(super) const NAMED: [Entry; 16] = [
    (
        "active",
        Named::Active,
        &[],
        &[],
        "the author's TRE is not suspended",
    ),
    (
        "another",
        Named::Another,
        &[],
        &["tags"],
        "one of `tags` is not among those who withheld the outputs, or there are two",
    ),
    (
        "approved",
        Named::Approved,
        &[
            "project",
            "workflow",
            "approval-project",
            "approval-workflow",
            "approval-member",
        ],
        &["member", "datasets"],
        "the TRE's approvals of project, workflow and member stand: granted, not past `until`, of exactly the project's last material version, this workflow and this membership, and with these datasets; where the event names `approvals`, they are these three",
    ),
    (
        "approves",
        Named::Approves,
        &["subject", "project"],
        &["cause", "datasets", "egress", "project", "sign_off"],
        "`cause` is the exact event that stands for the subject: a project, closed or not (then with `datasets`), a workflow, withdrawn or not (with `egress` and `sign_off`) or a membership (with `project`), and nothing else of these four is there",
    ),
    (
        "began",
        Named::Began,
        &[],
        &["began"],
        "`began` is true where a run was logged",
    ),
    (
        "egress",
        Named::Egress,
        &["approval-workflow"],
        &["reviews"],
        "`reviews` is 0 only where the TRE's approval of the workflow stands and says `standing` in `egress`",
    ),
    (
        "extent",
        Named::Extent,
        &[],
        &["extent", "outputs"],
        "`all` quotes the commitment that was assessed, `part` another one",
    ),
    (
        "jobs",
        Named::Jobs,
        &["job", "dataset"],
        &["jobs"],
        "no TRE is suspended, no job id has a state, and each dataset is of the TRE under which it stands",
    ),
    (
        "looked",
        Named::Looked,
        &[],
        &["tags"],
        "there is a tag, unless the rule set asks for none (`reviews` is 0)",
    ),
    (
        "material-end",
        Named::MaterialEnd,
        &[],
        &["material", "until"],
        "another `until` than before is a material change and lies ahead of `iat`, by at most the limit `project-days`",
    ),
    (
        "person",
        Named::Person,
        &[],
        &["how", "tag"],
        "`how` is `person` exactly if the review service signs, and exactly then there is a `tag`",
    ),
    (
        "registered",
        Named::Registered,
        &["register"],
        &[],
        "the project's register entry is published, or an embargo runs, also while a version is held",
    ),
    (
        "reviewed",
        Named::Reviewed,
        &[],
        &["tags"],
        "there are as many tags as the rule set asks for in `reviews` (or the limit `reviews`), none of them the signatory's",
    ),
    (
        "role-named",
        Named::Holder,
        &[],
        &["id", "role"],
        "`id` is there for a registrar and an auditor, and for no other role",
    ),
    (
        "standing",
        Named::Standing,
        &["approval-workflow"],
        &["how"],
        "`how` is `standing` only where the TRE's approval of the workflow says so in `sign_off`",
    ),
    (
        "versions",
        Named::Versions,
        &["dataset"],
        &["versions"],
        "`versions` are the leaf hashes of the last event of each of `datasets`, in their order",
    ),
];

impl Named {
    pub(super) fn entry(self) -> Option<&'static Entry> {
        NAMED.iter().find(|entry| entry.1 == self)
    }

    pub(super) fn check(self, scene: &Scene<'_>) -> Result<(), Refusal> {
        match self {
            Self::Active => approval::active(scene),
            Self::Approved => approval::approved(scene, GATE),
            Self::Approves => approval::approves(scene),
            Self::Egress => approval::egress(scene),
            Self::Registered => approval::registered(scene),
            Self::Standing => approval::standing(scene),
            Self::Began => {
                let began = scene.field("began") == Some(&Value::Bool(true));
                must(began || !scene.state.contains_key("attempts"), || {
                    Refusal::RunBegan
                })
            }
            Self::Another => {
                let tags = tags(scene);
                let before = scene.state.get("withheld_by").and_then(Value::as_array);
                let is_new = |tag: &Value| !before.is_some_and(|before| before.contains(tag));
                must(tags.len() > 1 || tags.iter().any(is_new), || {
                    same_person("withheld_by")
                })
            }
            Self::Looked => {
                let nobody = scene.state.get("reviews").and_then(Value::as_i64) == Some(0);
                must(nobody || !tags(scene).is_empty(), || Refusal::TooFewReviews {
                    found: 0,
                    needed: 1,
                })
            }
            Self::Extent => {
                let is_all = scene.field("extent").and_then(Value::as_str) == Some("all");
                let is_same = scene.field("outputs") == scene.state.get("outputs");
                must(is_all == is_same, || Refusal::Extent { is_all })
            }
            Self::Jobs => jobs(scene),
            Self::MaterialEnd => {
                let is_material = scene.field("material") == Some(&Value::Bool(true));
                let is_same = scene.field("until") == scene.state.get("until");
                must(is_material || is_same, || Refusal::MaterialEnd)?;
                // What a project says can be put right after its end, so the end it has may lie behind.
                if is_same {
                    Ok(())
                } else {
                    Condition::Future("until".to_owned(), "project-days".to_owned()).check(scene)
                }
            }
            Self::Person => {
                let by_person = scene.field("how").and_then(Value::as_str) == Some("person");
                let is_review = scene.event.claims().iss.role() == "review";
                let has_tag = scene.field("tag").is_some();
                must(by_person == is_review && by_person == has_tag, || {
                    Refusal::NotByPerson
                })
            }
            Self::Reviewed => reviewed(scene),
            Self::Holder => {
                let role = scene.field("role").and_then(Value::as_str);
                let is_named = matches!(role, Some("auditor" | "registrar"));
                must(is_named == scene.field("id").is_some(), || Refusal::RoleName)
            }
            Self::Versions => {
                let of = |stream| Some(scene.facts.state(stream)?.get("version")?.clone());
                let known: Option<Vec<Value>> = scene.streams("dataset").iter().map(of).collect();
                let expected = known.map(Value::Array);
                must(
                    expected.is_some() && expected.as_ref() == scene.field("versions"),
                    || Refusal::NotEqual {
                        field: "versions".to_owned(),
                        of: "the datasets' states have as \"version\", in the order of `datasets`".to_owned(),
                        expected: expected.clone().unwrap_or_default().to_string(),
                    },
                )
            }
        }
    }
}

fn jobs(scene: &Scene<'_>) -> Result<(), Refusal> {
    let none = Map::new();
    let jobs = scene.field("jobs").and_then(Value::as_object).unwrap_or(&none);
    for tre in jobs.keys() {
        must(!approval::is_suspended(scene, tre), || Refusal::Suspended {
            tre: tre.clone(),
        })?;
    }
    for stream in scene.streams("job") {
        let is_free = scene.facts.state(&stream).is_none() && scene.facts.head(&stream).is_none();
        must(is_free, || Refusal::JobTaken {
            stream: stream.clone(),
        })?;
    }
    let pairs = jobs.iter().flat_map(|(tre, job)| {
        let datasets = job.get("datasets").and_then(Value::as_array);
        datasets
            .into_iter()
            .flatten()
            .filter_map(move |id| Some((tre, id.as_str()?)))
    });
    for (tre, id) in pairs {
        let (organisation, stream) = (format!("tre/{tre}"), format!("dataset/{id}"));
        let Ok(stream) = stream.parse() else { continue };
        let author = scene
            .facts
            .state(&stream)
            .and_then(|state| state.get("author")?.as_str());
        must(author == Some(organisation.as_str()), || Refusal::NotYours {
            stream: stream.clone(),
            organisation: organisation.clone(),
        })?;
    }
    Ok(())
}

/// One tag for each person who looked.
fn tags<'a>(scene: &'a Scene<'_>) -> &'a [Value] {
    scene
        .field("tags")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn same_person(member: &str) -> Refusal {
    let (field, member) = ("tags".to_owned(), member.to_owned());
    Refusal::SamePerson { field, member }
}

fn reviewed(scene: &Scene<'_>) -> Result<(), Refusal> {
    let tags = tags(scene);
    let asked = scene.state.get("reviews").and_then(Value::as_i64);
    let needed = asked.or_else(|| scene.table.limit("reviews")).unwrap_or(i64::MAX);
    let found = i64::try_from(tags.len()).unwrap_or(0);
    must(found >= needed, || Refusal::TooFewReviews { found, needed })?;
    let signatory = scene.state.get("signatory");
    must(signatory.is_none_or(|tag| !tags.contains(tag)), || {
        same_person("signatory")
    })
}
