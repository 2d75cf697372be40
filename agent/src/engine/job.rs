//! What an engine is asked to do, and what it answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_core::Hash;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::place::Place;
use crate::packet::{Bag, InputKind, Request, plain_value};

/// What to run, with what, and how long.
#[derive(Debug)]
pub struct Job<'a> {
    /// A folder of this run alone; it is made if needed, and must be empty.
    pub work: &'a Path,
    /// The packet. Its own copy of the workflow is run, so it must be one that was approved.
    pub packet: &'a Bag,
    /// What the TRE gives for each dataset, by the id that the packet uses.
    pub datasets: &'a BTreeMap<String, Provided>,
    /// The container images that the workflow names, verified; only engines that use images have any.
    pub images: &'a [GivenImage],
    /// How much of everything.
    pub limits: &'a RunLimits,
    /// Ends the run early.
    pub stop: &'a CancellationToken,
}

/// A container image that a run can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenImage {
    /// As the workflow names it.
    pub reference: String,
    /// The digest at its end.
    pub digest: Hash,
    /// `oci-archive` or `sif`.
    pub form: &'static str,
    /// Its file, named by its digest.
    pub path: PathBuf,
}

/// What a TRE gives a run for a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// A file or folder of this machine, which the run can only read.
    pub path: PathBuf,
    /// The same as a task service finds it; only the engine `tes` asks for it.
    pub url: Option<String>,
    /// A folder with a socket by which a database is reached from inside the sandbox.
    pub socket: Option<PathBuf>,
    /// Whether it is a file with credentials: the run gets a copy of its own, which nobody else may read.
    pub is_secret: bool,
}

impl From<PathBuf> for Provided {
    fn from(path: PathBuf) -> Self {
        Self {
            path,
            url: None,
            socket: None,
            is_secret: false,
        }
    }
}

/// How much a run may use. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunLimits {
    /// Seconds until the run is ended.
    pub seconds: u64,
    /// Memory of all processes together, looked at four times a second; also the address space of each one.
    pub memory: u64,
    /// Address space of each process where that has to differ from `memory`, as for Java.
    pub address_space: Option<u64>,
    /// What the run may write, its temporary files included; also the largest file.
    pub disk: u64,
    /// Processes and threads at once.
    pub processes: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            seconds: 4 * 3_600,
            memory: 8 << 30,
            address_space: None,
            disk: 16 << 30,
            processes: 512,
        }
    }
}

impl RunLimits {
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// The workflow's output files, sorted by name.
    pub outputs: Vec<OutputFile>,
    /// Engine and version, as in `cwltool 3.1`.
    pub engine: String,
}

/// One output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name, without folders.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// One filled parameter of the workflow.
pub(super) struct Filled {
    pub(super) parameter: String,
    pub(super) given: Given,
}

/// What fills a parameter.
pub(super) enum Given {
    /// A whole number, a boolean or a text.
    Value(Value),
    /// A file or folder, where the engine sees it.
    Path {
        /// Of this machine, or of the sandbox.
        path: PathBuf,
        /// Whether it is a folder.
        is_folder: bool,
    },
}

/// Fills the parameters with the packet's inputs, and makes the datasets appear in the run's `inputs`.
pub(super) fn fill(request: &Request, job: &Job<'_>, place: &mut Place) -> Result<Vec<Filled>, RunError> {
    let mut filled: Vec<Filled> = Vec::new();
    for input in &request.inputs {
        let Some(parameter) = &input.parameter else {
            continue;
        };
        if parameter.name.is_empty() || filled.iter().any(|other| other.parameter == parameter.name) {
            return Err(RunError::Parameter(parameter.name.clone()));
        }
        let given = match &input.kind {
            InputKind::Value(text) => Given::Value(plain_value(text)),
            InputKind::File => Given::Path {
                path: place.inside("packet").join(&input.input.id),
                is_folder: false,
            },
            InputKind::Dataset => {
                let known = job.datasets.get(&input.input.id);
                let given = known
                    .map(|known| place.mount(&parameter.name, known))
                    .transpose()?;
                given
                    .flatten()
                    .ok_or_else(|| RunError::NoDataset(input.input.id.clone()))?
            }
        };
        filled.push(Filled {
            parameter: parameter.name.clone(),
            given,
        });
    }
    Ok(filled)
}
