//! Retrieving: the workflow and its images, by digest, from where the log says, as the TRE has approved it.

use anyhow::{Context as _, Result};
use daybook_core::event::Event;
use daybook_core::id::{Stream, Subject, random_id};
use daybook_core::{Hash, base64url};
use serde_json::{Value, json};

use super::{Next, fact};
use crate::link::wire::{Image, JobView, Thing, WorkflowFiles};
use crate::packet::{Payload, RefusalCode, Refused};
use crate::relay::Relay;
use crate::retrieve::{self, Approval, Registered};

impl Relay {
    /// checked: the workflow and its images are there for the runner.
    pub(super) async fn retrieve(&self, view: &JobView) -> Result<Next> {
        if let Some(next) = self.refuse(view).await? {
            return Ok(next);
        }
        let checked = match self.checked(view.id).await? {
            Ok(checked) => checked,
            Err(refused) => return self.decide_refusal(view.id, &refused),
        };
        let Some(approval) = self.approval_of_workflow(view).await? else {
            let text = "The TRE has not approved this workflow, or not any more.";
            return self.decide_refusal(view.id, &Refused::new(RefusalCode::Approval, text));
        };
        let registered = self.registered(view).await?;
        let retrieved = match self.retriever.retrieve(&registered, &approval, &checked).await {
            Ok(retrieved) => retrieved,
            Err(error) => match error.refusal() {
                Some(refused) => return self.decide_refusal(view.id, &refused),
                None => return Err(error).context("the workflow cannot be retrieved"),
            },
        };
        let workflow = self.keep_workflow(&retrieved.files)?;
        let mut images = Vec::new();
        for image in &retrieved.images {
            images.push(self.keep_image(image).await?);
        }
        let digests: Vec<String> = images.iter().map(|image| image.digest.clone()).collect();
        self.desk.note(view.id, |notes| {
            notes.workflow = Some(workflow);
            notes.images = images;
            Ok(())
        })?;
        let clear = json!({
            "digest": registered.digest.to_base64url(), "images": digests, "workflow": view.facts.get("workflow"),
        });
        let scan = retrieved.scan.map(|said| ("scan", Value::from(said)));
        self.say_sealed(view.id, "workflow-retrieved", clear, Vec::from_iter(scan))
            .await?;
        Ok(Next::Again)
    }

    /// The TRE's approval of the workflow, if it stands as far as the relay knows.
    async fn approval_of_workflow(&self, view: &JobView) -> Result<Option<Approval>> {
        let workflow = random_id(fact(view, "workflow"))?;
        let stream = Stream::Approval(self.config.tre.clone(), Subject::Workflow, workflow);
        let own = Stream::Tre(self.config.tre.clone());
        let mut standing = self.desk.standing().lock().await;
        let refreshed = standing.refresh(&[own, stream.clone()]).await;
        if standing.state(&stream).is_none() {
            refreshed.context("whether the workflow is approved cannot be asked")?;
        }
        if standing.word(&stream) != "granted" {
            return Ok(None);
        }
        let leaf = |name: &str| Hash::from_base64url(&standing.text(&stream, name));
        Ok(leaf("granted")
            .zip(leaf("cause"))
            .map(|(leaf, cause)| Approval { leaf, cause }))
    }

    /// What the log says of the workflow; the retriever compares it with what the TRE has approved.
    async fn registered(&self, view: &JobView) -> Result<Registered> {
        let stream = format!("workflow/{}", fact(view, "workflow"));
        let entries = self.client.entries(&stream, None).await?;
        let entry = entries
            .first()
            .context("the hub shows no registration of the workflow")?;
        let event = Event::parse(&entry.event)?;
        let openings = self.openings(entry.index, &event).await?;
        Ok(Registered::read(&event, &openings)?)
    }

    /// Keeps a workflow's files as one thing for the runner.
    fn keep_workflow(&self, files: &Payload) -> Result<Thing> {
        let files: WorkflowFiles = files
            .iter()
            .map(|(path, bytes)| (path.clone(), base64url::encode(bytes)))
            .collect();
        let bytes = serde_json::to_vec(&files)?;
        let sha256 = Hash::of(&bytes);
        self.desk.keep_thing(&sha256, &bytes)?;
        Ok(Thing {
            sha256: sha256.to_base64url(),
            size: bytes.len() as u64,
        })
    }

    /// Lends an image of the store to the runner, as a thing.
    async fn keep_image(&self, image: &retrieve::Image) -> Result<Image> {
        let (desk, path) = (self.desk.clone(), image.path.clone());
        let file = tokio::task::spawn_blocking(move || desk.lend_thing(&path)).await??;
        Ok(Image {
            reference: image.reference.clone(),
            digest: image.digest.to_base64url(),
            form: image.form.as_str().to_owned(),
            file,
        })
    }
}
