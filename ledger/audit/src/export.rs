//! A static copy of a log: what a web server, another auditor or a restore needs, in the paths of C2SP tlog-tiles.
//!
//! Entries are fetched, tiles are computed from them: a copy is written only if both give the root that the log has signed.
//! The checkpoint is written last, so that a copy that was broken off is the copy before it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::note::{Note, NoteError};
use daybook_core::tree::{Resource, RightEdge, TilePath, encode_tile};
use daybook_core::trust::{TrustError, TrustPolicy};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::watch;

use crate::bundle::{self, FULL};
use crate::run::Progress;
use crate::source::{Source, SourceError, openings_path};

/// What is fetched at once.
const WIDTH: usize = 8;

/// A copy cannot be made.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No checkpoint of the form.
    #[error("the checkpoint")]
    Note(#[from] NoteError),
    /// No checkpoint that the policy believes.
    #[error("the checkpoint is not believed")]
    Trust(#[from] TrustError),
    /// The copy.
    #[error("the file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The entries are others than were signed.
    #[error(
        "the entries do not give the root that was signed for {0} of them; the copy stays as it was before. Move away what was fetched and try again, and if it stays so, `daybook audit` says more"
    )]
    RootDiffers(u64),
    /// The copy is further than the log.
    #[error("the copy holds {copy} entries and the log shows {log}: keep the copy, and tell an auditor")]
    WentBack {
        /// Entries in the copy.
        copy: u64,
        /// Entries that the log shows.
        log: u64,
    },
    /// A fault of ours.
    #[error("a part of the work has ended by a fault of this program")]
    Broken,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries of the copy.
    pub entries: u64,
    /// Bundles that were fetched; the others were there.
    pub fetched: u64,
    /// Entries of which the copy holds published openings.
    pub opened: u64,
}

/// Makes or continues a copy in a folder.
pub async fn export(
    source: &Source,
    policy: &TrustPolicy,
    folder: &Path,
    with_openings: bool,
    progress: &watch::Sender<Progress>,
) -> Result<Exported, ExportError> {
    let bytes = source.checkpoint().await?;
    let note = Note::parse(&bytes)?;
    let checkpoint = policy.open(&note)?.checkpoint;
    let copy = Copy { folder };
    copy.check_behind(policy, checkpoint.size()).await?;
    let mut work = Work {
        copy: &copy,
        edge: RightEdge::new(),
        leaves: Vec::new(),
        published: BTreeSet::new(),
        done: Exported::default(),
    };
    let size = checkpoint.size();
    let bundles = stream::iter(0..size.div_ceil(FULL)).map(|n| copy.bundle(source, n, size));
    let mut bundles = std::pin::pin!(bundles.buffered(WIDTH));
    while let Some(bundle) = bundles.next().await {
        work.take(bundle?).await?;
        let done = work.edge.size();
        progress.send_replace(Progress { done, of: size });
    }
    if work.edge.root() != *checkpoint.root() {
        return Err(ExportError::RootDiffers(size));
    }
    for (id, nodes) in work.edge.partial_tiles() {
        let path = TilePath::new(Resource::Hashes(id), width_of(nodes.len()));
        copy.put(
            &path.map_err(|_| ExportError::Broken)?.to_string(),
            &encode_tile(nodes),
        )
        .await?;
    }
    work.done.entries = size;
    if with_openings {
        work.done.opened = work.openings(source).await?;
    }
    if let Ok(policy) = source.policy().await {
        copy.put("policy", &policy).await?;
    }
    copy.put("checkpoint", &bytes).await?;
    Ok(work.done)
}

fn width_of(nodes: usize) -> u16 {
    u16::try_from(nodes).unwrap_or(u16::MAX)
}

/// A bundle, and what its entries say that the copy must know.
struct Bundle {
    n: u64,
    is_new: bool,
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
    /// Leaf hashes of the entries whose openings a register entry publishes, its own among them.
    published: Vec<Hash>,
}

/// The folder.
struct Copy<'a> {
    folder: &'a Path,
}

