//! What a registration in the log says of a workflow.

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::sealed::Opening;
use serde_json::Value;
use uuid::Uuid;

use super::error::RetrieveError;

/// One exact version of a workflow, as `workflow-registered` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Leaf hash of the entry; what an approval names.
    pub leaf: Hash,
    /// The workflow.
    pub workflow: Uuid,
    /// SHA-256 of its files, as [`crate::packet::workflow_digest`] takes it.
    pub digest: Hash,
    /// Where it is; nothing if that opening is not at hand.
    pub permalink: Option<String>,
}

impl Registered {
    /// Reads the entry with its public openings, each of which must be one that the entry seals.
    ///
    /// Neither signature nor proof is looked at: whoever relies on it compares the leaf hash with the one that an approval
    /// of the TRE's own names, as [`super::Retriever::retrieve`] does.
    ///
    /// # Errors
    /// [`RetrieveError::NotRegistration`].
    pub fn read(event: &Event, openings: &[Opening]) -> Result<Self, RetrieveError> {
        let claims = event.claims();
        let not = || RetrieveError::NotRegistration(*event.leaf());
        let Stream::Workflow(workflow) = claims.sub else {
            return Err(not());
        };
        let digest = claims.data.get("digest").and_then(Value::as_str);
        let digest = digest.and_then(Hash::from_base64url).ok_or_else(not)?;
        let sealed = claims.data.get("_sd").and_then(Value::as_array);
        let is_sealed = |opening: &Opening| {
            let digest = Value::from(opening.digest().to_base64url());
            sealed.is_some_and(|list| list.contains(&digest))
        };
        if claims.kind != "workflow-registered" || !openings.iter().all(is_sealed) {
            return Err(not());
        }
        let permalink = openings.iter().find(|opening| opening.name() == "permalink");
        let permalink = permalink.and_then(|opening| opening.value().as_str());
        Ok(Self {
            leaf: *event.leaf(),
            workflow,
            digest,
            permalink: permalink.map(ToOwned::to_owned),
        })
    }
}
