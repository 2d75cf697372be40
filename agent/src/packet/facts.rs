//! The facts of a request, entity by entity, noting every rule that is not kept.

use super::bag::Payload;
use super::graph::{Entity, Finding, Graph, Target, has_type, only_ref, refs, target, text};
use super::model::{Input, InputKind, LocalId, Named, Project, Request, Requester, Workflow};
use super::read::{ROOT, RunStatus};

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
    pub(super) fn must(&mut self, holds: bool, entity: &str, rule: &'static str) -> bool {
        if !holds {
            self.breaches.push(Finding {
                entity: entity.to_owned(),
                rule,
            });
        }
        holds
    }

    pub(super) fn should(&mut self, holds: bool, entity: &str, rule: &'static str) {
        if !holds {
            self.warnings.push(Finding {
                entity: entity.to_owned(),
                rule,
            });
        }
    }
}

/// The whole request, from the root outwards; nothing if a part is missing without which there is no request.
pub(super) fn read_root(graph: &Graph, payload: &Payload, notes: &mut Notes) -> Option<Request> {
    let root = graph.get(ROOT);
    notes.must(
        root.is_some_and(|root| has_type(root, "Dataset")),
        ROOT,
        "must be described as a Dataset",
    );
    let root = root?;
    let profiles: Vec<&str> = refs(root, "conformsTo")
        .into_iter()
        .filter(|uri| uri.starts_with(PROFILES))
        .collect();
    notes.should(
        !profiles.is_empty(),
        ROOT,
        "should conform to https://w3id.org/5s-crate/0.4",
    );
    notes.must(
        profiles.iter().all(|uri| *uri == PROFILE),
        ROOT,
        "must use version 0.4 of the profile",
    );
    for key in ["name", "description", "datePublished"] {
        notes.should(
            root.contains_key(key),
            ROOT,
            "should have name, description and datePublished",
        );
    }
    notes.should(root.contains_key("license"), ROOT, "should have a license");
    for id in refs(root, "hasPart") {
        check_part(id, payload, notes);
    }

    let runs: Vec<&str> = refs(root, "mentions")
        .into_iter()
        .filter(|id| graph.has_type(id, "CreateAction"))
        .collect();
    notes.must(
        runs.len() == 1,
        ROOT,
        "must mention exactly one CreateAction, the requested run",
    );
    let main = only_ref(root, "mainEntity");
    notes.must(
        main.is_some(),
        ROOT,
        "must have exactly one mainEntity, the workflow",
    );
    let project_id = only_ref(root, "sourceOrganization");
    notes.must(
        project_id.is_some(),
        ROOT,
        "must have exactly one sourceOrganization, the project",
    );

    let project = project_id.map(|id| read_project(graph, id, notes));
    let workflow = main.map(|id| read_workflow(graph, root, id, payload, notes));
    let run_id = *runs.first()?;
    let run = graph.get(run_id)?;
    notes.must(
        only_ref(run, "instrument") == main,
        run_id,
        "must have the workflow as its one instrument",
    );
    let status = RunStatus::read(run);
    let pending = status == Some(RunStatus::Potential) || !run.contains_key("actionStatus");
    notes.must(
        pending,
        run_id,
        "must have the status PotentialActionStatus in a request",
    );
    notes.should(
        text(run, "name").chars().count() >= 10,
        run_id,
        "should have a name of at least ten characters",
    );
    let requester = read_requester(graph, run_id, run, project_id, notes);
    // All are read before one that cannot be ends the reading, so that every breach is told at once.
    let inputs: Vec<Option<Input>> = refs(run, "object")
        .into_iter()
        .map(|id| read_input(graph, id, payload, notes))
        .collect();
    let inputs: Option<Vec<Input>> = inputs.into_iter().collect();
    let licence = only_ref(root, "license").map(|id| graph.named(id));
    Some(Request {
        name: text(root, "name"),
        description: text(root, "description"),
        made: text(root, "datePublished").parse().ok(),
        licence,
        run: graph.named(run_id),
        requester: requester?,
        project: project?,
        workflow: workflow?,
        inputs: inputs?,
    })
}

