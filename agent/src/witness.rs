//! A witness with its record: whoever holds a key that cosigns checkpoints keeps it through this module.
//!
//! Key and record lie in one folder. Before an answer leaves, the record is written, with fsync of file and folder; two
//! requests at once take turns. The record of each log is the whole last note, not its size alone. A log without a record
//! is refused: a key that was brought back from a backup, or put into a fresh machine, would else cosign whatever it is
//! shown first, be it a fork. A person says once how it begins: see [`Beginning`].

mod http;
mod outbound;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::{Cosigner, WitnessKey};
use daybook_core::note::{KeyError, Note, NoteError, NoteSignature, VerifierKey};
use daybook_core::witness::{AddCheckpoint, Refusal};
use thiserror::Error;

pub use self::http::router;
pub use self::outbound::Outbound;
use self::record::Record;
use crate::keyfile;

/// The file with the seed of the witness's key.
pub const KEY_FILE: &str = "witness.key";
/// Lines under a log's name, of keys that are not known, which are kept in its record.
const MAX_OTHER_LINES: usize = 3;
/// The file with its public side, which also says its name.
pub const VKEY_FILE: &str = "witness.vkey";

/// A witness cannot be started, or cannot keep its record.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// No key, or one that others can read.
    #[error("the witness's key")]
    KeyFile(#[source] anyhow::Error),
    /// A key that cannot cosign.
    #[error("the witness's key")]
    Key(#[from] KeyError),
    /// The public side of another key, or none.
    #[error("{0} does not hold the public side of the key beside it")]
    PublicSide(PathBuf),
    /// A log that the key's folder knows nothing of.
    #[error(
        "there is no record of {origin} beside the key. If this key has never cosigned that log, say so (`--first-contact none`); else begin with a checkpoint that another witness or an auditor vouches for (`--first-contact FILE`)"
    )]
    NoRecord {
        /// The log.
        origin: String,
    },
    /// A record begins once.
    #[error("there is a record of {origin} already; it is never begun again")]
    RecordThere {
        /// The log.
        origin: String,
    },
    /// A record that does not hold.
    #[error(
        "the record {path} cannot be believed; bring a good one back, or begin with a checkpoint that somebody else vouches for"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the folder.
    #[error("another process uses the folder {0}: a key with two records would cosign two trees")]
    InUse(PathBuf),
    /// The first checkpoint is not the log's.
    #[error("the checkpoint to begin with")]
    Beginning(#[source] daybook_core::checkpoint::CheckpointError),
    /// The file cannot be read or written.
    #[error("the record {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Why there is no cosignature.
#[derive(Debug, Error)]
pub enum NotCosigned {
    /// The request is to be refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The record could not be written, so that nothing was signed.
    #[error(transparent)]
    Record(#[from] WitnessError),
    /// The clock is outside what can be stated.
    #[error("the clock cannot be stated in a cosignature")]
    Clock,
    /// A note has as many signatures as it may.
    #[error("the note")]
    Note(#[from] NoteError),
}

/// How the record of a log begins.
#[derive(Clone, Debug)]
pub enum Beginning {
    /// This key has never cosigned anything of that log.
    Never,
    /// With a checkpoint that somebody else vouches for, signed by the log.
    With(Note),
}

/// A key that cosigns, and what it has cosigned.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<String, Known>,
}

/// One log: its keys, and the record behind a lock that is held from the decision to the answer.
#[derive(Debug)]
struct Known {
    keys: Vec<VerifierKey>,
    record: Mutex<Record>,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Record> {
        // A record is replaced whole, after it was written: what a panic leaves behind is the one before.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a fresh key in a folder that has none, and answers with its public side.
pub fn create_key(folder: &Path, name: &str) -> Result<WitnessKey, WitnessError> {
    let name = name.parse()?;
    let seed = keyfile::create_seed(&folder.join(KEY_FILE)).map_err(WitnessError::KeyFile)?;
    let key = Cosigner::from_seed(name, &seed)?.verifier().clone();
    let path = folder.join(VKEY_FILE);
    std::fs::write(&path, format!("{key}\n")).map_err(|source| WitnessError::Io { path, source })?;
    Ok(key)
}

fn read_key(folder: &Path) -> Result<Cosigner, WitnessError> {
    let seed = keyfile::read_seed(&folder.join(KEY_FILE)).map_err(WitnessError::KeyFile)?;
    let path = folder.join(VKEY_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(WitnessError::Io { path, source }),
    };
    let key: Option<WitnessKey> = text.trim_end().parse().ok();
    let cosigner = key.and_then(|key| {
        let cosigner = Cosigner::from_seed(key.name().clone(), &seed).ok()?;
        (*cosigner.verifier() == key).then_some(cosigner)
    });
    cosigner.ok_or(WitnessError::PublicSide(path))
}

impl Witness {
    /// Takes up key and records of a folder, for logs that are known by their keys (several may share an origin).
    ///
    /// `beginnings` says by origin how records begin that are not there yet.
    pub fn open(
        folder: &Path,
        logs: &[VerifierKey],
        beginnings: &BTreeMap<String, Beginning>,
    ) -> Result<Self, WitnessError> {
        let cosigner = read_key(folder)?;
        let folder = record::Folder::lock(folder)?;
        let mut keys: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in logs {
            keys.entry(key.name().to_string()).or_default().push(key.clone());
        }
        let mut known = BTreeMap::new();
        for (origin, keys) in keys {
            let record = Record::open(&folder, &origin, &keys, beginnings.get(&origin))?;
            let record = Mutex::new(record);
            known.insert(origin, Known { keys, record });
        }
        Ok(Self {
            cosigner,
            logs: known,
        })
    }

    /// The key that verifies what this witness signs.
    pub fn key(&self) -> &WitnessKey {
        self.cosigner.verifier()
    }

    /// What it has recorded of a log last; `None` where it does not know the log or has recorded nothing.
    pub fn last(&self, origin: &str) -> Option<Checkpoint> {
        self.logs.get(origin)?.lock().checkpoint().cloned()
    }

    /// Decides about a request and, if all is well, records it for good and cosigns as of `now`, in seconds since 1970.
    pub fn add(&self, request: &AddCheckpoint, now: i64) -> Result<NoteSignature, NotCosigned> {
        let known = self.logs.get(request.origin()).ok_or(Refusal::UnknownLog)?;
        let mut record = known.lock();
        let checkpoint = request.decide(&known.keys, record.checkpoint())?;
        self.cosign(&mut record, known, &checkpoint, &request.checkpoint, now)
    }

    /// The same for whoever goes and looks at the log by itself: `proof` must lead from [`Witness::last`], which the caller
    /// has read before, to the checkpoint.
    ///
    /// The caller checks beforehand whatever else it cosigns for, such as that its own entries are there.
    pub fn follow(&self, note: &Note, proof: &[Hash], now: i64) -> Result<NoteSignature, NotCosigned> {
        let origin = note.text().split('\n').next().unwrap_or_default();
        let old = self.last(origin).map_or(0, |last| last.size());
        let request = AddCheckpoint {
            old,
            proof: proof.to_vec(),
            checkpoint: note.clone(),
        };
        self.add(&request, now)
    }

    /// The newest note of the log whose origin has this SHA-256 in hexadecimal: the log's signature and this witness's.
    pub fn monitored(&self, origin_hash: &str) -> Option<String> {
        let mut logs = self.logs.iter();
        let (_, known) = logs.find(|(origin, _)| record::name_of(origin) == origin_hash)?;
        let record = known.lock();
        record.cosigned(self.key()).map(ToString::to_string)
    }

    fn cosign(
        &self,
        record: &mut Record,
        known: &Known,
        checkpoint: &Checkpoint,
        note: &Note,
        now: i64,
    ) -> Result<NoteSignature, NotCosigned> {
        let time = u64::try_from(now).map_err(|_| NotCosigned::Clock)?;
        let line = self.cosigner.cosign(checkpoint, time).ok_or(NotCosigned::Clock)?;
        // Only lines under the log's own name, and our own: what strangers add does not stay with us. A line of a key that is
        // not known yet stays, for by that key the record may have to be read once the log has changed to it.
        let mut kept = Note::new(note.text())?;
        let is_known = |line: &NoteSignature| {
            let mut keys = known.keys.iter();
            keys.any(|key| key.name() == line.name() && key.id() == line.key_id())
        };
        let is_logs = |line: &NoteSignature| line.name().as_str() == checkpoint.origin();
        let lines = note.signatures().iter().filter(|line| is_logs(line));
        let (own, others): (Vec<_>, Vec<_>) = lines.partition(|line| is_known(line));
        for line in own.into_iter().chain(others.into_iter().take(MAX_OTHER_LINES)) {
            kept.add(line.clone())?;
        }
        kept.add(line.clone())?;
        record.replace(kept, checkpoint.clone())?;
        Ok(line)
    }
}

#[cfg(test)]
mod tests;
