//! Writing a request: its metadata and its bag.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::bag::{Bag, Payload};
use super::model::{Input, InputKind, METADATA_PATH, Named, Request};

pub(super) const PROFILE: &str = "https://w3id.org/5s-crate/0.4";
const RO_CRATE: &str = "https://w3id.org/ro/crate/1.2";
const CONTEXT: &str = "https://w3id.org/ro/crate/1.2/context";
pub(super) const WORKFLOW_CRATE: &str = "https://w3id.org/workflowhub/workflow-ro-crate/1.0";

/// Makes the bag of a request: the metadata and the files that it names.
///
/// `files` are payload files by path, at least the input files and the workflow's folder that `request` names. The top
/// folder is `request-` and the first part of the identifier. Source: Five Safes RO-Crate 0.4, "Requirements".
pub fn request_bag(request: &Request, external_identifier: Uuid, files: Payload) -> Bag {
    let mut payload = files;
    payload.insert(METADATA_PATH.to_owned(), request_metadata(request));
    Bag {
        folder: folder("request", external_identifier),
        external_identifier,
        payload,
    }
}

/// Writes a request's `ro-crate-metadata.json`: Five Safes RO-Crate 0.4 on RO-Crate 1.2.
///
/// Equal requests give equal bytes.
pub fn request_metadata(request: &Request) -> Vec<u8> {
    let mut graph = GraphWriter::default();
    let mut root = root(&mut graph, request);
    let run = run(&mut graph, request, "PotentialActionStatus");
    graph.add(Value::Object(run));
    root.insert("mentions".to_owned(), json!([id(&request.run.id)]));
    root.insert("hasPart".to_owned(), ids(&parts(request)));
    if let Some(made) = request.made {
        root.insert("datePublished".to_owned(), json!(made.to_string()));
    }
    graph.finish(root)
}

pub(super) fn folder(kind: &str, external_identifier: Uuid) -> String {
    let id = external_identifier.to_string();
    format!("{kind}-{}", id.split('-').next().unwrap_or(&id))
}

/// Entities in the order they are added; the first description of an id stays.
#[derive(Default)]
pub(super) struct GraphWriter {
    entities: Vec<Value>,
}

impl GraphWriter {
    pub(super) fn add(&mut self, entity: Value) {
        if !self.entities.iter().any(|known| known["@id"] == entity["@id"]) {
            self.entities.push(entity);
        }
    }

    pub(super) fn add_named(&mut self, kind: &str, named: &Named) {
        self.add(json!({"@id": named.id, "@type": kind, "name": named.name}));
    }

    pub(super) fn finish(self, root: Map<String, Value>) -> Vec<u8> {
        let mut graph = vec![
            json!({
                "@id": METADATA_PATH,
                "@type": "CreativeWork",
                "about": id("./"),
                "conformsTo": id(RO_CRATE),
            }),
            Value::Object(root),
            json!({"@id": PROFILE, "@type": "Profile", "name": "Five Safes RO-Crate profile"}),
        ];
        graph.extend(self.entities);
        let document = json!({"@context": CONTEXT, "@graph": graph});
        format!("{document:#}\n").into_bytes()
    }
}

pub(super) fn id(id: &str) -> Value {
    json!({"@id": id})
}

pub(super) fn ids(list: &[String]) -> Value {
    list.iter().map(|one| id(one)).collect()
}

/// The root without mentions, parts and date, and all entities that describe who asks for what.
pub(super) fn root(graph: &mut GraphWriter, request: &Request) -> Map<String, Value> {
    let project = project(graph, request);
    workflow(graph, request);
    let mut root = object(json!({
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": id(PROFILE),
        "mainEntity": id(&request.workflow.workflow.id),
        "sourceOrganization": id(&project),
    }));
    for (key, value) in [("name", &request.name), ("description", &request.description)] {
        if !value.is_empty() {
            root.insert(key.to_owned(), json!(value));
        }
    }
    if let Some(licence) = &request.licence {
        root.insert("license".to_owned(), id(&licence.id));
        graph.add_named("CreativeWork", licence);
    }
    root
}

/// What the request consists of: the workflow and its copy, and every input that is data.
pub(super) fn parts(request: &Request) -> Vec<String> {
    let mut parts = vec![request.workflow.workflow.id.clone()];
    if let Some(folder) = &request.workflow.folder {
        let folder = path_id(folder);
        if !parts.contains(&folder) {
            parts.push(folder);
        }
    }
    parts.extend(data_inputs(request).map(input_id));
    parts
}

