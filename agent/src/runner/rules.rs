//! The one rule set there is: which types of files may leave, and how large.
//!
//! It looks at names, sizes and whether a text is one. What the numbers in a table mean it does not see: that is for the
//! people who look, and for rules of statistical disclosure control, which do not exist yet.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::engine::OutputFile;

/// The table `[rules]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileRules {
    /// Extensions of files that may leave, in lower case and without the dot.
    pub types: Vec<String>,
    /// KiB of one file at most.
    pub max_file_kib: u64,
    /// Files of one set at most.
    pub max_files: usize,
    /// How many people must agree.
    pub people: u32,
}

impl Default for FileRules {
    fn default() -> Self {
        Self {
            types: ["csv", "json", "md", "txt"].map(ToOwned::to_owned).to_vec(),
            max_file_kib: 1_024,
            max_files: 50,
            people: 2,
        }
    }
}

/// What a rule says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The file; missing where it is about the whole set.
    pub file: Option<String>,
    /// What is wrong, for the people who look.
    pub says: String,
}

impl FileRules {
    /// The digest by which events name this rule set: SHA-256 over its lines, as [`Self::text`] gives them.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.text()).into()
    }

    /// The rule set in its one spelling.
    pub fn text(&self) -> String {
        let mut types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        types.sort_unstable();
        types.dedup();
        format!(
            "daybook-file-rules/v1\ntypes {}\nmax_file_kib {}\nmax_files {}\npeople {}\n",
            types.join(" "),
            self.max_file_kib,
            self.max_files,
            self.people
        )
    }

    /// What the rules find in a set of outputs.
    pub fn weigh(&self, files: &[OutputFile]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if files.len() > self.max_files {
            findings.push(Finding {
                file: None,
                says: format!(
                    "{} files are more than the {} that may leave",
                    files.len(),
                    self.max_files
                ),
            });
        }
        for file in files {
            let of = |says: String| Finding {
                file: Some(file.name.clone()),
                says,
            };
            let extension = extension(&file.name);
            if !self.types.contains(&extension) {
                findings.push(of(format!(
                    "files of the type {extension:?} do not leave; those that do are {}",
                    self.types.join(", ")
                )));
            }
            if file.bytes.len() as u64 > self.max_file_kib * 1_024 {
                findings.push(of(format!("it is larger than {} KiB", self.max_file_kib)));
            }
            if let Some(says) = not_what_it_says(&extension, &file.bytes) {
                findings.push(of(says.to_owned()));
            }
        }
        findings
    }
}

fn extension(name: &str) -> String {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    extension.to_lowercase()
}

/// Whether the content is of another kind than the name says.
fn not_what_it_says(extension: &str, bytes: &[u8]) -> Option<&'static str> {
    match extension {
        "csv" | "md" | "tsv" | "txt" => {
            let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
            (!is_text).then_some("it is no text in UTF-8")
        }
        "json" => serde_json::from_slice::<serde_json::Value>(bytes)
            .is_err()
            .then_some("it is no JSON"),
        "png" => (!bytes.starts_with(b"\x89PNG\r\n\x1a\n")).then_some("it is no PNG"),
        "zip" => (!bytes.starts_with(b"PK")).then_some("it is no zip file"),
        _ => None,
    }
}

/// The media type by a file's extension.
pub fn media_type(name: &str) -> &'static str {
    match extension(name).as_str() {
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "md" => "text/markdown",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "tsv" => "text/tab-separated-values",
        "txt" => "text/plain",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> OutputFile {
        OutputFile {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn files_of_other_types_sizes_and_contents_are_found() {
        let rules = FileRules::default();
        let clean = [file("counts.csv", b"a,b\n1,2\n"), file("summary.json", b"{}")];
        assert_eq!(rules.weigh(&clean), []);
        let found = [
            file("model.pkl", b"x"),
            file("noextension", b"x"),
            file("big.csv", &vec![b'1'; 1_025 * 1_024]),
            file("image.csv", b"\x89PNG\0"),
            file("half.json", b"{"),
        ];
        for file in found {
            let findings = rules.weigh(std::slice::from_ref(&file));
            assert_eq!(findings.len(), 1, "{}: {findings:?}", file.name);
            assert_eq!(findings[0].file.as_deref(), Some(file.name.as_str()));
        }
        let many: Vec<OutputFile> = (0..51).map(|n| file(&format!("{n}.txt"), b"")).collect();
        assert_eq!(rules.weigh(&many).len(), 1);
    }

    #[test]
    fn the_digest_is_of_what_the_rules_say_and_not_of_how_it_was_written() {
        let one = FileRules::default();
        let mut other = one.clone();
        other.types.reverse();
        assert_eq!(one.digest(), other.digest());
        other.people = 1;
        assert_ne!(one.digest(), other.digest());
    }
}
