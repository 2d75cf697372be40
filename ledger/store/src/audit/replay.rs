//! Going through the log in order, as the hub did: tree, checkpoints, judgements, states, openings.

use std::collections::BTreeMap;

use daybook_core::Hash;
use daybook_core::constitution::{self, Facts as _, valid_key};
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::key::KeyUse;
use daybook_core::tree::{FullTile, RightEdge};
use daybook_rules::{Refusal, Table as Rules, judge, reads};

use super::check::{Checked, Entry};
use super::fetch::{StoredCheckpoint, StoredTile};
use super::scratch::{Scratch, Table};
use super::states::States;
use super::{AuditError, Finding, Report, openings};

/// The log as far as it was read.
pub(super) struct Replay {
    pub(super) origin: String,
    pub(super) report: Report,
    pub(super) states: States,
    /// The tree; none from the first missing entry on.
    tree: Option<Tree>,
    rules: Rules,
    /// The index after the last entry.
    pub(super) next: u64,
    /// Keys that the log names as those of its checkpoints.
    pub(super) log_keys: Vec<String>,
}

/// The tree twice: its tiles as the hub makes them, its root as RFC 6962 §2.1 defines it.
#[derive(Default)]
struct Tree {
    edge: RightEdge,
    /// Roots of the largest full subtrees, from the left.
    peaks: Vec<Hash>,
    size: u64,
}

impl Tree {
    fn append(&mut self, leaf: Hash) -> Vec<FullTile> {
        self.peaks.push(leaf);
        let mut n = self.size;
        // Two subtrees of one size become one of twice the size.
        while n & 1 == 1
            && let (Some(right), Some(left)) = (self.peaks.pop(), self.peaks.pop())
        {
            self.peaks.push(Hash::node(&left, &right));
            n >>= 1;
        }
        self.size += 1;
        self.edge.append(leaf)
    }

    fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks
            .reduce(|right, left| Hash::node(&left, &right))
            .unwrap_or_else(Hash::empty_root)
    }
}

impl Replay {
    pub(super) fn new(origin: String, scratch: Scratch) -> Self {
        Self {
            origin,
            report: Report::default(),
            states: States::new(scratch),
            tree: Some(Tree::default()),
            rules: Rules::v1().clone(),
            next: 0,
            log_keys: Vec::new(),
        }
    }

    /// The root over all entries; none where one is missing.
    pub(super) fn root(&self) -> Option<Hash> {
        self.tree.as_ref().map(Tree::root)
    }

    /// Goes through one piece.
    pub(super) fn take(&mut self, checked: Checked) -> Result<(), AuditError> {
        let Checked {
            piece,
            entries,
            mut findings,
        } = checked;
        let mut tiles: BTreeMap<_, StoredTile> =
            piece.tiles.into_iter().map(|tile| (tile.id, tile)).collect();
        let mut checkpoints = piece.checkpoints.into_iter().peekable();
        let mut stored = openings::by_entry(piece.openings);
        for entry in &entries {
            let own = stored.remove(&entry.index).unwrap_or_default();
            self.enter(entry, &own, &mut findings)?;
            let filled = self.tree.as_mut().map(|tree| tree.append(entry.leaf));
            for tile in filled.into_iter().flatten() {
                self.report.tiles += 1;
                let finding = compare_tile(&tile, tiles.remove(&tile.id));
                findings.extend(finding.map(|finding| (entry.index, finding)));
            }
            while let Some(checkpoint) = checkpoints.next_if(|next| next.size <= self.next) {
                let finding = self.checkpoint(&checkpoint)?;
                findings.extend(finding.map(|finding| (entry.index, finding)));
            }
        }
        // What stands beside entries that are not there; where those are missing is told already.
        for (index, left) in stored {
            let extra = |_| (index, Finding::extra("openings", index, "an opening of no entry"));
            findings.extend(left.iter().map(extra));
        }
        for checkpoint in checkpoints {
            let finding = Finding::extra("checkpoints", checkpoint.size, "a checkpoint");
            findings.push((checkpoint.size, finding));
        }
        findings.sort_by_key(|(index, _)| *index);
        for (_, finding) in findings {
            self.report.add(finding);
        }
        Ok(())
    }

    fn enter(
        &mut self,
        entry: &Entry,
        stored: &[openings::Stored],
        findings: &mut Vec<(u64, Finding)>,
    ) -> Result<(), AuditError> {
        let index = entry.index;
        if index != self.next {
            let gap = if index == self.next + 1 {
                self.next.to_string()
            } else {
                format!("{} to {}", self.next, index.saturating_sub(1))
            };
            let derived = "an entry at each index below the last";
            findings.push((self.next, Finding::missing("entries", gap, derived)));
            self.tree = None;
        }
        self.next = index + 1;
        self.report.entries += 1;
        let mut found = Vec::new();
        if let Some(event) = &entry.event {
            self.load(event)?;
            self.check_signature(entry, event, &mut found);
            self.check_seen(index, event, &mut found)?;
            let (now_missing, mut wrong) = openings::compare(&self.rules, index, event, stored);
            self.judge(index, event, &mut found)?;
            found.append(&mut wrong);
            self.report.openings += stored.len() as u64;
            if now_missing > 0 {
                let value = format!("{index}\n{now_missing}");
                self.states
                    .scratch
                    .put(Table::Missing, event.leaf().as_ref(), value.as_bytes())?;
            }
        }
        findings.extend(found.into_iter().map(|finding| (index, finding)));
        Ok(())
    }

