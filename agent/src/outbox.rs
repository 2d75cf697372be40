//! The events that a TRE has made, in the order in which they leave.
//!
//! The outbox alone says which event is next in a stream, also while the hub is away: an event is taken once its file is
//! on the disk, and from then on it is part of the TRE's record. It is sent until the log proves that it holds it. What the
//! hub refuses for good is set aside with what builds on it, and never lost.

mod file;
mod leave;
mod refuse;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::proof_file::ProofFile;
use daybook_core::sealed::Opening;
use thiserror::Error;

use self::file::{Head, ItemFile};
pub use self::leave::{look, look_aside, look_at_stream};
use crate::spool::{SignedFile, SpoolError, make_folder, names, write_whole};

/// Where the next event of a stream belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its position, from 1.
    pub seq: u64,
    /// The leaf hash of the event before it.
    pub prev: Option<Hash>,
}

impl Place {
    /// The first place of a stream.
    pub const FIRST: Self = Self { seq: 1, prev: None };

    /// The place after an event.
    pub fn after(seq: u64, leaf: Hash) -> Self {
        Self {
            seq: seq.saturating_add(1),
            prev: Some(leaf),
        }
    }
}

/// An event was not taken, or the outbox cannot be used.
#[derive(Debug, Error)]
pub enum OutboxError {
    /// It does not stand at the stream's next place.
    #[error("the next event of {stream} has seq {}", .place.seq)]
    NotNext {
        /// The stream.
        stream: Stream,
        /// The place that is free.
        place: Place,
    },
    /// The author stated more of the log in an event that was taken before, and will be sent before.
    #[error("{actor} has stated a checkpoint of size {before} before, and now states {now}")]
    SeenWentBack {
        /// The author.
        actor: String,
        /// What it stated before.
        before: u64,
        /// What it states now.
        now: u64,
    },
    /// The disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A file that holds no event of the one form.
    #[error("{} is not what this program writes there", .0.display())]
    Content(PathBuf),
}

/// An event that was taken.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its number in the order in which the TRE's events leave.
    pub number: u64,
    /// The event.
    pub event: Event,
    /// The openings that travel with it.
    pub openings: Vec<Opening>,
    /// Whether the log's proof that it holds the event is kept beside it.
    pub is_proved: bool,
    /// Its index, where the hub has told it since this process began.
    pub index: Option<u64>,
}

/// One stream's events, in order.
#[derive(Debug, Default)]
struct Line {
    items: Vec<Item>,
    /// Where the log's stream ends, where that is not what the items say.
    head: Option<Head>,
}

impl Line {
    fn place(&self) -> Place {
        let own = self.items.last().map(|item| item.event.claims().seq);
        match (&self.head, self.items.last()) {
            (Some(head), _) if own.is_none_or(|own| own < head.seq) => head.place(),
            (_, Some(last)) => Place::after(last.event.claims().seq, *last.event.leaf()),
            _ => Place::FIRST,
        }
    }
}

/// The outbox.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    lines: BTreeMap<Stream, Line>,
    next: u64,
    /// The largest size that each author has stated.
    seen: BTreeMap<String, u64>,
}

impl Outbox {
    /// Reads what is in a folder, and ends what a killed process had begun.
    pub fn open(folder: &Path) -> Result<Self, OutboxError> {
        make_folder(folder)?;
        let mut outbox = Self {
            folder: folder.to_owned(),
            lines: BTreeMap::new(),
            next: 1,
            seen: BTreeMap::new(),
        };
        for name in names(folder)? {
            if let Some((stream, line)) = file::read_line(&folder.join(name))? {
                outbox.lines.insert(stream, line);
            }
        }
        outbox.end_refusals()?;
        let items = outbox.lines.values().flat_map(|line| &line.items);
        let facts: Vec<(u64, Event)> = items.map(|item| (item.number, item.event.clone())).collect();
        for (number, event) in facts {
            outbox.next = outbox.next.max(number + 1);
            outbox.note_seen(&event);
        }
        Ok(outbox)
    }

    /// Where the next event of a stream belongs.
    pub fn place(&self, stream: &Stream) -> Place {
        self.lines.get(stream).map_or(Place::FIRST, Line::place)
    }

    /// The events of a stream that were taken and not set aside, in order.
    pub fn events(&self, stream: &Stream) -> &[Item] {
        self.lines.get(stream).map_or(&[], |line| &line.items)
    }

    /// The largest size of the log that an author has stated here.
    pub fn seen(&self, actor: &str) -> u64 {
        self.seen.get(actor).copied().unwrap_or(0)
    }

