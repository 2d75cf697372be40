//! How an attempt ended, as it is written down before anything is said of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::{OutputFile, RunError, RunReport};
use crate::spool::{JobFolder, SpoolError};

/// The end of an attempt: everything that the result crate or an event will say of it, and for the TRE why it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Engine and version.
    pub engine: String,
    /// The code of a failure; missing where it completed.
    #[serde(default)]
    pub failure: Option<String>,
    /// Why it failed, in a sentence for the TRE alone.
    #[serde(default)]
    pub says: Option<String>,
    /// The names of the outputs.
    #[serde(default)]
    pub outputs: Vec<String>,
}

/// The folder of an attempt.
pub(super) fn folder(attempt: u32) -> String {
    format!("runs/{attempt}")
}

impl Outcome {
    /// Reads the outcome of an attempt, if it has ended.
    pub fn read(folder: &JobFolder, attempt: u32) -> Result<Option<Self>, SpoolError> {
        folder.read_json(&format!("{}/outcome.json", self::folder(attempt)))
    }

    /// Writes outputs and outcome, the outcome last: it is there only when all is.
    pub(super) fn write(
        folder: &JobFolder,
        attempt: u32,
        started: Timestamp,
        ended: Result<RunReport, RunError>,
    ) -> Result<Self, SpoolError> {
        let place = self::folder(attempt);
        let outcome = match ended {
            Ok(report) => {
                for file in &report.outputs {
                    folder.write(&format!("{place}/outputs/{}", file.name), &file.bytes)?;
                }
                Self {
                    started,
                    ended: Timestamp::now(),
                    engine: report.engine,
                    failure: None,
                    says: None,
                    outputs: report.outputs.into_iter().map(|file| file.name).collect(),
                }
            }
            Err(error) => Self {
                started,
                ended: Timestamp::now(),
                engine: String::new(),
                failure: Some(error.code().as_str().to_owned()),
                says: Some(says(&error)),
                outputs: Vec::new(),
            },
        };
        folder.write_json(&format!("{place}/outcome.json"), &outcome)?;
        Ok(outcome)
    }

    /// The outputs' bytes.
    pub(super) fn files(
        &self,
        folder: &JobFolder,
        attempt: u32,
    ) -> Result<Option<Vec<OutputFile>>, SpoolError> {
        let mut files = Vec::new();
        for name in &self.outputs {
            let Some(bytes) = output(folder, attempt, name)? else {
                return Ok(None);
            };
            files.push(OutputFile {
                name: name.clone(),
                bytes,
            });
        }
        Ok(Some(files))
    }
}

/// One output of an attempt.
pub(crate) fn output(folder: &JobFolder, attempt: u32, name: &str) -> Result<Option<Vec<u8>>, SpoolError> {
    folder.read(&format!("{}/outputs/{name}", self::folder(attempt)))
}

/// The error with its causes, for the TRE.
fn says(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
