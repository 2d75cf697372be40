//! Where packets' bytes lie: a folder, or a bucket that speaks S3.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use daybook_core::Hash;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, PutResult,
    UploadPart, WriteMultipart,
};
use sha2::{Digest as _, Sha256};

/// Bytes of a part on its way to a disk.
const FOLDER_PART: usize = 1024 * 1024;
/// Bytes of a part on its way to a bucket: S3 takes none smaller but the last, and at most 10,000 of them.
const BUCKET_PART: u64 = 5 * 1024 * 1024;
const BUCKET_PARTS: u64 = 10_000;

/// A packet store. What it has acknowledged is durable. Cheap to clone.
#[derive(Clone)]
pub struct PacketStore {
    objects: Arc<dyn ObjectStore>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Folder(Arc<FilePath>),
    Bucket {
        parts: Arc<dyn MultipartStore>,
        prefix: Arc<str>,
    },
}

impl fmt::Debug for PacketStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PacketStore({})", self.objects)
    }
}

impl PacketStore {
    /// A folder, which must be there. Files and folders are synced before they count as stored.
    pub fn folder(folder: &FilePath) -> Result<Self, Error> {
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
            kind: Kind::Folder(folder.into()),
        })
    }

    /// A bucket, and what the names of its objects begin with; nothing where empty.
    pub fn bucket<S: ObjectStore + MultipartStore>(bucket: Arc<S>, prefix: &str) -> Self {
        Self {
            objects: bucket.clone(),
            kind: Kind::Bucket {
                parts: bucket,
                prefix: prefix.trim_matches('/').into(),
            },
        }
    }

    fn path(&self, place: &str) -> Path {
        match &self.kind {
            Kind::Folder(_) => Path::from(place),
            Kind::Bucket { prefix, .. } => Path::from(format!("{prefix}/{place}")),
        }
    }

    /// Begins to write at a place; answers also how the store calls the unfinished upload, where it does.
    pub(super) async fn begin(
        &self,
        place: &str,
        size: u64,
    ) -> Result<(WriteMultipart, Option<String>), Error> {
        let path = self.path(place);
        match &self.kind {
            Kind::Folder(_) => {
                let upload = self.objects.put_multipart(&path).await?;
                Ok((WriteMultipart::new_with_chunk_size(upload, FOLDER_PART), None))
            }
            Kind::Bucket { parts, .. } => {
                let id = parts.create_multipart(&path).await?;
                let part = BUCKET_PART.max(size.div_ceil(BUCKET_PARTS));
                let part = usize::try_from(part).unwrap_or(usize::MAX);
                let upload = BucketUpload {
                    store: parts.clone(),
                    path,
                    id: id.clone(),
                    next: 0,
                    done: Arc::default(),
                };
                Ok((
                    WriteMultipart::new_with_chunk_size(Box::new(upload), part),
                    Some(id),
                ))
            }
        }
    }

    /// Stores a packet without bytes, which cannot be written in parts.
    pub(super) async fn put_empty(&self, place: &str) -> Result<(), Error> {
        self.objects.put(&self.path(place), PutPayload::new()).await?;
        Ok(())
    }

    /// How many bytes are at a place; `None` where nothing is.
    pub async fn size(&self, place: &str) -> Result<Option<u64>, Error> {
        match self.objects.head(&self.path(place)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The SHA-256 of what is at a place, which has that many bytes.
    pub async fn digest(&self, place: &str, size: u64) -> Result<Hash, Error> {
        let mut digest = Sha256::new();
        if size > 0 {
            let mut chunks = self.get(place, size, 0..size).await?;
            while let Some(chunk) = chunks.try_next().await? {
                digest.update(&chunk);
            }
        }
        Ok(Hash(digest.finalize().into()))
    }

    /// The bytes of a range that is not empty, of an object that has `size` bytes.
    pub(super) async fn get(
        &self,
        place: &str,
        size: u64,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = self.objects.get_opts(&self.path(place), options).await?;
        if found.meta.size != size {
            return Err(Error::Generic {
                store: "packets",
                source: format!("{place} has {} bytes and must have {size}", found.meta.size).into(),
            });
        }
        Ok(found.into_stream())
    }

    /// Removes whatever is at a place, finished or not. Nothing being there is fine.
    pub(super) async fn empty(&self, place: &str, multipart: Option<&str>) -> Result<(), Error> {
        let path = self.path(place);
        match &self.kind {
            Kind::Folder(folder) => {
                // Unfinished files have a name beside the place's own.
                let file = folder.join(place);
                let mut unfinished = file.clone().into_os_string();
                unfinished.push("#1");
                remove(PathBuf::from(unfinished), file)
                    .await
                    .map_err(|source| Error::Generic {
                        store: "packets",
                        source: source.into(),
                    })
            }
            Kind::Bucket { parts, .. } => {
                // An upload that became an object is none any more: not every server answers alike to its end then.
                match (self.objects.head(&path).await, multipart) {
                    (Ok(_), _) => absent_is_fine(self.objects.delete(&path).await),
                    (Err(Error::NotFound { .. }), Some(id)) => {
                        absent_is_fine(parts.abort_multipart(&path, &id.to_owned()).await)
                    }
                    (Err(error), _) => absent_is_fine(Err(error)),
                }
            }
        }
    }
}

fn absent_is_fine(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// Removes files, durably: what was erased must not come back after a power cut.
async fn remove(unfinished: PathBuf, file: PathBuf) -> io::Result<()> {
    for path in [&unfinished, &file] {
        match tokio::fs::remove_file(path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    match tokio::fs::File::open(folder).await {
        Ok(folder) => folder.sync_all().await,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// An upload in parts whose name in the store is known, so that another process can end it.
struct BucketUpload {
    store: Arc<dyn MultipartStore>,
    path: Path,
    id: String,
    next: usize,
    done: Arc<Mutex<Vec<(usize, PartId)>>>,
}

impl fmt::Debug for BucketUpload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BucketUpload({}, {})", self.path, self.id)
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

// The trait's own macro is not a dependency here: these signatures are what it makes of the trait's.
impl MultipartUpload for BucketUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (number, store) = (self.next, self.store.clone());
        let (path, id, done) = (self.path.clone(), self.id.clone(), self.done.clone());
        self.next += 1;
        Box::pin(async move {
            let part = store.put_part(&path, &id, number, data).await?;
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((number, part));
            Ok(())
        })
    }

    fn complete<'life0, 'async_trait>(&'life0 mut self) -> Later<'async_trait, PutResult>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let mut parts = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
            parts.sort_by_key(|(number, _)| *number);
            let parts = parts.into_iter().map(|(_, part)| part).collect();
            self.store.complete_multipart(&self.path, &self.id, parts).await
        })
    }

    fn abort<'life0, 'async_trait>(&'life0 mut self) -> Later<'async_trait, ()>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.store.abort_multipart(&self.path, &self.id).await })
    }
}