    /// Takes an event that stands at its stream's next place; answers whether it is new. The same event again is no second one.
    pub fn take(
        &mut self,
        event: &Event,
        openings: &[Opening],
        kept: &[Opening],
    ) -> Result<bool, OutboxError> {
        let claims = event.claims();
        let stream = &claims.sub;
        if self
            .events(stream)
            .iter()
            .any(|item| item.event.leaf() == event.leaf())
        {
            return Ok(false);
        }
        let place = self.place(stream);
        if (claims.seq, claims.prev) != (place.seq, place.prev) {
            return Err(OutboxError::NotNext {
                stream: stream.clone(),
                place,
            });
        }
        self.check_seen(event)?;
        let item = ItemFile {
            number: self.next,
            signed: SignedFile::new(event, openings, kept),
        };
        let folder = file::folder_of(&self.folder, stream);
        make_folder(&folder)?;
        file::write_json(&folder.join(file::item_name(claims.seq)), &item)?;
        self.next += 1;
        self.note_seen(event);
        self.lines.entry(stream.clone()).or_default().items.push(Item {
            number: item.number,
            event: event.clone(),
            openings: openings.to_vec(),
            is_proved: false,
            index: None,
        });
        Ok(true)
    }

    /// What waits to be sent, the next one first.
    pub fn unsent(&self) -> Vec<&Item> {
        self.sorted(|item| !item.is_proved && item.index.is_none())
    }

    /// What the hub has taken and the log has not proved yet.
    pub fn unproved(&self) -> Vec<&Item> {
        self.sorted(|item| !item.is_proved && item.index.is_some())
    }

    /// Index and leaf hash of each event that the log is proved to hold, from the proofs that are kept.
    pub fn proved(&self) -> Result<Vec<(u64, Hash)>, OutboxError> {
        let mut proved = Vec::new();
        for item in self.sorted(|item| item.is_proved) {
            let claims = item.event.claims();
            let path = file::folder_of(&self.folder, &claims.sub).join(file::proof_name(claims.seq));
            let text = fs::read(&path).map_err(SpoolError::at(&path))?;
            let proof = ProofFile::parse(&text).map_err(|_| OutboxError::Content(path))?;
            proved.push((proof.index(), *item.event.leaf()));
        }
        Ok(proved)
    }

    /// Everything, in the order in which it leaves.
    pub fn all(&self) -> Vec<&Item> {
        self.sorted(|_| true)
    }

    fn sorted(&self, take: impl Fn(&Item) -> bool) -> Vec<&Item> {
        let items = self.lines.values().flat_map(|line| &line.items);
        let mut items: Vec<&Item> = items.filter(|item| take(item)).collect();
        items.sort_unstable_by_key(|item| item.number);
        items
    }

    /// Remembers where the hub says that an event stands.
    pub fn set_index(&mut self, number: u64, index: u64) {
        if let Some(item) = self.item(number) {
            item.index = Some(index);
        }
    }

    /// Keeps the log's proof that it holds an event. The caller has verified it.
    pub fn keep_proof(&mut self, number: u64, proof: &str) -> Result<(), OutboxError> {
        let folder = self.folder.clone();
        let Some(item) = self.item(number) else {
            return Ok(());
        };
        let claims = item.event.claims();
        let path = file::folder_of(&folder, &claims.sub).join(file::proof_name(claims.seq));
        write_whole(&path, proof.as_bytes())?;
        item.is_proved = true;
        Ok(())
    }

    /// Says where a stream ends in the log, where other events stand there than those that were taken here.
    pub fn set_head(&mut self, stream: &Stream, seq: u64, leaf: Hash) -> Result<(), OutboxError> {
        let head = Head {
            stream: stream.to_string(),
            seq,
            leaf: leaf.to_base64url(),
        };
        let folder = file::folder_of(&self.folder, stream);
        make_folder(&folder)?;
        file::write_json(&folder.join(file::HEAD), &head)?;
        self.lines.entry(stream.clone()).or_default().head = Some(head);
        Ok(())
    }

    /// Takes a stream that has ended and is proved whole out of the way, into another folder.
    pub fn archive(&mut self, stream: &Stream, into: &Path) -> Result<(), OutboxError> {
        let from = file::folder_of(&self.folder, stream);
        if from.exists() {
            fs::rename(&from, into).map_err(SpoolError::at(into))?;
        }
        self.lines.remove(stream);
        Ok(())
    }

    fn item(&mut self, number: u64) -> Option<&mut Item> {
        let mut items = self.lines.values_mut().flat_map(|line| &mut line.items);
        items.find(|item| item.number == number)
    }

    fn check_seen(&self, event: &Event) -> Result<(), OutboxError> {
        let claims = event.claims();
        let actor = claims.iss.to_string();
        let before = self.seen(&actor);
        match claims.seen {
            Some(seen) if seen.size < before => Err(OutboxError::SeenWentBack {
                actor,
                before,
                now: seen.size,
            }),
            _ => Ok(()),
        }
    }

    fn note_seen(&mut self, event: &Event) {
        let claims = event.claims();
        if let Some(seen) = claims.seen {
            let known = self.seen.entry(claims.iss.to_string()).or_default();
            *known = seen.size.max(*known);
        }
    }
}

#[cfg(test)]
mod tests;
