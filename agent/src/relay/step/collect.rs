//! Collecting: the packet's bytes, as the submission has sealed their digest.

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use serde_json::{Value, json};

use super::{Next, fact, waits};
use crate::client::{ClientError, PacketTooLarge};
use crate::link::wire::{JobView, Thing};
use crate::packet::{RefusalCode, Refused};
use crate::random;
use crate::relay::{PACKET, Relay};

/// Where the bytes lie while they come.
const PART: &str = "packet.part";

impl Relay {
    /// submitted → collected.
    pub(super) async fn collect(&self, view: &JobView) -> Result<Next> {
        let is_refused = self.desk.notes(view.id)?.refusal.is_some();
        if view.packet.is_none() && !is_refused {
            return self.fetch(view).await;
        }
        let clear = json!({ "submission": view.facts.get("submission"), "cause": view.facts.get("cause") });
        self.say(view.id, "job-collected", clear).await?;
        Ok(Next::Again)
    }

    async fn fetch(&self, view: &JobView) -> Result<Next> {
        let (job, folder) = (view.id, self.desk.folder(view.id));
        let identity = self.desk.identity();
        let collected = self.desk.collected(job)?;
        let packet = fact(view, "packet");
        let part = folder.file(PART);
        let fetched = self
            .client
            .fetch_packet(&identity.keys, identity.origin(), packet, &part)
            .await;
        let bytes = match fetched {
            Ok(bytes) => bytes,
            Err(error) => return self.not_fetched(view, collected.found, error),
        };
        let event = self.desk.submission(job)?;
        let stated = self.opened(collected.index, &event, "packet_digest").await?;
        let found = Hash::of(&bytes);
        let is_same = stated.as_ref().and_then(Value::as_str) == Some(found.to_base64url().as_str());
        if !is_same {
            folder.remove(PART)?;
            let text = if stated.is_some() {
                "The packet at the hub is not the one whose digest the submission has sealed. Submit it again."
            } else {
                "The digest of the packet, which the submission has sealed, cannot be read. Submit it again."
            };
            return self.decide_refusal(job, &Refused::new(RefusalCode::Packet, text));
        }
        folder.write(PACKET, &bytes)?;
        folder.remove(PART)?;
        let thing = Thing {
            sha256: found.to_base64url(),
            size: bytes.len() as u64,
        };
        self.desk.note(job, |notes| {
            notes.packet = Some(thing);
            Ok(())
        })?;
        Ok(Next::Again)
    }

    fn not_fetched(&self, view: &JobView, found: i64, error: anyhow::Error) -> Result<Next> {
        if let Some(error) = error.downcast_ref::<PacketTooLarge>() {
            let text = format!("{error}. Send a smaller packet, or ask the TRE.");
            return self.decide_refusal(view.id, &Refused::new(RefusalCode::Packet, &text));
        }
        let is_missing = error
            .downcast_ref::<ClientError>()
            .is_some_and(|error| error.is("not-found"));
        if !is_missing {
            return Err(error).context("the packet cannot be fetched");
        }
        let patience = self.config.packet_patience;
        if random::now().saturating_sub(found) < patience.seconds() {
            return Ok(waits(
                "the team sends the packet: the hub has none under the id that the submission names",
            ));
        }
        let text = "There is no packet at the hub under the id that the submission names. Send it, and submit again.";
        self.decide_refusal(view.id, &Refused::new(RefusalCode::Packet, text))
    }
}
