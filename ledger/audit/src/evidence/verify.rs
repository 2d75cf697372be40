//! Checking a pack, without anything but the pack and a trust policy.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::id::Stream;
use daybook_core::tree::verify_inclusion;
use daybook_core::trust::TrustPolicy;
use serde_json::Value;

use super::files::Files;
use super::replay::{Replayed, needed, replay};
use super::{Evidence, Place, Subject};

/// Faults of one kind that are told one by one.
const MAX_TOLD: usize = 20;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it holds; `None` where it is only to be known.
    pub holds: Option<bool>,
    /// What.
    pub words: String,
}

/// What a check of a pack found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What was looked at, in order.
    pub lines: Vec<Line>,
}

impl Verdict {
    /// Whether all of it holds.
    pub fn holds(&self) -> bool {
        self.lines.iter().all(|line| line.holds != Some(false))
    }

    fn good(&mut self, words: String) {
        self.add(Some(true), words);
    }

    fn note(&mut self, words: String) {
        self.add(None, words);
    }

    fn add(&mut self, holds: Option<bool>, words: String) {
        self.lines.push(Line { holds, words });
    }

    /// Tells what is wrong, or that nothing is.
    fn all(&mut self, faults: Vec<String>, good: String) {
        if faults.is_empty() {
            return self.good(good);
        }
        let more = faults.len().saturating_sub(MAX_TOLD);
        for words in faults.into_iter().take(MAX_TOLD) {
            self.add(Some(false), words);
        }
        if more > 0 {
            self.add(Some(false), format!("and {more} more"));
        }
    }
}

impl Evidence {
    /// Checks all of a pack: what was taken from the log by the policy, and the rest of its files against that.
    pub fn verify(&self, others: &Files, policy: &TrustPolicy) -> Verdict {
        let mut verdict = Verdict::default();
        let Some(checkpoint) = self.believe(policy, &mut verdict) else {
            return verdict;
        };
        self.in_tree(&checkpoint, &mut verdict);
        let replayed = replay(self, checkpoint.origin());
        follow(&replayed, &mut verdict);
        self.whole(&replayed, &mut verdict);
        self.shown(&mut verdict);
        self.compare(others, &mut verdict);
        verdict
    }

    fn believe(&self, policy: &TrustPolicy, verdict: &mut Verdict) -> Option<Checkpoint> {
        match policy.open(&self.checkpoint) {
            Ok(believed) => {
                let names: Vec<String> = believed
                    .witnesses
                    .iter()
                    .map(|(witness, time)| format!("{} at {}", witness.name(), super::page::time(*time)))
                    .collect();
                let by = match names.as_slice() {
                    [] => "no witness of your policy has cosigned it".to_owned(),
                    names => format!("cosigned by {}", names.join(", ")),
                };
                let checkpoint = believed.checkpoint;
                let words = format!(
                    "the checkpoint of {}, over {} entries: {by}",
                    checkpoint.origin(),
                    checkpoint.size()
                );
                verdict.good(words);
                Some(checkpoint)
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let words = format!(
                    "the checkpoint is not believed: {error}{}",
                    cause.unwrap_or_default()
                );
                verdict.add(Some(false), words);
                None
            }
        }
    }

    fn in_tree(&self, checkpoint: &Checkpoint, verdict: &mut Verdict) {
        let mut faults = Vec::new();
        for (index, entry) in &self.entries {
            let leaf = entry.event.leaf();
            if let Err(error) =
                verify_inclusion(leaf, *index, checkpoint.size(), &entry.path, checkpoint.root())
            {
                faults.push(format!("the entry {index} is not in the tree: {error}"));
            }
        }
        verdict.all(
            faults,
            format!("{} entries stand in its tree", self.entries.len()),
        );
    }

