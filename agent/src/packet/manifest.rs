//! The tag files of a bag: digests of files, the bag's declaration, and its identifier (RFC 8493 §2).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha512};
use uuid::Uuid;

use super::error::BagError;

/// Payload manifest.
pub(super) const MANIFEST: &str = "manifest-sha512.txt";
/// Manifest of the tag files.
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha512.txt";
/// Declaration of the bag.
pub(super) const DECLARATION: &str = "bagit.txt";
/// The bag's own facts.
pub(super) const INFO: &str = "bag-info.txt";

/// The declaration's only form that is ever written.
pub(super) const DECLARATION_TEXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The algorithm of a manifest, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha256,
    Sha512,
    /// One that is not checked.
    Other,
}

impl Algorithm {
    /// Whether a manifest of that name is for tag files, and its algorithm; nothing where the name is no manifest's.
    pub(super) fn of_manifest(name: &str) -> Option<(bool, Self)> {
        let stem = name.strip_suffix(".txt")?;
        let is_for_tags = stem.starts_with("tagmanifest-");
        let algorithm = stem
            .strip_prefix("tag")
            .unwrap_or(stem)
            .strip_prefix("manifest-")?;
        let is_plain = !algorithm.is_empty() && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let algorithm = match algorithm {
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            _ => Self::Other,
        };
        is_plain.then_some((is_for_tags, algorithm))
    }

    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 | Self::Other => 128,
        }
    }
}

/// SHA-512 as 128 lower-case hexadecimal digits.
pub fn sha512_hex(bytes: &[u8]) -> String {
    hex(&Sha512::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// One line of a manifest: digest, two spaces, path with `%` escaped as RFC 8493 §2.1.3 asks, line feed.
///
/// Line ends need no escape here: no allowed name holds one.
pub fn manifest_line(sha512_hex: &str, path: &str) -> String {
    format!("{sha512_hex}  {}\n", path.replace('%', "%25"))
}

/// Parses a manifest into paths and lower-case digests.
pub(super) fn parse(
    name: &str,
    algorithm: Algorithm,
    bytes: &[u8],
) -> Result<BTreeMap<String, String>, BagError> {
    let mut listed = BTreeMap::new();
    for (line, text) in lines(name, bytes)? {
        let form = |rule| BagError::Form {
            name: name.to_owned(),
            line,
            rule,
        };
        let (digest, path) = text
            .split_once([' ', '\t'])
            .ok_or_else(|| form("a digest, two spaces and a path belong here"))?;
        if digest.len() != algorithm.digits() || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(form(
                "the digest does not have the hexadecimal digits of its algorithm",
            ));
        }
        let path = unescape(path.trim_start_matches([' ', '\t']));
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        if path.is_empty() {
            return Err(form("the path is empty"));
        }
        if listed.insert(path, digest.to_ascii_lowercase()).is_some() {
            return Err(form("a path is listed twice"));
        }
    }
    Ok(listed)
}

fn unescape(path: &str) -> String {
    path.replace("%0A", "\n")
        .replace("%0a", "\n")
        .replace("%0D", "\r")
        .replace("%0d", "\r")
        .replace("%25", "%")
}

/// Checks `bagit.txt`: version 1.0 or a later minor one, and UTF-8.
pub(super) fn check_declaration(bytes: &[u8]) -> Result<(), BagError> {
    let fields = fields(DECLARATION, bytes)?;
    let whole = |rule| BagError::Form {
        name: DECLARATION.to_owned(),
        line: 0,
        rule,
    };
    let value = |wanted: &str| {
        fields
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.as_str())
    };
    // Published crates spell the key `BagIt-version`; keys are compared without regard to capitals.
    let version = value("bagit-version").unwrap_or_default();
    if version != "1" && !version.starts_with("1.") {
        return Err(whole("`BagIt-Version: 1.0` is missing"));
    }
    if !value("tag-file-character-encoding")
        .unwrap_or_default()
        .eq_ignore_ascii_case("utf-8")
    {
        return Err(whole("`Tag-File-Character-Encoding: UTF-8` is missing"));
    }
    Ok(())
}

