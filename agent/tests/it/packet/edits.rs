//! The study's request, changed in one place.

use daybook_agent::packet::{Bag, METADATA_PATH};
use serde_json::Value;

use crate::support::bag;

/// The id of the study's run.
pub(super) const RUN: &str = "#run-37252371-c937-43bd-a0a7-3680b48c0538";
/// Its workflow.
pub(super) const WORKFLOW: &str = "https://workflows.example.org/7?version=1";
/// Its requester.
pub(super) const PERSON: &str = "https://orcid.example.org/0000-0000-0000-0001";
/// Its project.
pub(super) const PROJECT: &str = "urn:uuid:be6ffb55-4f5a-4c14-b60e-47e0951090c7";

pub(super) fn metadata(bag: &Bag) -> Value {
    serde_json::from_slice(&bag.payload[METADATA_PATH]).unwrap()
}

pub(super) fn entity<'a>(document: &'a Value, id: &str) -> &'a Value {
    document["@graph"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entity| entity["@id"] == id)
        .unwrap_or(&Value::Null)
}

/// The study's request after a change of its metadata.
pub(super) fn with(change: impl FnOnce(&mut Value)) -> Bag {
    let mut bag = bag(10);
    let mut document = metadata(&bag);
    change(&mut document);
    bag.payload
        .insert(METADATA_PATH.to_owned(), document.to_string().into_bytes());
    bag
}

pub(super) fn edit<'a>(document: &'a mut Value, id: &str) -> &'a mut Value {
    document["@graph"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|entity| entity["@id"] == id)
        .unwrap()
}
