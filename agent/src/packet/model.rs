//! What a request says, in plain types; both directions of the metadata go through these.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::bag::Payload;
use super::manifest::sha512_hex;

/// The metadata file, relative to the crate's root.
pub const METADATA_PATH: &str = "ro-crate-metadata.json";

/// Something that the crate names by an id and a name for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Absolute URI, or a `#fragment` of this crate.
    pub id: String,
    /// Name for people; empty if the crate gives none.
    pub name: String,
}

impl Named {
    /// Both at once.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
        }
    }
}

/// The person who asks for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// The person, usually by ORCID.
    pub person: Named,
    /// Their organisation.
    pub affiliation: Option<Named>,
}

/// A project's number at one TRE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalId {
    /// The TRE that uses it.
    pub issuer: String,
    /// The number.
    pub value: String,
}

/// The project that answers for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project.
    pub project: Named,
    /// Its numbers at TREs.
    pub local_ids: Vec<LocalId>,
    /// Its grants.
    pub funding: Vec<Named>,
    /// Its organisations.
    pub members: Vec<Named>,
}

/// The workflow to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Versioned permalink, or a folder of the crate ending in `/`.
    pub workflow: Named,
    /// Where its Workflow RO-Crate can be had as a zip.
    pub distribution: Option<String>,
    /// Folder of this crate that holds a copy of it, ending in `/`.
    pub folder: Option<String>,
}

/// What an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// Data that the TRE holds, by its id alone.
    Dataset,
    /// A file of the crate.
    File,
    /// A plain value.
    Value(String),
}

/// One input of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The input; for [`InputKind::File`] the id is the file's path, for [`InputKind::Dataset`] the dataset's id.
    pub input: Named,
    /// What it is.
    pub kind: InputKind,
    /// The workflow's parameter that it fills.
    pub parameter: Option<Named>,
}

/// A request to run a workflow: the content of a submission's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Title of the crate; empty if it has none.
    pub name: String,
    /// What it is, in a sentence; empty if it says nothing.
    pub description: String,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// Licence or conditions of the crate.
    pub licence: Option<Named>,
    /// The `CreateAction` that stands for the requested run; its id should hold a UUID other than the bag's.
    pub run: Named,
    /// Who asks.
    pub requester: Requester,
    /// For which project.
    pub project: Project,
    /// What to run.
    pub workflow: Workflow,
    /// On what.
    pub inputs: Vec<Input>,
}

impl Request {
    /// The ids of the datasets that the run wants to read, in the order of the crate.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.inputs
            .iter()
            .filter(|input| input.kind == InputKind::Dataset)
            .map(|input| input.input.id.as_str())
    }

    /// Whether a file of the payload is an input, or part of the workflow's copy.
    pub fn names(&self, path: &str) -> bool {
        let folder = self.workflow.folder.as_deref();
        folder.is_some_and(|folder| path.starts_with(folder))
            || self
                .inputs
                .iter()
                .any(|input| input.kind == InputKind::File && input.input.id == path)
    }

    /// The workflow's parameters as JSON, by their names: what an approval's schema is held against.
    ///
    /// A value is what an engine hands over, [`plain_value`]; a dataset is `{"dataset": id}`; a file of the packet is
    /// `{"file": path, "bytes": n, "sha512": hexadecimal}`. Inputs that fill no parameter reach no workflow and are left out.
    pub fn arguments(&self, payload: &Payload) -> Map<String, Value> {
        let value = |input: &Input| match &input.kind {
            InputKind::Value(text) => plain_value(text),
            InputKind::Dataset => json!({ "dataset": input.input.id }),
            InputKind::File => {
                let bytes = payload
                    .get(&input.input.id)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                json!({ "file": input.input.id, "bytes": bytes.len(), "sha512": sha512_hex(bytes) })
            }
        };
        let filled = |input: &Input| Some((input.parameter.as_ref()?.name.clone(), value(input)));
        self.inputs.iter().filter_map(filled).collect()
    }

    /// The value given to the workflow's parameter of this name.
    pub fn value(&self, parameter: &str) -> Option<&str> {
        self.inputs
            .iter()
            .find_map(|input| match (&input.kind, &input.parameter) {
                (InputKind::Value(value), Some(filled)) if filled.name == parameter => Some(value.as_str()),
                _ => None,
            })
    }
}

/// The value that a workflow gets for a text: a boolean or whole number where it reads as one, else the text.
pub fn plain_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Bool(_)) => value,
        Ok(value) if value.is_i64() => value,
        _ => Value::String(text.to_owned()),
    }
}

/// The id of the `CreateAction` for a run's UUID.
pub fn run_id(id: Uuid) -> String {
    format!("#run-{id}")
}
