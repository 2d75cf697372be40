//! What was taken from a log, as the files of a pack and back.

use std::collections::BTreeMap;

use daybook_core::Hash;
use daybook_core::event::{Event, FormError};
use daybook_core::heads::{Absence, Head, Proven};
use daybook_core::note::{Note, NoteError};
use daybook_core::proof_file::{ProofFile, ProofFileError};
use daybook_core::sealed::{Opening, OpeningError};
use serde_json::{Value, json};
use thiserror::Error;

use super::{Committed, Entry, Evidence, Place, zipped};

/// Files by their names in the pack.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The version of the files that are taken.
const FORM: u64 = 1;
/// Says what the pack is about, and of which version it is.
pub(super) const MANIFEST: &str = "pack.json";
/// The note.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The places of streams in the tree of heads.
pub(super) const HEADS: &str = "heads.json";

/// Some bytes are no pack.
#[derive(Debug, Error)]
pub enum PackError {
    /// Not a zip.
    #[error("the zip")]
    Zip(#[source] zip::result::ZipError),
    /// Too long.
    #[error("the pack has {0} bytes, more than this program reads")]
    TooLarge(usize),
    /// Too many files.
    #[error("the pack has {0} files, more than this program reads")]
    TooMany(usize),
    /// Another kind of zip.
    #[error(
        "this zip is not of the form in which packs are written: plain names, each once, and nothing compressed"
    )]
    NotOurs,
    /// No pack, or one of another version.
    #[error("{MANIFEST} does not say that this is a pack of version {FORM}")]
    Manifest,
    /// A file that must be there.
    #[error("{0} is missing")]
    Missing(String),
    /// A file whose name is none of a pack's.
    #[error("{0} is not a file of a pack")]
    Surplus(String),
    /// A file of another form.
    #[error("{0} is not of its form")]
    Form(String),
    /// An entry that is no event.
    #[error("the entry {index}")]
    Event {
        /// Which.
        index: u64,
        /// What is wrong.
        source: FormError,
    },
    /// A proof that is none.
    #[error("the proof of the entry {index}")]
    Proof {
        /// Which.
        index: u64,
        /// What is wrong.
        source: ProofFileError,
    },
    /// An opening that is none.
    #[error("the openings of the entry {index}")]
    Opening {
        /// Which.
        index: u64,
        /// What is wrong.
        source: OpeningError,
    },
    /// A checkpoint that is none.
    #[error("the checkpoint")]
    Note(#[from] NoteError),
}

impl Evidence {
    /// The pack as a zip.
    pub fn to_zip(&self) -> Result<Vec<u8>, PackError> {
        let mut files = self.taken()?;
        files.extend(self.derived());
        zipped::zip(&files)
    }

    /// Reads a pack; what it says is not believed yet. The second is what it holds beside what was taken from the log.
    pub fn from_zip(bytes: &[u8]) -> Result<(Self, Files), PackError> {
        Self::from_files(zipped::unzip(bytes)?)
    }

    /// The files that are taken from the log.
    pub fn taken(&self) -> Result<Files, PackError> {
        let mut files = Files::new();
        let manifest = json!({ "evidence": FORM, "subject": self.subject.to_string() });
        files.insert(MANIFEST.to_owned(), pretty(&manifest));
        files.insert(CHECKPOINT.to_owned(), self.checkpoint.to_string().into_bytes());
        for (index, entry) in &self.entries {
            files.insert(event_name(*index), entry.event.as_str().as_bytes().to_vec());
            let proof = ProofFile::new(*index, entry.path.clone(), self.checkpoint.clone());
            let proof = proof.map_err(|source| PackError::Proof {
                index: *index,
                source,
            })?;
            files.insert(proof_name(*index), proof.to_string().into_bytes());
            if !entry.openings.is_empty() {
                let openings = entry.openings.iter().map(Opening::as_str).collect::<Vec<_>>();
                files.insert(openings_name(*index), pretty(&json!(openings)));
            }
        }
        if let Some(committed) = &self.committed {
            files.insert(HEADS.to_owned(), pretty(&committed_value(committed)));
        }
        Ok(files)
    }

    /// The same from the files of a pack; the second is what is left.
    pub fn from_files(mut files: Files) -> Result<(Self, Files), PackError> {
        let manifest = json_of(&mut files, MANIFEST)?;
        let is_ours = manifest.get("evidence").and_then(Value::as_u64) == Some(FORM);
        let subject = manifest
            .get("subject")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let subject = subject
            .parse()
            .ok()
            .filter(|_| is_ours)
            .ok_or(PackError::Manifest)?;
        let checkpoint = files
            .remove(CHECKPOINT)
            .ok_or_else(|| PackError::Missing(CHECKPOINT.to_owned()))?;
        let checkpoint = Note::parse(&checkpoint)?;
        let mut entries = BTreeMap::new();
        for name in files.keys().cloned().collect::<Vec<_>>() {
            let Some(index) = index_of(&name) else { continue };
            entries.insert(index, entry(&mut files, index, &checkpoint)?);
        }
        let committed = if files.contains_key(HEADS) {
            let value = json_of(&mut files, HEADS)?;
            Some(read_committed(&value).ok_or_else(|| PackError::Form(HEADS.to_owned()))?)
        } else {
            None
        };
        let evidence = Self {
            subject,
            checkpoint,
            entries,
            committed,
        };
        // One spelling: whoever compares two packs compares their bytes.
        if manifest != json!({ "evidence": FORM, "subject": evidence.subject.to_string() }) {
            return Err(PackError::Manifest);
        }
        match files
            .keys()
            .find(|name| name.starts_with("entries/") || name.starts_with("openings/"))
        {
            Some(name) => Err(PackError::Surplus(name.clone())),
            None => Ok((evidence, files)),
        }
    }
}

