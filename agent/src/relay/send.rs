//! Sending the outbox, in its order, until the log proves that it holds each event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::proof_file::ProofFile;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::patience::Patience;
use super::standing::hold_code;
use super::step::refused;
use super::{DeskError, Relay};
use crate::client::{ClientError, StreamHead};
use crate::outbox::{Item, Outbox};

/// The first and the longest pause after a failure.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_mins(1);
/// How long a proof is waited for before it is asked for again.
const PROOF: Duration = Duration::from_millis(300);
/// Problems that are not about the one event: it stays, and a person must look.
const STUCK: [&str; 9] = [
    "dated-ahead",
    "internal",
    "malformed-request",
    "not-authenticated",
    "not-your-key",
    "other-log",
    "seen-unknown",
    "stopped",
    "unknown-key",
];

/// What became of an event that was sent.
enum Sent {
    Taken,
    /// Not for good.
    Later(ClientError),
    /// Not because of this event.
    Stuck(ClientError),
    /// For good.
    Refused(Value),
}

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    let mut version = relay.desk.version();
    let mut patience = Patience::new(FIRST, LONGEST);
    loop {
        version.mark_unchanged();
        if relay.is_shadow() {
            stop.cancelled().await;
            return;
        }
        let pause = match stop.run_until_cancelled(relay.send_all()).await {
            None => return,
            Some(Ok(is_done)) => {
                patience.reset();
                if is_done { None } else { Some(PROOF) }
            }
            Some(Err(error)) => {
                relay
                    .health
                    .say("outbox", format!("events wait to be sent: {error:#}"));
                Some(patience.pause())
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause.unwrap_or(LONGEST)) => {}
            _ = version.changed(), if pause.is_none() => {}
        }
    }
}

impl Relay {
    /// Sends what waits and fetches the proofs that are there; answers whether nothing waits any more.
    async fn send_all(&self) -> Result<bool> {
        while let Some(item) = self
            .desk
            .with_outbox(|outbox| outbox.unsent().first().map(|item| (*item).clone()))
        {
            match self.send(&item).await? {
                Sent::Taken => {}
                Sent::Later(error) => return Err(error.into()),
                Sent::Stuck(error) => {
                    return Err(error).context("a person must look, nothing is lost meanwhile");
                }
                Sent::Refused(problem) => self.set_aside(&item, problem).await?,
            }
        }
        self.health.clear("outbox");
        let unproved: Vec<Item> = self
            .desk
            .with_outbox(|outbox| outbox.unproved().into_iter().cloned().collect());
        let mut is_done = true;
        for item in unproved {
            is_done &= self.prove(&item).await?;
        }
        Ok(is_done)
    }

    async fn send(&self, item: &Item) -> Result<Sent> {
        let receipt = match self.client.append(&item.event, &item.openings, false).await {
            Ok(receipt) => receipt,
            Err(error) if error.is_passing() => return Ok(Sent::Later(error)),
            Err(ClientError::Problem { document, slug, .. })
                if !STUCK.contains(&slug.as_str()) && !slug.is_empty() =>
            {
                return Ok(Sent::Refused(document));
            }
            Err(error) => return Ok(Sent::Stuck(error)),
        };
        let leaf = item.event.leaf().to_base64url();
        ensure!(
            receipt.leaf_hash == leaf,
            "the hub has acknowledged another event than was sent"
        );
        self.desk
            .with_outbox(|outbox| outbox.set_index(item.number, receipt.index));
        if let Some(witness) = &self.witness {
            witness.expect(receipt.index, *item.event.leaf());
        }
        Ok(Sent::Taken)
    }

