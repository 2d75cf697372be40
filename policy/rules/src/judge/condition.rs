//! The closed list of conditions that a rule table may name.

use std::fmt;

use serde_json::{Map, Value};

use super::{Scene, approval, word};
use crate::refusal::Refusal;
use crate::source::Source;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// One condition. A field is a clear field of the event, a member one of the state of its stream, an alias the name in
/// `reads` of other streams; a condition on an alias must hold for each of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `same SOURCE MEMBER`: equal.
    Same(Source, String),
    /// `next FIELD MEMBER`: one more than the member, or 1.
    Next(String, String),
    /// `most FIELD LIMIT`: at most the limit.
    Most(String, String),
    /// `grows FIELD MEMBER`: larger than the member.
    Grows(String, String),
    /// `clock MEMBER`: `iat` is not before the member.
    Clock(String),
    /// `has MEMBER FIELD`: the object has that entry.
    Has(String, String),
    /// `lacks MEMBER FIELD`: it has not.
    Lacks(String, String),
    /// `present MEMBER`.
    Present(String),
    /// `absent MEMBER`.
    Absent(String),
    /// `fresh FIELD MEMBER`: where the field is there, it neither equals the member nor stands in it.
    Fresh(String, String),
    /// `future FIELD LIMIT`: after `iat`, by at most so many days.
    Future(String, String),
    /// `other ALIAS STATE…`: in one of these states.
    Other(String, Vec<String>),
    /// `quotes SOURCE ALIAS MEMBER`: equal to that member of the other state.
    Quotes(Source, String, String),
    /// `mine ALIAS`: written by the author's organisation.
    Mine(String),
    /// `unexpired ALIAS`: its `until` is after `iat`.
    Unexpired(String),
    /// A condition of this list without arguments.
    Named(Named),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(from, member) => write!(f, "same {from} {member}"),
            Self::Next(field, member) => write!(f, "next {field} {member}"),
            Self::Most(field, limit) => write!(f, "most {field} {limit}"),
            Self::Grows(field, member) => write!(f, "grows {field} {member}"),
            Self::Clock(member) => write!(f, "clock {member}"),
            Self::Has(member, field) => write!(f, "has {member} {field}"),
            Self::Lacks(member, field) => write!(f, "lacks {member} {field}"),
            Self::Present(member) => write!(f, "present {member}"),
            Self::Absent(member) => write!(f, "absent {member}"),
            Self::Fresh(field, member) => write!(f, "fresh {field} {member}"),
            Self::Future(field, limit) => write!(f, "future {field} {limit}"),
            Self::Other(alias, states) => write!(f, "other {alias} {}", states.join(" ")),
            Self::Quotes(from, alias, member) => write!(f, "quotes {from} {alias} {member}"),
            Self::Mine(alias) => write!(f, "mine {alias}"),
            Self::Unexpired(alias) => write!(f, "unexpired {alias}"),
            Self::Named(named) => f.write_str(named.entry().map_or("", |entry| entry.0)),
        }
    }
}

/// Conditions that fit one place each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Active,
    Approved,
    Approves,
    Began,
    Egress,
    Extent,
    Jobs,
    MaterialEnd,
    Person,
    Registered,
    Reviewed,
    RoleNamed,
    Standing,
    Versions,
}

