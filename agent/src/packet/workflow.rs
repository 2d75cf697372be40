//! The workflow's own crate: its files, and the digest by which it is registered and recognised.

use sha2::{Digest as _, Sha256};

use super::archive::{Limits, unzip};
use super::bag::{Bag, Payload};
use super::error::BagError;
use super::manifest::{manifest_line, sha512_hex};
use super::model::{METADATA_PATH, Request};

/// SHA-256 over the lines `<SHA-512 in hexadecimal>  <path>\n` of a workflow crate's files, sorted bytewise.
///
/// Paths are relative to the crate's root, and written as in a `BagIt` manifest. So neither the folder nor the zip in which
/// a copy travels matters, and `sha512sum`, `sort` and `sha256sum` give the same.
pub fn workflow_digest(files: &Payload) -> [u8; 32] {
    let mut lines: Vec<String> = files
        .iter()
        .map(|(path, bytes)| manifest_line(&sha512_hex(bytes), path))
        .collect();
    lines.sort_unstable();
    Sha256::digest(lines.concat()).into()
}

/// The files of the workflow's copy in a packet, by their paths in the workflow's own crate; nothing without a copy.
pub fn workflow_copy(bag: &Bag, request: &Request) -> Option<Payload> {
    let folder = request.workflow.folder.as_deref()?;
    let below = bag
        .payload
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix(folder)?.to_owned(), bytes.clone())));
    Some(below.collect())
}

/// Reads a workflow's RO-Crate out of a zip: with its metadata file at the top, or below one top folder.
///
/// # Errors
/// As for a packet's zip; and [`BagError::Missing`] where there is no metadata file.
pub fn read_workflow(bytes: &[u8], limits: &Limits) -> Result<Payload, BagError> {
    let files = unzip(bytes, limits)?.files;
    if files.contains_key(METADATA_PATH) {
        return Ok(files);
    }
    let top = files.keys().next().and_then(|name| name.split_once('/'));
    let top = top.map(|(folder, _)| format!("{folder}/"));
    let below = |(name, bytes): (String, Vec<u8>)| {
        let name = name.strip_prefix(top.as_deref().unwrap_or_default())?;
        Some((name.to_owned(), bytes))
    };
    let inner: Option<Payload> = files.into_iter().map(below).collect();
    inner
        .filter(|files| files.contains_key(METADATA_PATH))
        .ok_or_else(|| BagError::Missing {
            name: METADATA_PATH.to_owned(),
        })
}
