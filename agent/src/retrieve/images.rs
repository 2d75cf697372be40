//! Which container images a workflow's files name.

use daybook_core::Hash;

use super::error::RetrieveError;
use crate::packet::{METADATA_PATH, Payload};

/// An image that a workflow names by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// As the workflow writes it.
    pub reference: String,
    /// What follows `@sha256:`.
    pub digest: Hash,
}

/// What names an image in CWL, and what would build or load one from elsewhere.
const CWL_KEYS: [&str; 4] = ["dockerPull", "dockerFile", "dockerLoad", "dockerImport"];

/// All images that the files of a workflow name, each once, in the order of the files.
///
/// Read are CWL (`dockerPull`, in YAML and JSON) and Nextflow (`container`). This finds what an honest workflow names, so
/// that it can be fetched before the run; one that hides a name is not helped by it, as a run has no network.
///
/// # Errors
/// [`RetrieveError::Image`] for an image that is named by a tag, by an expression, or by how it is to be built.
pub fn named_images(files: &Payload) -> Result<Vec<Named>, RetrieveError> {
    let mut found: Vec<Named> = Vec::new();
    for (path, bytes) in files {
        let Ok(text) = std::str::from_utf8(bytes) else {
            continue;
        };
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let references = match extension {
            "cwl" | "yml" | "yaml" | "json" if !path.ends_with(METADATA_PATH) => cwl(text),
            "nf" | "config" => nextflow(text),
            _ => continue,
        };
        for reference in references {
            let digest = digest(&reference).ok_or_else(|| RetrieveError::Image {
                file: path.clone(),
                reference: reference.chars().take(200).collect(),
            })?;
            if !found.iter().any(|named| named.digest == digest) {
                found.push(Named { reference, digest });
            }
        }
    }
    Ok(found)
}

/// The digest at the end of `name@sha256:…`, or of `sha256:…` alone.
fn digest(reference: &str) -> Option<Hash> {
    let (name, hex) = reference.rsplit_once("sha256:")?;
    let is_named = name.is_empty() || (name.ends_with('@') && name.len() > 1);
    if !is_named
        || !name
            .chars()
            .all(|c| c.is_ascii_graphic() && !"${}\"'".contains(c))
    {
        return None;
    }
    parse_hex(hex)
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn parse_hex(text: &str) -> Option<Hash> {
    let is_hex = text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    Some(Hash(bytes.filter(|_| is_hex)?.try_into().ok()?))
}

fn cwl(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(without_comment) {
        for key in CWL_KEYS {
            for (at, _) in line.match_indices(key) {
                let before = line[..at].chars().next_back();
                let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
                let after = line[at + key.len()..].trim_start_matches(['"', '\'']);
                let Some(value) = after.trim_start().strip_prefix(':').filter(|_| starts) else {
                    continue;
                };
                let value = scalar(value);
                // Anything but a plain name is told as it stands, and fixes no content.
                found.push(if key == "dockerPull" {
                    value
                } else {
                    format!("{key}: {value}")
                });
            }
        }
    }
    found
}

/// A YAML or JSON value on one line; another kind of value is answered by its beginning.
fn scalar(text: &str) -> String {
    let text = text.trim();
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].split(quote).next().unwrap_or_default().to_owned(),
        _ => text
            .split([',', '}', ' ', '\t'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.split_once(" #").map_or(line, |(code, _)| code)
}

fn nextflow(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with("//") || code.starts_with('*') {
            continue;
        }
        for (at, key) in code.match_indices("container") {
            let before = code[..at].chars().next_back();
            let after = code[at + key.len()..].trim_start();
            let value = after.strip_prefix('=').unwrap_or(after).trim_start();
            let starts = before.is_none_or(|c| c.is_whitespace() || "{.;".contains(c));
            let quote = value.chars().next().filter(|c| "\"'".contains(*c) && starts);
            if let Some(quote) = quote {
                found.push(value[1..].split(quote).next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HEX: &str = "0f0e0d0c0b0a09080706050403020100f0e0d0c0b0a090807060504030201000";

    fn one(path: &str, text: &str) -> Result<Vec<Named>, RetrieveError> {
        named_images(&Payload::from([(path.to_owned(), text.as_bytes().to_vec())]))
    }

    #[rstest]
    #[case("a.cwl", "hints:\n  DockerRequirement:\n    dockerPull: debian@sha256:HEX\n")]
    #[case(
        "a.cwl",
        "requirements: [{class: DockerRequirement, dockerPull: 'debian@sha256:HEX'}]"
    )]
    #[case(
        "a.cwl",
        "  dockerPull: \"debian@sha256:HEX\" # pinned\n# dockerPull: debian:12\n"
    )]
    #[case("a.json", "{\"dockerPull\" : \"debian@sha256:HEX\"}")]
    #[case(
        "main.nf",
        "process A {\n  container 'debian@sha256:HEX'\n  // container 'debian:12'\n}"
    )]
    #[case("nextflow.config", "process.container = \"debian@sha256:HEX\"")]
    fn images_are_found_as_workflows_write_them(#[case] path: &str, #[case] text: &str) {
        let found = one(path, &text.replace("HEX", HEX)).unwrap();
        let expected = Named {
            reference: format!("debian@sha256:{HEX}"),
            digest: parse_hex(HEX).unwrap(),
        };
        assert_eq!(found, [expected]);
    }

    #[rstest]
    #[case("dockerPull: debian:12", "debian:12")]
    #[case("dockerPull: debian", "debian")]
    #[case("dockerPull: debian@sha256:0f0e", "debian@sha256:0f0e")]
    #[case("dockerPull: $(inputs.image)", "$(inputs.image)")]
    #[case("dockerPull: >-", ">-")]
    #[case("dockerPull:", "")]
    #[case("dockerFile: |", "dockerFile: |")]
    #[case(
        "dockerLoad: https://example.org/x.tar",
        "dockerLoad: https://example.org/x.tar"
    )]
    fn what_fixes_no_content_is_refused_with_what_stands_there(#[case] text: &str, #[case] told: &str) {
        match one("a.cwl", text) {
            Err(RetrieveError::Image { reference, .. }) => assert_eq!(reference, told),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_that_only_resemble_a_name_are_none() {
        assert_eq!(
            one("a.cwl", "mydockerPull: x\ndockerPullPolicy: y\n").unwrap(),
            []
        );
        assert_eq!(
            one("a.nf", "container_engine 'docker'\nmycontainer 'x'\n").unwrap(),
            []
        );
        assert_eq!(one("README.md", "dockerPull: debian:12").unwrap(), []);
    }
}