/// Name, aliases, fields, and what it says.
type Entry = (&'static str, Named, &'static [&'static str], &'static [&'static str], &'static str);

const GATE: [&str; 3] = ["approval-project", "approval-workflow", "approval-member"];

const NAMED: [Entry; 14] = [
    ("active", Named::Active, &[], &[], "the author's TRE is not suspended"),
    (
        "approved",
        Named::Approved,
        &["project", "workflow", "approval-project", "approval-workflow", "approval-member"],
        &["member", "datasets"],
        "the TRE's approvals of project, workflow and member stand: granted, not past `until` at `iat`, of exactly the project's last material version, this workflow and this membership, and with these datasets; where the event names `approvals`, they are these three",
    ),
    (
        "approves",
        Named::Approves,
        &["subject", "project"],
        &["cause", "datasets", "egress", "project", "sign_off"],
        "`cause` is the exact event that stands for the subject: a project (then with `datasets`), a workflow (with `egress` and `sign_off`) or a membership (with `project`), and nothing else of these four is there",
    ),
    ("began", Named::Began, &[], &["began"], "`began` is true where a run was logged"),
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
        "material-end",
        Named::MaterialEnd,
        &[],
        &["material", "until"],
        "another `until` is a material change",
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
        "the project's register entry is published, or an embargo runs at `iat`",
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
        Named::RoleNamed,
        &[],
        &["id", "role"],
        "`id` is there for a registrar and an auditor, not for the editor",
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

impl Condition {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        if words.iter().any(|word| word.is_empty()) {
            return None;
        }
        let name = |text: &str| text.to_owned();
        let condition = match words.as_slice() {
            ["same", from, member] => Self::Same(Source::parse(from)?, name(member)),
            ["next", field, member] => Self::Next(name(field), name(member)),
            ["most", field, limit] => Self::Most(name(field), name(limit)),
            ["grows", field, member] => Self::Grows(name(field), name(member)),
            ["clock", member] => Self::Clock(name(member)),
            ["has", member, field] => Self::Has(name(member), name(field)),
            ["lacks", member, field] => Self::Lacks(name(member), name(field)),
            ["present", member] => Self::Present(name(member)),
            ["absent", member] => Self::Absent(name(member)),
            ["fresh", field, member] => Self::Fresh(name(field), name(member)),
            ["future", field, limit] => Self::Future(name(field), name(limit)),
            ["other", alias, states @ ..] if !states.is_empty() => {
                Self::Other(name(alias), states.iter().map(|state| name(state)).collect())
            }
            ["quotes", from, alias, member] => Self::Quotes(Source::parse(from)?, name(alias), name(member)),
            ["mine", alias] => Self::Mine(name(alias)),
            ["unexpired", alias] => Self::Unexpired(name(alias)),
            [only] => Self::Named(NAMED.iter().find(|entry| entry.0 == *only)?.1),
            _ => return None,
        };
        Some(condition)
    }

    /// The names in `reads` on which it depends.
    pub(crate) fn aliases(&self) -> Vec<&str> {
        match self {
            Self::Other(alias, _) | Self::Quotes(_, alias, _) | Self::Mine(alias) | Self::Unexpired(alias) => {
                vec![alias]
            }
            Self::Named(named) => named.entry().map_or_else(Vec::new, |entry| entry.2.to_vec()),
            _ => Vec::new(),
        }
    }

    /// The clear fields on which it depends.
    pub(crate) fn fields(&self) -> Vec<&str> {
        match self {
            Self::Next(field, _)
            | Self::Most(field, _)
            | Self::Grows(field, _)
            | Self::Has(_, field)
            | Self::Lacks(_, field)
            | Self::Fresh(field, _)
            | Self::Future(field, _) => vec![field],
            Self::Named(named) => named.entry().map_or_else(Vec::new, |entry| entry.3.to_vec()),
            _ => Vec::new(),
        }
    }

    /// Where it takes a value from.
    pub(crate) fn sources(&self) -> Vec<&Source> {
        match self {
            Self::Same(from, _) | Self::Quotes(from, ..) => vec![from],
            _ => Vec::new(),
        }
    }

    /// The limit on which it depends.
    pub(crate) fn limit(&self) -> Option<&str> {
        match self {
            Self::Most(_, limit) | Self::Future(_, limit) => Some(limit),
            Self::Named(Named::Reviewed) => Some("reviews"),
            _ => None,
        }
    }

    /// What the conditions of the second kind say, by name.
    pub(crate) fn glossary() -> impl Iterator<Item = (&'static str, &'static str)> {
        NAMED.iter().map(|entry| (entry.0, entry.4))
    }

    pub(crate) fn check(&self, scene: &Scene<'_>) -> Result<(), Refusal> {
        let state = scene.state;
        match self {
            Self::Same(from, member) => equal(from.value(scene.event, scene.was), from, state.get(member), || {
                format!("the stream's state has as {member:?}")
            }),
            Self::Next(field, member) => {
                let expected = integer(state.get(member)).saturating_add(1);
                must(integer(scene.field(field)) == expected, || Refusal::NotNext {
                    field: field.clone(),
                    expected,
                })
            }
            Self::Most(field, limit) => {
                let most = scene.table.limit(limit).unwrap_or(0);
                must(integer(scene.field(field)) <= most, || Refusal::OverLimit {
                    field: field.clone(),
                    limit: limit.clone(),
                    most,
                })
            }
            Self::Grows(field, member) => {
                let before = integer(state.get(member));
                must(integer(scene.field(field)) > before, || Refusal::Backwards {
                    what: field.clone(),
                    before,
                })
            }
            Self::Clock(member) => {
                let before = integer(state.get(member));
                must(scene.event.claims().iat >= before, || Refusal::Backwards {
                    what: "iat".to_owned(),
                    before,
                })
            }
            Self::Has(member, field) => entry(scene, member, field, true),
            Self::Lacks(member, field) => entry(scene, member, field, false),
            Self::Present(member) => must(state.contains_key(member), || Refusal::NotYet {
                member: member.clone(),
            }),
            Self::Absent(member) => must(!state.contains_key(member), || Refusal::Already {
                member: member.clone(),
            }),
            Self::Fresh(field, member) => {
                let Some(value) = scene.field(field) else { return Ok(()) };
                let is_known = state
                    .get(member)
                    .is_some_and(|known| known == value || known.as_array().is_some_and(|list| list.contains(value)));
                must(!is_known, || Refusal::SamePerson {
                    field: field.clone(),
                    member: member.clone(),
                })
            }
            Self::Future(field, limit) => {
                let days = scene.table.limit(limit).unwrap_or(0);
                let (time, now) = (integer(scene.field(field)), scene.event.claims().iat);
                must(time > now && time <= now.saturating_add(days.saturating_mul(DAY)), || Refusal::NotAhead {
                    field: field.clone(),
                    days,
                })
            }
            Self::Other(alias, states) => others(scene, alias, states),
            Self::Quotes(from, alias, member) => {
                let value = from.value(scene.event, scene.was);
                scene.streams(alias).iter().try_for_each(|stream| {
                    let known = scene.facts.state(stream).and_then(|state| state.get(member));
                    equal(value.clone(), from, known, || format!("{stream} has as {member:?}"))
                })
            }
            Self::Mine(alias) => scene.streams(alias).iter().try_for_each(|stream| {
                let author = scene.facts.state(stream).and_then(|state| state.get("author")?.as_str());
                let own = scene.event.claims().iss.organisation().to_string();
                must(author == Some(own.as_str()), || Refusal::NotYours {
                    stream: stream.clone(),
                    organisation: own.clone(),
                })
            }),
            Self::Unexpired(alias) => scene.streams(alias).iter().try_for_each(|stream| {
                let until = integer(scene.facts.state(stream).and_then(|state| state.get("until")));
                must(until > scene.event.claims().iat, || Refusal::Expired {
                    stream: stream.clone(),
                    until,
                })
            }),
            Self::Named(named) => named.check(scene),
        }
    }
}

impl Named {
    fn entry(self) -> Option<&'static Entry> {
        NAMED.iter().find(|entry| entry.1 == self)
    }

    fn check(self, scene: &Scene<'_>) -> Result<(), Refusal> {
        match self {
            Self::Active => approval::active(scene),
            Self::Approved => approval::approved(scene, GATE),
            Self::Approves => approval::approves(scene),
            Self::Egress => approval::egress(scene),
            Self::Registered => approval::registered(scene),
            Self::Standing => approval::standing(scene),
            Self::Began => {
                let began = scene.field("began") == Some(&Value::Bool(true));
                must(began || !scene.state.contains_key("attempts"), || Refusal::RunBegan)
            }
            Self::Extent => {
                let is_all = scene.field("extent").and_then(Value::as_str) == Some("all");
                let is_same = scene.field("outputs") == scene.state.get("outputs");
                must(is_all == is_same, || Refusal::Extent { is_all })
            }
            Self::Jobs => jobs(scene),
            Self::MaterialEnd => {
                let is_material = scene.field("material") == Some(&Value::Bool(true));
                must(is_material || scene.field("until") == scene.state.get("until"), || {
                    Refusal::MaterialEnd
                })
            }
            Self::Person => {
                let by_person = scene.field("how").and_then(Value::as_str) == Some("person");
                let is_review = scene.event.claims().iss.role() == "review";
                let has_tag = scene.field("tag").is_some();
                must(by_person == is_review && by_person == has_tag, || Refusal::NotByPerson)
            }
            Self::Reviewed => reviewed(scene),
            Self::RoleNamed => {
                let is_editor = scene.field("role").and_then(Value::as_str) == Some("editor");
                must(is_editor != scene.field("id").is_some(), || Refusal::RoleName)
            }
            Self::Versions => {
                let of = |stream| Some(scene.facts.state(stream)?.get("version")?.clone());
                let known: Option<Vec<Value>> = scene.streams("dataset").iter().map(of).collect();
                let expected = known.map(Value::Array);
                must(expected.is_some() && expected.as_ref() == scene.field("versions"), || {
                    Refusal::NotEqual {
                        field: "versions".to_owned(),
                        of: "the datasets' states have as \"version\", in the order of `datasets`".to_owned(),
                        expected: expected.clone().unwrap_or_default().to_string(),
                    }
                })
            }
        }
    }
}

pub(super) fn must(holds: bool, refusal: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal()) }
}

