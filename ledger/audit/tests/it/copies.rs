//! Static copies of logs that are made in memory, right and wrong.

use std::fs;
use std::path::{Path, PathBuf};

use daybook_audit::source::Source;
use daybook_audit::{Audit, Options, Progress, Report, vouch};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::note::{Note, NoteSigner};
use daybook_core::tree::{Resource, RightEdge, TileId, TilePath, encode_bundle, encode_tile};
use daybook_core::trust::TrustPolicy;
use daybook_world::ORIGIN;
use tempfile::TempDir;
use tokio::sync::watch;

/// The auditor's clock: soon after a world's beginning.
pub(crate) const NOW: i64 = daybook_world::BEGINNING + 7 * 86_400;

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &daybook_world::bytes("log key")).unwrap()
}

pub(crate) fn checkpoint(entries: &[String]) -> Checkpoint {
    let mut edge = RightEdge::new();
    for entry in entries {
        edge.append(Hash::leaf(entry.as_bytes()));
    }
    Checkpoint::new(ORIGIN, edge.size(), edge.root()).unwrap()
}

/// A log in a folder, and the state of its audit.
pub(crate) struct Copy {
    folder: TempDir,
}

impl Copy {
    pub(crate) fn of(events: &[Event]) -> Self {
        let copy = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let entries: Vec<String> = events.iter().map(|event| event.as_str().to_owned()).collect();
        copy.write(&entries);
        copy
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn put(&self, path: &TilePath, bytes: &[u8]) {
        let path = self.log().join(path.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes bundles, tiles and a checkpoint that the log's key has signed.
    pub(crate) fn write(&self, entries: &[String]) {
        let mut edge = RightEdge::new();
        for entry in entries {
            for tile in edge.append(Hash::leaf(entry.as_bytes())) {
                self.put(
                    &TilePath::new(Resource::Hashes(tile.id), 256).unwrap(),
                    &tile.to_bytes(),
                );
            }
        }
        for (id, nodes) in edge.partial_tiles() {
            let width = u16::try_from(nodes.len()).unwrap();
            self.put(
                &TilePath::new(Resource::Hashes(id), width).unwrap(),
                &encode_tile(nodes),
            );
        }
        for (n, bundle) in (0..).zip(entries.chunks(256)) {
            let width = u16::try_from(bundle.len()).unwrap();
            self.put(
                &TilePath::new(Resource::Entries(n), width).unwrap(),
                &encode_bundle(bundle).unwrap(),
            );
        }
        self.sign(&checkpoint(entries));
    }

    pub(crate) fn sign(&self, checkpoint: &Checkpoint) {
        self.publish(&checkpoint.sign(&signer()).unwrap());
    }

    pub(crate) fn publish(&self, note: &Note) {
        fs::write(self.log().join("checkpoint"), note.to_string()).unwrap();
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            source: Source::new(self.log().to_str().unwrap()).unwrap(),
            policy: TrustPolicy::of_log(signer().verifier().clone()),
            state: self.folder.path().join("state"),
            anchors: vouch::Anchors::new(),
            others: Vec::new(),
            lists: true,
            now: NOW,
        }
    }

    pub(crate) async fn audit(&self) -> Report {
        audit(self.options()).await
    }

    pub(crate) fn tile(&self, id: TileId) -> PathBuf {
        self.log()
            .join(TilePath::new(Resource::Hashes(id), 256).unwrap().to_string())
    }

    pub(crate) fn state(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) async fn audit(options: Options) -> Report {
    let progress = watch::Sender::new(Progress::default());
    Audit::new(options).unwrap().run(&progress).await.unwrap()
}