    /// Whether anything is left out of the streams.
    fn whole(&self, replayed: &Replayed, verdict: &mut Verdict) {
        let needed = needed(self.subject, self.entries.values().map(|entry| &entry.event));
        let Some(committed) = &self.committed else {
            verdict.note("the clerk had committed no heads of streams yet: nothing shows that no later event was left out. Make the pack again a day later".to_owned());
            return;
        };
        let Some((at, streams, root)) = self.commitment(committed.entry) else {
            let words = format!("the entry {} commits no heads", committed.entry);
            return verdict.add(Some(false), words);
        };
        let mut faults = Vec::new();
        let mut later = BTreeSet::new();
        let at_size = self.heads_at(at);
        for stream in &needed {
            let name = stream.to_string();
            let place = match committed.places.get(&name) {
                None => Err("nothing shows how far it went".to_owned()),
                Some(Place::There(proven)) => match proven.verify(streams, &root) {
                    Err(error) => Err(error.to_string()),
                    Ok(()) if at_size.get(stream) == Some(&(proven.head.seq, proven.head.leaf)) => Ok(()),
                    Ok(()) => Err(format!("its event {} is not the last one here", proven.head.seq)),
                },
                Some(Place::Absent(absence)) => match absence.verify(stream, streams, &root) {
                    Err(error) => Err(error.to_string()),
                    Ok(()) if at_size.contains_key(stream) => Err("it is said to be empty".to_owned()),
                    Ok(()) => Ok(()),
                },
            };
            if let Err(words) = place {
                faults.push(format!("the stream {name}: {words}"));
            }
            if replayed.heads.get(stream) != at_size.get(stream) {
                later.insert(name);
            }
        }
        let named: BTreeSet<String> = needed.iter().map(ToString::to_string).collect();
        let surplus = committed.places.keys().filter(|name| !named.contains(*name));
        faults.extend(surplus.map(|name| format!("the stream {name} has no place in this pack")));
        let words = format!(
            "nothing is left out of {} streams up to {at} entries, as the clerk committed in the entry {}",
            needed.len(),
            committed.entry
        );
        verdict.all(faults, words);
        if !later.is_empty() {
            let later: Vec<String> = later.into_iter().collect();
            verdict.note(format!(
                "after that: events of {}; whether there are more is not shown",
                later.join(", ")
            ));
        }
        if matches!(self.subject, Subject::Project(_)) {
            verdict.note(
                "whether the project has further submissions is shown only by the whole log".to_owned(),
            );
        }
    }

    /// Size, number of streams and root, as the clerk committed them.
    fn commitment(&self, index: u64) -> Option<(u64, u64, Hash)> {
        let data = &self.entries.get(&index)?.event.claims().data;
        let number = |name: &str| data.get(name).and_then(Value::as_u64);
        let root = Hash::from_base64url(data.get("heads")?.as_str()?)?;
        Some((number("size")?, number("streams")?, root))
    }

    fn heads_at(&self, size: u64) -> BTreeMap<Stream, (u64, Hash)> {
        let entries = self.entries.range(..size).map(|(_, entry)| &entry.event);
        entries
            .map(|event| {
                let claims = event.claims();
                (claims.sub.clone(), (claims.seq, *event.leaf()))
            })
            .collect()
    }

    fn shown(&self, verdict: &mut Verdict) {
        let erased = self.erased();
        let (mut faults, mut count) = (Vec::new(), 0_usize);
        for (index, entry) in &self.entries {
            let digests: BTreeSet<&str> = entry.event.claims().digests().collect();
            for opening in &entry.openings {
                count += 1;
                let digest = opening.digest();
                if !digests.contains(digest.to_base64url().as_str()) {
                    faults.push(format!("an opening of the entry {index} is none of its own"));
                }
                if let Some(by) = erased.get(&(*entry.event.leaf(), digest)) {
                    faults.push(format!(
                        "{} of the entry {index} is shown although the entry {by} erases it",
                        opening.name()
                    ));
                }
            }
        }
        verdict.all(
            faults,
            format!("{count} openings are those that their authors sealed"),
        );
        let leaves: BTreeMap<Hash, u64> = self
            .entries
            .iter()
            .map(|(index, entry)| (*entry.event.leaf(), *index))
            .collect();
        for ((leaf, _), by) in &erased {
            if let Some(index) = leaves.get(leaf) {
                verdict.note(format!(
                    "a field of the entry {index} was erased by the entry {by}"
                ));
            }
        }
    }

    /// The rest of the files must be what the entries give.
    fn compare(&self, others: &Files, verdict: &mut Verdict) {
        let derived = self.derived();
        let mut faults: Vec<String> = derived
            .iter()
            .filter_map(|(name, bytes)| match others.get(name) {
                None => Some(format!("{name} is missing")),
                Some(found) if found != bytes => Some(format!("{name} is not what the entries give")),
                Some(_) => None,
            })
            .collect();
        let surplus = others.keys().filter(|name| !derived.contains_key(*name));
        faults.extend(surplus.map(|name| format!("{name} is not a file of this pack")));
        let words = format!(
            "{} further files, the page for people among them, are what the entries give",
            derived.len()
        );
        verdict.all(faults, words);
    }
}

/// Whether each entry follows from those before it.
fn follow(replayed: &Replayed, verdict: &mut Verdict) {
    let faults = replayed.faults.iter();
    let faults = faults
        .map(|(index, words)| format!("the entry {index}: {words}"))
        .collect();
    let words = "each is signed by a key that was its author's there, is the next of its stream, and is allowed by the rules in force";
    verdict.all(faults, words.to_owned());
    for key in &replayed.keys {
        if let Some(from) = key.doubted_from {
            let words = format!(
                "a key of {} ended under suspicion: what it signed from {from} entries on is in doubt",
                key.actor
            );
            verdict.note(words);
        }
    }
}
