//! SHA-256 digests and the two hashes of an RFC 6962 tree.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::base64url;

/// A SHA-256 digest: 32 bytes.
///
/// Shown and parsed in two spellings, each canonical: unpadded base64url in events and the API, standard base64 in
/// checkpoints, proofs and notes, where C2SP says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The digest of some bytes, without any prefix.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of a leaf of the log: `SHA-256(0x00 || entry)` (RFC 6962 §2.1).
    pub fn leaf(entry: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        hasher.update(entry);
        Self(hasher.finalize().into())
    }

    /// The hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 6962 §2.1).
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([1]);
        hasher.update(left.0);
        hasher.update(right.0);
        Self(hasher.finalize().into())
    }

    /// The root of the tree without leaves: `SHA-256("")` (RFC 6962 §2.1).
    pub fn empty_root() -> Self {
        Self::of(b"")
    }

    /// Reads 43 characters of unpadded base64url; any other spelling is `None`.
    pub fn from_base64url(text: &str) -> Option<Self> {
        base64url::decode_array(text).map(Self)
    }

    /// Writes 43 characters of unpadded base64url.
    pub fn to_base64url(&self) -> String {
        base64url::encode(&self.0)
    }

    /// Reads 44 characters of standard base64; any other spelling is `None`.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| Self::from_slice(&bytes))
    }

    /// Writes 44 characters of standard base64.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64url())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_canonical() {
        let hash = Hash::of(b"x");
        let text = hash.to_base64url();
        assert_eq!(Hash::from_base64url(&text), Some(hash));
        // The last character carries four bits; any other with the same four is another spelling of the same digest.
        let other = format!("{}{}", &text[..42], if text.ends_with('A') { 'B' } else { 'C' });
        assert_ne!(Hash::from_base64url(&other), Some(hash));
        assert_eq!(Hash::from_base64url(&format!("{text}=")), None);
        assert_eq!(Hash::from_base64(&hash.to_base64()), Some(hash));
        assert_eq!(Hash::from_base64(hash.to_base64().trim_end_matches('=')), None);
    }

    #[test]
    fn empty_root_is_the_digest_of_nothing() {
        assert_eq!(
            Hash::empty_root().to_base64(),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }
}
