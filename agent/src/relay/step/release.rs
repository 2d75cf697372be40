//! Release: what came over the link is what was approved, is checked once more, and goes out.

use anyhow::{Context as _, Result};
use daybook_core::id::Stream;
use daybook_core::{Hash, base64url};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Next, at_gate, fact, waits};
use crate::author::Draft;
use crate::link::wire::{JobView, Lapse, OutputsRequest, Thing};
use crate::packet::commitment::commit_files;
use crate::packet::{Bag, Named, Outcome, Output, Review, Step, result_bag};
use crate::random;
use crate::relay::{DeskError, How, RESULT, Relay, ResultPacket};

impl Relay {
    /// cleared → staged, once all of the approved outputs are here.
    pub(super) async fn stage(&self, view: &JobView) -> Result<Next> {
        let Some(outputs) = self.outputs(view)? else {
            return Ok(waits("the runner sends the approved outputs"));
        };
        same(view, &outputs)?;
        self.say(
            view.id,
            "outputs-moved",
            json!({ "outputs": fact(view, "approved") }),
        )
        .await?;
        Ok(Next::Again)
    }

    /// staged → released, after the further check.
    pub(super) async fn release(&self, view: &JobView) -> Result<Next> {
        let Some(outputs) = self.outputs(view)? else {
            return Ok(waits("the runner sends the approved outputs again"));
        };
        if !view.facts.contains_key("rechecked") {
            if self.config.recheck == How::Person {
                return Ok(waits("a person checks once more: `daybook review recheck`"));
            }
            same(view, &outputs)?;
            let clear = json!({ "how": "automatic", "outputs": fact(view, "approved") });
            self.say(view.id, "outputs-rechecked", clear).await?;
            return Ok(Next::Again);
        }
        // A packet that must not leave is not sent first.
        let clear = json!({
            "extent": fact(view, "extent"), "outputs": fact(view, "approved"), "packet": random::id()?,
        });
        if let Some(next) = self
            .held_if_refused(view, self.would_release(view, clear).await)
            .await?
        {
            return Ok(next);
        }
        let made = async || {
            let mut review = self.review(view)?;
            review.publishing = step()?;
            let outcome = outcome(view, outputs)?;
            let checked = self.checked(view.id).await??;
            Ok(result_bag(&checked.bag, &checked.request, &review, &outcome))
        };
        let Some(packet) = self
            .result_packet(view, Some(fact(view, "approved")), made)
            .await?
        else {
            return Ok(Next::Again);
        };
        let clear = json!({
            "extent": fact(view, "extent"), "outputs": fact(view, "approved"), "packet": packet.packet,
        });
        let sealed = vec![("packet_digest", packet.file.sha256.into())];
        let said = self
            .say_sealed(view.id, "job-released", at_gate(view, clear), sealed)
            .await;
        let held = self.held_if_refused(view, said.map(drop)).await?;
        Ok(held.unwrap_or(Next::Again))
    }

    async fn would_release(&self, view: &JobView, clear: Value) -> Result<(), DeskError> {
        let draft = Draft {
            stream: Stream::Job(view.id),
            kind: "job-released",
            clear: at_gate(view, clear),
            sealed: vec![("packet_digest", Hash::of(b"").to_base64url().into())],
        };
        self.desk.would_say(&draft).await
    }

    /// What the rules do not let out waits on hold until it stands again.
    async fn held_if_refused(&self, view: &JobView, said: Result<(), DeskError>) -> Result<Option<Next>> {
        let Err(error) = said else { return Ok(None) };
        let Some(refusal) = error.refusal() else {
            return Err(error.into());
        };
        let lapse = Lapse::from(refusal);
        self.hold(view.id, &lapse.code, &lapse.text).await?;
        Ok(Some(Next::Again))
    }

    /// The outputs that are here, with what was announced; nothing unless they are whole.
    fn outputs(&self, view: &JobView) -> Result<Option<Came>> {
        let Some(list) = self.desk.notes(view.id)?.outputs else {
            return Ok(None);
        };
        let mut files = Vec::new();
        for at in 0..list.files.len() {
            match self.desk.output(view.id, at)? {
                Some(bytes) => files.push(bytes),
                None => return Ok(None),
            }
        }
        Ok(Some(Came { list, files }))
    }

