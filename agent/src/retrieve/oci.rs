//! Whether a file is the container image that a digest names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use daybook_core::Hash;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::images::parse_hex;

/// Bytes of one manifest, index or configuration.
const DOCUMENT_LIMIT: u64 = 4 << 20;
/// Entries of one archive.
const ENTRY_LIMIT: usize = 100_000;
/// How deep indexes may name one another.
const DEPTH: u8 = 4;

/// Verifies an OCI archive: a tar of an image layout in which the manifest or index of that digest is, with all that it
/// names: for an index, with at least one of its manifests.
///
/// Every blob is held against its own name. Source: OCI Image Layout 1.1.
///
/// # Errors
/// What is wrong, in words for the TRE.
pub(super) fn verify_archive(path: &Path, digest: &Hash) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    check_archive(BufReader::with_capacity(1 << 20, file), digest)
}

/// The same of bytes from anywhere.
///
/// # Errors
/// What is wrong, in words for the TRE.
pub fn check_archive(archive: impl Read, digest: &Hash) -> Result<(), String> {
    let blobs = read_blobs(archive)?;
    if is_whole(digest, &blobs, DEPTH) {
        Ok(())
    } else {
        Err("the archive does not hold that manifest with everything that it names".to_owned())
    }
}

/// The verified blobs; those that may be documents with their content.
fn read_blobs(archive: impl Read) -> Result<BTreeMap<Hash, Option<Value>>, String> {
    let mut archive = tar::Archive::new(archive);
    let mut blobs = BTreeMap::new();
    let entries = archive.entries().map_err(|error| error.to_string())?;
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|error| error.to_string())?;
        if count >= ENTRY_LIMIT {
            return Err(format!("the archive has more than {ENTRY_LIMIT} entries"));
        }
        let kind = entry.header().entry_type();
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8(path).map_err(|_| "a name in the archive is not UTF-8".to_owned())?;
        let name = path.strip_prefix("./").unwrap_or(&path);
        let Some(hex) = name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) else {
            continue;
        };
        let named = parse_hex(hex).filter(|_| kind.is_file());
        let named = named.ok_or_else(|| format!("{name:?} is not a file named by a digest"))?;
        let (found, document) = read_blob(&mut entry).map_err(|error| error.to_string())?;
        if found != named {
            return Err(format!("{name:?} does not have the digest that it is named by"));
        }
        blobs.insert(named, document);
    }
    Ok(blobs)
}

fn read_blob(entry: &mut impl Read) -> std::io::Result<(Hash, Option<Value>)> {
    let mut document = Vec::new();
    entry.by_ref().take(DOCUMENT_LIMIT).read_to_end(&mut document)?;
    let mut hash = Sha256::new();
    hash.update(&document);
    let mut is_large = false;
    let mut chunk = vec![0; 1 << 16];
    loop {
        match entry.read(&mut chunk)? {
            0 => break,
            count => {
                is_large = true;
                hash.update(&chunk[..count]);
            }
        }
    }
    let document = if is_large {
        None
    } else {
        serde_json::from_slice(&document).ok()
    };
    Ok((Hash(hash.finalize().into()), document))
}

/// Whether a manifest or index is there with all that it names.
fn is_whole(digest: &Hash, blobs: &BTreeMap<Hash, Option<Value>>, depth: u8) -> bool {
    let Some(Some(document)) = blobs.get(digest) else {
        return false;
    };
    let named = |value: &Value| {
        let text = value.get("digest")?.as_str()?;
        parse_hex(text.strip_prefix("sha256:")?)
    };
    let list = |key: &str| document.get(key).and_then(Value::as_array);
    if let Some(manifests) = list("manifests") {
        let is_there = |value: &Value| named(value).is_some_and(|digest| is_whole(&digest, blobs, depth - 1));
        return depth > 0 && manifests.iter().any(is_there);
    }
    let (Some(config), Some(layers)) = (document.get("config"), list("layers")) else {
        return false;
    };
    let mut parts = std::iter::once(config).chain(layers);
    parts.all(|part| named(part).is_some_and(|digest| blobs.contains_key(&digest)))
}

/// Verifies a SIF file: its own SHA-256 is the one that is expected.
///
/// # Errors
/// What is wrong, in words for the TRE.
pub(super) fn verify_sif(path: &Path, expected: &Hash) -> Result<(), String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let mut head = [0; 41];
    let is_sif = file.read_exact(&mut head).is_ok() && head.ends_with(b"SIF_MAGIC");
    if !is_sif {
        return Err("it is no SIF file".to_owned());
    }
    let mut hash = Sha256::new();
    hash.update(head);
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk).map_err(|error| error.to_string())? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    if Hash(hash.finalize().into()) == *expected {
        Ok(())
    } else {
        Err("its SHA-256 digest is another one".to_owned())
    }
}
