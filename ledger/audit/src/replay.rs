//! Going through the entries in order, as the hub should have: tree, signatures, rules, states.

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_core::Hash;
use daybook_core::constitution::{self, Facts as _, valid_key};
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::Stream;
use daybook_core::key::KeyUse;
use daybook_core::trust::TrustPolicy;
use daybook_rules::{Refusal, Table as Rules, judge, reads};
use daybook_store::audit::scratch::Table;
use serde_json::Value;

use crate::finding::{Finding, Kind};
use crate::piece::{Checked, Entry};
use crate::run::AuditError;
use crate::state::{State, StateError};
use crate::{heads, vouch};

/// Entries after which it is kept for good how far the audit has come.
const COMMIT: u64 = 65_536;
/// Heads that are hashed at most in one run, to recompute what the clerk committed.
const MAX_HEADS: u64 = 20_000_000;
/// Sizes and roots that authors named lately.
const MAX_SEEN: usize = 4_096;

/// The log as far as it was read.
pub(crate) struct Replay {
    pub(crate) state: State,
    policy: Arc<TrustPolicy>,
    rules: Rules,
    peaks: Vec<Hash>,
    seen: BTreeMap<u64, Hash>,
    hashed: u64,
}

impl Replay {
    pub(crate) fn new(state: State, policy: Arc<TrustPolicy>) -> Result<Self, AuditError> {
        let unreadable = || StateError::Unreadable(state.folder.clone());
        let peaks: Option<Vec<Hash>> = state
            .kept
            .peaks
            .iter()
            .map(|peak| Hash::from_base64url(peak))
            .collect();
        let rules = match &state.kept.rules {
            Some(table) => Rules::from_value(table).map_err(|_| unreadable())?,
            None => Rules::v1().clone(),
        };
        Ok(Self {
            peaks: peaks.ok_or_else(unreadable)?,
            state,
            policy,
            rules,
            seen: BTreeMap::new(),
            hashed: 0,
        })
    }

