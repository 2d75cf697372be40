//! Sending cleared outputs to the polling zone, and nothing besides.

use super::advance::{number, text};
use super::outcome::{Outcome, output};
use super::work::Runner;
use super::{OutputSet, RunnerError};
use crate::link::wire::{JobView, OutputFile, OutputsRequest};
use crate::review::Proposal;

impl Runner {
    /// Sends the outputs that people have agreed on: those of their own decision, under its own salt.
    pub(super) async fn release(&mut self, view: &JobView) -> Result<(), RunnerError> {
        if view.missing.as_ref().is_some_and(Vec::is_empty) || !self.lease(view.id).await? {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        let lost = |what| RunnerError::Lost(view.id, what);
        let set = number(view, "set");
        let decided = Proposal::read(&folder, set)?.ok_or(lost("what was approved"))?;
        if Some(decided.commitment.as_str()) != text(view, "approved") {
            return Err(lost("the approval that the log holds"));
        }
        let weighed = OutputSet::read(&folder, set)?.ok_or(lost("the set that was approved"))?;
        let ended = Outcome::read(&folder, weighed.attempt)?.ok_or(lost("how the run ended"))?;
        let files: Vec<_> = weighed
            .files
            .iter()
            .filter(|file| decided.files.contains(&file.path))
            .collect();
        let request = OutputsRequest {
            salt: decided.salt.clone(),
            started: ended.started.to_string(),
            ended: ended.ended.to_string(),
            decided: decided.decided.unwrap_or(ended.ended).to_string(),
            engine: ended.engine.clone(),
            files: files
                .iter()
                .map(|file| OutputFile {
                    path: file.path.clone(),
                    name: file.path.clone(),
                    media_type: file.media_type.clone(),
                    sha512: file.sha512.clone(),
                    size: file.size,
                })
                .collect(),
        };
        let mut missing = self.client.announce(view.id, &request).await?.missing;
        while let Some(at) = missing.first().copied() {
            let file = files.get(at).ok_or(lost("an output that the relay asks for"))?;
            let bytes = output(&folder, weighed.attempt, &file.path)?.ok_or(lost("an output"))?;
            let left = self.client.output(view.id, at, bytes).await?.missing;
            if left.len() >= missing.len() {
                return Err(RunnerError::View("missing"));
            }
            missing = left;
        }
        Ok(())
    }
}
