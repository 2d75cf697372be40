//! Keys: Ed25519 (RFC 8032), named by their RFC 7638 thumbprint, with proof of possession.

use std::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, Signer as _, Verifier as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::Actor;
use crate::{Hash, base64url, jws};

/// A key or a signature cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not 32 bytes in unpadded base64url.
    #[error("a public key is 32 bytes in unpadded base64url (43 characters)")]
    Length,
    /// Another encoding of a point, or none at all.
    #[error("the public key is not a canonical encoding of a point on the curve (RFC 8032 §5.1.3)")]
    Encoding,
    /// A point of small or mixed order, for which one signature may fit several messages.
    #[error("the public key is not a point of the prime-order group")]
    Order,
    /// The signature is not by this key over these bytes.
    #[error("the signature does not fit the key and the bytes")]
    Signature,
}

/// The coordinate `y` of the eight points of small order, least byte first: 1 (order 1), -1 (2), 0 (4), and two of order 8.
#[rustfmt::skip]
const SMALL_ORDER: [[u8; 32]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
        0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
        0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// An Ed25519 public key: canonical and of prime order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: VerifyingKey,
    /// Made once: every event that the key signs is compared with it.
    thumbprint: Hash,
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 §5.1.5.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let point = CompressedEdwardsY(*bytes)
            .decompress()
            .ok_or(KeyError::Encoding)?;
        if point.compress().as_bytes() != bytes {
            return Err(KeyError::Encoding);
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(KeyError::Order);
        }
        VerifyingKey::from_bytes(bytes)
            .map(Self::new)
            .map_err(|_| KeyError::Encoding)
    }

    fn new(point: VerifyingKey) -> Self {
        let x = base64url::encode(point.as_bytes());
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Self {
            point,
            thumbprint: Hash::of(jwk.as_bytes()),
        }
    }

    /// Reads the JWK member `x` (RFC 8037 §2).
    pub fn from_x(x: &str) -> Result<Self, KeyError> {
        let bytes = base64url::decode(x)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(KeyError::Length)?;
        Self::from_bytes(&bytes)
    }

    /// Writes the JWK member `x`.
    pub fn to_x(&self) -> String {
        base64url::encode(self.point.as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.point.as_bytes()
    }

    /// The key's name: its JWK thumbprint with SHA-256 (RFC 7638 §3, members of RFC 8037 §2).
    pub fn thumbprint(&self) -> Hash {
        self.thumbprint
    }

    /// Verifies strictly: no small-order component, canonical `S` (RFC 8032 §5.1.7 without cofactor).
    ///
    /// Takes exactly what `verify_strict` of ed25519-dalek takes, without decoding the point `R` only to see whether its order
    /// is small: what verifies has `R` in its one canonical encoding, and those of small order are known.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        let signature = Signature::from_bytes(signature);
        let mut y = *signature.r_bytes();
        y[31] &= 0x7f; // without the sign of `x`
        if SMALL_ORDER.contains(&y) {
            return Err(KeyError::Signature);
        }
        // The key's own order was looked at when it was made.
        self.point
            .verify(message, &signature)
            .map_err(|_| KeyError::Signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_x())
    }
}

/// An Ed25519 secret key. It is made from 32 random bytes by the caller and wiped when dropped.
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// Takes the 32 bytes of the seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key())
    }

    /// Signs some bytes. Deterministic (RFC 8032 §5.1.6).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().thumbprint())
    }
}

/// What a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyUse {
    /// Events.
    Event,
    /// Access tokens for the HTTP API.
    Access,
}

impl KeyUse {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Access => "access",
        }
    }
}

/// The bytes that a new key signs to prove that whoever names it holds it.
///
/// They are the signing input of a JWS with `typ` `daybook-key-pop+jwt` over the log's origin, the actor, the key and
/// its use, all of which the registering event holds; the event carries only the signature.
pub fn possession_bytes(aud: &str, actor: &Actor, usage: KeyUse, key: &PublicKey) -> Vec<u8> {
    let kid = key.thumbprint();
    let payload = serde_json::json!({
        "aud": aud, "kid": kid.to_base64url(), "sub": actor.to_string(), "use": usage.as_str(),
    });
    jws::signing_input("daybook-key-pop+jwt", &kid, &payload).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_is_that_of_rfc_8037() {
        // RFC 8037 appendix A.2 and A.3.
        let key = PublicKey::from_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(
            key.thumbprint().to_base64url(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn signature_is_that_of_rfc_8032() {
        // RFC 8032 §7.1 test 1: empty message.
        let seed = Hash::from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SecretKey::from_seed(&seed.0);
        let signature = key.sign(b"");
        assert_eq!(
            base64url::encode(&signature),
            "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc-bRr0lv18FlbviRlUUFDjnoQCw"
        );
        assert_eq!(key.public().verify(b"", &signature), Ok(()));
        assert_eq!(key.public().verify(b"x", &signature), Err(KeyError::Signature));
    }

    #[test]
    fn weak_and_misspelt_points_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(KeyError::Order));
        // The identity again, spelt with y = p + 1.
        let mut spelt_twice = [0xff; 32];
        spelt_twice[0] = 0xee;
        spelt_twice[31] = 0x7f;
        assert_eq!(PublicKey::from_bytes(&spelt_twice), Err(KeyError::Encoding));
        // A good point plus one of order two: on the curve, of mixed order.
        let good = CompressedEdwardsY(*SecretKey::from_seed(&[7; 32]).public().as_bytes())
            .decompress()
            .unwrap();
        let mut order_two = [0xff; 32];
        order_two[0] = 0xec;
        order_two[31] = 0x7f;
        let mixed = good + CompressedEdwardsY(order_two).decompress().unwrap();
        assert_eq!(
            PublicKey::from_bytes(mixed.compress().as_bytes()),
            Err(KeyError::Order)
        );
        assert_eq!(PublicKey::from_x("AAAA"), Err(KeyError::Length));
    }
}