    /// The TRE's side of a result crate, from the times of the events that were said.
    pub(super) fn review(&self, view: &JobView) -> Result<Review> {
        let about = &self.config.about;
        let said = |kind: &str| -> Result<Option<Step>> {
            let Some(at) = self.desk.time_of(view.id, kind) else {
                return Ok(None);
            };
            Ok(Some(Step {
                id: random::id()?,
                ended: Timestamp::from_second(at)?,
            }))
        };
        Ok(Review {
            tre: Named::new(about.url.as_str(), about.name.as_str()),
            software_url: about.url.clone(),
            check: said("job-collected")?.map_or_else(step, Ok)?,
            validation: said("job-checked")?,
            retrieval: said("workflow-retrieved")?,
            sign_off: said("job-signed-off")?,
            policy: Named::new(about.policy.url.as_str(), about.policy.name.as_str()),
            publishing: step()?,
            licence: Named::new(about.licence.url.as_str(), about.licence.name.as_str()),
        })
    }

    /// The packet that goes back with the outputs of that commitment, or with none: made once, and at the hub unless this is a
    /// play in the shadow. Nothing where the job is no longer what it was: people may have taken back meanwhile what was to leave.
    pub(super) async fn result_packet(
        &self,
        view: &JobView,
        outputs: Option<&str>,
        make: impl AsyncFnOnce() -> Result<Bag>,
    ) -> Result<Option<ResultPacket>> {
        let folder = self.desk.folder(view.id);
        // One that was made for another end, with other outputs, is none.
        let known = self.desk.notes(view.id)?.result;
        let known = known.filter(|packet| packet.outputs.as_deref() == outputs);
        let mut packet = if let Some(known) = known {
            known
        } else {
            let bytes = make().await?.to_zip().context("the result cannot be packed")?;
            folder.write(RESULT, &bytes)?;
            let packet = ResultPacket {
                packet: random::id()?,
                file: Thing {
                    sha256: Hash::of(&bytes).to_base64url(),
                    size: bytes.len() as u64,
                },
                outputs: outputs.map(str::to_owned),
                is_uploaded: false,
            };
            self.note_result(view, Some(&packet))?;
            packet
        };
        if self.desk.view(view.id)?.state != view.state {
            self.note_result(view, None)?;
            folder.remove(RESULT)?;
            return Ok(None);
        }
        if !packet.is_uploaded && !self.is_shadow() {
            let bytes = folder
                .read(RESULT)?
                .context("the result is gone from the spool")?;
            let identity = self.desk.identity();
            let sent = self
                .client
                .put_packet(&identity.keys, identity.origin(), packet.packet, bytes)
                .await;
            sent.context("the result cannot be sent to the hub")?;
            packet.is_uploaded = true;
            self.note_result(view, Some(&packet))?;
        }
        Ok(Some(packet))
    }

    fn note_result(&self, view: &JobView, packet: Option<&ResultPacket>) -> Result<()> {
        Ok(self.desk.note(view.id, |notes| {
            notes.result = packet.cloned();
            Ok(())
        })?)
    }
}

/// Outputs that are whole.
struct Came {
    list: OutputsRequest,
    files: Vec<Vec<u8>>,
}

impl Came {
    fn salt(&self) -> Result<[u8; 32]> {
        let salt = base64url::decode(&self.list.salt).and_then(|salt| salt.try_into().ok());
        salt.context("the salt is not 32 bytes")
    }
}

/// What lies on the disk gives the commitment that was approved.
fn same(view: &JobView, came: &Came) -> Result<()> {
    let files = came
        .list
        .files
        .iter()
        .zip(&came.files)
        .map(|(file, bytes)| (file.path.as_str(), bytes.as_slice()));
    let found = base64url::encode(&commit_files(&came.salt()?, files));
    anyhow::ensure!(
        found == fact(view, "approved"),
        "the outputs in the polling zone are not those that were approved; nothing is released. Look for who changed \
         them, and remove the folder `outputs` of the job: the runner sends them again"
    );
    Ok(())
}

fn outcome(view: &JobView, came: Came) -> Result<Outcome> {
    let salt = came.salt()?;
    let time = |text: &str| {
        text.parse::<Timestamp>()
            .with_context(|| format!("{text:?} is no time"))
    };
    let list = came.list;
    let outputs = list.files.iter().zip(came.files).map(|(file, bytes)| Output {
        path: file.path.clone(),
        name: file.name.clone(),
        media_type: file.media_type.clone(),
        bytes,
    });
    Ok(Outcome::Released {
        started: time(&list.started)?,
        ended: time(&list.ended)?,
        engine: list.engine.clone(),
        disclosure: Step {
            id: random::id()?,
            ended: time(&list.decided)?,
        },
        partial: fact(view, "extent") == "part",
        outputs: outputs.collect(),
        salt,
    })
}

/// A step that ends now.
pub(super) fn step() -> Result<Step> {
    Ok(Step {
        id: random::id()?,
        ended: Timestamp::from_second(random::now())?,
    })
}
