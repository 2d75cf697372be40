//! Credentials for one run: issued, written as a file, taken back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use uuid::Uuid;

use super::{DatabaseConfig, DatasetConfig, DatasetError};
use crate::spool::{SpoolError, make_folder, names, write_whole};

/// How long one of the TRE's commands may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes of credentials.
const SIZE_LIMIT: u64 = 64 << 10;

/// For which run credentials are issued.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The job.
    pub job: Uuid,
    /// The folder for the credentials, which lives as long as they do.
    pub folder: &'a Path,
    /// How long the run may take, in seconds.
    pub seconds: u64,
}

/// Issues credentials; answers with their file.
pub(super) async fn issue(
    dataset: Uuid,
    database: &DatabaseConfig,
    grant: &Grant<'_>,
) -> Result<PathBuf, DatasetError> {
    make_folder(grant.folder)?;
    let file = grant.folder.join(dataset.to_string());
    // There before anything is issued: whoever comes after a crash takes back what may have been.
    write_whole(&file, b"")?;
    let call = Call {
        what: "issue",
        dataset,
        job: grant.job,
        line: &database.issue,
        seconds: grant.seconds,
    };
    let text = call.run(&[]).await?;
    write_whole(&file, &text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(SpoolError::at(&file))?;
    Ok(file)
}

pub(super) async fn revoke_all(all: &[DatasetConfig], folder: &Path, job: Uuid) -> Result<(), DatasetError> {
    let mut failed = None;
    for name in names(folder)? {
        let file = folder.join(&name);
        let known = all.iter().find(|one| one.id.to_string() == name);
        if let Some((known, database)) = known.and_then(|known| Some((known, known.database.as_ref()?))) {
            let text = fs::read(&file).map_err(SpoolError::at(&file))?;
            let call = Call {
                what: "revoke",
                dataset: known.id,
                job,
                line: &database.revoke,
                seconds: 0,
            };
            if let Err(error) = call.run(&text).await {
                failed = Some(error);
                continue;
            }
        }
        fs::remove_file(&file).map_err(SpoolError::at(&file))?;
    }
    failed.map_or(Ok(()), Err)
}

/// One call of a command of the TRE's.
struct Call<'a> {
    what: &'static str,
    dataset: Uuid,
    job: Uuid,
    line: &'a [String],
    seconds: u64,
}

impl Call<'_> {
    /// Runs it; what it prints is never shown.
    async fn run(&self, input: &[u8]) -> Result<Vec<u8>, DatasetError> {
        let failed = |how: &str| DatasetError::Command {
            what: self.what,
            dataset: self.dataset,
            how: how.to_owned(),
        };
        let (program, arguments) = self.line.split_first().ok_or_else(|| failed("is empty"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .env("DAYBOOK_JOB", self.job.to_string())
            .env("DAYBOOK_DATASET", self.dataset.to_string())
            .env("DAYBOOK_SECONDS", self.seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&format!("did not start: {error}")))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let done = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // A command that does not read it is none of our business.
                    let _ = stdin.write_all(input).await;
                }
            };
            let mut text = Vec::new();
            let read = async {
                if let Some(stdout) = stdout {
                    stdout.take(SIZE_LIMIT + 1).read_to_end(&mut text).await?;
                }
                std::io::Result::Ok(())
            };
            let ((), read) = tokio::join!(write, read);
            read?;
            if text.len() as u64 > SIZE_LIMIT {
                return Ok((None, text));
            }
            Ok((Some(child.wait().await?), text))
        };
        match tokio::time::timeout(PATIENCE, done).await {
            Err(_) => Err(failed("did not end within a minute")),
            Ok(Err(error)) => Err(failed(&format!("broke off: {}", std::io::Error::kind(&error)))),
            Ok(Ok((None, _))) => Err(failed("printed more than 64 KiB")),
            Ok(Ok((Some(status), text))) if status.success() => Ok(text),
            Ok(Ok((Some(status), _))) => Err(failed(&format!("ended with {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Datasets;
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(ToOwned::to_owned).to_vec()
    }

    fn datasets(issue: &str, revoke: &str) -> (Datasets, Uuid) {
        let id = crate::random::id().unwrap();
        let database = DatabaseConfig {
            issue: shell(issue),
            revoke: shell(revoke),
            socket: None,
        };
        let one = DatasetConfig {
            id,
            names: Vec::new(),
            mount: None,
            url: None,
            database: Some(database),
        };
        (Datasets::new(vec![one]).unwrap(), id)
    }

    #[tokio::test]
    async fn credentials_are_a_private_file_for_one_run_and_are_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let (granted, taken) = (folder.path().join("granted"), folder.path().join("taken"));
        let (datasets, id) = datasets(
            "echo \"$DAYBOOK_DATASET secret $DAYBOOK_SECONDS\"",
            &format!("cat > '{}'", taken.display()),
        );
        let job = crate::random::id().unwrap();
        let grant = Grant {
            job,
            folder: &granted,
            seconds: 60,
        };
        let name = format!("urn:uuid:{id}");
        let given = datasets.provide(&grant, [name.as_str()]).await.unwrap();
        let file = &given[&name].path;
        assert_eq!(fs::read_to_string(file).unwrap(), format!("{id} secret 60\n"));
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(given[&name].is_secret);
        datasets.revoke(&granted, job).await.unwrap();
        assert_eq!(fs::read_to_string(&taken).unwrap(), format!("{id} secret 60\n"));
        assert!(!file.exists());
        datasets.revoke(&granted, job).await.unwrap();
    }

    #[tokio::test]
    async fn a_command_that_fails_shows_nothing_of_what_it_printed_and_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let granted = folder.path().join("granted");
        let flag = folder.path().join("works");
        let (datasets, id) = datasets(
            "echo hunter2; echo hunter2 >&2; exit 7",
            &format!("test -e '{}'", flag.display()),
        );
        let job = crate::random::id().unwrap();
        let grant = Grant {
            job,
            folder: &granted,
            seconds: 60,
        };
        let name = format!("urn:uuid:{id}");
        let error = datasets.provide(&grant, [name.as_str()]).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(datasets.revoke(&granted, job).await.is_err());
        assert!(granted.join(id.to_string()).exists(), "it is not forgotten");
        fs::write(&flag, "").unwrap();
        datasets.revoke(&granted, job).await.unwrap();
        assert!(!granted.join(id.to_string()).exists());
    }
}
