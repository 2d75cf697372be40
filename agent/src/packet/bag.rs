//! The bag in memory, and writing it.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use uuid::Uuid;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::error::{BagError, NameRule};
use super::manifest::{
    DECLARATION, DECLARATION_TEXT, INFO, MANIFEST, TAG_MANIFEST, manifest_line, sha512_hex, write_info,
};
use super::names::{self, Seen};

/// Files by their path relative to the bag's `data/` folder, which is the crate's root.
pub type Payload = BTreeMap<String, Vec<u8>>;

/// One `BagIt` 1.0 bag, the content of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bag {
    /// The packet's one top folder.
    pub folder: String,
    /// `External-Identifier`, the same through all phases of a submission.
    pub external_identifier: Uuid,
    /// The payload.
    pub payload: Payload,
}

impl Bag {
    /// Writes the bag as a zip file; equal bags give equal bytes.
    ///
    /// Entries are sorted by name, dated 1980-01-01 and deflated; manifests are SHA-512 and made here, so they always
    /// fit. Source: RFC 8493 and Five Safes RO-Crate 0.4, "Packaging".
    ///
    /// # Errors
    /// A name that [`Bag::from_zip`] would refuse, and [`BagError::Write`].
    pub fn to_zip(&self) -> Result<Vec<u8>, BagError> {
        let mut files = BTreeMap::new();
        let mut manifest = String::new();
        let mut payload_bytes = 0;
        for (path, bytes) in &self.payload {
            let path = format!("data/{path}");
            manifest.push_str(&manifest_line(&sha512_hex(bytes), &path));
            payload_bytes += bytes.len() as u64;
            files.insert(path, bytes.as_slice());
        }
        let info = write_info(self.external_identifier, payload_bytes, self.payload.len());
        let tags = [
            (INFO, info.as_str()),
            (DECLARATION, DECLARATION_TEXT),
            (MANIFEST, manifest.as_str()),
        ];
        let tag_manifest: String = tags
            .iter()
            .map(|(name, text)| manifest_line(&sha512_hex(text.as_bytes()), name))
            .collect();
        for (name, text) in tags {
            files.insert(name.to_owned(), text.as_bytes());
        }
        files.insert(TAG_MANIFEST.to_owned(), tag_manifest.as_bytes());
        self.zip(&files)
    }

    fn zip(&self, files: &BTreeMap<String, &[u8]>) -> Result<Vec<u8>, BagError> {
        check_folder(&self.folder)?;
        let named = files
            .iter()
            .map(|(path, bytes)| (format!("{}/{path}", self.folder), *bytes));
        zip(named)
    }

    /// The lines of `manifest-sha512.txt` for the files below a folder of the payload, sorted bytewise.
    ///
    /// `folder` is relative to the crate's root and ends with `/`, as in `outputs/`.
    pub fn manifest_below(&self, folder: &str) -> String {
        let below = self.payload.iter().filter(|(path, _)| path.starts_with(folder));
        let mut lines: Vec<String> = below
            .map(|(path, bytes)| manifest_line(&sha512_hex(bytes), &format!("data/{path}")))
            .collect();
        lines.sort_unstable();
        lines.concat()
    }
}

/// Zips files without a bag around them; equal files give equal bytes.
///
/// # Errors
/// [`BagError`] for a name that a zip cannot have.
pub fn zip_files(files: &Payload) -> Result<Vec<u8>, BagError> {
    zip(files.iter().map(|(path, bytes)| (path.clone(), bytes.as_slice())))
}

fn zip<'a>(files: impl Iterator<Item = (String, &'a [u8])>) -> Result<Vec<u8>, BagError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(0o644);
    let mut seen = Seen::default();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        names::check(&name).map_err(|rule| BagError::Name {
            name: name.clone(),
            rule,
        })?;
        seen.file(&name)?;
        zip.start_file(name.as_str(), options).map_err(BagError::Write)?;
        zip.write_all(bytes)
            .map_err(|error| BagError::Write(error.into()))?;
    }
    Ok(zip.finish().map_err(BagError::Write)?.into_inner())
}

/// The top folder is a single part without a colon, which some systems take for a drive.
pub(super) fn check_folder(folder: &str) -> Result<(), BagError> {
    let rule = match names::check(folder) {
        Err(rule) => rule,
        Ok(()) if folder.contains([':', '/']) => NameRule::Absolute,
        Ok(()) => return Ok(()),
    };
    Err(BagError::Name {
        name: folder.to_owned(),
        rule,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag() -> Bag {
        let payload = [
            ("b.txt", "two"),
            ("a/one.txt", "one"),
            ("outputs/x", "x"),
            ("outputs/a", "y"),
        ];
        Bag {
            folder: "study".to_owned(),
            external_identifier: Uuid::from_u128(0x4000_8000_0000_0000_0001),
            payload: payload
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .into(),
        }
    }

    #[test]
    fn equal_bags_give_equal_bytes() {
        assert_eq!(bag().to_zip().unwrap(), bag().to_zip().unwrap());
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_bag() {
        let read = Bag::from_zip(&bag().to_zip().unwrap(), &crate::packet::Limits::default()).unwrap();
        assert_eq!(read, bag());
    }

    #[test]
    fn a_bag_that_could_not_be_read_is_not_written() {
        let mut climbing = bag();
        climbing.payload.insert("../x".to_owned(), Vec::new());
        assert!(matches!(
            climbing.to_zip(),
            Err(BagError::Name {
                rule: NameRule::Dots,
                ..
            })
        ));
        let mut colliding = bag();
        colliding.payload.insert("A/one.txt".to_owned(), Vec::new());
        assert!(matches!(colliding.to_zip(), Err(BagError::Collision { .. })));
        let folder = Bag {
            folder: "a/b".to_owned(),
            ..bag()
        };
        assert!(matches!(folder.to_zip(), Err(BagError::Name { .. })));
    }

    #[test]
    fn the_manifest_of_a_folder_is_sorted_by_whole_lines() {
        let lines = bag().manifest_below("outputs/");
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.lines().is_sorted());
        assert!(lines.contains("  data/outputs/a\n"));
    }
}
