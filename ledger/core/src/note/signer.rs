//! Signing notes.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use super::{KeyError, KeyName, Note, NoteError, NoteSignature, VerifierKey};

/// An Ed25519 key with the name under which it signs notes; wiped from memory when dropped, never shown.
pub struct NoteSigner {
    key: SigningKey,
    verifier: VerifierKey,
}

impl NoteSigner {
    /// Makes the signer of a 32-byte seed, the private key of RFC 8032 §5.1.5.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key().as_bytes())?;
        Ok(Self { key, verifier })
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a note's text and adds the line; the same text always gets the same signature.
    ///
    /// # Errors
    /// When the note has as many signatures as it may.
    pub fn sign(&self, note: &mut Note) -> Result<(), NoteError> {
        let signature = self.key.sign(note.text().as_bytes()).to_bytes().to_vec();
        note.add(NoteSignature {
            name: self.verifier.name().clone(),
            key_id: self.verifier.id(),
            signature,
        })
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("verifier", &self.verifier.to_string())
            .finish_non_exhaustive()
    }
}
