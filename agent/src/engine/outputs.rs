//! Taking a run's outputs, without trusting their names.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::RunError;
use super::job::OutputFile;

/// Output files of one run.
const FILE_LIMIT: usize = 1_000;
/// Bytes of a name.
const NAME_LIMIT: usize = 200;
/// Bytes of all of them.
const BYTE_LIMIT: u64 = 128 << 20;

/// Reads the named files from the run's output folder alone. The run must have ended: nothing may change them meanwhile.
///
/// Folders, links and files that are not named are not taken.
pub(super) fn collect(mut names: Vec<String>, folder: &Path) -> Result<Vec<OutputFile>, RunError> {
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

/// The files that a CWL output object names.
///
/// # Errors
/// [`RunError::Outputs`] for what is no JSON.
pub fn named_files(object: &[u8]) -> Result<Vec<String>, RunError> {
    let object: Value = serde_json::from_slice(object)
        .map_err(|_| RunError::Outputs("the engine's output object is no JSON"))?;
    let mut names = Vec::new();
    file_names(&object, &mut names);
    Ok(names)
}

/// Whatever lies in the folder; a folder or link in it is refused when it is taken.
pub(super) fn plain_files(folder: &Path) -> Result<Vec<String>, RunError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(RunError::work(folder))? {
        let entry = entry.map_err(RunError::work(folder))?;
        let name = entry.file_name().into_string();
        names.push(name.map_err(|_| RunError::Outputs("a file's name is not a plain name"))?);
        if names.len() > FILE_LIMIT {
            break;
        }
    }
    Ok(names)
}

fn take(folder: &Path, name: String, left: &mut u64) -> Result<OutputFile, RunError> {
    let mut parts = Path::new(&name).components();
    let plain = matches!(
        (parts.next(), parts.next()),
        (Some(std::path::Component::Normal(_)), None)
    );
    if !plain || name.len() > NAME_LIMIT || name.contains(['/', '\\']) || name.chars().any(is_unseen) {
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

/// Characters that show another name than the one that is there.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
        let files = collect(named_files(&object("counts.csv")).unwrap(), folder.path()).unwrap();
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
        for name in [
            "../secret",
            "link",
            "absent",
            "..",
            "",
            "a\u{7}b",
            "a\nb",
            "\u{202e}csv",
        ] {
            let taken = named_files(&object(name)).and_then(|names| collect(names, &out));
            assert!(matches!(taken, Err(RunError::Outputs(_))), "{name}");
        }
    }
}
