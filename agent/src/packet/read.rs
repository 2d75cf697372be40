//! Reading a request out of a crate, and the structural check of the profile's MUSTs.

use serde_json::Value;

use super::bag::Bag;
use super::facts::{Notes, read_root};
use super::graph::{CrateError, Entity, Graph, Target, only_ref, refs, target, types};
use super::model::{METADATA_PATH, Request};
use super::rules::{self, Finding};

const RO_CRATE: &str = "https://w3id.org/ro/crate/1.";
pub(super) const ROOT: &str = "./";

/// What a request crate says, and what was noticed while reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The facts; nothing else of the crate is ever carried on.
    pub request: Request,
    /// Ids of actions that claim an assessment, a download or another step of a TRE. A client cannot make such
    /// claims, so they are not part of `request`; the profile asks that they be removed.
    pub dropped: Vec<String>,
    /// What the profile or RO-Crate recommends and the crate does not do.
    pub warnings: Vec<Finding>,
}

/// Where a run stands by its `actionStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// Asked for.
    Potential,
    /// Running.
    Active,
    /// Done.
    Completed,
    /// Not done.
    Failed,
}

impl RunStatus {
    /// Reads a status with the spellings of published crates: `http` or `https`, a string or a reference, and the two
    /// misspellings of "Completed" in the profile's own examples.
    pub(super) fn read(action: &Entity) -> Option<Self> {
        match only_ref(action, "actionStatus")?.rsplit('/').next()? {
            "PotentialActionStatus" => Some(Self::Potential),
            "ActiveActionStatus" => Some(Self::Active),
            "CompletedActionStatus" | "CompleteActionStatus" | "CompletetedActionStatus" => {
                Some(Self::Completed)
            }
            "FailedActionStatus" => Some(Self::Failed),
            _ => None,
        }
    }

    /// Whether the status is spelt as the profile does: as text, with the `http` address.
    pub(super) fn is_plain(action: &Entity) -> bool {
        const SPELT: [&str; 4] = ["Potential", "Active", "Completed", "Failed"];
        let text = action
            .get("actionStatus")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let word = text.strip_prefix("http://schema.org/").unwrap_or_default();
        word.strip_suffix("ActionStatus")
            .is_some_and(|word| SPELT.contains(&word))
    }
}

/// Reads a bag's crate as a request.
///
/// Tolerated, because published crates do it: `type` for `@type`, one reference where a list belongs, a missing name or
/// licence of the root, members that are not described, `1.2-DRAFT`. Checked are the MUSTs of Five Safes RO-Crate 0.4 for
/// a request that show without JSON-LD expansion; a context that would give the names read here another meaning is a
/// breach, so that what is read here is what others see.
///
/// # Errors
/// [`CrateError::Breaches`] with every broken rule, or why the file cannot be read at all.
pub fn read_request(bag: &Bag) -> Result<Reading, CrateError> {
    let bytes = bag.payload.get(METADATA_PATH).ok_or(CrateError::NoMetadata)?;
    let graph = Graph::parse(bytes)?;
    let mut notes = Notes::default();
    check_context(&graph.context, &mut notes);
    check_descriptor(&graph, &mut notes);
    check_entities(&graph, &mut notes);
    let request = read_root(&graph, &bag.payload, &mut notes);
    let Some(request) = request.filter(|_| notes.breaches.is_empty()) else {
        return Err(CrateError::Breaches(notes.breaches));
    };
    let uuid = request.run.id.get(request.run.id.len().saturating_sub(36)..);
    let own_id = uuid.and_then(|text| uuid::Uuid::try_parse(text).ok());
    notes.hold(
        own_id.is_some_and(|id| id != bag.external_identifier),
        &rules::RUN_ID,
        &request.run.id,
    );
    let mut dropped = Vec::new();
    for entity in graph.entities.values() {
        find_claims(entity, &mut dropped);
    }
    Ok(Reading {
        request,
        dropped,
        warnings: notes.warnings,
    })
}

/// The status of the run that a crate of any phase mentions; nothing if it mentions none or states none.
///
/// # Errors
/// The metadata file is missing or unreadable.
pub fn read_run_status(bag: &Bag) -> Result<Option<RunStatus>, CrateError> {
    let graph = Graph::parse(bag.payload.get(METADATA_PATH).ok_or(CrateError::NoMetadata)?)?;
    let mentions = graph
        .get(ROOT)
        .map(|root| refs(root, "mentions"))
        .unwrap_or_default();
    let run = mentions.into_iter().find(|id| graph.has_type(id, "CreateAction"));
    Ok(run.and_then(|id| graph.get(id)).and_then(RunStatus::read))
}

