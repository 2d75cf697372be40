//! Taking a run's outputs, without trusting their names.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::cwltool::{OutputFile, RunError};

/// Output files of one run.
const FILE_LIMIT: usize = 1_000;
/// Bytes of all of them.
const BYTE_LIMIT: u64 = 128 << 20;

/// Reads the files that the engine's output object names, from its output folder alone.
///
/// Folders, links and files that the object does not name are not taken.
pub(super) fn collect(stdout: &[u8], folder: &Path) -> Result<Vec<OutputFile>, RunError> {
    let object: Value = serde_json::from_slice(stdout)
        .map_err(|_| RunError::Outputs("the engine's output object is no JSON"))?;
    let mut names = Vec::new();
    file_names(&object, &mut names);
    names.sort_unstable();
    names.dedup();
    if names.len() > FILE_LIMIT {
        return Err(RunError::Outputs("there are more than 1000 files"));
    }
    let mut left = BYTE_LIMIT;
    names
        .into_iter()
        .map(|name| take(folder, name, &mut left))
        .collect()
}

fn take(folder: &Path, name: String, left: &mut u64) -> Result<OutputFile, RunError> {
    let mut parts = Path::new(&name).components();
    let plain = matches!(
        (parts.next(), parts.next()),
        (Some(std::path::Component::Normal(_)), None)
    );
    if !plain || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        return Err(RunError::Outputs("a file's name is not a plain name"));
    }
    let path = folder.join(&name);
    let metadata = path
        .symlink_metadata()
        .map_err(|_| RunError::Outputs("a file that was named is not there"))?;
    if !metadata.is_file() {
        return Err(RunError::Outputs("a link or special file was named"));
    }
    let file = std::fs::File::open(&path).map_err(RunError::work(&path))?;
    let mut bytes = Vec::new();
    file.take(left.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(RunError::work(&path))?;
    *left = left
        .checked_sub(bytes.len() as u64)
        .ok_or(RunError::Outputs("the files have more than 128 mebibytes in all"))?;
    Ok(OutputFile { name, bytes })
}

/// The base names of all `File` objects, at any depth.
fn file_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if object.get("class").and_then(Value::as_str) == Some("File") {
                names.extend(
                    object
                        .get("basename")
                        .and_then(Value::as_str)
                        .map(ToOwned::to_owned),
                );
            }
            object.values().for_each(|value| file_names(value, names));
        }
        Value::Array(list) => list.iter().for_each(|value| file_names(value, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> Vec<u8> {
        serde_json::json!({"a": {"class": "File", "basename": name}, "b": null})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn named_files_are_taken_and_others_left() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("counts.csv"), "a\n").unwrap();
        std::fs::write(folder.path().join("stray.txt"), "b\n").unwrap();
        let files = collect(&object("counts.csv"), folder.path()).unwrap();
        assert_eq!(
            files,
            [OutputFile {
                name: "counts.csv".to_owned(),
                bytes: b"a\n".to_vec()
            }]
        );
    }

    #[test]
    fn names_that_climb_links_and_absent_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), out.join("link")).unwrap();
        for name in ["../secret", "link", "absent", "..", ""] {
            assert!(
                matches!(collect(&object(name), &out), Err(RunError::Outputs(_))),
                "{name}"
            );
        }
    }
}
