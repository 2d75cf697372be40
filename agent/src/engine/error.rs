//! Why a run gave no outputs, and the little of it that may be told outside.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sandbox::SandboxError;
use super::tes::TesError;
use crate::packet::CrateError;

/// The closed list of codes that may leave a controlled zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// `tool-error`, and everything that is none of the others.
    ToolError,
    /// `time-limit`
    TimeLimit,
    /// `memory-limit`
    MemoryLimit,
    /// `input-missing`
    InputMissing,
    /// `stopped`
    Stopped,
    /// `host-lost`: the machine, the runner or the task service broke down, and not the workflow.
    HostLost,
}

impl FailureCode {
    /// The code as events spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolError => "tool-error",
            Self::TimeLimit => "time-limit",
            Self::MemoryLimit => "memory-limit",
            Self::InputMissing => "input-missing",
            Self::Stopped => "stopped",
            Self::HostLost => "host-lost",
        }
    }

    /// Whether the same run may be tried again without a person having looked: what failed was not the workflow.
    pub fn is_of_the_infrastructure(self) -> bool {
        matches!(self, Self::TimeLimit | Self::MemoryLimit | Self::HostLost)
    }
}

/// Why a run gave no outputs. Only [`RunError::code`] may leave a controlled zone; texts and logs are for the TRE.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The packet's crate is not a readable request.
    #[error("the packet's crate is not a request that can be run")]
    Crate(#[from] CrateError),
    /// The packet holds no copy of its workflow.
    #[error(
        "the packet holds no copy of its workflow with a main entity; put the workflow's crate into the bag"
    )]
    NoWorkflow,
    /// A workflow in a language that the engine does not run.
    #[error("the engine {0} runs workflows in CWL alone, from files with plain names")]
    Language(&'static str),
    /// A dataset that this TRE does not have.
    #[error("no file is known for the dataset {0:?}; add it to the TRE's datasets")]
    NoDataset(String),
    /// Two inputs for one parameter, or an input whose parameter has no name.
    #[error("the packet's inputs do not fill the workflow's parameters one by one: {0:?}")]
    Parameter(String),
    /// The work folder cannot be used.
    #[error("the work folder {} cannot be prepared; give an empty folder that can be written", path.display())]
    Work {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The engine did not start.
    #[error("{} did not start; run `daybook runner doctor`", path.display())]
    Start {
        /// The engine.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// There is no wall around the run.
    #[error("the sandbox")]
    Sandbox(#[from] SandboxError),
    /// The time was up.
    #[error("the workflow did not end within {} seconds and was ended", .0.as_secs_f64())]
    TimeLimit(Duration),
    /// The run wanted more memory than it was allowed.
    #[error("the workflow wanted more memory than it may have")]
    MemoryLimit,
    /// The run wrote more than it was allowed.
    #[error("the workflow wrote more than the {0} bytes or the number of files that it may")]
    DiskLimit(u64),
    /// Ended from outside.
    #[error("the run was stopped")]
    Stopped,
    /// The machine, the runner or the task service broke down under it.
    #[error("the run was lost and not by its own fault: {0}")]
    HostLost(String),
    /// Nobody knows whether the run has ended.
    #[error("whether the run has ended could not be confirmed: {0}; look at it and end it by hand")]
    NotStopped(String),
    /// The engine or a tool failed.
    #[error("the workflow failed: {status}")]
    Tool {
        /// How the engine ended.
        status: String,
        /// The end of its log; it may hold data, and never leaves the TRE unchecked.
        log: String,
    },
    /// The engine said it was done, and its outputs are not what it said.
    #[error("the workflow's outputs cannot be taken: {0}")]
    Outputs(&'static str),
    /// The task service.
    #[error("the task service")]
    Tes(#[from] TesError),
}

impl RunError {
    /// The code under which the failure may be told outside.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::NoWorkflow | Self::NoDataset(_) | Self::Parameter(_) => FailureCode::InputMissing,
            Self::TimeLimit(_) => FailureCode::TimeLimit,
            Self::MemoryLimit => FailureCode::MemoryLimit,
            Self::Stopped => FailureCode::Stopped,
            Self::HostLost(_) | Self::Tes(TesError::Unreachable(_)) => FailureCode::HostLost,
            Self::Crate(_)
            | Self::Work { .. }
            | Self::Start { .. }
            | Self::Sandbox(_)
            | Self::Language(_)
            | Self::DiskLimit(_)
            | Self::NotStopped(_)
            | Self::Tool { .. }
            | Self::Outputs(_)
            | Self::Tes(_) => FailureCode::ToolError,
        }
    }

    pub(super) fn work(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Work {
            path: path.to_path_buf(),
            source,
        }
    }
}
