//! The newest signed checkpoint, and who else has signed it.

use daybook_core::note::{Note, VerifierKey};
use daybook_store::publish::Released;

/// Bytes of a witness's signature: eight of a time, and 64 of the signature itself (C2SP tlog-cosignature).
const COSIGNATURE: usize = 72;

/// Somebody who has signed the checkpoint too. Whether they have is told by who knows their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) name: String,
    /// When they say they did, in seconds since 1970.
    pub(crate) at: Option<i64>,
}

/// The lines of others under a checkpoint.
pub(crate) fn witnesses(released: &Released, log_key: &str) -> Vec<Witness> {
    let own: Option<VerifierKey> = log_key.parse().ok();
    let own = own.map(|key| key.name().to_string());
    let note = Note::parse(released.note.as_bytes()).ok();
    let lines = note.iter().flat_map(Note::signatures);
    let all = lines.map(|line| Witness {
        name: line.name().to_string(),
        at: time(line.signature()),
    });
    all.filter(|witness| Some(&witness.name) != own.as_ref())
        .collect()
}

fn time(signature: &[u8]) -> Option<i64> {
    let (time, _) = signature.split_first_chunk()?;
    let time = i64::try_from(u64::from_be_bytes(*time)).ok()?;
    (signature.len() == COSIGNATURE).then_some(time)
}
