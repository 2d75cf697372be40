//! Heads and states of all streams as the entries make them: the ones in use in memory, the others on disk.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::canonical;
use daybook_core::constitution::{Facts, State};
use daybook_core::id::{Actor, Stream};
use serde_json::Value;

use super::AuditError;
use super::scratch::{Scratch, Table};

/// What the states in memory may weigh together, in bytes as [`weight`] counts them.
const MAX_WEIGHT: usize = 32 * 1024 * 1024;

/// One stream.
#[derive(Clone, Debug, Default)]
struct Known {
    head: Option<(u64, Hash)>,
    state: Option<State>,
    is_changed: bool,
}

/// The facts by which the next entry is judged.
pub struct States {
    /// The file.
    pub scratch: Scratch,
    streams: BTreeMap<Stream, Known>,
    seen: BTreeMap<Actor, u64>,
    kids: BTreeSet<Hash>,
    weight: usize,
}

impl Facts for States {
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

impl States {
    /// Nothing in memory yet; what the file holds is known.
    pub fn new(scratch: Scratch) -> Self {
        Self {
            scratch,
            streams: BTreeMap::new(),
            seen: BTreeMap::new(),
            kids: BTreeSet::new(),
            weight: 0,
        }
    }

    /// Makes the facts answer for these streams, this actor and these keys.
    pub fn load(
        &mut self,
        streams: BTreeSet<Stream>,
        actor: &Actor,
        kids: impl Iterator<Item = Hash>,
    ) -> Result<(), AuditError> {
        if self.weight > MAX_WEIGHT {
            self.put_away()?;
        }
        for stream in streams {
            if !self.streams.contains_key(&stream) {
                let known = self
                    .scratch
                    .get(Table::Heads, stream.to_string().as_bytes())?
                    .and_then(|value| read(&value))
                    .unwrap_or_default();
                self.weight += weigh(&known);
                self.streams.insert(stream, known);
            }
        }
        if !self.seen.contains_key(actor) {
            let value = self.scratch.get(Table::Seen, actor.to_string().as_bytes())?;
            let size = value.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
            self.weight += 100;
            self.seen.insert(actor.clone(), size.unwrap_or(0));
        }
        self.kids.clear();
        for kid in kids {
            if self.scratch.get(Table::Keys, kid.as_ref())?.is_some() {
                self.kids.insert(kid);
            }
        }
        Ok(())
    }

    /// An entry is now the last of its stream.
    pub fn move_head(&mut self, stream: &Stream, head: (u64, Hash)) {
        let known = self.streams.entry(stream.clone()).or_default();
        known.head = Some(head);
        known.is_changed = true;
    }

    /// The states that an entry made.
    pub fn set(&mut self, states: BTreeMap<Stream, State>) {
        for (stream, state) in states {
            let known = self.streams.entry(stream).or_default();
            let before = weigh(known);
            known.state = Some(state);
            known.is_changed = true;
            self.weight = (self.weight + weigh(known)).saturating_sub(before);
        }
    }

    /// An actor has said how much it saw.
    pub fn set_seen(&mut self, actor: &Actor, size: u64) -> Result<(), AuditError> {
        self.seen.insert(actor.clone(), size);
        self.scratch.put(
            Table::Seen,
            actor.to_string().as_bytes(),
            size.to_string().as_bytes(),
        )
    }