    fn load(&mut self, event: &Event) -> Result<(), AuditError> {
        let claims = event.claims();
        let mut streams = reads(&self.rules, event);
        // The table in force at the founding is another: see `table_in_force`.
        streams.extend(reads(Rules::v1(), event));
        let new = constitution::registrations(event).unwrap_or_default();
        self.states
            .load(streams, &claims.iss, new.iter().map(|new| new.kid))
    }

    /// The key must have signed; whether it was valid here is the judge's question.
    fn check_signature(&self, entry: &Entry, event: &Event, found: &mut Vec<Finding>) {
        if entry.is_signed {
            return;
        }
        let claims = event.claims();
        let home = self.states.state(&claims.iss.home());
        let key = valid_key(home, &claims.iss, event.kid(), KeyUse::Event);
        if key.is_none_or(|key| event.verify(&key).is_err()) {
            let there = format!("one that the key {} did not make", event.kid());
            found.push(Finding::new(
                "entries",
                entry.index,
                "event (signature)",
                there,
                format!("a signature of {}", claims.iss),
            ));
        }
    }

    fn check_seen(&self, index: u64, event: &Event, found: &mut Vec<Finding>) -> Result<(), AuditError> {
        let Some(seen) = event.claims().seen else {
            return Ok(());
        };
        let root = self.states.scratch.get(Table::Roots, &seen.size.to_be_bytes())?;
        if root.as_deref() == Some(seen.root.as_ref()) {
            return Ok(());
        }
        let published = root.and_then(|root| Hash::from_slice(&root));
        let derived = published.map_or_else(
            || format!("no checkpoint of size {} before this entry", seen.size),
            |root| format!("the root {root} at size {}", seen.size),
        );
        let there = format!("the root {} at size {}", seen.root, seen.size);
        found.push(Finding::new("entries", index, "event (seen)", there, derived));
        Ok(())
    }

    fn judge(&mut self, index: u64, event: &Event, found: &mut Vec<Finding>) -> Result<(), AuditError> {
        let claims = event.claims();
        match judge(&self.rules, &self.origin, &self.states, event) {
            Ok(verdict) => {
                for new in &verdict.registrations {
                    let columns = format!(
                        "{}\n{}\n{}\n{index}",
                        new.actor,
                        new.usage.as_str(),
                        new.key.to_x()
                    );
                    self.states
                        .scratch
                        .put(Table::Keys, new.kid.as_ref(), columns.as_bytes())?;
                }
                self.states.set(verdict.states);
            }
            Err(refusal) => found.push(refused(index, event, &refusal)),
        }
        // Also where it was refused: what follows in its stream names it.
        self.states.move_head(&claims.sub, (claims.seq, *event.leaf()));
        if let Some(seen) = claims.seen {
            self.states.set_seen(&claims.iss, seen.size)?;
        }
        let named = ["log-opened", "log-key-rotated"].contains(&claims.kind.as_str());
        let key = claims.data.get("log_key").or_else(|| claims.data.get("key"));
        let key = key.and_then(serde_json::Value::as_str).filter(|_| named);
        self.log_keys.extend(key.map(str::to_owned));
        if claims.kind == POLICY_ADOPTED {
            let table = claims.data.get("table");
            // Where it is no table, the judge has said so.
            if let Some(rules) = table.and_then(|table| Rules::from_value(table).ok()) {
                self.rules = rules;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, stored: &StoredCheckpoint) -> Result<Option<Finding>, AuditError> {
        self.report.checkpoints += 1;
        // Where an entry is missing nothing is known of the tree, and that is told already.
        let Some(tree) = self.tree.as_ref().filter(|tree| tree.size == stored.size) else {
            return Ok(None);
        };
        let root = tree.root();
        self.states
            .scratch
            .put(Table::Roots, &stored.size.to_be_bytes(), root.as_ref())?;
        let there = || stored.root.encoded();
        Ok((!stored.root.is_hash(&root))
            .then(|| Finding::new("checkpoints", stored.size, "root", there(), root)))
    }
}

fn refused(index: u64, event: &Event, refusal: &Refusal) -> Finding {
    let claims = event.claims();
    let there = format!("{} of {} in {}", claims.kind, claims.iss, claims.sub);
    let cause = std::error::Error::source(refusal).map(|cause| format!(": {cause}"));
    let derived = format!("no such entry here: {refusal}{}", cause.unwrap_or_default());
    Finding::new("entries", index, "event (rules)", there, derived)
}

fn compare_tile(derived: &FullTile, stored: Option<StoredTile>) -> Option<Finding> {
    let key = format!("level {} n {}", derived.id.level, derived.id.n);
    let Some(stored) = stored else {
        return Some(Finding::missing(
            "tiles",
            key,
            format!("a tile of root {}", derived.root),
        ));
    };
    if stored.data.0 != derived.to_bytes() {
        let wrong = stored.data.0.chunks(32).zip(&derived.hashes);
        let at = wrong.take_while(|(there, hash)| *there == hash.as_ref()).count();
        let there = stored
            .data
            .0
            .chunks(32)
            .nth(at)
            .map(daybook_core::base64url::encode);
        let there = format!("{} at node {at}", there.unwrap_or_default());
        let hash = derived.hashes.get(at).map(Hash::to_base64url);
        return Some(Finding::new(
            "tiles",
            key,
            "data",
            there,
            hash.unwrap_or_default(),
        ));
    }
    let differs = !stored.root.is_hash(&derived.root);
    differs.then(|| Finding::new("tiles", key, "root", stored.root.encoded(), derived.root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_the_root_agree() {
        let mut tree = Tree::default();
        assert_eq!(tree.root(), Hash::empty_root());
        for n in 0..700_u32 {
            tree.append(Hash::leaf(&n.to_be_bytes()));
            assert_eq!(tree.root(), tree.edge.root(), "size {}", n + 1);
        }
    }
}