/// JSON with line breaks, for people, and one line break at its end.
pub(super) fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn event_name(index: u64) -> String {
    format!("entries/{index}.jws")
}

fn proof_name(index: u64) -> String {
    format!("entries/{index}.tlog-proof")
}

fn openings_name(index: u64) -> String {
    format!("openings/{index}.json")
}

/// The index in the name of an entry's file.
fn index_of(name: &str) -> Option<u64> {
    let text = name.strip_prefix("entries/")?.strip_suffix(".jws")?;
    text.parse::<u64>().ok().filter(|index| index.to_string() == text)
}

fn take(files: &mut Files, name: String) -> Result<Vec<u8>, PackError> {
    files.remove(&name).ok_or(PackError::Missing(name))
}

fn json_of(files: &mut Files, name: &str) -> Result<Value, PackError> {
    let bytes = take(files, name.to_owned())?;
    let value = serde_json::from_slice(&bytes).map_err(|_| PackError::Form(name.to_owned()))?;
    if pretty(&value) == bytes {
        Ok(value)
    } else {
        Err(PackError::Form(name.to_owned()))
    }
}

fn entry(files: &mut Files, index: u64, checkpoint: &Note) -> Result<Entry, PackError> {
    let name = event_name(index);
    let text = String::from_utf8(take(files, name.clone())?).map_err(|_| PackError::Form(name))?;
    let event = Event::parse(&text).map_err(|source| PackError::Event { index, source })?;
    let name = proof_name(index);
    let bytes = take(files, name.clone())?;
    let proof = ProofFile::parse(&bytes).map_err(|source| PackError::Proof { index, source })?;
    // Its index and its checkpoint are the pack's own, in one spelling.
    if proof.index() != index || proof.checkpoint() != checkpoint || proof.to_string().as_bytes() != bytes {
        return Err(PackError::Form(name));
    }
    let name = openings_name(index);
    let openings = if files.contains_key(&name) {
        let value = json_of(files, &name)?;
        read_openings(index, &value)?.ok_or(PackError::Form(name))?
    } else {
        Vec::new()
    };
    Ok(Entry {
        event,
        path: proof.path().to_vec(),
        openings,
    })
}

/// Openings in the order of their digests, each once; `None` where the value is another.
fn read_openings(index: u64, value: &Value) -> Result<Option<Vec<Opening>>, PackError> {
    let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
        return Ok(None);
    };
    let mut openings = Vec::with_capacity(list.len());
    for text in list {
        let opening = Opening::parse(text.as_str().unwrap_or_default());
        openings.push(opening.map_err(|source| PackError::Opening { index, source })?);
    }
    let is_sorted = openings.array_windows().all(|[a, b]| a.digest() < b.digest());
    Ok(is_sorted.then_some(openings))
}

fn committed_value(committed: &Committed) -> Value {
    let places: serde_json::Map<String, Value> = committed
        .places
        .iter()
        .map(|(stream, place)| (stream.clone(), place_value(place)))
        .collect();
    json!({ "entry": committed.entry, "streams": places })
}

fn place_value(place: &Place) -> Value {
    match place {
        Place::There(proven) => json!({ "head": proven_value(proven) }),
        Place::Absent(absence) => json!({
            "after": absence.after.as_ref().map(proven_value), "before": absence.before.as_ref().map(proven_value),
        }),
    }
}

fn proven_value(proven: &Proven) -> Value {
    let path: Vec<String> = proven.path.iter().map(Hash::to_base64url).collect();
    json!({
        "index": proven.index, "leaf": proven.head.leaf.to_base64url(), "path": path, "seq": proven.head.seq,
        "stream": proven.head.stream.to_string(),
    })
}

fn read_committed(value: &Value) -> Option<Committed> {
    let mut places = BTreeMap::new();
    for (stream, place) in value.get("streams")?.as_object()? {
        let place = match place.get("head") {
            Some(head) => {
                let proven = read_proven(head)?;
                if proven.head.stream.to_string() != *stream {
                    return None;
                }
                Place::There(proven)
            }
            None => Place::Absent(Absence {
                before: read_side(place.get("before")?)?.pop(),
                after: read_side(place.get("after")?)?.pop(),
            }),
        };
        places.insert(stream.clone(), place);
    }
    let committed = Committed {
        entry: value.get("entry")?.as_u64()?,
        places,
    };
    (committed_value(&committed) == *value).then_some(committed)
}

/// One side of an absence, in a list that is empty where it has none.
fn read_side(value: &Value) -> Option<Vec<Proven>> {
    match value {
        Value::Null => Some(Vec::new()),
        value => read_proven(value).map(|side| vec![side]),
    }
}

fn read_proven(value: &Value) -> Option<Proven> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let path = value.get("path")?.as_array()?.iter();
    let path = path
        .map(|hash| Hash::from_base64url(hash.as_str()?))
        .collect::<Option<_>>()?;
    Some(Proven {
        head: Head {
            stream: text("stream")?.parse().ok()?,
            seq: number("seq")?,
            leaf: Hash::from_base64url(text("leaf")?)?,
        },
        index: number("index")?,
        path,
    })
}
