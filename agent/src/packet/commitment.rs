//! The salted commitment by which events speak of outputs before anybody may see them.
//!
//! A digest of a small table *is* the table: whoever knows its form can guess the numbers and compare. So the log holds
//!
//! ```text
//! SHA-256( "daybook-outputs/v1" || 0x00 || salt (32 bytes) || manifest )
//! ```
//!
//! where `manifest` is the lines `<SHA-512 in hexadecimal>  <path>\n` of the set's files, sorted bytewise, exactly as they
//! stand in the released bag's `manifest-sha512.txt` (so every path begins with `data/outputs/`).
//!
//! The salt is fresh for each set and stays in the TRE. In a released packet, and only there, it is the payload file
//! [`SALT_PATH`]: 43 characters of unpadded base64url and a line feed. As payload it is covered by the bag's manifests and
//! stays with the crate when the bag is unpacked. Whoever holds the packet can then recompute what the log has said since
//! the assessment; where nothing is released, the salt never leaves and the commitment says nothing.

use daybook_core::base64url;
use sha2::{Digest as _, Sha256};

use super::bag::Bag;

/// Folder of the outputs, relative to the crate's root.
pub const OUTPUTS_FOLDER: &str = "outputs/";
/// File of the salt, relative to the crate's root.
pub const SALT_PATH: &str = "outputs-salt.txt";

const DOMAIN: &[u8] = b"daybook-outputs/v1\0";

/// Commits to a manifest of outputs under a secret salt.
///
/// The manifest must be sorted bytewise by lines, as [`Bag::manifest_below`] gives it.
pub fn commit(salt: &[u8; 32], manifest: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(salt);
    hash.update(manifest.as_bytes());
    hash.finalize().into()
}

/// The commitment to a set of outputs given by their file names and bytes, as they will lie in `outputs/`.
pub fn commit_files<'a>(salt: &[u8; 32], files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> [u8; 32] {
    let line = |(name, bytes)| {
        super::manifest_line(&super::sha512_hex(bytes), &format!("data/{OUTPUTS_FOLDER}{name}"))
    };
    let mut lines: Vec<String> = files.into_iter().map(line).collect();
    lines.sort_unstable();
    commit(salt, &lines.concat())
}

/// The text of the salt's file.
pub fn salt_text(salt: &[u8; 32]) -> String {
    format!("{}\n", base64url::encode(salt))
}

/// Reads the text of a salt's file; nothing if it is not exactly [`salt_text`] of some salt.
pub fn parse_salt(text: &[u8]) -> Option<[u8; 32]> {
    let line = text.strip_suffix(b"\n")?;
    base64url::decode(std::str::from_utf8(line).ok()?)?
        .try_into()
        .ok()
}

/// Recomputes the commitment that a released packet's outputs and salt give; nothing without a readable salt.
pub fn of_released(bag: &Bag) -> Option<[u8; 32]> {
    let salt = parse_salt(bag.payload.get(SALT_PATH)?)?;
    Some(commit(&salt, &bag.manifest_below(OUTPUTS_FOLDER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: [u8; 32]) -> String {
        bytes.map(|byte| format!("{byte:02x}")).concat()
    }

    // Made with Python's hashlib, not with this code; the salt is the bytes 0 to 31.
    const VECTOR: &str = "746f6aabcd2c1787d4122d2a0b35abe082f7e8d4ffb0b0ce661165ccd27a672e";
    const VECTOR_EMPTY: &str = "b0d549dd6aca83fe0904a15aa682a2803270ec63d53e168360bdead845ba949c";

    fn salt() -> [u8; 32] {
        std::array::from_fn(|at| u8::try_from(at).unwrap())
    }

    #[test]
    fn the_commitment_has_its_published_value() {
        let files = [
            ("summary.json", b"{}\n".as_slice()),
            ("counts.csv", b"a,b\n1,2\n".as_slice()),
        ];
        assert_eq!(hex(commit_files(&salt(), files)), VECTOR);
        assert_eq!(hex(commit(&salt(), "")), VECTOR_EMPTY);
    }

    #[test]
    fn salt_and_content_both_matter() {
        let other = [7; 32];
        assert_ne!(
            commit_files(&salt(), [("a", b"1".as_slice())]),
            commit_files(&other, [("a", b"1".as_slice())])
        );
        assert_ne!(
            commit_files(&salt(), [("a", b"1".as_slice())]),
            commit_files(&salt(), [("a", b"2".as_slice())])
        );
    }

    #[test]
    fn the_salt_s_text_reads_back_and_other_spellings_do_not() {
        let text = salt_text(&salt());
        assert_eq!(text.len(), 44);
        assert_eq!(parse_salt(text.as_bytes()), Some(salt()));
        assert_eq!(parse_salt(text.trim_end().as_bytes()), None);
        assert_eq!(parse_salt(format!("{}=\n", text.trim_end()).as_bytes()), None);
        assert_eq!(parse_salt(b"AAAA\n"), None);
    }
}
