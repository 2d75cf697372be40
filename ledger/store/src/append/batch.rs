//! Judging a batch: what the transaction has read, and what each event of the batch adds to it.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::constitution::{self, Facts, State};
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::{Actor, Stream};
use daybook_rules::{Admitted, Table, check_openings, judge, reads};
use uuid::Uuid;

use super::{AppendError, Candidate, Receipt};

/// What a batch needs to know before it is judged.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) leaves: Vec<Hash>,
    pub(super) authors: Vec<String>,
    pub(super) jtis: Vec<Uuid>,
    pub(super) streams: BTreeSet<Stream>,
    pub(super) kids: Vec<Hash>,
    pub(super) actors: BTreeSet<Actor>,
}

impl Needs {
    pub(super) fn of<'a>(table: &Table, events: impl Iterator<Item = &'a Event>) -> Self {
        let mut needs = Self::default();
        for event in events {
            let claims = event.claims();
            needs.leaves.push(*event.leaf());
            needs.authors.push(claims.iss.to_string());
            needs.jtis.push(claims.jti);
            needs.streams.extend(reads(table, event));
            needs
                .streams
                .extend([claims.sub.clone(), claims.iss.home(), Stream::Federation]);
            // An event whose keys cannot be read is refused by the constitution; until then it needs none.
            let new = constitution::registrations(event).unwrap_or_default();
            needs.kids.extend(new.iter().map(|new| new.kid));
            needs.actors.insert(claims.iss.clone());
        }
        needs
    }
}

/// What is known at this point of the log: as read under the lock, and then as each accepted event leaves it.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) indexes: BTreeMap<Hash, u64>,
    pub(super) jtis: BTreeSet<(Actor, Uuid)>,
    pub(super) heads: BTreeMap<Stream, (u64, Hash)>,
    pub(super) states: BTreeMap<Stream, State>,
    pub(super) kids: BTreeSet<Hash>,
    pub(super) seen: BTreeMap<Actor, u64>,
}

impl Facts for Known {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }

    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.kids.contains(kid)
    }

    fn seen(&self, actor: &Actor) -> u64 {
        self.seen.get(actor).copied().unwrap_or(0)
    }
}

/// An event that was accepted, with all that is written for it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) index: u64,
    pub(super) event: Event,
    pub(super) openings: Vec<Admitted>,
    pub(super) registrations: Vec<constitution::Registration>,
}

/// A batch after judgement.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What is appended, in order.
    pub(super) accepted: Vec<Accepted>,
    /// The states that changed: position and leaf hash where the stream has an event.
    pub(super) changed: BTreeSet<Stream>,
    /// One answer for each candidate that was judged. It is true once the transaction has committed.
    pub(super) answers: Vec<Result<Receipt, AppendError>>,
    /// Whether the last one adopted another table, so that what follows must be judged by that.
    pub(super) adopts: bool,
}

/// Judges candidates in order from index `size` on; stops after one that adopts a rule table.
pub(super) fn judge_all(
    origin: &str,
    table: &Table,
    size: u64,
    known: &mut Known,
    candidates: &[&Candidate],
) -> Judged {
    let mut judged = Judged::default();
    let mut next = size;
    for candidate in candidates {
        let answer = judge_one(origin, table, next, known, candidate, &mut judged);
        let is_new = answer.as_ref().is_ok_and(|receipt| !receipt.is_repeat);
        judged.answers.push(answer);
        if is_new {
            next += 1;
            if candidate.event.claims().kind == POLICY_ADOPTED {
                judged.adopts = true;
                break;
            }
        }
    }
    judged
}

fn judge_one(
    origin: &str,
    table: &Table,
    index: u64,
    known: &mut Known,
    candidate: &Candidate,
    judged: &mut Judged,
) -> Result<Receipt, AppendError> {
    let event = &candidate.event;
    let claims = event.claims();
    let leaf = *event.leaf();
    if let Some(index) = known.indexes.get(&leaf) {
        // Whatever has happened since, these bytes are in the log. Openings are not taken a second time.
        return Ok(Receipt {
            index: *index,
            leaf,
            is_repeat: true,
        });
    }
    if known.jtis.contains(&(claims.iss.clone(), claims.jti)) {
        return Err(AppendError::Conflict(claims.iss.clone()));
    }
    let verdict = judge(table, origin, known, event)?;
    let openings = check_openings(table, event, &candidate.openings)?;

    known.indexes.insert(leaf, index);
    known.jtis.insert((claims.iss.clone(), claims.jti));
    known.heads.insert(claims.sub.clone(), (claims.seq, leaf));
    known.kids.extend(verdict.registrations.iter().map(|new| new.kid));
    if let Some(seen) = claims.seen {
        known.seen.insert(claims.iss.clone(), seen.size);
    }
    judged.changed.insert(claims.sub.clone());
    judged.changed.extend(verdict.states.keys().cloned());
    known.states.extend(verdict.states);
    let registrations = verdict.registrations;
    judged.accepted.push(Accepted {
        index,
        event: event.clone(),
        openings,
        registrations,
    });
    Ok(Receipt {
        index,
        leaf,
        is_repeat: false,
    })
}
