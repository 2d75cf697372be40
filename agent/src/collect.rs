//! Collecting what a TRE has released, or says of a job from which nothing is.
//!
//! Nothing is handed over before the job's whole history holds ([`crate::history`]), and the packet is the one of which that
//! history speaks: its digest as the TRE sealed it, its manifests, its crate, and the outputs that people approved.

use daybook_core::Hash;
use daybook_core::base64url;
use daybook_core::sealed::Opening;
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use crate::author::Author;
use crate::client::ClientError;
use crate::history::{HistoryError, JobHistory, Verified, job_history};
use crate::packet::commitment::{self, OUTPUTS_FOLDER};
use crate::packet::{Bag, BagError, Finding, Limits, check_result};

/// Results cannot be handed over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The log.
    #[error("the job's history does not hold")]
    History(#[from] HistoryError),
    /// The hub.
    #[error("the hub did not say what is needed")]
    Client(#[source] anyhow::Error),
    /// Nothing to collect.
    #[error(
        "the TRE has not offered anything to collect yet; its last word is {0}. Look again with `daybook track`"
    )]
    Nothing(String),
    /// Deleted.
    #[error("the results are deleted, as the TRE said in entry {0}; ask the TRE if you need them again")]
    Expired(u64),
    /// Asked back.
    #[error(
        "the TRE has asked for these results back ({reason}, entry {index}); do not use them, and answer the TRE"
    )]
    Recalled {
        /// Where it says so.
        index: u64,
        /// The code of its reason.
        reason: String,
    },
    /// The release is not of what was approved.
    #[error(
        "entry {0} releases other outputs than people approved; keep everything and tell the TRE and an auditor"
    )]
    NotApproved(u64),
    /// What the hub shows as the packet's digest is not what the TRE sealed.
    #[error(
        "the digest of the packet that the hub shows is not the one that the TRE sealed in entry {0}; tell the TRE"
    )]
    Opening(u64),
    /// Another file.
    #[error(
        "the packet is not the one of which the TRE gave the digest; collect it again, and tell the TRE if it stays so"
    )]
    Digest,
    /// No bag.
    #[error("the result packet is not a good bag; tell the TRE")]
    Bag(#[from] BagError),
    /// Of another submission.
    #[error("the packet belongs to the submission {0} and not to this job; tell the TRE")]
    OtherSubmission(Uuid),
    /// A crate that breaks the profile.
    #[error("the crate of the result packet breaks rules: {}; tell the TRE", list(.0))]
    Crate(Vec<Finding>),
    /// Other outputs.
    #[error("the outputs in the packet are not those that were approved; keep the packet and tell the TRE")]
    Outputs,
    /// Outputs where there may be none.
    #[error("the packet holds outputs although nothing was released; do not use them, and tell the TRE")]
    Stray,
}

fn list(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What a TRE offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The packet's id at the hub.
    pub packet: Uuid,
    /// Leaf hash of the event that offers it.
    pub leaf: Hash,
    /// What was let out; nothing for a packet that only tells how the job ended.
    pub released: Option<Released>,
    /// Index of that event.
    index: u64,
}

/// What was let out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Commitment to the outputs, as the event writes it.
    pub outputs: String,
    /// Whether it is all of what was assessed.
    pub is_all: bool,
}

/// A job with something to collect, its history verified.
#[derive(Debug)]
pub struct Collection {
    /// What the log says.
    pub history: JobHistory,
    /// What is offered.
    pub offer: Offer,
    /// SHA-256 of the packet as the TRE sealed it; nothing once that opening was deleted.
    pub digest: Option<Hash>,
}

