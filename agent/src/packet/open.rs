//! Opening a bag: its declaration, its manifests and every file's digest.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::archive::{Limits, Unzipped, unzip};
use super::bag::{Bag, check_folder};
use super::error::BagError;
use super::manifest::{
    Algorithm, DECLARATION, INFO, MANIFEST, TAG_MANIFEST, check_declaration, hex, parse, read_info,
    sha512_hex,
};
use super::rules::{self, Finding};

impl Bag {
    /// Opens a packet and verifies it whole: zip, names, sizes, `BagIt` declaration, manifests.
    ///
    /// Everything is held in memory, up to `limits`. Nothing is fetched, and nothing touches a disk. Sources: RFC 8493
    /// §2 and §5, Five Safes RO-Crate 0.4 "Packaging" and "Security considerations".
    ///
    /// # Errors
    /// The first rule that is broken, with the file that breaks it.
    pub fn from_zip(bytes: &[u8], limits: &Limits) -> Result<Self, BagError> {
        Self::open(bytes, limits).map(|(bag, _)| bag)
    }

    /// As [`Bag::from_zip`], with what is recommended and not done.
    pub(super) fn open(bytes: &[u8], limits: &Limits) -> Result<(Self, Vec<Finding>), BagError> {
        let (folder, files) = below_top_folder(unzip(bytes, limits)?)?;
        verify(folder, files)
    }
}

type Files = BTreeMap<String, Vec<u8>>;

/// The one top folder and the files by their names below it.
fn below_top_folder(unzipped: Unzipped) -> Result<(String, Files), BagError> {
    let Unzipped { names, files } = unzipped;
    let first = names.first().ok_or_else(|| missing(DECLARATION))?;
    let Some((folder, _)) = first.split_once('/') else {
        return Err(BagError::TopFolder { name: first.clone() });
    };
    let folder = folder.to_owned();
    check_folder(&folder)?;
    let top = format!("{folder}/");
    if let Some(name) = names.iter().find(|name| !name.starts_with(&top)) {
        return Err(BagError::TopFolder { name: name.clone() });
    }
    let below = |(name, bytes): (String, Vec<u8>)| (name[top.len()..].to_owned(), bytes);
    Ok((folder, files.into_iter().map(below).collect()))
}

fn missing(name: &str) -> BagError {
    BagError::Missing {
        name: name.to_owned(),
    }
}

fn is_payload(path: &str) -> bool {
    path.starts_with("data/")
}

/// Checks the bag's tag files and digests, and keeps the payload.
fn verify(folder: String, mut files: Files) -> Result<(Bag, Vec<Finding>), BagError> {
    if files.contains_key("fetch.txt") {
        return Err(BagError::Fetch);
    }
    let tag = |name: &str| files.get(name).ok_or_else(|| missing(name));
    check_declaration(tag(DECLARATION)?)?;
    tag(MANIFEST)?;
    let mut findings = check_manifests(&files)?;
    if !files.contains_key(TAG_MANIFEST) {
        findings.push(Finding::new(&rules::BAG_TAG_MANIFEST, TAG_MANIFEST, ""));
    }
    let payload_files = files.keys().filter(|path| is_payload(path)).count();
    let payload_bytes = files
        .iter()
        .filter(|(path, _)| is_payload(path))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    let external_identifier = read_info(tag(INFO)?, payload_bytes, payload_files)?;
    if payload_files == 0 {
        return Err(missing("data/ro-crate-metadata.json"));
    }
    files.retain(|path, _| is_payload(path));
    let payload = files
        .into_iter()
        .map(|(path, bytes)| (path["data/".len()..].to_owned(), bytes))
        .collect();
    let bag = Bag {
        folder,
        external_identifier,
        payload,
    };
    Ok((bag, findings))
}

/// Checks every manifest: each lists exactly the files that it is for, with their digests.
fn check_manifests(files: &Files) -> Result<Vec<Finding>, BagError> {
    let mut findings = Vec::new();
    for (name, bytes) in files {
        let Some((is_for_tags, algorithm)) = Algorithm::of_manifest(name) else {
            continue;
        };
        if algorithm == Algorithm::Other {
            findings.push(Finding::new(&rules::BAG_OTHER_MANIFEST, name, ""));
            continue;
        }
        let listed = parse(name, algorithm, bytes)?;
        // Manifests of the tag files cannot list one another (RFC 8493 §2.2.1).
        let belongs = |path: &str| is_payload(path) != is_for_tags;
        check_listed(files, &listed, name, algorithm, belongs)?;
        for path in files.keys().filter(|path| belongs(path)) {
            if !listed.contains_key(path) && !path.starts_with("tagmanifest-") {
                return Err(BagError::Unlisted {
                    name: path.clone(),
                    manifest: name.clone(),
                });
            }
        }
    }
    Ok(findings)
}

/// Every listed file is there, belongs in this manifest, and has its digest.
fn check_listed(
    files: &Files,
    listed: &BTreeMap<String, String>,
    manifest: &str,
    algorithm: Algorithm,
    belongs: impl Fn(&str) -> bool,
) -> Result<(), BagError> {
    for (path, digest) in listed {
        let Some(bytes) = files.get(path).filter(|_| belongs(path)) else {
            return Err(BagError::Absent {
                name: path.clone(),
                manifest: manifest.to_owned(),
            });
        };
        let found = match algorithm {
            Algorithm::Sha256 => hex(&Sha256::digest(bytes)),
            Algorithm::Sha512 | Algorithm::Other => sha512_hex(bytes),
        };
        if found != *digest {
            return Err(BagError::Digest {
                name: path.clone(),
                manifest: manifest.to_owned(),
            });
        }
    }
    Ok(())
}