    /// Writes what has changed, and forgets it all.
    pub fn put_away(&mut self) -> Result<(), AuditError> {
        for (stream, known) in std::mem::take(&mut self.streams) {
            if known.is_changed {
                let name = stream.to_string();
                self.scratch.put(Table::Heads, name.as_bytes(), &written(known))?;
            }
        }
        self.seen.clear();
        self.weight = 0;
        Ok(())
    }
}

/// Position, leaf hash and state, a line each, spelled as the columns are shown.
fn written(known: Known) -> Vec<u8> {
    let (seq, leaf) = known
        .head
        .map_or((0, String::new()), |(seq, leaf)| (seq, leaf.to_base64url()));
    let state = known.state.map(|state| canonical::text(&Value::Object(state)));
    format!("{seq}\n{leaf}\n{}", state.unwrap_or_default()).into_bytes()
}

/// A row of [`Table::Heads`].
#[derive(Clone, Debug)]
pub struct Stored {
    /// Position and leaf hash of the last event; none where another stream's event made the state.
    pub head: Option<(u64, Hash)>,
    /// The state; none where nothing made one.
    pub state: Option<State>,
}

/// Reads such a row.
pub fn row(value: &[u8]) -> Option<Stored> {
    let Known { head, state, .. } = read(value)?;
    Some(Stored { head, state })
}

fn read(value: &[u8]) -> Option<Known> {
    let mut lines = std::str::from_utf8(value).ok()?.splitn(3, '\n');
    let (seq, leaf, state) = (lines.next()?, lines.next()?, lines.next()?);
    Some(Known {
        head: Hash::from_base64url(leaf).and_then(|leaf| Some((seq.parse().ok()?, leaf))),
        state: serde_json::from_str(state).ok(),
        is_changed: false,
    })
}

fn weigh(known: &Known) -> usize {
    let members = known.state.iter().flatten();
    200 + members
        .map(|(name, value)| name.len() + 80 + weight(value))
        .sum::<usize>()
}

/// About how many bytes a value takes in memory.
fn weight(value: &Value) -> usize {
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len() + 80 + weight(value))
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(text: &str) -> State {
        json!({ "state": text, "tags": ["a", "b"] })
            .as_object()
            .unwrap()
            .clone()
    }

    #[test]
    fn what_is_put_away_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut states = States::new(Scratch::new(folder.path()).unwrap());
        let (own, other): (Stream, Stream) = (Stream::Federation, Stream::Log);
        let head = (3, Hash::of(b"leaf"));
        states.move_head(&own, head);
        states.set(BTreeMap::from([
            (own.clone(), state("open")),
            (other.clone(), state("told")),
        ]));
        states.set_seen(&Actor::Clerk, 7).unwrap();
        states.put_away().unwrap();
        assert_eq!((states.head(&own), states.state(&own)), (None, None));
        let none = Stream::Workflow(uuid::Uuid::from_u128(0x4000_8000_0000_0000_0000));
        let wanted = BTreeSet::from([own.clone(), other.clone(), none.clone()]);
        states.load(wanted, &Actor::Clerk, std::iter::empty()).unwrap();
        assert_eq!(
            (states.head(&own), states.state(&own)),
            (Some(head), Some(&state("open")))
        );
        assert_eq!(
            (states.head(&other), states.state(&other)),
            (None, Some(&state("told")))
        );
        assert_eq!((states.head(&none), states.state(&none)), (None, None));
        assert_eq!(states.seen(&Actor::Clerk), 7);
        // What was only read is not written, so that a stream without events makes no row.
        states.put_away().unwrap();
        assert_eq!(states.scratch.len(Table::Heads).unwrap(), 2);
    }

    #[test]
    fn memory_is_given_back_when_the_states_weigh_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let mut states = States::new(Scratch::new(folder.path()).unwrap());
        let long = "x".repeat(100_000);
        let streams: Vec<Stream> = (0..400_u128)
            .map(|n| Stream::Project(uuid::Uuid::from_u128(n)))
            .collect();
        let mut most = 0;
        for stream in &streams {
            states
                .load(
                    BTreeSet::from([stream.clone()]),
                    &Actor::Clerk,
                    std::iter::empty(),
                )
                .unwrap();
            states.set(BTreeMap::from([(stream.clone(), state(&long))]));
            most = most.max(states.streams.len());
        }
        assert!(most < 350, "{most} of 400 in memory at once");
        states.put_away().unwrap();
        assert_eq!(states.scratch.len(Table::Heads).unwrap(), 400);
    }
}
