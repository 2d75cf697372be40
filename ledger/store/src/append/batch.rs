//! Judging a batch: what the transaction has read, and what each event of the batch adds to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use daybook_core::Hash;
use daybook_core::constitution::{self, Facts, State};
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::Opening;
use daybook_rules::{Admitted, Table, admit_openings, check_openings, judge, reads};
use uuid::Uuid;

use super::{AppendError, Candidate, Receipt};

/// What a batch needs to know before it is judged.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) authors: Vec<String>,
    pub(super) jtis: Vec<Uuid>,
    pub(super) streams: HashSet<Stream>,
    pub(super) kids: Vec<Hash>,
    pub(super) actors: HashSet<Actor>,
}

impl Needs {
    pub(super) fn of<'a>(table: &Table, events: impl Iterator<Item = &'a Event>) -> Self {
        let mut needs = Self::default();
        for event in events {
            let claims = event.claims();
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

/// Streams and actors that are kept from one batch to the next at most; beyond that all are forgotten but those of the last.
const MAX_KEPT: usize = 4_096;

/// What is known at this point of the log: as read under the lock, and then as each accepted event leaves it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The author's ids that the batch uses and that stand in the log: of which entry, and where.
    pub(super) jtis: BTreeMap<(Actor, Uuid), (Hash, u64)>,
    pub(super) kids: BTreeSet<Hash>,
    /// Every stream that was looked for, those without an event too.
    pub(super) streams: HashMap<Stream, Kept>,
    pub(super) seen: HashMap<Actor, u64>,
}

/// Head and state of a stream, each if there is one.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) head: Option<(u64, Hash)>,
    pub(super) state: Option<State>,
}

impl Known {
    /// What the next batch may believe, if nobody else appends in between: streams and actors, as their rows are once this
    /// one has committed, and all that this one adds, which another connection does not see before. Whoever holds the lock
    /// sees from the head whether somebody has.
    pub(super) fn for_the_next(mut self, judged: &Judged) -> Self {
        self.jtis.clear();
        self.kids.clear();
        for new in &judged.accepted {
            let (claims, leaf) = (new.event().claims(), *new.event().leaf());
            self.jtis
                .insert((claims.iss.clone(), claims.jti), (leaf, new.index));
            self.kids.extend(new.registrations.iter().map(|new| new.kid));
        }
        if self.streams.len() > MAX_KEPT {
            self.streams.retain(|stream, _| judged.changed.contains(stream));
        }
        if self.seen.len() > MAX_KEPT {
            let authors: HashSet<&Actor> = judged
                .accepted
                .iter()
                .map(|new| &new.event().claims().iss)
                .collect();
            self.seen.retain(|actor, _| authors.contains(actor));
        }
        self
    }
}

impl Facts for Known {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.streams.get(stream)?.head
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.streams.get(stream)?.state.as_ref()
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
    candidate: Arc<Candidate>,
    pub(super) openings: Vec<Admitted>,
    pub(super) registrations: Vec<constitution::Registration>,
}

impl Accepted {
    pub(super) fn event(&self) -> &Event {
        &self.candidate.event
    }
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
    /// Whether openings may be missing: the entries stand in a log that has lost them.
    is_restoring: bool,
}

impl Judged {
    /// Takes entries of a log that was, with what is left of their openings.
    pub(super) fn restoring() -> Self {
        Self {
            is_restoring: true,
            ..Self::default()
        }
    }

    /// Judges more candidates, in order, in a log that had `size` entries before all of them; stops after one that adopts a
    /// rule table.
    pub(super) fn judge<'a>(
        &mut self,
        origin: &str,
        table: &Table,
        size: u64,
        known: &mut Known,
        candidates: impl IntoIterator<Item = &'a Arc<Candidate>>,
    ) {
        for candidate in candidates {
            if self.adopts {
                return;
            }
            let index = size + self.accepted.len() as u64;
            let answer = judge_one(origin, table, index, known, candidate, self);
            let is_new = answer.as_ref().is_ok_and(|receipt| !receipt.is_repeat);
            self.answers.push(answer);
            self.adopts = is_new && candidate.event.claims().kind == POLICY_ADOPTED;
        }
    }
}

/// Those openings that are the event's own.
fn what_is_left(table: &Table, event: &Event, openings: &[Opening]) -> Vec<Admitted> {
    let each = openings.iter().map(std::slice::from_ref);
    each.filter_map(|one| admit_openings(table, event, one).ok())
        .flatten()
        .collect()
}

fn judge_one(
    origin: &str,
    table: &Table,
    index: u64,
    known: &mut Known,
    candidate: &Arc<Candidate>,
    judged: &mut Judged,
) -> Result<Receipt, AppendError> {
    let event = &candidate.event;
    let claims = event.claims();
    let leaf = *event.leaf();
    let id = (claims.iss.clone(), claims.jti);
    match known.jtis.get(&id) {
        // Whatever has happened since, these bytes are in the log. Openings are not taken a second time.
        Some((known, index)) if *known == leaf => {
            return Ok(Receipt {
                index: *index,
                leaf,
                is_repeat: true,
            });
        }
        Some(_) => return Err(AppendError::Conflict(id.0)),
        None => {}
    }
    let verdict = judge(table, origin, known, event)?;
    let openings = if judged.is_restoring {
        what_is_left(table, event, &candidate.openings)
    } else {
        check_openings(table, event, &candidate.openings)?
    };

    known.jtis.insert(id, (leaf, index));
    known.streams.entry(claims.sub.clone()).or_default().head = Some((claims.seq, leaf));
    known.kids.extend(verdict.registrations.iter().map(|new| new.kid));
    if let Some(seen) = claims.seen {
        known.seen.insert(claims.iss.clone(), seen.size);
    }
    judged.changed.insert(claims.sub.clone());
    for (stream, state) in verdict.states {
        judged.changed.insert(stream.clone());
        known.streams.entry(stream).or_default().state = Some(state);
    }
    let registrations = verdict.registrations;
    judged.accepted.push(Accepted {
        index,
        candidate: candidate.clone(),
        openings,
        registrations,
    });
    Ok(Receipt {
        index,
        leaf,
        is_repeat: false,
    })
}
