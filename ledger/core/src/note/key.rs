//! Keys that verify notes, and their text form, the vkey (C2SP signed-note, "Verifier keys").

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::Hash;

/// The signature type of plain Ed25519 over the note's text.
const ED25519: u8 = 0x01;

/// The name of a key: not empty, without Unicode white space, `+`, or control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// An Ed25519 key that verifies notes: `<name>+<key id>+base64(0x01 || public key)`.
///
/// The key is canonical and torsion-free, so that all implementations agree about its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: u32,
    key: VerifyingKey,
}

/// Why a text is not a usable verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Names stand between spaces in notes and before a plus sign in vkeys.
    #[error("a key name is not empty and has no white space, plus sign or control character")]
    Name,
    /// Not three parts, or a part in another encoding.
    #[error("a verifier key is <name>+<8 lower-case hex digits>+<padded base64 of type and public key>")]
    Shape,
    /// A key of another signature type; logs sign with 0x01, Ed25519, witnesses with 0x04, Ed25519 with a time.
    #[error("keys of signature type 0x{found:02x} are not supported here, only 0x{wanted:02x}")]
    Type {
        /// The type in the text.
        found: u8,
        /// The type that is supported.
        wanted: u8,
    },
    /// Not a public key that every implementation reads alike.
    #[error("the public key is not 32 bytes of a canonical Ed25519 key in the prime-order group")]
    PublicKey,
    /// The id is a digest of name and key.
    #[error("the key id is {found:08x}, but name and public key give {expected:08x}")]
    Id {
        /// The id that name and key give.
        expected: u32,
        /// The id in the text.
        found: u32,
    },
}

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        let forbidden = |c: char| c.is_whitespace() || c.is_ascii_control() || c == '+';
        if name.is_empty() || name.contains(forbidden) {
            return Err(KeyError::Name);
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl VerifierKey {
    /// Makes a verifier key from a name and the 32 bytes of a public key (RFC 8032 §5.1.5).
    pub fn new(name: KeyName, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        let key = strict_key(public_key)?;
        let id = key_id(&name, ED25519, public_key);
        Ok(Self { name, id, key })
    }

    /// The name under which the key signs.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The first four bytes of `SHA-256(name || 0x0A || 0x01 || public key)`.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The 32 bytes of the public key.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether `signature` is this key's over `text`, by the strict rules that leave one signature a text.
    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, KeyError> {
        let (name, found, public_key) = parse_vkey(vkey, ED25519)?;
        let key = Self::new(name, &public_key)?;
        check_id(key.id, found)?;
        Ok(key)
    }
}

/// The parts of a vkey of one signature type: name, key id as it is said, the 32 bytes of the public key.
pub(crate) fn parse_vkey(vkey: &str, wanted: u8) -> Result<(KeyName, u32, [u8; 32]), KeyError> {
    let (name, rest) = vkey.split_once('+').ok_or(KeyError::Shape)?;
    let (id, encoded) = rest.split_once('+').ok_or(KeyError::Shape)?;
    let name: KeyName = name.parse()?;
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if id.len() != 8 || !id.bytes().all(lower_hex) {
        return Err(KeyError::Shape);
    }
    let found = u32::from_str_radix(id, 16).map_err(|_| KeyError::Shape)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::Shape)?;
    let (kind, public_key) = bytes.split_first().ok_or(KeyError::Shape)?;
    if *kind != wanted {
        return Err(KeyError::Type { found: *kind, wanted });
    }
    let public_key = public_key.try_into().map_err(|_| KeyError::PublicKey)?;
    Ok((name, found, public_key))
}

/// The id in a vkey must be the one that name and key give.
pub(crate) fn check_id(expected: u32, found: u32) -> Result<(), KeyError> {
    if expected == found {
        Ok(())
    } else {
        Err(KeyError::Id { expected, found })
    }
}