/// The inputs that are data: files of the crate and datasets of the TRE, and not plain values.
pub(super) fn data_inputs(request: &Request) -> impl Iterator<Item = &Input> {
    request
        .inputs
        .iter()
        .filter(|input| !matches!(input.kind, InputKind::Value(_)))
}

/// The `CreateAction` with its people and inputs.
pub(super) fn run(graph: &mut GraphWriter, request: &Request, status: &str) -> Map<String, Value> {
    let person = &request.requester.person;
    let mut agent = object(json!({
        "@id": person.id,
        "@type": "Person",
        "name": person.name,
        "memberOf": [id(&request.project.project.id)],
    }));
    if let Some(organisation) = &request.requester.affiliation {
        agent.insert("affiliation".to_owned(), id(&organisation.id));
        graph.add_named("Organization", organisation);
    }
    graph.add(Value::Object(agent));
    for input in &request.inputs {
        describe_input(graph, input);
    }
    object(json!({
        "@id": request.run.id,
        "@type": "CreateAction",
        "name": request.run.name,
        "actionStatus": format!("http://schema.org/{status}"),
        "agent": id(&person.id),
        "instrument": id(&request.workflow.workflow.id),
        "object": request.inputs.iter().map(|input| id(&input_id(input))).collect::<Value>(),
    }))
}

fn project(graph: &mut GraphWriter, request: &Request) -> String {
    let project = &request.project;
    let mut entity = object(json!({
        "@id": project.project.id,
        "@type": "Project",
        "name": project.project.name,
    }));
    let local: Vec<String> = (1..=project.local_ids.len())
        .map(|n| format!("#project-number-{n}"))
        .collect();
    for (local_id, at) in project.local_ids.iter().zip(&local) {
        graph.add(
            json!({"@id": at, "@type": "PropertyValue", "name": local_id.issuer, "value": local_id.value}),
        );
    }
    let lists = [
        ("identifier", local),
        (
            "funding",
            project.funding.iter().map(|grant| grant.id.clone()).collect(),
        ),
        (
            "member",
            project.members.iter().map(|member| member.id.clone()).collect(),
        ),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            entity.insert(key.to_owned(), ids(&list));
        }
    }
    graph.add(Value::Object(entity));
    project
        .funding
        .iter()
        .for_each(|grant| graph.add_named("Grant", grant));
    project
        .members
        .iter()
        .for_each(|member| graph.add_named("Organization", member));
    project.project.id.clone()
}

fn workflow(graph: &mut GraphWriter, request: &Request) {
    let workflow = &request.workflow;
    let entity = |at: &str| {
        let mut entity = object(json!({
            "@id": at,
            "@type": "Dataset",
            "name": workflow.workflow.name,
            "conformsTo": id(WORKFLOW_CRATE),
        }));
        if let Some(distribution) = &workflow.distribution {
            entity.insert("distribution".to_owned(), id(distribution));
        }
        entity
    };
    graph.add(Value::Object(entity(&workflow.workflow.id)));
    if let Some(folder) = workflow
        .folder
        .as_deref()
        .map(path_id)
        .filter(|at| *at != workflow.workflow.id)
    {
        let mut copy = entity(&folder);
        copy.insert("sameAs".to_owned(), id(&workflow.workflow.id));
        graph.add(Value::Object(copy));
    }
    if let Some(distribution) = &workflow.distribution {
        graph.add(json!({
            "@id": distribution,
            "@type": "DataDownload",
            "name": format!("{} (zip)", workflow.workflow.name),
            "conformsTo": id("https://w3id.org/ro/crate"),
            "encodingFormat": "application/zip",
        }));
    }
    graph.add(json!({"@id": WORKFLOW_CRATE, "@type": "Profile", "name": "Workflow RO-Crate profile"}));
}

pub(super) fn describe_input(graph: &mut GraphWriter, input: &Input) {
    let (kind, value) = match &input.kind {
        InputKind::Dataset => ("Dataset", None),
        InputKind::File => ("File", None),
        InputKind::Value(value) => ("PropertyValue", Some(value)),
    };
    let mut entity = object(json!({"@id": input_id(input), "@type": kind, "name": input.input.name}));
    if let Some(value) = value {
        entity.insert("value".to_owned(), json!(value));
    }
    if let Some(parameter) = &input.parameter {
        entity.insert("exampleOfWork".to_owned(), id(&parameter.id));
        graph.add_named("FormalParameter", parameter);
    }
    graph.add(Value::Object(entity));
}

fn input_id(input: &Input) -> String {
    if input.kind == InputKind::File {
        path_id(&input.input.id)
    } else {
        input.input.id.clone()
    }
}

/// A path as the relative URI reference that RO-Crate 1.2 wants.
pub(crate) fn path_id(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The map inside a JSON object literal.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
