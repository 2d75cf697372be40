//! What `WfExS-backend` writes down of a run.

use std::io::Cursor;
use std::path::Path;

use crate::engine::RunError;

/// Its record of the executions of an instance.
const STATE: &str = "meta/execution-state.yaml";
/// Bytes of it that are read.
const STATE_LIMIT: u64 = 16 << 20;

/// Reads how the last execution ended; answers its folder below `outputs`.
pub(super) fn read(instance: &Path) -> Result<String, RunError> {
    use std::io::Read as _;
    let path = instance.join(STATE);
    let mut text = String::new();
    let file =
        std::fs::File::open(&path).map_err(|_| RunError::Outputs("WfExS left no record of the run"))?;
    file.take(STATE_LIMIT)
        .read_to_string(&mut text)
        .map_err(RunError::work(&path))?;
    match last_execution(&text) {
        Err(RunError::Tool { status, .. }) => Err(RunError::Tool {
            status,
            log: log(instance),
        }),
        found => found,
    }
}

/// The folder of the last execution that a record tells of, which is a UUID.
///
/// Of the YAML only lines of WfExS's own writing are looked at: those of an execution's own level, indented by two.
///
/// # Errors
/// [`RunError`] where it failed, or where the record does not say.
pub fn last_execution(text: &str) -> Result<String, RunError> {
    let last = |name: &str| {
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.strip_prefix(name));
        lines.next_back().map(|rest| rest.trim().to_owned())
    };
    let code = last("exitVal:").ok_or(RunError::Outputs("WfExS's record of the run has no exit value"))?;
    if code != "0" {
        return Err(RunError::Tool {
            status: format!("WfExS says that the workflow ended with {code}"),
            log: String::new(),
        });
    }
    let folder = last("outputsDir:").and_then(|folder| Some(folder.strip_prefix("outputs/")?.to_owned()));
    folder
        .filter(|name| uuid::Uuid::try_parse(name).is_ok())
        .ok_or(RunError::Outputs(
            "WfExS's record of the run names no folder of outputs",
        ))
}

/// What the workflow's engine complained, for the TRE.
fn log(instance: &Path) -> String {
    let Ok(runs) = std::fs::read_dir(instance.join("meta/outputs")) else {
        return String::new();
    };
    let texts = runs
        .filter_map(Result::ok)
        .filter_map(|run| std::fs::read(run.path().join("stderr.txt")).ok());
    let all: Vec<u8> = texts.flatten().collect();
    let start = all.len().saturating_sub(64 << 10);
    String::from_utf8_lossy(&all[start..]).into_owned()
}

/// Refuses an execution crate that carries inputs, for it would carry the data.
///
/// # Errors
/// [`RunError::Outputs`].
pub fn check_crate(bytes: &[u8]) -> Result<(), RunError> {
    let unreadable = |_| RunError::Outputs("WfExS's execution crate cannot be read");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    for number in 0..archive.len() {
        let entry = archive.by_index(number).map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?;
        let is_data = ["inputs/", "extrapolated-inputs/"]
            .iter()
            .any(|folder| name.trim_start_matches(['.', '/']).starts_with(folder));
        if is_data && !entry.is_dir() {
            return Err(RunError::Outputs("WfExS's execution crate holds the input data"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn instance(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("meta")).unwrap();
        fs::write(folder.path().join(STATE), text).unwrap();
        folder
    }

    const QUEUED: &str = "- exitVal: -1\n  exitVal: -1\n  outputsDir: outputs\n";

    #[test]
    fn the_last_execution_counts() {
        let id = "1259c21d-353c-4de6-8c8c-4c64c46ac240";
        let done = instance(&format!("{QUEUED}  exitVal: 0\n  outputsDir: outputs/{id}\n"));
        assert_eq!(read(done.path()).unwrap(), id);
        let failed = instance(&format!("{QUEUED}  exitVal: 3\n  outputsDir: outputs/{id}\n"));
        assert!(matches!(read(failed.path()), Err(RunError::Tool { .. })));
    }

    #[test]
    fn a_record_that_climbs_or_is_missing_is_refused() {
        let climbing = instance("  exitVal: 0\n  outputsDir: outputs/../../../etc\n");
        assert!(matches!(read(climbing.path()), Err(RunError::Outputs(_))));
        assert!(matches!(read(instance("").path()), Err(RunError::Outputs(_))));
        let none = tempfile::tempdir().unwrap();
        assert!(matches!(read(none.path()), Err(RunError::Outputs(_))));
    }

    #[test]
    fn a_crate_with_the_data_in_it_is_refused() {
        let zipped = |name: &str| {
            let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
            writer
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(b"1,2\n").unwrap();
            writer.finish().unwrap().into_inner()
        };
        for name in ["inputs/table.csv", "./inputs/table.csv", "/inputs/table.csv"] {
            assert!(check_crate(&zipped(name)).is_err(), "{name}");
        }
        assert!(check_crate(&zipped("meta/outputs/stdout.txt")).is_ok());
        assert!(check_crate(b"no zip").is_err());
    }
}
