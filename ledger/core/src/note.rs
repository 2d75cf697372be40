//! Signed notes: a text and lines of signatures under it (C2SP signed-note).
//!
//! A note that has been parsed is well formed and nothing more. Its text means something only after [`Note::verify`].

mod key;
mod signer;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use key::{KeyError, KeyName, VerifierKey};
pub(crate) use key::{check_id, key_id, parse_vkey, strict_key};
pub use signer::NoteSigner;

/// The longest note that is read: 1,000,000 bytes, as in Go's `sumdb/note`.
pub const MAX_NOTE_LEN: usize = 1_000_000;

/// The most signatures that a note may carry; C2SP asks for at least 16, Go's `sumdb/note` has this many.
pub const MAX_SIGNATURES: usize = 100;

const DASH: &str = "\u{2014} ";

/// Why bytes are not a signed note, or why a note proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Nobody writes notes that long.
    #[error("the note has {0} bytes, more than {MAX_NOTE_LEN}")]
    TooLong(usize),
    /// Not UTF-8, or a control character other than a line feed.
    #[error("a note is UTF-8 without control characters other than line feeds")]
    Characters,
    /// The text has to end its last line.
    #[error("the text of a note ends with a line feed")]
    TextUnfinished,
    /// There is no empty line between text and signatures.
    #[error("a note has an empty line before its signatures, and a line feed after the last")]
    NoSignatures,
    /// A line under the text is not `— <name> <base64>`.
    #[error("signature line {0} is not an em dash, a key name and padded base64 of more than four bytes")]
    SignatureLine(usize),
    /// More signatures than anybody needs.
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// Two of the given keys share name and id, so that it is open which of them is meant.
    #[error("two known keys are named {name} with id {id:08x}; pass only one of them")]
    AmbiguousKey {
        /// Name of both keys.
        name: String,
        /// Id of both keys.
        id: u32,
    },
    /// A signature that claims a known key is not by that key.
    #[error("the signature by {name}, key id {id:08x}, does not hold")]
    BadSignature {
        /// Name of the key.
        name: String,
        /// Id of the key.
        id: u32,
    },
    /// None of the given keys has signed.
    #[error("no known key has signed the note")]
    NoKnownKey,
}

/// A text and its signatures, in the order of their lines.
///
/// Reading and writing are inverse: a note has one spelling, and [`fmt::Display`] gives back what [`Note::parse`] took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: `— <name> base64(be32 key id || signature)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    key_id: u32,
    signature: Vec<u8>,
}

impl Note {
    /// Makes a note without signatures from a text that ends with a line feed.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextUnfinished);
        }
        Ok(Self {
            text,
            signatures: Vec::new(),
        })
    }

    /// Reads a note with 1 to [`MAX_SIGNATURES`] signatures, of keys known or not, verifying none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_LEN {
            return Err(NoteError::TooLong(bytes.len()));
        }
        let note = str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        check_characters(note)?;
        // The text may have empty lines of its own; the last one is the divider.
        let divider = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, rest) = note.split_at(divider + 1);
        let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let mut signatures = Vec::new();
        for (position, line) in lines.ok_or(NoteError::NoSignatures)?.split('\n').enumerate() {
            if position == MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine(position + 1))?);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The signed text with its final line feed; to be ignored until [`Note::verify`] has passed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signatures, verified or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature as the last line.
    ///
    /// # Errors
    /// At [`MAX_SIGNATURES`].
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks every signature that claims one of `known`, and answers with those keys that have signed.
    ///
    /// Signatures of other keys are ignored, be they of types that this crate cannot verify.
    ///
    /// # Errors
    /// A signature under a known name and id that does not hold, though others may; no signature of a known key; two
    /// different known keys under one name and id.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed: Vec<&VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let (name, id) = (&signature.name, signature.key_id);
            let mut claimed = known.iter().filter(|key| key.name() == name && key.id() == id);
            let Some(key) = claimed.next() else { continue };
            if claimed.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey {
                    name: name.to_string(),
                    id,
                });
            }
            if !key.verifies(self.text.as_bytes(), &signature.signature) {
                return Err(NoteError::BadSignature {
                    name: name.to_string(),
                    id,
                });
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() {
            Err(NoteError::NoKnownKey)
        } else {
            Ok(signed)
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| write!(f, "{signature}"))
    }
}

impl NoteSignature {
    /// Puts a line together from its parts; a signature without bytes is `None`, since no reader takes it.
    pub fn new(name: KeyName, key_id: u32, signature: Vec<u8>) -> Option<Self> {
        (!signature.is_empty()).then_some(Self {
            name,
            key_id,
            signature,
        })
    }

    /// The name of the key that is said to have signed.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of that key.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The bytes after the key id, at least one; their form depends on the type of the key.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Reads one signature line without its line feed; verifies nothing.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (key_id, signature) = bytes.split_first_chunk()?;
        Self::new(
            name.parse().ok()?,
            u32::from_be_bytes(*key_id),
            signature.to_vec(),
        )
    }
}

impl fmt::Display for NoteSignature {
    /// Writes the whole line, its line feed included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.to_be_bytes()[..], &self.signature].concat();
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    let forbidden = |byte: u8| byte < 0x20 && byte != b'\n';
    if text.bytes().any(forbidden) {
        Err(NoteError::Characters)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
