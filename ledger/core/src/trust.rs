//! Trust policies: whose signatures make a checkpoint one to believe (C2SP tlog-policy).
//!
//! A verifier takes its policy from somewhere that the log cannot change. A checkpoint is believed when one of the logs
//! has signed it and the quorum of witnesses has cosigned it.

mod parse;

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

pub use self::parse::{MAX_POLICY_LEN, PolicyError, PolicyProblem};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::cosignature::{WitnessKey, cosigned};
use crate::note::{Note, NoteError, VerifierKey};

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrustError {
    /// The policy names no log with that origin.
    #[error("the policy names no log {0:?}")]
    UnknownLog(String),
    /// Malformed, or not signed by the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A cosignature that does not hold.
    #[error("a cosignature of the checkpoint")]
    Cosignature(#[source] NoteError),
    /// Too few witnesses.
    #[error("the quorum of witnesses has not cosigned: {}", named(.0))]
    NoQuorum(Vec<String>),
}

fn named(names: &[String]) -> String {
    if names.is_empty() {
        "none has".to_owned()
    } else {
        format!("only {}", names.join(", "))
    }
}

/// A log of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedLog {
    /// The key that signs its checkpoints; named as the log's origin.
    pub key: VerifierKey,
    /// Where it can be reached, if that is said.
    pub url: Option<Vec<u8>>,
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedWitness {
    name: Vec<u8>,
    /// The key that cosigns.
    pub key: WitnessKey,
    url: Option<Vec<u8>>,
}

impl TrustedWitness {
    /// Its name in the policy; bytes that are no UTF-8 are replaced.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Where it takes checkpoints, if that is said and is text.
    pub fn url(&self) -> Option<&str> {
        str::from_utf8(self.url.as_deref()?).ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: Vec<u8>,
    threshold: usize,
    members: Vec<Member>,
}

/// Logs, witnesses and the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TrustPolicy {
    logs: Vec<TrustedLog>,
    witnesses: Vec<TrustedWitness>,
    groups: Vec<Group>,
    /// `None` is `quorum none`.
    quorum: Option<Member>,
}

/// A checkpoint that a policy believes, and who vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed<'p> {
    /// What the log said.
    pub checkpoint: Checkpoint,
    /// The key of the log that signed.
    pub log: &'p VerifierKey,
    /// The witnesses of the policy that cosigned, with the time by their clocks.
    pub witnesses: Vec<(&'p TrustedWitness, u64)>,
}

impl TrustPolicy {
    /// A policy of one log and no witness.
    pub fn of_log(key: VerifierKey) -> Self {
        Self {
            logs: vec![TrustedLog { key, url: None }],
            ..Self::default()
        }
    }

    /// The same policy for this log alone, whichever logs it named before.
    #[must_use]
    pub fn for_log(mut self, key: VerifierKey) -> Self {
        self.logs = vec![TrustedLog { key, url: None }];
        self
    }

    /// The logs.
    pub fn logs(&self) -> &[TrustedLog] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[TrustedWitness] {
        &self.witnesses
    }

    /// Whether any cosignature is asked for.
    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Believes a checkpoint: well formed, signed by a log of the policy whose origin it names, cosigned by the quorum.
    pub fn open(&self, note: &Note) -> Result<Believed<'_>, TrustError> {
        let believed = self.open_without_quorum(note)?;
        let names: Vec<String> = believed
            .witnesses
            .iter()
            .map(|(one, _)| one.name().into_owned())
            .collect();
        if self.is_quorum(|witness| believed.witnesses.iter().any(|(one, _)| one.key == witness.key)) {
            Ok(believed)
        } else {
            Err(TrustError::NoQuorum(names))
        }
    }

    /// The same, however few witnesses have cosigned; a cosignature that does not hold is still refused.
    pub fn open_without_quorum(&self, note: &Note) -> Result<Believed<'_>, TrustError> {
        let origin = note.text().split('\n').next().unwrap_or_default();
        let mut logs = self
            .logs
            .iter()
            .filter(|log| log.key.name().as_str() == origin)
            .peekable();
        if logs.peek().is_none() {
            return Err(TrustError::UnknownLog(origin.to_owned()));
        }
        let mut refused = CheckpointError::Note(NoteError::NoKnownKey);
        for log in logs {
            match Checkpoint::open(note, &log.key, origin) {
                Ok(checkpoint) => return self.witnessed(note, checkpoint, &log.key),
                // The other keys of that log may have signed.
                Err(CheckpointError::Note(NoteError::NoKnownKey)) => {}
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    fn witnessed<'p>(
        &'p self,
        note: &Note,
        checkpoint: Checkpoint,
        log: &'p VerifierKey,
    ) -> Result<Believed<'p>, TrustError> {
        let keys: Vec<WitnessKey> = self.witnesses.iter().map(|one| one.key.clone()).collect();
        let found = cosigned(note, &keys).map_err(TrustError::Cosignature)?;
        let time_of = |witness: &TrustedWitness| {
            let one = found.iter().find(|one| *one.key == witness.key);
            one.map(|one| one.time)
        };
        let witnesses = self.witnesses.iter();
        let witnesses = witnesses.filter_map(|one| Some((one, time_of(one)?))).collect();
        Ok(Believed {
            checkpoint,
            log,
            witnesses,
        })
    }

    /// Whether those witnesses of whom `has` says so are enough.
    pub fn is_quorum(&self, has: impl Fn(&TrustedWitness) -> bool) -> bool {
        // A group names only groups before it, so that one pass settles all.
        let mut met: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |member: Member, met: &[bool]| match member {
            Member::Witness(at) => self.witnesses.get(at).is_some_and(&has),
            Member::Group(at) => met.get(at).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let count = group
                .members
                .iter()
                .filter(|member| holds(**member, &met))
                .count();
            met.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|quorum| holds(quorum, &met))
    }

    /// How many witnesses must lie for two checkpoints that disagree to be believed both: each quorum has that many in
    /// common with each other one at least. 0 where a hub alone can do it.
    pub fn split_needs(&self) -> usize {
        self.of_quorum(|group, costs| {
            let twice = (2 * group.threshold).saturating_sub(group.members.len());
            costs.iter().take(twice).sum()
        })
    }

    /// How many witnesses can be away at most, whichever they are, with the quorum still met.
    pub fn may_be_away(&self) -> usize {
        let breaks = self.of_quorum(|group, costs| {
            let enough = group.members.len() - group.threshold + 1;
            costs.iter().take(enough).sum()
        });
        if self.quorum.is_none() {
            self.witnesses.len()
        } else {
            breaks.saturating_sub(1)
        }
    }

    /// Counts from the witnesses, of 1 each, up to the quorum; a group gets the counts of its members, smallest first.
    fn of_quorum(&self, of_group: impl Fn(&Group, &[usize]) -> usize) -> usize {
        let mut counts: Vec<usize> = Vec::with_capacity(self.groups.len());
        let count = |member: Member, counts: &[usize]| match member {
            Member::Witness(_) => 1,
            Member::Group(at) => counts.get(at).copied().unwrap_or(0),
        };
        for group in &self.groups {
            let mut members: Vec<usize> = group.members.iter().map(|one| count(*one, &counts)).collect();
            members.sort_unstable();
            counts.push(of_group(group, &members));
        }
        self.quorum.map_or(0, |quorum| count(quorum, &counts))
    }

    fn name_of(&self, member: Member) -> &[u8] {
        match member {
            Member::Witness(at) => self.witnesses.get(at).map_or(&[], |one| &one.name),
            Member::Group(at) => self.groups.get(at).map_or(&[], |one| &one.name),
        }
    }

    /// The policy as a file, one thing a line, without comments; [`TrustPolicy::parse`] reads the same policy from it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines: Vec<Vec<&[u8]>> = Vec::new();
        let keys: Vec<String> = self.logs.iter().map(|log| log.key.to_string()).collect();
        for (log, key) in self.logs.iter().zip(&keys) {
            let mut line: Vec<&[u8]> = vec![b"log", key.as_bytes()];
            line.extend(log.url.as_deref());
            lines.push(line);
        }
        let keys: Vec<String> = self.witnesses.iter().map(|one| one.key.to_string()).collect();
        for (witness, key) in self.witnesses.iter().zip(&keys) {
            let mut line: Vec<&[u8]> = vec![b"witness", &witness.name, key.as_bytes()];
            line.extend(witness.url.as_deref());
            lines.push(line);
        }
        let thresholds: Vec<String> = self
            .groups
            .iter()
            .map(|group| group.threshold.to_string())
            .collect();
        for (group, threshold) in self.groups.iter().zip(&thresholds) {
            let mut line: Vec<&[u8]> = vec![b"group", &group.name, threshold.as_bytes()];
            line.extend(group.members.iter().map(|one| self.name_of(*one)));
            lines.push(line);
        }
        lines.push(vec![
            b"quorum",
            self.quorum.map_or(b"none", |quorum| self.name_of(quorum)),
        ]);
        lines
            .iter()
            .flat_map(|line| [line.join(&b' '), b"\n".to_vec()].concat())
            .collect()
    }
}

impl fmt::Display for TrustPolicy {
    /// Writes [`TrustPolicy::to_bytes`]; bytes that are no UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests;
