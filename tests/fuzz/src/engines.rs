//! Targets for what engines and mirrors of a TRE's leave behind.

use daybook_agent::engine::{check_crate, last_execution, named_files};
use daybook_agent::packet::{Payload, zip_files};
use daybook_agent::retrieve::{check_archive, named_images};
use daybook_core::Hash;
use serde_json::Value;

/// Reads a record of executions as `WfExS-backend` writes it.
///
/// # Panics
/// When the folder that it is believed to name is more than a name, or the run is believed to have ended well and did not.
pub fn execution_record(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(folder) = last_execution(&text) else { return };
    assert!(
        folder
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b"-{}:urnid".contains(&byte)),
        "{folder:?}"
    );
    let mut values = text.lines().filter_map(|line| line.strip_prefix("  exitVal:"));
    assert_eq!(values.next_back().map(str::trim), Some("0"));
}

/// Looks through an execution crate: the bytes themselves, and a crate whose files have their lines as names.
///
/// # Panics
/// When one is let through with a file where the data would lie, or another one is not.
pub fn execution_crate(data: &[u8]) {
    let _ = check_crate(data);
    let text = String::from_utf8_lossy(data);
    let names = text
        .lines()
        .take(20)
        .filter(|name| !name.is_empty() && name.len() < 200);
    let files: Payload = names.map(|name| (name.to_owned(), b"1,2\n".to_vec())).collect();
    let Ok(zip) = zip_files(&files) else { return };
    let is_data = |name: &String| {
        let mut parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
        let first = parts.next().unwrap_or_default();
        ["inputs", "extrapolated-inputs"].contains(&first) && parts.next().is_some()
    };
    if files.keys().any(is_data) {
        assert!(check_crate(&zip).is_err(), "{:?}", files.keys());
    }
}

/// Reads the archive of a container image.
///
/// # Panics
/// When bytes are believed to be an image in which the digest that it has does not stand.
pub fn image_archive(data: &[u8]) {
    let (digest, archive) = data.split_at(data.len().min(32));
    let Ok(digest) = <[u8; 32]>::try_from(digest).map(Hash) else {
        return;
    };
    if check_archive(archive, &digest).is_ok() {
        let hex = digest.0.map(|byte| format!("{byte:02x}")).concat();
        let name = format!("blobs/sha256/{hex}");
        assert!(archive.windows(name.len()).any(|part| part == name.as_bytes()));
    }
}

/// Looks for the images that a workflow's file names.
///
/// # Panics
/// When a name is taken that does not end with the digest that is said to be its own.
pub fn image_names(data: &[u8]) {
    for path in ["workflow.cwl", "main.nf", "job.json"] {
        let files = Payload::from([(path.to_owned(), data.to_vec())]);
        for named in named_images(&files).unwrap_or_default() {
            let hex = named.digest.0.map(|byte| format!("{byte:02x}")).concat();
            assert!(named.reference.ends_with(&format!("sha256:{hex}")), "{named:?}");
            assert!(String::from_utf8_lossy(data).contains(&named.reference));
        }
    }
}

/// Reads what a CWL engine prints of its outputs.
///
/// # Panics
/// When a name is read that the output does not have.
pub fn cwl_outputs(data: &[u8]) {
    let names = named_files(data).unwrap_or_default();
    let mut texts = Vec::new();
    gather(&serde_json::from_slice(data).unwrap_or_default(), &mut texts);
    assert!(names.iter().all(|name| texts.contains(name)), "{names:?}");
}

/// Every text in a value that is no name of a member.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| gather(value, texts)),
        Value::Object(object) => object.values().for_each(|value| gather(value, texts)),
        _ => {}
    }
}