    /// Fetches the proof of an event that the hub has taken; answers whether it is there.
    async fn prove(&self, item: &Item) -> Result<bool> {
        let Some(index) = item.index else { return Ok(false) };
        let text = match self.client.proof(index).await {
            Err(error) if error.is("not-published") => return Ok(false),
            outcome => outcome?,
        };
        let identity = self.desk.identity();
        let proof = ProofFile::parse(text.as_bytes()).context("what the hub sent as a proof is none")?;
        ensure!(
            proof.index() == index,
            "the proof of entry {index} is that of another"
        );
        proof
            .verify(item.event.leaf(), &identity.log, identity.origin())
            .with_context(|| {
                format!("the proof of entry {index} does not hold; keep it and tell the operator")
            })?;
        self.desk
            .with_outbox(|outbox| outbox.keep_proof(item.number, &text))?;
        if let Stream::Job(job) = item.event.claims().sub {
            self.desk.refold(job)?;
        }
        Ok(true)
    }

    /// Sets an event aside that the hub refuses for good, with what builds on it, and puts its job on hold where the log has it.
    async fn set_aside(&self, item: &Item, problem: Value) -> Result<()> {
        let claims = item.event.claims();
        let Stream::Job(job) = claims.sub else {
            // Counts of the TRE: they are reported anew where its stream ends by then.
            warn!("The hub refuses {}: {}", claims.kind, reason(&problem));
            let aside = |outbox: &mut Outbox| outbox.set_aside(&claims.sub, claims.seq, problem, None);
            return Ok(self.desk.with_outbox(aside)?);
        };
        let head: StreamHead = self.client.stream_head(&claims.sub.to_string()).await?;
        ensure!(
            head.seq + 1 >= claims.seq,
            "the hub has fewer events of job {job} than it has proved; it may have been restored from an older copy"
        );
        self.keep_foreign(job).await?;
        let leaf = head.leaf_hash.as_deref().and_then(Hash::from_base64url);
        let at = leaf.map(|leaf| (head.seq, leaf));
        let reason = reason(&problem);
        warn!(%job, "The hub refuses {} for good: {reason}", claims.kind);
        self.desk
            .with_outbox(|outbox| outbox.set_aside(&claims.sub, claims.seq, problem.clone(), at))?;
        self.desk.refold(job)?;
        let text = format!(
            "the hub has refused {} ({reason}); it and what followed lie in `refused/`, and the job is on hold",
            claims.kind
        );
        self.health.say(&refused(job), text);
        self.hold_refused(job, &problem).await
    }

    /// Keeps the entries of a job's stream that others have appended.
    async fn keep_foreign(&self, job: Uuid) -> Result<()> {
        let stream = Stream::Job(job);
        let own: BTreeMap<u64, Hash> = self.desk.with_outbox(|outbox| {
            let items = outbox.events(&stream).iter();
            items
                .map(|item| (item.event.claims().seq, *item.event.leaf()))
                .collect()
        });
        for entry in self.client.entries(&stream.to_string(), None).await? {
            let event = Event::parse(&entry.event)?;
            let (seq, leaf) = (event.claims().seq, *event.leaf());
            if event.claims().sub == stream && own.get(&seq) != Some(&leaf) {
                self.desk.keep_foreign(job, &event)?;
            }
        }
        Ok(())
    }

    async fn hold_refused(&self, job: Uuid, problem: &Value) -> Result<()> {
        let view = self.desk.view(job)?;
        if view.is_ended || view.state == "on-hold" {
            return Ok(());
        }
        let code = problem.get("code").and_then(Value::as_str).unwrap_or_default();
        match self.hold(job, hold_code(code), &reason(problem)).await {
            // It cannot be held either: the message stands, and nothing more is said of the job until a person has looked.
            Err(DeskError::Refused(refusal)) => {
                warn!(%job, "The job cannot be held: {refusal}");
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }
}

/// What a problem says, in a sentence.
fn reason(problem: &Value) -> String {
    let text = |name: &str| {
        problem
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let detail = text("detail");
    let said = if detail.is_empty() { text("title") } else { detail };
    said.chars().filter(|c| !c.is_control()).take(1000).collect()
}