/// Reads the one `External-Identifier` of `bag-info.txt`, and checks `Payload-Oxum` where it stands.
pub(super) fn read_info(bytes: &[u8], payload_bytes: u64, payload_files: usize) -> Result<Uuid, BagError> {
    let fields = fields(INFO, bytes)?;
    let oxum = format!("{payload_bytes}.{payload_files}");
    if fields
        .iter()
        .any(|(key, value)| key == "payload-oxum" && *value != oxum)
    {
        return Err(BagError::Form {
            name: INFO.to_owned(),
            line: 0,
            rule: "`Payload-Oxum` does not fit the payload's bytes and files",
        });
    }
    let mut ids = fields
        .iter()
        .filter(|(key, _)| key == "external-identifier")
        .map(|(_, value)| value);
    let id = ids.next().ok_or(BagError::Identifier("there is none"))?;
    if ids.next().is_some() {
        return Err(BagError::Identifier("it stands twice"));
    }
    let text = id
        .strip_prefix("urn:uuid:")
        .ok_or(BagError::Identifier("it does not start with `urn:uuid:`"))?;
    match Uuid::try_parse(text) {
        Ok(uuid) if text.len() == 36 && uuid.get_version_num() == 4 => Ok(uuid),
        Ok(_) if text.len() == 36 => Err(BagError::Identifier("its UUID is not of version 4")),
        _ => Err(BagError::Identifier("it is no UUID")),
    }
}

/// Writes `bag-info.txt`.
pub(super) fn write_info(external_identifier: Uuid, payload_bytes: u64, payload_files: usize) -> String {
    format!(
        "External-Identifier: urn:uuid:{external_identifier}\nPayload-Oxum: {payload_bytes}.{payload_files}\n"
    )
}

/// `Key: value` lines with lower-case keys; indented lines continue the value before them.
fn fields(name: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, BagError> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (line, text) in lines(name, bytes)? {
        if text.starts_with([' ', '\t'])
            && let Some((_, value)) = fields.last_mut()
        {
            value.push(' ');
            value.push_str(text.trim());
            continue;
        }
        let (key, value) = text.split_once(':').ok_or_else(|| BagError::Form {
            name: name.to_owned(),
            line,
            rule: "`Key: value` belongs here",
        })?;
        fields.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(fields)
}

/// The lines that hold something, numbered from 1, without their ends (LF, CRLF or CR).
fn lines<'a>(name: &str, bytes: &'a [u8]) -> Result<Vec<(usize, &'a str)>, BagError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BagError::Form {
        name: name.to_owned(),
        line: 0,
        rule: "must be UTF-8",
    })?;
    let numbered = text
        .split('\n')
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim_end_matches('\r')));
    Ok(numbered.filter(|(_, line)| !line.trim().is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha512_is_the_published_value_for_abc() {
        assert!(sha512_hex(b"abc").starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn a_percent_sign_survives_writing_and_parsing() {
        let line = manifest_line(&"0a".repeat(64), "data/100%.csv");
        assert!(line.ends_with("  data/100%25.csv\n"));
        assert!(
            parse(MANIFEST, Algorithm::Sha512, line.as_bytes())
                .unwrap()
                .contains_key("data/100%.csv")
        );
    }

    #[test]
    fn a_path_listed_twice_is_refused_with_its_line() {
        let line = manifest_line(&"0a".repeat(64), "data/x");
        let error = parse(MANIFEST, Algorithm::Sha512, line.repeat(2).as_bytes()).unwrap_err();
        assert!(matches!(error, BagError::Form { line: 2, .. }), "{error}");
    }

    #[test]
    fn old_versions_and_other_encodings_are_refused() {
        assert!(check_declaration(DECLARATION_TEXT.as_bytes()).is_ok());
        assert!(check_declaration(b"BagIt-version: 1.1\r\nTag-File-Character-Encoding: utf-8").is_ok());
        assert!(check_declaration(b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n").is_err());
        assert!(check_declaration(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: ISO-8859-1\n").is_err());
    }

    #[test]
    fn the_identifier_must_be_one_uuid_urn() {
        let id: Uuid = "00000000-0000-4000-8000-000000000007".parse().unwrap();
        assert_eq!(read_info(write_info(id, 3, 1).as_bytes(), 3, 1).unwrap(), id);
        for bad in [
            "Contact-Name: A",
            "External-Identifier: 17",
            "External-Identifier: urn:uuid:17",
            "External-Identifier: urn:uuid:00000000000040008000000000000007",
            "External-Identifier: urn:uuid:00000000-0000-1000-8000-000000000007",
            "External-Identifier: urn:uuid:00000000-0000-4000-8000-000000000007\nExternal-Identifier: x",
        ] {
            assert!(read_info(bad.as_bytes(), 3, 1).is_err(), "{bad}");
        }
        assert!(read_info(write_info(id, 3, 2).as_bytes(), 3, 1).is_err());
    }
}