impl Collection {
    /// Verifies a job's history and finds what the TRE offers; `progress` hears how many entries of how many are verified.
    ///
    /// # Errors
    /// [`CollectError`]: nothing is offered, or something does not hold.
    pub async fn find(
        author: &mut Author,
        job: Uuid,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, CollectError> {
        let client = author.client().clone();
        let history = job_history(&client, author.follower(), job, progress).await?;
        let offer = offer(&history.job)?;
        let origin = author.follower().origin().to_owned();
        let openings = client.openings(Some((&author.keys, &origin)), offer.index).await;
        let openings = openings.map_err(CollectError::Client)?;
        let event = history.job.iter().find(|entry| entry.index == offer.index);
        let digest = event
            .map(|entry| sealed_digest(entry, &openings))
            .transpose()?
            .flatten();
        Ok(Self {
            history,
            offer,
            digest,
        })
    }

    /// Holds a packet against everything that was said of it; answers with its bag.
    ///
    /// # Errors
    /// [`CollectError`] with what does not hold.
    pub fn verify(&self, bytes: &[u8], limits: &Limits) -> Result<Bag, CollectError> {
        if self.digest.is_some_and(|digest| digest != Hash::of(bytes)) {
            return Err(CollectError::Digest);
        }
        let bag = Bag::from_zip(bytes, limits)?;
        if bag.external_identifier != self.history.submission {
            return Err(CollectError::OtherSubmission(bag.external_identifier));
        }
        check_result(&bag).map_err(CollectError::Crate)?;
        let found = commitment::of_released(&bag).map(|found| base64url::encode(&found));
        if let Some(released) = &self.offer.released {
            if found.as_ref() != Some(&released.outputs) {
                return Err(CollectError::Outputs);
            }
        } else if found.is_some() || bag.payload.keys().any(|path| path.starts_with(OUTPUTS_FOLDER)) {
            return Err(CollectError::Stray);
        }
        Ok(bag)
    }

    /// Whether the team has said already that it has this.
    pub fn is_received(&self) -> bool {
        let leaf = self.offer.leaf.to_base64url();
        self.history.sent.iter().any(|entry| {
            let claims = entry.event.claims();
            claims.kind == "results-received" && text(entry, "cause") == leaf
        })
    }
}

fn text<'a>(entry: &'a Verified, name: &str) -> &'a str {
    let value = entry.event.claims().data.get(name);
    value.and_then(Value::as_str).unwrap_or_default()
}

/// The last thing offered, unless it was taken back.
fn offer(job: &[Verified]) -> Result<Offer, CollectError> {
    let mut offer = None;
    let mut approved = "";
    for entry in job {
        let kind = entry.event.claims().kind.as_str();
        match kind {
            "disclosure-approved" => approved = text(entry, "outputs"),
            "outputs-assessed" | "decision-overturned" => {
                approved = "";
                offer = None;
            }
            "job-released" | "packet-offered" => {
                let released = (kind == "job-released").then(|| Released {
                    outputs: text(entry, "outputs").to_owned(),
                    is_all: text(entry, "extent") == "all",
                });
                if released
                    .as_ref()
                    .is_some_and(|released| released.outputs != approved)
                {
                    return Err(CollectError::NotApproved(entry.index));
                }
                let packet = Uuid::try_parse(text(entry, "packet")).unwrap_or_default();
                offer = Some(Offer {
                    packet,
                    leaf: *entry.event.leaf(),
                    released,
                    index: entry.index,
                });
            }
            "results-expired" => return Err(CollectError::Expired(entry.index)),
            "release-recalled" => {
                return Err(CollectError::Recalled {
                    index: entry.index,
                    reason: text(entry, "reason").to_owned(),
                });
            }
            _ => {}
        }
    }
    let last = job.last().map(|entry| entry.event.claims().kind.clone());
    offer.ok_or_else(|| CollectError::Nothing(last.unwrap_or_default()))
}

/// The packet's digest out of the openings that the hub shows, each of which must be one that the event seals.
fn sealed_digest(entry: &Verified, openings: &Value) -> Result<Option<Hash>, CollectError> {
    let not = || CollectError::Opening(entry.index);
    let shown = openings.get("openings").and_then(Value::as_array);
    let shown = shown
        .into_iter()
        .flatten()
        .find(|shown| shown.get("name") == Some(&Value::from("packet_digest")));
    let Some(shown) = shown else { return Ok(None) };
    let opening = shown.get("opening").and_then(Value::as_str);
    let opening = opening
        .and_then(|text| Opening::parse(text).ok())
        .ok_or_else(not)?;
    let digest = opening.digest().to_base64url();
    let is_sealed = entry.event.claims().digests().any(|sealed| sealed == digest);
    let value = opening.value().as_str().and_then(Hash::from_base64url);
    match value.filter(|_| is_sealed && opening.name() == "packet_digest") {
        Some(digest) => Ok(Some(digest)),
        None => Err(not()),
    }
}

impl From<ClientError> for CollectError {
    fn from(error: ClientError) -> Self {
        Self::Client(error.into())
    }
}
