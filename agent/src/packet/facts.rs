//! The facts of a request, entity by entity, noting every rule that is not kept.

use std::collections::BTreeSet;

use super::bag::Payload;
use super::commitment::{OUTPUTS_FOLDER, SALT_PATH};
use super::graph::{Entity, Graph, Target, has_type, only_ref, refs, target, text};
use super::model::{Input, InputKind, LocalId, METADATA_PATH, Named, Project, Request, Requester, Workflow};
use super::preview::PREVIEW_PATH;
use super::read::{ROOT, RunStatus};
use super::rules::{self, Finding, Rule, Severity};

const PROFILES: &str = "https://w3id.org/5s-crate/";
const PROFILE: &str = "https://w3id.org/5s-crate/0.4";
const WORKFLOW_CRATE: &str = "https://w3id.org/workflowhub/workflow-ro-crate";

/// What was noticed so far.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) breaches: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl Notes {
    /// Notes a rule that does not hold for an entity, as its severity has it.
    pub(super) fn hold(&mut self, holds: bool, rule: &'static Rule, entity: &str) {
        if !holds {
            self.add(Finding::new(rule, entity, ""));
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if finding.rule.severity == Severity::Must {
            self.breaches.push(finding);
        } else {
            self.warnings.push(finding);
        }
    }
}

/// The whole request, from the root outwards; nothing if a part is missing without which there is no request.
pub(super) fn read_root(graph: &Graph, payload: &Payload, notes: &mut Notes) -> Option<Request> {
    let root = graph.get(ROOT);
    notes.hold(
        root.is_some_and(|root| has_type(root, "Dataset")),
        &rules::ROOT_DATASET,
        ROOT,
    );
    let root = root?;
    check_root(root, payload, notes);
    let runs: Vec<&str> = refs(root, "mentions")
        .into_iter()
        .filter(|id| graph.has_type(id, "CreateAction"))
        .collect();
    notes.hold(runs.len() == 1, &rules::RUN_ONE, ROOT);
    let main = only_ref(root, "mainEntity");
    notes.hold(main.is_some(), &rules::WORKFLOW_ONE, ROOT);
    let project_id = only_ref(root, "sourceOrganization");
    notes.hold(project_id.is_some(), &rules::PROJECT_ONE, ROOT);

    let project = project_id.map(|id| read_project(graph, id, notes));
    let workflow = main.map(|id| read_workflow(graph, root, id, payload, notes));
    let run_id = *runs.first()?;
    let run = graph.get(run_id)?;
    check_run(run, run_id, main, notes);
    let requester = read_requester(graph, run_id, run, project_id, notes);
    let inputs = read_inputs(graph, run, payload, notes);
    let licence = only_ref(root, "license").or_else(|| only_ref(root, "licence"));
    Some(Request {
        name: text(root, "name"),
        description: text(root, "description"),
        made: text(root, "datePublished").parse().ok(),
        licence: licence.map(|id| graph.named(id)),
        run: graph.named(run_id),
        requester: requester?,
        project: project?,
        workflow: workflow?,
        inputs: inputs?,
    })
}

fn check_root(root: &Entity, payload: &Payload, notes: &mut Notes) {
    let profiles: Vec<&str> = refs(root, "conformsTo")
        .into_iter()
        .filter(|uri| uri.starts_with(PROFILES))
        .collect();
    notes.hold(!profiles.is_empty(), &rules::ROOT_PROFILE, ROOT);
    notes.hold(
        profiles.iter().all(|uri| *uri == PROFILE),
        &rules::ROOT_VERSION,
        ROOT,
    );
    let is_spelt_otherwise = root.contains_key("licence") && !root.contains_key("license");
    notes.hold(!is_spelt_otherwise, &rules::TOLERATED_LICENCE, ROOT);
    let lacks: Vec<&str> = ["name", "description", "datePublished", "license"]
        .into_iter()
        .filter(|key| !root.contains_key(*key) && (*key != "license" || !is_spelt_otherwise))
        .collect();
    if !lacks.is_empty() {
        notes.add(Finding::new(&rules::ROOT_ABOUT, ROOT, lacks.join(", ")));
    }
    notes.hold(
        root.get("mentions").is_none_or(serde_json::Value::is_array),
        &rules::TOLERATED_MENTIONS,
        ROOT,
    );
    for id in refs(root, "hasPart") {
        check_part(id, payload, notes);
    }
}

