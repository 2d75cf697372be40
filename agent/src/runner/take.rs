//! Taking a job into the controlled zone: the packet is fetched and checked again, as if nobody had.

use std::collections::BTreeSet;

use daybook_core::base64url;
use serde_json::{Value, json};

use super::RunnerError;
use super::work::{Runner, since};
use crate::link::wire::{JobView, WorkflowFiles};
use crate::packet::{Checked, Limits, Payload, RefusalCode, Refused, check, workflow_digest};
use crate::spool::JobFolder;

const PACKET: &str = "packet.zip";
const WORKFLOW: &str = "workflow.json";
/// When the job was taken.
const TAKEN: &str = "taken.json";

impl Runner {
    /// Admits a job, refuses it, or puts it on hold.
    pub(super) async fn take(&mut self, view: &JobView) -> Result<(), RunnerError> {
        if !self.lease(view.id).await? {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        self.fetch(view, &folder).await?;
        let at = since(&folder, TAKEN)?;
        if !self.is_due(at) {
            return Ok(());
        }
        let checked = Self::checked(&folder)?;
        let fits = checked.and_then(|checked| {
            self.fits(view, &checked)?;
            self.images.wanted(&self.engine, &checked).map(drop)
        });
        if let Err(refused) = fits {
            let sealed = vec![
                ("reason", Value::from(refused.code.as_str())),
                ("text", Value::from(refused.text.clone())),
            ];
            return self.say(view, "refused", "job-refused", json!({}), sealed).await;
        }
        if let Some(gate) = self.passes(view).await? {
            self.say(
                view,
                "admitted",
                "job-admitted",
                Value::Object(gate.fields),
                Vec::new(),
            )
            .await?;
        }
        Ok(())
    }

    /// Brings what a run needs into the job's folder, unless it is there: another runner may have taken the job.
    pub(super) async fn fetch(&self, view: &JobView, folder: &JobFolder) -> Result<(), RunnerError> {
        folder.make("")?;
        if !folder.has(PACKET) {
            self.client.packet(view.id, &folder.file(PACKET)).await?;
        }
        if !folder.has(WORKFLOW) {
            let thing = view.workflow.as_ref().ok_or(RunnerError::View("workflow"))?;
            self.client.thing(thing, &folder.file(WORKFLOW)).await?;
        }
        Ok(())
    }

    /// The packet with the workflow that the relay retrieved; a refusal where one of them is not what it should be.
    pub(super) fn checked(folder: &JobFolder) -> Result<Result<Checked, Refused>, RunnerError> {
        let lost = |what| RunnerError::Lost(folder.id(), what);
        let packet = folder.read(PACKET)?.ok_or(lost("the packet"))?;
        let files: WorkflowFiles = folder.read_json(WORKFLOW)?.ok_or(lost("the workflow"))?;
        let mut workflow = Payload::new();
        for (path, text) in files {
            let bytes = base64url::decode(&text).ok_or(lost("a file of the workflow"))?;
            workflow.insert(path, bytes);
        }
        Ok(check(&packet, &Limits::default()).and_then(|checked| {
            let own = checked.workflow_digest();
            if own.is_some_and(|own| own != workflow_digest(&workflow)) {
                let text = "The packet's copy of the workflow is not the registered one: its files have another digest.";
                return Err(Refused::new(RefusalCode::Workflow, text));
            }
            Ok(checked.with_workflow(&workflow))
        }))
    }

    /// Whether the packet names only datasets that the job was signed off for, each by an id that this TRE knows.
    fn fits(&self, view: &JobView, checked: &Checked) -> Result<(), Refused> {
        let granted = view.facts.get("datasets").and_then(Value::as_array);
        let granted: BTreeSet<&str> = granted.into_iter().flatten().filter_map(Value::as_str).collect();
        for name in checked.request.datasets() {
            let known = self.datasets.find(name);
            if known.is_none_or(|known| !granted.contains(known.id.to_string().as_str())) {
                let text = format!(
                    "The packet names the dataset {name}, which is none of those that this TRE gives this job. Name it by \
                     its id in the log, as urn:uuid:…, and submit it for that dataset."
                );
                return Err(Refused::new(RefusalCode::Dataset, &text));
            }
        }
        Ok(())
    }
}