/// The path of the file to run: the main entity of the workflow's copy in the bag.
///
/// Nothing if the bag holds no copy, or the copy's own metadata names no file of it.
pub fn workflow_file(bag: &Bag, request: &Request) -> Option<String> {
    let folder = request.workflow.folder.as_deref()?;
    let graph = Graph::parse(bag.payload.get(&format!("{folder}{METADATA_PATH}"))?).ok()?;
    let Target::File(path) = target(only_ref(graph.get(ROOT)?, "mainEntity")?) else {
        return None;
    };
    let path = format!("{folder}{path}");
    bag.payload.contains_key(&path).then_some(path)
}

/// The context is RO-Crate's, and additions may only add.
pub(super) fn check_context(context: &Value, notes: &mut Notes) {
    let parts = match context {
        Value::Array(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let is_ro_crate = |part: &Value| part.as_str().is_some_and(|uri| uri.starts_with(RO_CRATE));
    let adds_only = |part: &Value| {
        part.as_object().is_some_and(|terms| {
            terms.iter().all(|(term, meaning)| {
                !READ_TERMS.split(' ').any(|read| read == term) && is_plain_meaning(term, meaning)
            })
        })
    };
    let holds = parts.first().is_some_and(is_ro_crate) && parts.iter().skip(1).all(adds_only);
    notes.hold(holds, &rules::CRATE_CONTEXT, "@context");
}

/// A term that maps to an IRI and is neither a keyword nor another name for one.
fn is_plain_meaning(term: &str, meaning: &Value) -> bool {
    !term.starts_with('@') && meaning.as_str().is_some_and(|iri| !iri.starts_with('@'))
}

/// Terms whose meaning this module relies on.
const READ_TERMS: &str = "about actionStatus affiliation agent AssessAction conformsTo CreateAction Dataset DataDownload \
    datePublished description distribution exampleOfWork File FormalParameter funding hasPart \
    identifier instrument license mainEntity member memberOf mentions name object Organization \
    Person Project PropertyValue result sameAs schema sourceOrganization type value";

pub(super) fn check_descriptor(graph: &Graph, notes: &mut Notes) {
    let id = METADATA_PATH;
    let descriptor = graph.get(id).or_else(|| graph.get("./ro-crate-metadata.json"));
    let is_about_root = descriptor.is_some_and(|entity| only_ref(entity, "about") == Some(ROOT));
    notes.hold(is_about_root, &rules::CRATE_DESCRIPTOR, id);
    let Some(descriptor) = descriptor else { return };
    let minor = |uri: &str| -> Option<u32> {
        let rest = uri.strip_prefix(RO_CRATE)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let conforms = refs(descriptor, "conformsTo");
    let is_new = conforms
        .iter()
        .any(|uri| minor(uri).is_some_and(|minor| minor >= 2));
    notes.hold(is_new, &rules::CRATE_VERSION, id);
    let is_draft = conforms
        .iter()
        .any(|uri| minor(uri).is_some() && uri.ends_with("-DRAFT"));
    notes.hold(!is_draft, &rules::TOLERATED_DRAFT, id);
}

/// What holds for every entity: it has its type where JSON-LD wants it, and names nothing outside of the crate.
pub(super) fn check_entities(graph: &Graph, notes: &mut Notes) {
    for (id, entity) in &graph.entities {
        let is_typed = !entity.contains_key("type") || entity.contains_key("@type");
        notes.hold(is_typed, &rules::TOLERATED_TYPE, id);
        check_references(entity, notes);
    }
}

fn check_references(entity: &Entity, notes: &mut Notes) {
    if let Some(id) = entity.get("@id").and_then(Value::as_str) {
        notes.hold(target(id) != Target::Forbidden, &rules::CRATE_REFERENCE, id);
    }
    entity.values().for_each(|value| check_nested(value, notes));
}

fn check_nested(value: &Value, notes: &mut Notes) {
    match value {
        Value::Object(entity) => check_references(entity, notes),
        Value::Array(list) => list.iter().for_each(|value| check_nested(value, notes)),
        _ => {}
    }
}

/// Collects every action but `CreateAction`, at any depth, that the crate describes.
fn find_claims(entity: &Entity, dropped: &mut Vec<String>) {
    if types(entity).any(|name| name.ends_with("Action") && name != "CreateAction") {
        let id = entity.get("@id").and_then(Value::as_str).unwrap_or("(no @id)");
        dropped.push(id.to_owned());
    }
    for value in entity.values() {
        find_nested(value, dropped);
    }
}

fn find_nested(value: &Value, dropped: &mut Vec<String>) {
    match value {
        Value::Object(entity) => find_claims(entity, dropped),
        Value::Array(list) => list.iter().for_each(|value| find_nested(value, dropped)),
        _ => {}
    }
}