fn check_run(run: &Entity, run_id: &str, main: Option<&str>, notes: &mut Notes) {
    notes.hold(
        only_ref(run, "instrument") == main,
        &rules::RUN_INSTRUMENT,
        run_id,
    );
    let status = RunStatus::read(run);
    let is_pending = status == Some(RunStatus::Potential) || !run.contains_key("actionStatus");
    notes.hold(is_pending, &rules::RUN_STATUS, run_id);
    notes.hold(
        status.is_none() || RunStatus::is_plain(run),
        &rules::TOLERATED_STATUS,
        run_id,
    );
    notes.hold(text(run, "name").chars().count() >= 10, &rules::RUN_NAME, run_id);
}

pub(super) fn read_project(graph: &Graph, id: &str, notes: &mut Notes) -> Project {
    notes.hold(graph.has_type(id, "Project"), &rules::PROJECT_TYPE, id);
    let empty = Entity::new();
    let entity = graph.get(id).unwrap_or(&empty);
    let local_ids = refs(entity, "identifier")
        .into_iter()
        .filter_map(|id| graph.get(id))
        .map(|value| LocalId {
            issuer: text(value, "name"),
            value: text(value, "value"),
        });
    let members: Vec<_> = refs(entity, "member")
        .into_iter()
        .map(|id| graph.named(id))
        .collect();
    for member in &members {
        let is_described = graph.get(&member.id).is_some();
        notes.hold(is_described, &rules::TOLERATED_MEMBER, &member.id);
    }
    Project {
        project: graph.named(id),
        local_ids: local_ids.collect(),
        funding: refs(entity, "funding")
            .into_iter()
            .map(|id| graph.named(id))
            .collect(),
        members,
    }
}

pub(super) fn read_workflow(
    graph: &Graph,
    root: &Entity,
    id: &str,
    payload: &Payload,
    notes: &mut Notes,
) -> Workflow {
    notes.hold(graph.has_type(id, "Dataset"), &rules::WORKFLOW_DATASET, id);
    check_part(id, payload, notes);
    let empty = Entity::new();
    let entity = graph.get(id).unwrap_or(&empty);
    let conforms = refs(entity, "conformsTo")
        .iter()
        .any(|uri| uri.starts_with(WORKFLOW_CRATE));
    notes.hold(conforms, &rules::WORKFLOW_CONFORMS, id);
    let copy = refs(root, "hasPart").into_iter().find(|part| {
        let same = graph
            .get(part)
            .is_some_and(|entity| refs(entity, "sameAs").contains(&id));
        (same || *part == id) && matches!(target(part), Target::Folder(_))
    });
    let copy = copy.or_else(|| Some(id).filter(|id| matches!(target(id), Target::Folder(_))));
    let folder = copy.and_then(|part| match target(part) {
        Target::Folder(path) => Some(path),
        _ => None,
    });
    if let Some(folder) = &folder {
        notes.hold(!is_reserved(folder), &rules::PLACE_RESERVED, folder);
    }
    let distribution = only_ref(entity, "distribution").map(ToOwned::to_owned);
    notes.hold(
        distribution.is_some() || folder.is_some(),
        &rules::WORKFLOW_PLACE,
        id,
    );
    Workflow {
        workflow: graph.named(id),
        distribution,
        folder,
    }
}

