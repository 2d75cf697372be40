//! Cosignatures: what a witness says of a checkpoint, with the time (C2SP tlog-cosignature, Ed25519).
//!
//! A cosignature states that at that time this was the largest tree that the witness had found consistent. One key is one
//! witness: the signed message does not hold the witness's name.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::checkpoint::Checkpoint;
use crate::note::{
    KeyError, KeyName, Note, NoteError, NoteSignature, check_id, key_id, parse_vkey, strict_key,
};

/// The signature type of an Ed25519 signature with a time.
const COSIGNATURE: u8 = 0x04;

/// The latest time that a cosignature may state: 2^63 − 1 seconds.
pub const MAX_TIME: u64 = i64::MAX.cast_unsigned();

/// The key of a witness: `<name>+<key id>+base64(0x04 || public key)`, canonical and torsion-free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: KeyName,
    id: u32,
    key: VerifyingKey,
}

impl WitnessKey {
    /// Makes a witness's key from its name and the 32 bytes of a public key (RFC 8032 §5.1.5).
    pub fn new(name: KeyName, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        let key = strict_key(public_key)?;
        let id = key_id(&name, COSIGNATURE, public_key);
        Ok(Self { name, id, key })
    }

    /// The name under which the witness signs.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The first four bytes of `SHA-256(name || 0x0A || 0x04 || public key)`.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The 32 bytes of the public key.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether a signature line says that it is this key's.
    pub fn is_claimed_by(&self, line: &NoteSignature) -> bool {
        line.name() == &self.name && line.key_id() == self.id
    }

    /// The time at which this witness cosigned the text of a checkpoint; `None` where it did not.
    pub fn time_of(&self, text: &str, line: &NoteSignature) -> Option<u64> {
        let (time, signature) = line.signature().split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        // A time of zero says nothing about the largest tree, and witnesses never state it (C2SP tlog-witness).
        let is_stated = (1..=MAX_TIME).contains(&time) && self.is_claimed_by(line);
        is_stated
            .then_some(time)
            .filter(|time| self.verifies(text, *time, signature))
    }

    /// Whether these are the 64 bytes of this witness's signature over a checkpoint's text and a time.
    pub fn verifies(&self, text: &str, time: u64, signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(&message(text, time), &signature).is_ok())
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, KeyError> {
        let (name, found, public_key) = parse_vkey(vkey, COSIGNATURE)?;
        let key = Self::new(name, &public_key)?;
        check_id(key.id, found)?;
        Ok(key)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[COSIGNATURE][..], self.key.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(material))
    }
}

/// The secret side of a witness's key; wiped from memory when dropped, never shown.
pub struct Cosigner {
    key: SigningKey,
    verifier: WitnessKey,
}

impl Cosigner {
    /// Makes the cosigner of a 32-byte seed, the private key of RFC 8032 §5.1.5.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let verifier = WitnessKey::new(name, key.verifying_key().as_bytes())?;
        Ok(Self { key, verifier })
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &WitnessKey {
        &self.verifier
    }

    /// Cosigns a checkpoint as of a time, in seconds since 1970; a time outside 1..=[`MAX_TIME`] is `None`.
    ///
    /// Whether it may be cosigned is for the witness's record to say: see [`crate::witness`].
    pub fn cosign(&self, checkpoint: &Checkpoint, time: u64) -> Option<NoteSignature> {
        if !(1..=MAX_TIME).contains(&time) {
            return None;
        }
        let signature = self.key.sign(&message(&checkpoint.to_string(), time));
        let bytes = [&time.to_be_bytes()[..], &signature.to_bytes()].concat();
        NoteSignature::new(self.verifier.name.clone(), self.verifier.id, bytes)
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner")
            .field("verifier", &self.verifier.to_string())
            .finish_non_exhaustive()
    }
}

/// A witness and when it cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned<'k> {
    /// The witness.
    pub key: &'k WitnessKey,
    /// Seconds since 1970, by the witness's clock; the earliest where it cosigned more than once.
    pub time: u64,
}

/// Checks every cosignature that claims one of `known`, and answers with those witnesses that have cosigned.
///
/// None is no error. Lines of other keys are ignored.
///
/// # Errors
/// A line under a known name and id that does not hold, though others may (C2SP signed-note).
pub fn cosigned<'k>(note: &Note, known: &'k [WitnessKey]) -> Result<Vec<Cosigned<'k>>, NoteError> {
    let mut found: Vec<Cosigned<'k>> = Vec::new();
    for line in note.signatures() {
        let Some(key) = known.iter().find(|key| key.is_claimed_by(line)) else {
            continue;
        };
        let time = key
            .time_of(note.text(), line)
            .ok_or_else(|| NoteError::BadSignature {
                name: key.name.to_string(),
                id: key.id,
            })?;
        match found.iter_mut().find(|one| one.key == key) {
            Some(one) => one.time = one.time.min(time),
            None => found.push(Cosigned { key, time }),
        }
    }
    Ok(found)
}

/// What is signed: a line for the purpose, a line for the time, and the checkpoint's whole text.
fn message(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

#[cfg(test)]
mod tests;