fn read_project(graph: &Graph, id: &str, notes: &mut Notes) -> Project {
    notes.must(
        graph.has_type(id, "Project"),
        id,
        "must be described as a Project",
    );
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
        notes.should(
            graph.get(&member.id).is_some(),
            &member.id,
            "should be described, being a member of the project",
        );
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

fn read_workflow(graph: &Graph, root: &Entity, id: &str, payload: &Payload, notes: &mut Notes) -> Workflow {
    notes.must(
        graph.has_type(id, "Dataset"),
        id,
        "must be described as a Dataset, the workflow's crate",
    );
    check_part(id, payload, notes);
    let empty = Entity::new();
    let entity = graph.get(id).unwrap_or(&empty);
    let conforms = refs(entity, "conformsTo")
        .iter()
        .any(|uri| uri.starts_with(WORKFLOW_CRATE));
    notes.must(
        conforms,
        id,
        "must conform to a version of https://w3id.org/workflowhub/workflow-ro-crate",
    );
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
    let distribution = only_ref(entity, "distribution").map(ToOwned::to_owned);
    notes.should(
        distribution.is_some() || folder.is_some(),
        id,
        "should have a distribution or a copy in the crate",
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
    notes.must(
        id.is_some(),
        run_id,
        "must have exactly one agent, the person who asks",
    );
    let id = id?;
    notes.must(graph.has_type(id, "Person"), id, "must be described as a Person");
    let person = graph.get(id)?;
    let affiliation = only_ref(person, "affiliation").map(|id| graph.named(id));
    if let Some(organisation) = &affiliation {
        let described = graph.has_type(&organisation.id, "Organization");
        notes.should(
            described,
            &organisation.id,
            "should be described as an Organization",
        );
    }
    notes.should(affiliation.is_some(), id, "should have one affiliation");
    let on_project = project.is_some_and(|project| refs(person, "memberOf").contains(&project));
    notes.should(on_project, id, "should be memberOf the project");
    Some(Requester {
        person: graph.named(id),
        affiliation,
    })
}

fn read_input(graph: &Graph, id: &str, payload: &Payload, notes: &mut Notes) -> Option<Input> {
    let entity = graph.get(id);
    notes.must(
        entity.is_some(),
        id,
        "must be described, being an input of the run",
    );
    let entity = entity?;
    let parameter = only_ref(entity, "exampleOfWork").map(|id| graph.named(id));
    notes.should(
        parameter.is_some(),
        id,
        "should be an exampleOfWork of a FormalParameter",
    );
    let kind = match target(id) {
        _ if has_type(entity, "PropertyValue") => Some(InputKind::Value(text(entity, "value"))),
        Target::File(path) => {
            notes.must(
                payload.contains_key(&path),
                id,
                "must be in the bag, being an input file",
            );
            let input = Named::new(path, text(entity, "name"));
            return Some(Input {
                input,
                kind: InputKind::File,
                parameter,
            });
        }
        Target::Uri | Target::Local => Some(InputKind::Dataset),
        Target::Folder(_) | Target::Forbidden => None,
    };
    notes.must(
        kind.is_some(),
        id,
        "must be a file of the bag, a value, or the URI of a dataset",
    );
    Some(Input {
        input: graph.named(id),
        kind: kind?,
        parameter,
    })
}

/// A part of the crate is on the web, or really in the bag.
fn check_part(id: &str, payload: &Payload, notes: &mut Notes) {
    let there = match target(id) {
        Target::Uri | Target::Local => true,
        Target::File(path) => payload.contains_key(&path),
        Target::Folder(path) => payload.keys().any(|name| name.starts_with(&path)),
        Target::Forbidden => false,
    };
    notes.must(
        there,
        id,
        "must be an absolute URI or a path to something in the bag",
    );
}
