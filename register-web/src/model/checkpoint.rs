//! Who else has signed the log's checkpoints.

use daybook_core::note::Note;
use daybook_store::publish::Released;

use crate::site::Watch;

/// A witness of the log's policy, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its name in the policy.
    pub(crate) name: String,
    /// The name in its key.
    pub(crate) key_name: String,
    /// Whether it is from outside of the federation.
    pub(crate) is_independent: bool,
    /// The largest tree that it has cosigned; 0 before the first.
    pub(crate) size: u64,
    /// When it last did, by its own clock, in seconds since 1970.
    pub(crate) at: Option<i64>,
}

/// Every witness of the policy, in its order.
pub(crate) fn standings(watch: &Watch) -> Vec<Standing> {
    let mut standings = watch.witnesses.standings();
    let all = watch.witnesses.policy().witnesses().iter();
    all.map(|witness| {
        let found = standings.remove(&witness.key.to_string());
        let name = witness.name().into_owned();
        Standing {
            key_name: witness.key.name().to_string(),
            is_independent: watch.independent.contains(&name),
            size: found.as_ref().map_or(0, |found| found.size),
            at: found
                .and_then(|found| found.time)
                .and_then(|at| i64::try_from(at).ok()),
            name,
        }
    })
    .collect()
}

/// The witnesses that have cosigned a checkpoint: name, and whether it is from outside. Lines are verified before they are
/// kept, and only those of the policy's witnesses stand in the note.
pub(crate) fn cosigners(watch: &Watch, released: &Released) -> Vec<(String, bool)> {
    let Ok(note) = Note::parse(released.note.as_bytes()) else {
        return Vec::new();
    };
    let all = watch.witnesses.policy().witnesses().iter();
    let signed = all.filter(|witness| {
        note.signatures()
            .iter()
            .any(|line| witness.key.is_claimed_by(line))
    });
    let named = signed.map(|witness| {
        let name = witness.name().into_owned();
        let is_independent = watch.independent.contains(&name);
        (name, is_independent)
    });
    named.collect()
}
