//! Taking events: the relay's own, and those that come over the link.

use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::sealed::Opening;
use daybook_rules::{EventRule, Refusal, State, Table, check_openings};
use tracing::debug;

use super::job::RESULT;
use super::outputs::OUTPUTS;
use super::{Desk, DeskError, Inner, Notes};
use crate::author::{self, Draft, Signed, sign_at};
use crate::outbox::Place;
use crate::random;

/// After these no output of the job is in the polling zone, and no result that was made holds any more.
const ENDS_OUTPUTS: [&str; 4] = [
    "job-cancelled",
    "disclosure-refused",
    "changes-requested",
    "decision-overturned",
];

/// None of these begins while everything is held.
const BEGINNINGS: [&str; 5] = [
    "job-signed-off",
    "job-admitted",
    "run-started",
    "outputs-moved",
    "job-released",
];

impl Desk {
    /// Where the next event of a job's stream belongs.
    pub fn place(&self, stream: &Stream) -> Result<Place, DeskError> {
        let Stream::Job(job) = stream else {
            return Err(DeskError::NotHere(format!(
                "this relay keeps the streams of jobs, and {stream} is none"
            )));
        };
        let inner = self.lock();
        if inner.jobs.contains_key(job) {
            Ok(inner.outbox.place(stream))
        } else {
            Err(DeskError::NoJob(*job))
        }
    }

    /// Takes an event of the runner or the review service, judged as the hub will judge it; answers once it is on the disk.
    /// The same one again is taken once.
    pub async fn take(&self, event: &Event, openings: &[Opening]) -> Result<(), DeskError> {
        let author = &event.claims().iss;
        let peer = self.identity.peer(author).ok_or_else(|| {
            DeskError::NotHere(format!(
                "{author} is nobody whose events come by way of this relay"
            ))
        })?;
        event
            .verify(&peer.event)
            .map_err(|error| DeskError::NotHere(format!("the event of {author}: {error}")))?;
        self.weigh(event).await?;
        self.keep(event, openings, &[])
    }

    /// Says something as the relay: signs it at the next place of its stream, judges it and takes it.
    pub async fn say(&self, draft: &Draft<'_>) -> Result<Event, DeskError> {
        let signed = self.sign(draft).await?;
        self.weigh(&signed.event).await?;
        self.keep(&signed.event, &signed.openings, &signed.kept)?;
        Ok(signed.event)
    }

    /// Whether something could be said now, as far as the relay can tell. Nothing is said.
    pub async fn would_say(&self, draft: &Draft<'_>) -> Result<(), DeskError> {
        let signed = self.sign(draft).await?;
        self.weigh(&signed.event).await
    }

    /// The relay must have seen the log once; what it has seen is what it states.
    async fn sign(&self, draft: &Draft<'_>) -> Result<Signed, DeskError> {
        let seen = self.log.lock().await.seen();
        let seen = seen.ok_or_else(|| DeskError::NotHere("nothing of the log was seen yet".to_owned()))?;
        let place = self.place(&draft.stream)?;
        let place = author::Place {
            stream: draft.stream.to_string(),
            seq: place.seq,
            prev: place.prev.map(|prev| prev.to_base64url()),
        };
        let (keys, origin) = (&self.identity.keys, self.identity.origin());
        sign_at(keys, origin, draft, &place, Some(seen), random::now())
            .map_err(|error| DeskError::NotHere(format!("{error:#}")))
    }

    /// Judges an event that stands at a free place by what is known of the log, having asked the hub for what is new.
    async fn weigh(&self, event: &Event) -> Result<(), DeskError> {
        let Stream::Job(id) = event.claims().sub else {
            return Ok(());
        };
        let mut standing = self.standing.lock().await;
        let needed = standing.needed(event);
        if let Err(error) = standing.refresh(&needed).await {
            // What was last known counts on; a history that does not hold is no news that counts.
            debug!(
                error = &error as &dyn std::error::Error,
                "What stands was judged by what was known before"
            );
        }
        let (state, place) = {
            let inner = self.lock();
            let job = inner.jobs.get(&id).ok_or(DeskError::NoJob(id))?;
            (job.state.clone(), inner.outbox.place(&event.claims().sub))
        };
        let claims = event.claims();
        if (claims.seq, claims.prev) != (place.seq, place.prev) {
            // It was taken before, or has to be signed anew: whoever keeps it says which.
            return Ok(());
        }
        Ok(standing.judge(event, &state, place)?)
    }

    fn keep(&self, event: &Event, openings: &[Opening], kept: &[Opening]) -> Result<(), DeskError> {
        let claims = event.claims();
        let Stream::Job(id) = claims.sub else {
            return Err(DeskError::NotHere(format!(
                "{} is no stream of a job",
                claims.sub
            )));
        };
        if claims.aud != self.identity.origin() {
            return Err(DeskError::NotHere(format!(
                "the event is for the log {:?}",
                claims.aud
            )));
        }
        let mut inner = self.lock();
        let Inner { outbox, jobs } = &mut *inner;
        let job = jobs.get_mut(&id).ok_or(DeskError::NoJob(id))?;
        let is_known = outbox
            .events(&claims.sub)
            .iter()
            .any(|item| item.event.leaf() == event.leaf());
        if is_known {
            return Ok(());
        }
        if BEGINNINGS.contains(&claims.kind.as_str()) && self.hold().is_some() {
            return Err(DeskError::Held);
        }
        // A place that is not free is said before all else: the author then signs anew.
        let place = outbox.place(&claims.sub);
        if (claims.seq, claims.prev) == (place.seq, place.prev) {
            follows(&job.state, event)?;
            check_openings(Table::v1(), event, openings)?;
        }
        if ENDS_OUTPUTS.contains(&claims.kind.as_str()) {
            // It says that they are destroyed, or not to leave: so they go before it is said.
            job.folder.remove_folder(OUTPUTS)?;
            job.folder.remove(RESULT)?;
            job.write_notes(Notes {
                outputs: None,
                refusal: None,
                result: None,
                settled: None,
                ..job.notes.clone()
            })?;
        }
        outbox.take(event, openings, kept)?;
        job.apply(event)?;
        drop(inner);
        self.changed();
        Ok(())
    }
}

/// Whether the table lets an event follow the state of its stream, as far as that state and the event alone can tell.
fn follows(state: &State, event: &Event) -> Result<(), Refusal> {
    let claims = event.claims();
    let kind = claims.kind.clone();
    let unknown = || Refusal::UnknownType { kind: kind.clone() };
    let rule: &EventRule = Table::v1().rule(&claims.kind).ok_or_else(unknown)?;
    if rule.stream != claims.sub.kind() {
        return Err(Refusal::WrongStream {
            kind,
            found: claims.sub.kind(),
            expected: rule.stream.clone(),
        });
    }
    if !rule.by.iter().any(|by| by == claims.iss.role()) {
        return Err(Refusal::NotYourRole {
            kind,
            role: claims.iss.role(),
            allowed: rule.by.join(", "),
        });
    }
    let was = state.get("state").and_then(|word| word.as_str()).unwrap_or("-");
    if rule.from.iter().any(|from| from == was) {
        Ok(())
    } else {
        Err(Refusal::WrongState {
            kind,
            stream: claims.sub.clone(),
            state: was.to_owned(),
            allowed: rule.from.join(", "),
        })
    }
}
