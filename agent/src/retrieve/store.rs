//! What was fetched, on disk by its digest.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use daybook_core::Hash;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::error::RetrieveError;
use super::{ImageForm, image_file};

const WORKFLOWS: &str = "workflow";
const IMAGES: &str = "image";
const RECEIPTS: &str = "receipt";
const PARTS: &str = "part";

/// What was done once for an approval, so that it is not done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    /// What the scanner said, if there is one.
    pub(super) scan: Option<String>,
}

/// A folder with everything by its digest.
#[derive(Debug, Clone)]
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens or makes the folder, readable by its owner alone, and drops what an end in the middle left behind.
    pub(super) fn open(root: &Path) -> Result<Self, RetrieveError> {
        let parts = root.join(PARTS);
        match fs::remove_dir_all(&parts) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RetrieveError::store(&parts)(error));
            }
            _ => {}
        }
        for folder in [WORKFLOWS, IMAGES, RECEIPTS, PARTS] {
            let path = root.join(folder);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(RetrieveError::store(&path))?;
        }
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    pub(super) fn workflow(&self, digest: &Hash) -> PathBuf {
        self.root.join(WORKFLOWS).join(format!("{}.zip", hex(digest)))
    }

    pub(super) fn image(&self, digest: &Hash, form: ImageForm) -> PathBuf {
        self.root.join(IMAGES).join(image_file(digest, form))
    }

    fn receipt_path(&self, workflow: &Hash, approval: &Hash) -> PathBuf {
        let name = format!("{}-{}.json", hex(workflow), hex(approval));
        self.root.join(RECEIPTS).join(name)
    }

    /// The receipt of a workflow under an approval; nothing before the first time.
    pub(super) fn receipt(&self, workflow: &Hash, approval: &Hash) -> Result<Option<Receipt>, RetrieveError> {
        let path = self.receipt_path(workflow, approval);
        match fs::read(&path) {
            // One that cannot be read is as good as none: the work is done again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RetrieveError::store(path)(error)),
        }
    }

    pub(super) fn keep_receipt(
        &self,
        workflow: &Hash,
        approval: &Hash,
        receipt: &Receipt,
    ) -> Result<(), RetrieveError> {
        let path = self.receipt_path(workflow, approval);
        let bytes = serde_json::to_vec(receipt).map_err(|error| RetrieveError::store(&path)(error.into()))?;
        self.keep_bytes(&bytes, &path)
    }

    pub(super) fn keep_bytes(&self, bytes: &[u8], path: &Path) -> Result<(), RetrieveError> {
        let mut part = self.part()?;
        part.write_all(bytes).map_err(RetrieveError::store(path))?;
        self.keep(part, path)
    }

    /// A file in which something gathers until it is whole.
    pub(super) fn part(&self) -> Result<NamedTempFile, RetrieveError> {
        let folder = self.root.join(PARTS);
        NamedTempFile::new_in(&folder).map_err(RetrieveError::store(folder))
    }

    /// Gives a whole file its place; another of the same digest that came first is as good.
    pub(super) fn keep(&self, part: NamedTempFile, path: &Path) -> Result<(), RetrieveError> {
        part.as_file().sync_all().map_err(RetrieveError::store(path))?;
        part.persist(path)
            .map_err(|error| RetrieveError::store(path)(error.error))?;
        let folder = path.parent().unwrap_or(&self.root);
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(RetrieveError::store(folder))
    }
}

pub(super) fn hex(digest: &Hash) -> String {
    crate::packet::hex(&digest.0)
}
