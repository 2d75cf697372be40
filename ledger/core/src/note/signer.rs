//! Signing notes.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use super::{KeyError, KeyName, Note, NoteError, NoteSignature, VerifierKey};

/// An Ed25519 key with the name under which it signs notes; wiped from memory when dropped, never shown.
pub struct NoteSigner {
    key: SigningKey,
    verifier: VerifierKey,
    /// Signs every note too, while one key takes over from the other.
    beside: Option<Box<Self>>,
}

impl NoteSigner {
    /// Makes the signer of a 32-byte seed, the private key of RFC 8032 §5.1.5.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key().as_bytes())?;
        Ok(Self {
            key,
            verifier,
            beside: None,
        })
    }

    /// The same, with another key whose line stands below on every note.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            beside: Some(Box::new(other)),
            ..self
        }
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// That key, and the one beside it.
    pub fn verifiers(&self) -> Vec<VerifierKey> {
        let beside = self.beside.iter().map(|other| other.verifier.clone());
        std::iter::once(self.verifier.clone()).chain(beside).collect()
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
        })?;
        match &self.beside {
            Some(other) => other.sign(note),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("verifier", &self.verifier.to_string())
            .finish_non_exhaustive()
    }
}