pub(super) fn integer(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_i64).unwrap_or(0)
}

fn equal(
    value: Option<Value>,
    from: &Source,
    known: Option<&Value>,
    of: impl FnOnce() -> String,
) -> Result<(), Refusal> {
    must(value.is_some() && value.as_ref() == known, || Refusal::NotEqual {
        field: from.name(),
        of: of(),
        expected: known.map_or_else(|| "nothing".to_owned(), Value::to_string),
    })
}

fn entry(scene: &Scene<'_>, member: &str, field: &str, expected: bool) -> Result<(), Refusal> {
    let key = scene.field(field).and_then(Value::as_str).unwrap_or_default();
    let entries = scene.state.get(member).and_then(Value::as_object);
    let found = entries.is_some_and(|entries| entries.contains_key(key));
    must(found == expected, || {
        let (field, value, member) = (field.to_owned(), key.to_owned(), member.to_owned());
        if expected {
            Refusal::NotKnown { field, value, member }
        } else {
            Refusal::Known { field, value, member }
        }
    })
}

fn others(scene: &Scene<'_>, alias: &str, states: &[String]) -> Result<(), Refusal> {
    scene.streams(alias).iter().try_for_each(|stream| {
        let found = scene.facts.state(stream).map_or(crate::table::NONE, word);
        must(states.iter().any(|state| state == found), || Refusal::OtherState {
            stream: stream.clone(),
            state: found.to_owned(),
            allowed: states.join(", "),
        })
    })
}

