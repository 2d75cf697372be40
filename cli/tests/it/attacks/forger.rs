//! A log that was made anew: other entries, their tree, and a checkpoint under the log's own key.

use axum::http::StatusCode;
use daybook_agent::keyfile;
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::{Claims, Event};
use daybook_core::note::{Note, NoteSigner};
use daybook_core::proof_file::ProofFile;
use daybook_core::tree::{Resource, TilePath, encode_bundle, encode_tile};

use super::scene::{ORIGIN, Scene};

/// The log's own signer, stolen.
pub(crate) fn signer(scene: &Scene) -> NoteSigner {
    let seed = keyfile::read_seed(&scene.path("keys/log.key")).unwrap();
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &seed).unwrap()
}

/// The log as a thief of its key would serve it.
pub(crate) struct Forged {
    pub(crate) entries: Vec<String>,
    leaves: Vec<Hash>,
    pub(crate) note: Note,
}

impl Forged {
    pub(crate) fn of(scene: &Scene, entries: Vec<String>) -> Self {
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry.as_bytes())).collect();
        let checkpoint = Checkpoint::new(ORIGIN, leaves.len() as u64, root(&leaves)).unwrap();
        Self {
            note: checkpoint.sign(&signer(scene)).unwrap(),
            leaves,
            entries,
        }
    }

    /// The true log with a change.
    pub(crate) fn with(scene: &Scene, change: impl FnOnce(&mut Vec<String>)) -> Self {
        let mut entries = scene.entries();
        change(&mut entries);
        Self::of(scene, entries)
    }

    /// What stands under `/log`; nothing for other paths.
    pub(crate) fn answer(&self, path: &str) -> Option<(StatusCode, Vec<u8>)> {
        let path = path.strip_prefix("/log/")?;
        if path == "checkpoint" {
            return Some((StatusCode::OK, self.note.to_string().into_bytes()));
        }
        let Ok(path) = path.parse::<TilePath>() else {
            return path
                .starts_with("tile/")
                .then(|| (StatusCode::NOT_FOUND, Vec::new()));
        };
        let found = self.tile(&path).map(|bytes| (StatusCode::OK, bytes));
        Some(found.unwrap_or((StatusCode::NOT_FOUND, Vec::new())))
    }

    fn tile(&self, path: &TilePath) -> Option<Vec<u8>> {
        let width = usize::from(path.width());
        match path.resource() {
            Resource::Entries(n) => {
                let first = usize::try_from(n).unwrap() * 256;
                Some(encode_bundle(self.entries.get(first..first + width)?).unwrap())
            }
            Resource::Hashes(id) => {
                let span = 256_usize.pow(u32::from(id.level));
                let first = usize::try_from(id.n).unwrap() * 256;
                let node = |at: usize| self.leaves.get(at * span..(at + 1) * span).map(root);
                let nodes: Option<Vec<Hash>> = (first..first + width).map(node).collect();
                Some(encode_tile(&nodes?))
            }
        }
    }

    /// A proof under the stolen key that an entry stands in this log.
    pub(crate) fn proof(&self, index: usize) -> String {
        let path = path(&self.leaves, index);
        ProofFile::new(index as u64, path, self.note.clone())
            .unwrap()
            .to_string()
    }
}

/// Where the first entry of a type stands.
pub(crate) fn first_of(entries: &[String], kind: &str) -> usize {
    entries
        .iter()
        .position(|entry| event(entry).claims().kind == kind)
        .unwrap()
}

/// Where the last entry of a type stands.
pub(crate) fn last_of(entries: &[String], kind: &str) -> usize {
    entries
        .iter()
        .rposition(|entry| event(entry).claims().kind == kind)
        .unwrap()
}

pub(crate) fn event(entry: &str) -> Event {
    Event::parse(entry).unwrap()
}

/// Another payload under the signature that was made over the old one.
pub(crate) fn alter(entry: &str, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = event(entry).claims().clone();
    change(&mut claims);
    let anybody = daybook_core::key::SecretKey::from_seed(&[3; 32]);
    let other = Event::sign(&claims, &anybody).unwrap();
    let mut parts = entry.split('.');
    let (header, signature) = (parts.next().unwrap(), parts.nth(1).unwrap());
    let payload = other.as_str().split('.').nth(1).unwrap();
    format!("{header}.{payload}.{signature}")
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&root(left), &root(right))
        }
    }
}

/// RFC 6962 §2.1.1.
fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut below, beside) = if index < left.len() {
        (path(left, index), root(right))
    } else {
        (path(right, index - left.len()), root(left))
    };
    below.push(beside);
    below
}
