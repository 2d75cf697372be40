//! The root of the tree at every size, in a file: what any author or anchor claims of the past is looked up there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use daybook_core::Hash;

/// Bytes of a root.
const WIDTH: u64 = 32;
/// Roots that are written at once.
const BUFFERED: usize = 4_096;

/// The file, and what is not written yet.
#[derive(Debug)]
pub(crate) struct Roots {
    file: File,
    /// Roots in the file.
    written: u64,
    buffer: Vec<Hash>,
}

impl Roots {
    /// Takes up a file that holds the roots of the sizes 1 to `size`, and forgets what is beyond.
    pub(crate) fn open(path: &Path, size: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        if file.metadata()?.len() < size * WIDTH {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file of roots is too short",
            ));
        }
        file.set_len(size * WIDTH)?;
        Ok(Self {
            file,
            written: size,
            buffer: Vec::new(),
        })
    }

    /// The root of the next size.
    pub(crate) fn push(&mut self, root: Hash) -> io::Result<()> {
        self.buffer.push(root);
        if self.buffer.len() == BUFFERED {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes: Vec<u8> = self.buffer.iter().flat_map(|root| root.0).collect();
        self.file.write_all_at(&bytes, self.written * WIDTH)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes all for good.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.flush()?;
        self.file.sync_data()
    }

    /// The root at a size; `None` beyond what was pushed.
    pub(crate) fn at(&self, size: u64) -> io::Result<Option<Hash>> {
        let Some(place) = size.checked_sub(1) else {
            return Ok(Some(Hash::empty_root()));
        };
        if let Some(behind) = place.checked_sub(self.written) {
            return Ok(usize::try_from(behind)
                .ok()
                .and_then(|at| self.buffer.get(at))
                .copied());
        }
        let mut root = Hash([0; 32]);
        self.file.read_exact_at(&mut root.0, place * WIDTH)?;
        Ok(Some(root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_is_found_again_written_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots");
        let mut roots = Roots::open(&path, 0).unwrap();
        let root = |size: u64| Hash::of(&size.to_be_bytes());
        for size in 1..=10_000 {
            roots.push(root(size)).unwrap();
        }
        for size in [1, 4_096, 4_097, 9_999, 10_000] {
            assert_eq!(roots.at(size).unwrap(), Some(root(size)));
        }
        assert_eq!(roots.at(0).unwrap(), Some(Hash::empty_root()));
        assert_eq!(roots.at(10_001).unwrap(), None);
        roots.sync().unwrap();
        drop(roots);
        // An audit that was interrupted goes back to where it was sure.
        let mut roots = Roots::open(&path, 5_000).unwrap();
        assert_eq!(
            (roots.at(5_000).unwrap(), roots.at(5_001).unwrap()),
            (Some(root(5_000)), None)
        );
        roots.push(root(7)).unwrap();
        assert_eq!(roots.at(5_001).unwrap(), Some(root(7)));
        assert!(Roots::open(&folder.path().join("other"), 1).is_err());
    }
}
