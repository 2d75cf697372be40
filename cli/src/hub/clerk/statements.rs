//! What the clerk says of the log itself: anchors and heads.

use anyhow::{Context as _, Result};
use daybook_core::base64url;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::note::{Note, NoteSignature};
use daybook_core::trust::TrustPolicy;
use daybook_store::publish::Released;
use serde_json::{Map, Value, json};

use super::Clerk;

/// Seconds between two anchors.
const ANCHORS: i64 = 60 * 60;
/// Seconds between two commitments of heads.
const HEADS: i64 = 24 * 60 * 60;
/// Cosignatures of an anchor at most, as the rules say.
const MAX_COSIGNATURES: usize = 16;

impl Clerk {
    /// Says what is due, if anybody else has said something since.
    pub(super) async fn state(&mut self, now: i64) -> Result<()> {
        let size = self.head.borrow().size;
        if size <= self.stated {
            return Ok(());
        }
        self.anchor(now).await?;
        self.commit_heads(now).await?;
        self.stated = self.head.borrow().size;
        Ok(())
    }

    /// When the clerk said something last, in seconds since 1970, and about which size; 0 before the first time.
    async fn last(&self, kind: &str) -> Result<(i64, u64)> {
        let stream = Stream::Log.to_string();
        let Some(entry) = self.reader.last_of(&stream, kind).await? else {
            return Ok((0, 0));
        };
        let event = Event::parse(&entry.event)?;
        let size = event
            .claims()
            .data
            .get("size")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        Ok((event.claims().iat, size))
    }

    /// Puts the newest checkpoint that any witness has cosigned into the log.
    async fn anchor(&self, now: i64) -> Result<()> {
        let Some(witnesses) = &self.witnesses else {
            return Ok(());
        };
        let Some(newest) = witnesses.published().latest() else {
            return Ok(());
        };
        // One that the quorum has cosigned says more than a newer one that has some lines.
        let cosigned = witnesses
            .witnessed()
            .unwrap_or_else(|| witnesses.decorated(newest));
        let Some(data) = anchor(&cosigned, witnesses.policy()) else {
            return Ok(());
        };
        let (at, size) = self.last("checkpoint-anchored").await?;
        if now < at + ANCHORS || cosigned.head.size <= size {
            return Ok(());
        }
        self.say_of_log("checkpoint-anchored", data, now).await
    }

    async fn commit_heads(&self, now: i64) -> Result<()> {
        let (at, size) = self.last("heads-committed").await?;
        if now < at + HEADS {
            return Ok(());
        }
        let heads = self.reader.committed_heads().await?;
        if heads.size <= size || heads.streams == 0 {
            return Ok(());
        }
        let data =
            json!({ "size": heads.size, "heads": heads.root.to_base64url(), "streams": heads.streams });
        self.say_of_log("heads-committed", members(data), now).await
    }

    async fn say_of_log(&self, kind: &str, data: Map<String, Value>, now: i64) -> Result<()> {
        let released = self.published.latest().context("nothing is published yet")?;
        let head = self.reader.stream_head(&Stream::Log.to_string()).await?;
        let place = head.map_or((0, None), |head| (head.seq, head.leaf));
        self.say(kind, data, place, released.head, now).await?;
        Ok(())
    }
}

/// What `checkpoint-anchored` holds of a note; none where no witness has cosigned it.
fn anchor(released: &Released, policy: &TrustPolicy) -> Option<Map<String, Value>> {
    let note = Note::parse(released.note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.text()).ok()?;
    let (log, witnesses) = note.signatures().split_first()?;
    let of = |line: &NoteSignature| {
        // A line holds the id of its key only; the key is what a verifier needs who has no policy.
        let witness = policy
            .witnesses()
            .iter()
            .find(|one| one.key.is_claimed_by(line))?;
        let (time, signature) = line.signature().split_first_chunk::<8>()?;
        Some(json!({
            "id": format!("{:08x}", line.key_id()), "key": base64url::encode(witness.key.public_key()),
            "time": u64::from_be_bytes(*time), "signature": base64url::encode(signature),
        }))
    };
    let cosignatures: Vec<Value> = witnesses.iter().filter_map(of).take(MAX_COSIGNATURES).collect();
    if cosignatures.is_empty() {
        return None;
    }
    Some(members(json!({
        "size": checkpoint.size(), "root": checkpoint.root().to_base64url(),
        "signature": base64url::encode(log.signature()), "cosignatures": cosignatures,
    })))
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