impl Copy<'_> {
    /// Refuses to go back: the copy may be the only thing that is left of what the log has shown.
    async fn check_behind(&self, policy: &TrustPolicy, size: u64) -> Result<(), ExportError> {
        let path = self.folder.join("checkpoint");
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(ExportError::File { path, source }),
        };
        let before = policy.open_without_quorum(&Note::parse(&bytes)?)?.checkpoint;
        if before.size() > size {
            return Err(ExportError::WentBack {
                copy: before.size(),
                log: size,
            });
        }
        Ok(())
    }

    /// A bundle of the copy if it is whole there, else of the log.
    async fn bundle(&self, source: &Source, n: u64, size: u64) -> Result<Bundle, ExportError> {
        let width = bundle::width(n, size);
        let path = TilePath::new(Resource::Entries(n), width).map_err(|_| ExportError::Broken)?;
        let there = tokio::fs::read(self.folder.join(path.to_string())).await;
        let is_new = there.is_err();
        let bytes = match there {
            Ok(bytes) => bytes,
            Err(_) => source.bundle(n, width).await?,
        };
        let reading = tokio::task::spawn_blocking(move || {
            let entries = bundle::entries(&bytes, n, width)?;
            let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
            let published = entries.iter().flat_map(|entry| published_by(entry)).collect();
            Ok::<_, SourceError>(Bundle {
                n,
                is_new,
                bytes,
                leaves,
                published,
            })
        });
        Ok(reading.await.map_err(|_| ExportError::Broken)??)
    }

    /// Writes a file whole or not at all.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.folder.join(name);
        let new = path.with_extension("new");
        let written = async {
            if let Some(folder) = path.parent() {
                tokio::fs::create_dir_all(folder).await?;
            }
            tokio::fs::write(&new, bytes).await?;
            tokio::fs::rename(&new, &path).await
        };
        written.await.map_err(|source| ExportError::File {
            path: path.clone(),
            source,
        })
    }

    /// Removes a file or a folder that need not be there.
    async fn remove(&self, name: &str) -> Result<(), ExportError> {
        let path = self.folder.join(name);
        let removed = match tokio::fs::metadata(&path).await {
            Ok(found) if found.is_dir() => tokio::fs::remove_dir_all(&path).await,
            Ok(_) => tokio::fs::remove_file(&path).await,
            Err(error) => Err(error),
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ExportError::File { path, source })
            }
            _ => Ok(()),
        }
    }
}

/// A copy in the making.
struct Work<'a> {
    copy: &'a Copy<'a>,
    edge: RightEdge,
    leaves: Vec<Hash>,
    published: BTreeSet<Hash>,
    done: Exported,
}

impl Work<'_> {
    async fn take(&mut self, bundle: Bundle) -> Result<(), ExportError> {
        let path = TilePath::new(Resource::Entries(bundle.n), width_of(bundle.leaves.len()));
        let path = path.map_err(|_| ExportError::Broken)?.to_string();
        for leaf in &bundle.leaves {
            for tile in self.edge.append(*leaf) {
                let path = TilePath::new(Resource::Hashes(tile.id), 256).map_err(|_| ExportError::Broken)?;
                let path = path.to_string();
                let bytes = tile.to_bytes();
                // Also where it was there and was damaged.
                if tokio::fs::read(self.copy.folder.join(&path)).await.ok().as_ref() != Some(&bytes) {
                    self.copy.put(&path, &bytes).await?;
                    self.copy.remove(&format!("{path}.p")).await?;
                }
            }
        }
        if bundle.is_new {
            self.copy.put(&path, &bundle.bytes).await?;
            if bundle.leaves.len() as u64 == FULL {
                self.copy.remove(&format!("{path}.p")).await?;
            }
            self.done.fetched += 1;
        }
        self.leaves.extend(bundle.leaves);
        self.published.extend(bundle.published);
        Ok(())
    }

    /// Fetches all openings that are published now: what was erased or withdrawn since goes from the copy too.
    async fn openings(&self, source: &Source) -> Result<u64, ExportError> {
        let indexes = (0_u64..)
            .zip(&self.leaves)
            .filter(|(_, leaf)| self.published.contains(*leaf));
        let indexes: Vec<u64> = indexes.map(|(index, _)| index).collect();
        let fetched = stream::iter(indexes.clone()).map(|index| async move {
            let openings = source.published_openings(index).await?;
            let texts: Vec<String> = openings.iter().map(|one| one.as_str().to_owned()).collect();
            Ok::<_, ExportError>((index, texts))
        });
        let mut fetched = std::pin::pin!(fetched.buffered(WIDTH));
        let mut there = BTreeMap::new();
        while let Some(found) = fetched.next().await {
            let (index, texts) = found?;
            if !texts.is_empty() {
                there.insert(index, json!(texts));
            }
        }
        for (index, texts) in &there {
            self.copy
                .put(&openings_path(*index), texts.to_string().as_bytes())
                .await?;
        }
        let kept: BTreeSet<String> = there.keys().map(|index| openings_path(*index)).collect();
        let folder = self.copy.folder.join("openings");
        if let Ok(mut files) = tokio::fs::read_dir(&folder).await {
            while let Ok(Some(file)) = files.next_entry().await {
                let name = format!("openings/{}", file.file_name().to_string_lossy());
                if !kept.contains(&name) {
                    self.copy.remove(&name).await?;
                }
            }
        }
        Ok(there.len() as u64)
    }
}

/// The leaf hashes of the entries whose openings an entry of the register publishes.
fn published_by(entry: &[u8]) -> Vec<Hash> {
    let event = std::str::from_utf8(entry)
        .ok()
        .and_then(|text| Event::parse(text).ok());
    let Some(event) = event.filter(|event| event.claims().kind == "register-published") else {
        return Vec::new();
    };
    let rests_on = event.claims().data.get("rests_on").and_then(Value::as_array);
    let named = rests_on.into_iter().flatten();
    let named = named.filter_map(|leaf| Hash::from_base64url(leaf.as_str()?));
    named.chain([*event.leaf()]).collect()
}
