//! Making a pack from a log: a hub, or a folder with a static copy.
//!
//! Which entries a pack needs, and how the tree of heads looks, is found by reading the log once from its beginning. Nothing
//! is checked on the way but the form: [`Evidence::verify`] checks the pack, as whoever gets it does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::heads::{Head, Heads, HeadsError};
use daybook_core::id::{Actor, Stream};
use daybook_core::note::{Note, NoteError};
use daybook_core::tree::{Tiles, TreeError, decode_tile, inclusion_proof, tiles_for_inclusion};
use daybook_core::trust::{TrustError, TrustPolicy};
use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;

use super::replay::needed;
use super::{Committed, Entry, Evidence, Place, Subject};
use crate::bundle::{self, FULL};
use crate::run::Progress;
use crate::source::{Source, SourceError};

/// Bundles that are read at once.
const WIDTH: usize = 8;
/// Entries of a pack.
const MAX_ENTRIES: usize = 50_000;

/// A pack cannot be made.
#[derive(Debug, Error)]
pub enum GatherError {
    /// The log cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No checkpoint of the form.
    #[error("the checkpoint")]
    Note(#[from] NoteError),
    /// No checkpoint that the policy believes.
    #[error("the checkpoint is not believed")]
    Trust(#[from] TrustError),
    /// Tiles that do not fit.
    #[error("the tiles of the log")]
    Tiles(#[from] TreeError),
    /// Heads that are no tree.
    #[error("the heads of the streams")]
    Heads(#[from] HeadsError),
    /// Nothing there.
    #[error("the log says nothing of {0}")]
    Nothing(Stream),
    /// Too much.
    #[error("a pack about it would hold more than {MAX_ENTRIES} entries")]
    TooMuch,
    /// A fault of ours.
    #[error("a part of the work has ended by a fault of this program")]
    Broken,
}

/// Makes a pack without openings, by a checkpoint that the policy believes: the one that is given, or the newest.
pub async fn gather(
    source: &Source,
    policy: &TrustPolicy,
    given: Option<Note>,
    subject: Subject,
    progress: &watch::Sender<Progress>,
) -> Result<Evidence, GatherError> {
    let checkpoint = match given {
        Some(note) => note,
        None => newest(source, policy).await?,
    };
    let believed = policy.open(&checkpoint)?;
    let index = Index::read(source, &believed.checkpoint, subject, progress).await?;
    let mut taken = Taken {
        source,
        size: believed.checkpoint.size(),
        events: BTreeMap::new(),
        bundles: BTreeMap::new(),
    };
    taken.streams(&index, subject).await?;
    let committed = match &index.committed {
        Some(committed) => {
            let event = taken.event(committed.entry).await?;
            taken.events.insert(committed.entry, event);
            Some(places(
                &index,
                &needed(subject, taken.events.values()),
                committed.entry,
            )?)
        }
        None => None,
    };
    let mut entries = BTreeMap::new();
    let mut tiles = Tiles::new();
    for (index, event) in std::mem::take(&mut taken.events) {
        let path = taken.proof(index, &mut tiles).await?;
        let openings = Vec::new();
        entries.insert(
            index,
            Entry {
                event,
                path,
                openings,
            },
        );
    }
    Ok(Evidence {
        subject,
        checkpoint,
        entries,
        committed,
    })
}

/// The newest checkpoint; where the quorum has not cosigned it yet, the newest that it has.
async fn newest(source: &Source, policy: &TrustPolicy) -> Result<Note, GatherError> {
    let note = Note::parse(&source.checkpoint().await?)?;
    let Err(TrustError::NoQuorum(_)) = policy.open(&note) else {
        return Ok(note);
    };
    let standing = source.json("/v1/witnesses").await.unwrap_or_default();
    match standing.get("witnessed_size").and_then(Value::as_u64) {
        Some(size) => Ok(Note::parse(&source.kept_checkpoint(size).await?)?),
        None => Ok(note),
    }
}

/// What the clerk committed last.
struct Commitment {
    entry: u64,
    size: u64,
}

/// A log as one reading of it found it: the stream of each entry, and what cannot be found by a stream's name.
struct Index {
    names: Vec<Stream>,
    /// The number of each entry's stream.
    of_entry: Vec<u32>,
    /// The last entry of each stream before `committed.size`.
    heads: HashMap<u32, (u64, Hash)>,
    committed: Option<Commitment>,
    /// Submissions that the subject asks for and that no event of its own names.
    submissions: Vec<Stream>,
    /// Entries that erase fields, with the leaf hashes that they name.
    erasures: Vec<(u64, Vec<Hash>)>,
}

impl Index {
    async fn read(
        source: &Source,
        checkpoint: &Checkpoint,
        subject: Subject,
        progress: &watch::Sender<Progress>,
    ) -> Result<Self, GatherError> {
        let size = checkpoint.size();
        let committed = last_commitment(source, size).await?;
        let until = committed.as_ref().map_or(0, |committed| committed.size);
        let mut index = Self {
            names: Vec::new(),
            of_entry: Vec::new(),
            heads: HashMap::new(),
            committed,
            submissions: Vec::new(),
            erasures: Vec::new(),
        };
        let mut numbers: HashMap<Stream, u32> = HashMap::new();
        let bundles = stream::iter(0..size.div_ceil(FULL)).map(|n| events_of(source, n, size));
        let mut bundles = std::pin::pin!(bundles.buffered(WIDTH));
        while let Some(events) = bundles.next().await {
            for event in events? {
                let at = index.of_entry.len() as u64;
                let claims = event.claims();
                let next = u32::try_from(index.names.len()).map_err(|_| GatherError::TooMuch)?;
                let number = *numbers.entry(claims.sub.clone()).or_insert_with(|| {
                    index.names.push(claims.sub.clone());
                    next
                });
                index.of_entry.push(number);
                if at < until {
                    index.heads.insert(number, (claims.seq, *event.leaf()));
                }
                index.note(at, &event, subject);
            }
            let done = index.of_entry.len() as u64;
            progress.send_replace(Progress { done, of: size });
        }
        Ok(index)
    }

    /// Keeps what no stream's name finds.
    fn note(&mut self, at: u64, event: &Event, subject: Subject) {
        let claims = event.claims();
        let fields = daybook_store::erase::fields_of(at, event);
        if !fields.is_empty() {
            let leaves = fields.into_iter().map(|field| field.leaf).collect();
            self.erasures.push((at, leaves));
        }
        if claims.kind != "job-submitted" {
            return;
        }
        let is_asked_for = match subject {
            Subject::Project(id) => matches!(claims.iss, Actor::Member { project, .. } if project == id),
            Subject::Job(id) => {
                let jobs = claims.data.get("jobs").and_then(Value::as_object);
                let named = |job: &Value| job.get("job").and_then(Value::as_str) == Some(&id.to_string());
                jobs.into_iter().flatten().any(|(_, job)| named(job))
            }
            Subject::Submission(_) => false,
        };
        if is_asked_for {
            self.submissions.push(claims.sub.clone());
        }
    }

    /// The entries of some streams, in order.
    fn entries_of(&self, streams: &BTreeSet<Stream>) -> Vec<u64> {
        let wanted: Vec<bool> = self.names.iter().map(|name| streams.contains(name)).collect();
        let entries = (0..).zip(&self.of_entry);
        entries
            .filter(|(_, number)| wanted.get(**number as usize).copied().unwrap_or(false))
            .map(|(index, _)| index)
            .collect()
    }
}

/// The newest commitment of heads, looked for from the end: there is one a day.
async fn last_commitment(source: &Source, size: u64) -> Result<Option<Commitment>, GatherError> {
    for n in (0..size.div_ceil(FULL)).rev() {
        let events = events_of(source, n, size).await?;
        let found = (n * FULL..).zip(&events).filter_map(commitment).last();
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn commitment((entry, event): (u64, &Event)) -> Option<Commitment> {
    let claims = event.claims();
    let size = claims.data.get("size").and_then(Value::as_u64)?;
    let is_one = claims.sub == Stream::Log && claims.kind == "heads-committed" && size <= entry;
    is_one.then_some(Commitment { entry, size })
}

async fn events_of(source: &Source, n: u64, size: u64) -> Result<Vec<Event>, GatherError> {
    let width = bundle::width(n, size);
    let bytes = source.bundle(n, width).await?;
    let reading = tokio::task::spawn_blocking(move || bundle::events(&bytes, n, width));
    Ok(reading.await.map_err(|_| GatherError::Broken)??)
}

/// The entries that were taken so far.
struct Taken<'a> {
    source: &'a Source,
    size: u64,
    events: BTreeMap<u64, Event>,
    bundles: BTreeMap<u64, Vec<Event>>,
}

impl Taken<'_> {
    /// Takes the streams that the subject needs, and those that the events of these need, until nothing is missing.
    async fn streams(&mut self, index: &Index, subject: Subject) -> Result<(), GatherError> {
        let mut have = BTreeSet::new();
        loop {
            let mut wanted = needed(subject, self.events.values());
            wanted.extend(index.submissions.iter().cloned());
            wanted.extend(self.erasing(index));
            let new: BTreeSet<Stream> = wanted.difference(&have).cloned().collect();
            if new.is_empty() {
                break;
            }
            let entries = index.entries_of(&new);
            if self.events.len() + entries.len() > MAX_ENTRIES {
                return Err(GatherError::TooMuch);
            }
            for at in entries {
                let event = self.event(at).await?;
                self.events.insert(at, event);
            }
            have = wanted;
        }
        let subject = subject.stream();
        let names_it =
            |event: &Event| event.claims().sub == subject || event.claims().kind == "job-submitted";
        if self.events.values().any(names_it) {
            Ok(())
        } else {
            Err(GatherError::Nothing(subject))
        }
    }

    /// The streams of the entries that erase a field of what is taken.
    fn erasing(&self, index: &Index) -> BTreeSet<Stream> {
        let leaves: BTreeSet<Hash> = self.events.values().map(|event| *event.leaf()).collect();
        let erasing = index
            .erasures
            .iter()
            .filter(|(_, named)| named.iter().any(|leaf| leaves.contains(leaf)));
        erasing
            .filter_map(|(at, _)| {
                let number = *index.of_entry.get(usize::try_from(*at).ok()?)?;
                index.names.get(number as usize).cloned()
            })
            .collect()
    }

    async fn event(&mut self, index: u64) -> Result<Event, GatherError> {
        let n = index / FULL;
        if !self.bundles.contains_key(&n) {
            if self.bundles.len() >= WIDTH * WIDTH {
                self.bundles.clear();
            }
            self.bundles
                .insert(n, events_of(self.source, n, self.size).await?);
        }
        let at = usize::try_from(index % FULL).unwrap_or(usize::MAX);
        let event = self.bundles.get(&n).and_then(|events| events.get(at));
        Ok(event.cloned().ok_or(SourceError::NoEvent(index))?)
    }

    async fn proof(&self, index: u64, tiles: &mut Tiles) -> Result<Vec<Hash>, GatherError> {
        for (id, width) in tiles_for_inclusion(index, self.size)? {
            if let std::collections::btree_map::Entry::Vacant(place) = tiles.entry(id) {
                let bytes = self.source.tile(id, width).await?;
                let nodes =
                    decode_tile(&bytes).ok_or_else(|| SourceError::Form(format!("the tile {id:?}")))?;
                place.insert(nodes.into());
            }
        }
        Ok(inclusion_proof(index, self.size, tiles)?)
    }
}

/// Where each stream of the pack stands in the tree of heads that the clerk committed.
fn places(index: &Index, streams: &BTreeSet<Stream>, entry: u64) -> Result<Committed, GatherError> {
    let heads = index.heads.iter().filter_map(|(number, (seq, leaf))| {
        let stream = index.names.get(*number as usize)?.clone();
        Some(Head {
            stream,
            seq: *seq,
            leaf: *leaf,
        })
    });
    let heads = Heads::new(heads.collect())?;
    let mut places = BTreeMap::new();
    for stream in streams {
        let place = match heads.prove(stream) {
            Some(proven) => Some(Place::There(proven)),
            None => heads.prove_absence(stream).map(Place::Absent),
        };
        places.extend(place.map(|place| (stream.to_string(), place)));
    }
    Ok(Committed { entry, places })
}
