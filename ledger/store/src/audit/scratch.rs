//! What the entries say, kept on disk while they are read: memory stays bounded however many streams there are.
//!
//! A temporary file and not a temporary table of the audited database: it needs no right there, works on a standby, and
//! what is compared does not lie in the hands of what is checked. One write transaction is open all the time. A file
//! without a name never commits and goes with the process; one with a name keeps what was committed.

use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, ReadableTable as _, ReadableTableMetadata as _, TableDefinition, WriteTransaction};

use super::AuditError;

/// Bytes of the file that are kept in memory.
const CACHE: usize = 48 * 1024 * 1024;

/// A table of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Stream: position, leaf hash, state.
    Heads,
    /// Thumbprint: actor, use, key, index.
    Keys,
    /// Actor: size.
    Seen,
    /// Size of a checkpoint that was found good: root.
    Roots,
    /// Leaf hash of an entry of which required openings are missing: index, and how many.
    Missing,
    /// Name: whatever an audit needs to go on.
    Meta,
}

impl Table {
    fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(match self {
            Self::Heads => "heads",
            Self::Keys => "keys",
            Self::Seen => "seen",
            Self::Roots => "roots",
            Self::Missing => "missing",
            Self::Meta => "meta",
        })
    }
}

/// Rows in the order of their keys, each key with its value.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The file.
pub struct Scratch {
    // Dropped in this order: a transaction ends before its database.
    work: Option<WriteTransaction>,
    database: Database,
}

impl Scratch {
    /// Makes an empty one in a folder.
    pub fn new(folder: &Path) -> Result<Self, AuditError> {
        let file = tempfile::tempfile_in(folder).map_err(|source| AuditError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(FileBackend::new(file).map_err(redb::Error::from)?)
            .map_err(redb::Error::from)?;
        Self::on(database)
    }

    /// Takes up the file of that name, or makes it; what was committed is there.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create(path)
            .map_err(redb::Error::from)?;
        Self::on(database)
    }

    fn on(database: Database) -> Result<Self, AuditError> {
        let work = database.begin_write().map_err(redb::Error::from)?;
        Ok(Self {
            work: Some(work),
            database,
        })
    }

    /// Keeps for good all that was put so far.
    pub fn commit(&mut self) -> Result<(), AuditError> {
        if let Some(work) = self.work.take() {
            work.commit().map_err(redb::Error::from)?;
        }
        self.work = Some(self.database.begin_write().map_err(redb::Error::from)?);
        Ok(())
    }

    fn work(&self) -> Result<&WriteTransaction, AuditError> {
        self.work.as_ref().ok_or(AuditError::Broken)
    }

    /// The value of a key.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, AuditError> {
        let table = self
            .work()?
            .open_table(table.definition())
            .map_err(redb::Error::from)?;
        let value = table.get(key).map_err(redb::Error::from)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// Sets the value of a key.
    pub fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), AuditError> {
        let mut table = self
            .work()?
            .open_table(table.definition())
            .map_err(redb::Error::from)?;
        table.insert(key, value).map_err(redb::Error::from)?;
        Ok(())
    }

    /// How many keys a table has.
    pub fn len(&self, table: Table) -> Result<u64, AuditError> {
        let table = self
            .work()?
            .open_table(table.definition())
            .map_err(redb::Error::from)?;
        Ok(table.len().map_err(redb::Error::from)?)
    }

    /// At most `limit` rows after a key.
    pub fn page(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Rows, AuditError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let table = self
            .work()?
            .open_table(table.definition())
            .map_err(redb::Error::from)?;
        let from = after.map_or(Unbounded, Excluded);
        let rows = table
            .range::<&[u8]>((from, Unbounded))
            .map_err(redb::Error::from)?;
        rows.take(limit)
            .map(|row| {
                let (key, value) = row.map_err(redb::Error::from)?;
                Ok((key.value().to_vec(), value.value().to_vec()))
            })
            .collect()
    }
}