    /// The root over all entries so far (RFC 6962 §2.1).
    pub(crate) fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks
            .reduce(|right, left| Hash::node(&left, &right))
            .unwrap_or_else(Hash::empty_root)
    }

    /// The table in force.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes a bundle.
    pub(crate) fn take(&mut self, checked: Checked) -> Result<(), AuditError> {
        if checked.tile_differs
            && let Some(first) = checked.entries.first()
        {
            let words = format!(
                "the tile of leaf hashes {} is not what its entries give",
                first.index / 256
            );
            self.find(Finding::at(Kind::TileDiffers, first.index, words));
        }
        for entry in checked.entries {
            self.enter(&entry)?;
            if self.state.kept.next.is_multiple_of(COMMIT) {
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Keeps for good how far the audit has come.
    pub(crate) fn commit(&mut self) -> Result<(), AuditError> {
        let kept = &mut self.state.kept;
        kept.peaks = self.peaks.iter().map(Hash::to_base64url).collect();
        Ok(self.state.commit()?)
    }

    fn find(&mut self, finding: Finding) {
        self.state.kept.report.add(finding);
    }

    fn enter(&mut self, entry: &Entry) -> Result<(), AuditError> {
        let index = entry.index;
        match &entry.event {
            Ok(event) => self.event(index, event, entry.is_signed)?,
            Err(words) => self.find(Finding::at(Kind::EntryMalformed, index, words)),
        }
        self.grow(entry.leaf)?;
        let report = &mut self.state.kept.report;
        report.entries += 1;
        report.new_entries += 1;
        Ok(())
    }

    fn grow(&mut self, leaf: Hash) -> Result<(), AuditError> {
        self.peaks.push(leaf);
        let mut n = self.state.kept.next;
        // Two subtrees of one size become one of twice the size.
        while n & 1 == 1
            && let (Some(right), Some(left)) = (self.peaks.pop(), self.peaks.pop())
        {
            self.peaks.push(Hash::node(&left, &right));
            n >>= 1;
        }
        self.state.kept.next += 1;
        let root = self.root();
        self.state.roots.push(root).map_err(AuditError::Roots)
    }

    fn event(&mut self, index: u64, event: &Event, is_signed: bool) -> Result<(), AuditError> {
        let claims = event.claims();
        let mut streams = reads(&self.rules, event);
        // The table in force at the founding is another: see `daybook_rules::judge::table_in_force`.
        streams.extend(reads(Rules::v1(), event));
        let new = constitution::registrations(event).unwrap_or_default();
        let states = &mut self.state.states;
        states.load(streams, &claims.iss, new.iter().map(|new| new.kid))?;
        if !is_signed {
            self.signature(index, event);
        }
        self.seen(index, event)?;
        match claims.kind.as_str() {
            "heads-committed" => self.heads(index, event)?,
            "checkpoint-anchored" => self.anchor(index, event)?,
            "fields-erased" => self.state.kept.report.erasures += 1,
            _ => {}
        }
        self.judge(index, event)
    }

    /// Where the quick way knew no key, the holder's state may: whether the key is valid is then the judge's question.
    fn signature(&mut self, index: u64, event: &Event) {
        let claims = event.claims();
        let home = self.state.states.state(&claims.iss.home());
        let known = valid_key(home, &claims.iss, event.kid(), KeyUse::Event);
        let brought = constitution::registrations(event).unwrap_or_default();
        let brought = brought
            .into_iter()
            .find(|new| new.kid == *event.kid())
            .map(|new| new.key);
        if known.or(brought).is_none_or(|key| event.verify(&key).is_err()) {
            let words = format!(
                "{} of {} is not signed by the key {}",
                claims.kind,
                claims.iss,
                event.kid()
            );
            self.find(Finding::at(Kind::SignatureWrong, index, words));
        }
    }

    fn seen(&mut self, index: u64, event: &Event) -> Result<(), AuditError> {
        let Some(seen) = event.claims().seen else {
            return Ok(());
        };
        let known = self.seen.get(&seen.size).copied();
        let root = match known {
            Some(root) => Some(root),
            None => self.state.roots.at(seen.size).map_err(AuditError::Roots)?,
        };
        if self.seen.len() == MAX_SEEN {
            self.seen.clear();
        }
        self.seen.extend(root.map(|root| (seen.size, root)));
        if root != Some(seen.root) {
            let words = format!(
                "{} was shown the root {} at {} entries, and {}",
                event.claims().iss,
                seen.root,
                seen.size,
                root.map_or("the log had not so many".to_owned(), |root| format!(
                    "the entries give {root}"
                ))
            );
            self.find(Finding::at(Kind::SeenUnknown, index, words));
        }
        Ok(())
    }

    fn heads(&mut self, index: u64, event: &Event) -> Result<(), AuditError> {
        if self.hashed > MAX_HEADS {
            let words = "enough heads were recomputed in this run; the next one looks at what comes then";
            self.find(Finding::at(Kind::NotCompared, index, words));
            return Ok(());
        }
        self.hashed += heads::compare(&mut self.state, index, event)?;
        // Comparing has put the states away.
        let mut streams = reads(&self.rules, event);
        streams.insert(Stream::Federation);
        self.state
            .states
            .load(streams, &event.claims().iss, std::iter::empty())?;
        Ok(())
    }

    fn anchor(&mut self, index: u64, event: &Event) -> Result<(), AuditError> {
        let size = event
            .claims()
            .data
            .get("size")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let root = self.state.roots.at(size).map_err(AuditError::Roots)?;
        match vouch::anchored(
            &self.policy,
            &self.state.kept.origin,
            &self.state.kept.log_keys,
            event,
            root,
        ) {
            Ok(()) => self.state.kept.report.anchors += 1,
            Err(words) => self.find(Finding::at(Kind::AnchorForged, index, words)),
        }
        Ok(())
    }

    fn judge(&mut self, index: u64, event: &Event) -> Result<(), AuditError> {
        let claims = event.claims();
        let state = &mut self.state;
        match judge(&self.rules, &state.kept.origin, &state.states, event) {
            Ok(verdict) => {
                for new in &verdict.registrations {
                    let row = format!("{}\n{}\n{index}", new.actor, new.usage.as_str());
                    state
                        .states
                        .scratch
                        .put(Table::Keys, new.kid.as_ref(), row.as_bytes())?;
                }
                state.states.set(verdict.states);
                state.kept.learn_log_key(event);
            }
            Err(refusal) => state.kept.report.add(refused(index, event, &refusal)),
        }
        state.kept.remember(&claims.sub, claims.seq, claims.prev.as_ref());
        // Also where it was refused: what follows in its stream names it.
        state.states.move_head(&claims.sub, (claims.seq, *event.leaf()));
        if let Some(seen) = claims.seen {
            state.states.set_seen(&claims.iss, seen.size)?;
        }
        let after = state.states.state(&claims.sub);
        state
            .kept
            .lookout
            .see(index, event, after, &self.rules, &mut state.kept.report);
        if claims.kind == POLICY_ADOPTED
            && let Some(table) = claims.data.get("table")
            && let Ok(rules) = Rules::from_value(table)
        {
            self.rules = rules;
            self.state.kept.rules = Some(table.clone());
        }
        Ok(())
    }
}

fn refused(index: u64, event: &Event, refusal: &Refusal) -> Finding {
    let claims = event.claims();
    let cause = std::error::Error::source(refusal).map(|cause| format!(": {cause}"));
    let words = format!(
        "{} of {} in {}: {refusal}{}",
        claims.kind,
        claims.iss,
        claims.sub,
        cause.unwrap_or_default()
    );
    Finding::at(Kind::NotAllowed, index, words)
}