fn jobs(scene: &Scene<'_>) -> Result<(), Refusal> {
    let none = Map::new();
    let jobs = scene.field("jobs").and_then(Value::as_object).unwrap_or(&none);
    for tre in jobs.keys() {
        must(!approval::is_suspended(scene, tre), || Refusal::Suspended { tre: tre.clone() })?;
    }
    for stream in scene.streams("job") {
        let is_free = scene.facts.state(&stream).is_none() && scene.facts.head(&stream).is_none();
        must(is_free, || Refusal::JobTaken { stream: stream.clone() })?;
    }
    let pairs = jobs.iter().flat_map(|(tre, job)| {
        let datasets = job.get("datasets").and_then(Value::as_array);
        datasets.into_iter().flatten().filter_map(move |id| Some((tre, id.as_str()?)))
    });
    for (tre, id) in pairs {
        let (organisation, stream) = (format!("tre/{tre}"), format!("dataset/{id}"));
        let Ok(stream) = stream.parse() else { continue };
        let author = scene.facts.state(&stream).and_then(|state| state.get("author")?.as_str());
        must(author == Some(organisation.as_str()), || Refusal::NotYours {
            stream: stream.clone(),
            organisation: organisation.clone(),
        })?;
    }
    Ok(())
}

fn reviewed(scene: &Scene<'_>) -> Result<(), Refusal> {
    let none = Vec::new();
    let tags = scene.field("tags").and_then(Value::as_array).unwrap_or(&none);
    let asked = scene.state.get("reviews").and_then(Value::as_i64);
    let needed = asked.or_else(|| scene.table.limit("reviews")).unwrap_or(i64::MAX);
    let found = i64::try_from(tags.len()).unwrap_or(0);
    must(found >= needed, || Refusal::TooFewReviews { found, needed })?;
    let signatory = scene.state.get("signatory");
    must(signatory.is_none_or(|tag| !tags.contains(tag)), || Refusal::SamePerson {
        field: "tags".to_owned(),
        member: "signatory".to_owned(),
    })
}