fn read_requester(
    graph: &Graph,
    run_id: &str,
    run: &Entity,
    project: Option<&str>,
    notes: &mut Notes,
) -> Option<Requester> {
    let id = only_ref(run, "agent");
    notes.hold(id.is_some(), &rules::AGENT_ONE, run_id);
    let id = id?;
    notes.hold(graph.has_type(id, "Person"), &rules::AGENT_PERSON, id);
    let person = graph.get(id)?;
    let affiliation = only_ref(person, "affiliation").map(|id| graph.named(id));
    let is_described = affiliation
        .as_ref()
        .is_some_and(|organisation| graph.has_type(&organisation.id, "Organization"));
    notes.hold(is_described, &rules::AGENT_AFFILIATION, id);
    let on_project = project.is_some_and(|project| refs(person, "memberOf").contains(&project));
    notes.hold(on_project, &rules::AGENT_PROJECT, id);
    Some(Requester {
        person: graph.named(id),
        affiliation,
    })
}

/// All inputs are read before one that cannot be ends the reading, so that every breach is told at once.
fn read_inputs(graph: &Graph, run: &Entity, payload: &Payload, notes: &mut Notes) -> Option<Vec<Input>> {
    let ids = refs(run, "object");
    let inputs: Vec<Option<Input>> = ids
        .into_iter()
        .map(|id| read_input(graph, id, payload, notes))
        .collect();
    let mut filled = BTreeSet::new();
    for input in inputs.iter().flatten() {
        let parameter = input.parameter.as_ref().map(|named| named.name.as_str());
        let parameter = parameter.filter(|name| !name.is_empty());
        notes.hold(parameter.is_some(), &rules::INPUT_PARAMETER, &input.input.id);
        if let Some(name) = parameter
            && !filled.insert(name)
        {
            notes.hold(false, &rules::INPUT_ONCE, &input.input.id);
        }
    }
    inputs.into_iter().collect()
}

fn read_input(graph: &Graph, id: &str, payload: &Payload, notes: &mut Notes) -> Option<Input> {
    let entity = graph.get(id);
    notes.hold(entity.is_some(), &rules::INPUT_DESCRIBED, id);
    let entity = entity?;
    let parameter = only_ref(entity, "exampleOfWork").map(|id| graph.named(id));
    let kind = match target(id) {
        _ if has_type(entity, "PropertyValue") => {
            let value = entity.get("value");
            let is_plain =
                value.is_some_and(|value| value.is_string() || value.is_number() || value.is_boolean());
            is_plain.then(|| InputKind::Value(text(entity, "value")))
        }
        Target::File(path) => {
            notes.hold(payload.contains_key(&path), &rules::INPUT_FILE, id);
            notes.hold(!is_reserved(&path), &rules::PLACE_RESERVED, &path);
            let input = Named::new(path, text(entity, "name"));
            return Some(Input {
                input,
                kind: InputKind::File,
                parameter,
            });
        }
        Target::Uri | Target::Local => Some(InputKind::Dataset),
        Target::Folder(_) | Target::Root | Target::Forbidden => None,
    };
    notes.hold(kind.is_some(), &rules::INPUT_KIND, id);
    Some(Input {
        input: graph.named(id),
        kind: kind?,
        parameter,
    })
}

/// Whether a path of the payload is where a TRE writes.
pub(super) fn is_reserved(path: &str) -> bool {
    [METADATA_PATH, SALT_PATH, PREVIEW_PATH].contains(&path) || path.starts_with(OUTPUTS_FOLDER)
}

/// A part of the crate is on the web, or really in the bag.
fn check_part(id: &str, payload: &Payload, notes: &mut Notes) {
    let there = match target(id) {
        Target::Uri | Target::Local => true,
        Target::File(path) => payload.contains_key(&path),
        Target::Folder(path) => payload.keys().any(|name| name.starts_with(&path)),
        Target::Root | Target::Forbidden => false,
    };
    notes.hold(there, &rules::PART_PRESENT, id);
}