/// A public key that every implementation reads alike: canonical, of the prime-order group.
pub(crate) fn strict_key(public_key: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::PublicKey)?;
    // Every encoding that is not canonical is of a point of small or mixed order, so that this refuses it too.
    if key.is_weak() || !key.to_edwards().is_torsion_free() {
        return Err(KeyError::PublicKey);
    }
    Ok(key)
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[ED25519][..], self.key.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(material))
    }
}

/// The first four bytes of `SHA-256(name || 0x0A || type || public key)`.
pub(crate) fn key_id(name: &KeyName, kind: u8, public_key: &[u8; 32]) -> u32 {
    let digest = Hash::of(&[name.as_str().as_bytes(), &[b'\n', kind], public_key].concat());
    let [a, b, c, d, ..] = digest.0;
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SPEC: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    fn vkey(name: &str, id: &str, material: &[u8]) -> String {
        format!("{name}+{id}+{}", STANDARD.encode(material))
    }

    #[test]
    fn the_key_of_the_specification_is_read_and_written() {
        let key: VerifierKey = SPEC.parse().unwrap();
        assert_eq!(key.name().as_str(), "example.com/foo");
        assert_eq!(key.id(), 0x530d_903a);
        assert_eq!(key.to_string(), SPEC);
    }

    #[rstest]
    #[case("")]
    #[case("a b")]
    #[case("a+b")]
    #[case("a\u{a0}b")]
    #[case("a\u{2003}b")]
    #[case("a\nb")]
    #[case("a\0b")]
    fn names_that_no_note_can_carry_are_refused(#[case] name: &str) {
        assert_eq!(name.parse::<KeyName>(), Err(KeyError::Name));
    }

    #[rstest]
    #[case("", KeyError::Shape)]
    #[case("example.com/foo", KeyError::Shape)]
    #[case("example.com/foo+530d903a", KeyError::Shape)]
    #[case("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Name)]
    #[case(
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        KeyError::Shape
    )]
    #[case(
        "example.com/foo++530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        KeyError::Shape
    )]
    #[case(
        "example.com/foo+0530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        KeyError::Shape
    )]
    #[case(
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        KeyError::Shape
    )]
    #[case(
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        KeyError::Shape
    )]
    #[case("example.com/foo+530d903a+", KeyError::Shape)]
    #[case("example.com/foo+530d903a+AQ==", KeyError::PublicKey)]
    #[case(
        "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        KeyError::Type { found: 4, wanted: 1 }
    )]
    #[case(
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        KeyError::Id { expected: 0x530d_903a, found: 0x530d_903b }
    )]
    fn any_other_text_is_refused(#[case] text: &str, #[case] error: KeyError) {
        assert_eq!(text.parse::<VerifierKey>(), Err(error));
    }

    #[test]
    fn keys_of_small_or_mixed_order_are_refused() {
        let mut identity = [0; 33];
        identity[..2].copy_from_slice(&[ED25519, 1]);
        let honest: VerifierKey = SPEC.parse().unwrap();
        let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
        let mixed = (honest.key.to_edwards() + torsion).compress();
        let mixed = [&[ED25519][..], mixed.as_bytes()].concat();
        for material in [&identity[..], &mixed] {
            assert_eq!(
                vkey("a", "00000000", material).parse::<VerifierKey>(),
                Err(KeyError::PublicKey)
            );
        }
    }

    #[test]
    fn keys_in_a_spelling_that_is_not_canonical_are_refused() {
        // y = p + k for each k that fits 255 bits, with either sign of x.
        for (k, last) in (0..19_u8).flat_map(|k| [(k, 0x7f), (k, 0xff)]) {
            let mut public_key = [0xff; 32];
            public_key[0] = 0xed + k;
            public_key[31] = last;
            let name = "a".parse().unwrap();
            assert_eq!(
                VerifierKey::new(name, &public_key),
                Err(KeyError::PublicKey),
                "p + {k}, {last:02x}"
            );
        }
    }
}
