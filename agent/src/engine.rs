//! Engines: what runs the workflow of a packet, bounded, alone, and without a network.
//!
//! Each engine takes the same [`Job`] and answers with the same [`RunReport`] or [`RunError`]. `cwltool`, `wfexs` and
//! `command` run on this machine inside a [`Sandbox`]; `tes` asks a task service (GA4GH TES 1.1) of the TRE's.
//! What a run leaves behind, logs included, stays in its work folder; only a [`FailureCode`] may be told outside.

mod command;
mod container;
mod cwltool;
mod error;
mod find;
mod job;
mod leftover;
mod local;
mod outputs;
mod place;
mod process;
mod sandbox;
mod tes;
mod tree;
mod wfexs;

use std::path::Path;

pub use command::OwnProgram;
pub use container::Containers;
pub use cwltool::Cwltool;
pub use error::{FailureCode, RunError};
pub use find::{FindError, find_cwltool};
pub use job::{GivenImage, Job, OutputFile, Provided, RunLimits, RunReport};
pub use leftover::remove_tree;
pub use outputs::named_files;
pub use sandbox::{Isolation, Network, Sandbox, SandboxConfig, SandboxError};
pub use tes::{Tes, TesConfig, TesError};
pub use wfexs::{Wfexs, check_crate, last_execution};

/// One of the engines, ready to run.
#[derive(Debug)]
pub enum Engine {
    /// `cwltool` in the sandbox.
    Cwltool(Cwltool),
    /// A program of the TRE's own in the sandbox.
    Command(OwnProgram),
    /// `WfExS-backend` in the sandbox.
    Wfexs(Wfexs),
    /// A task service that speaks GA4GH TES 1.1.
    Tes(Tes),
}

impl Engine {
    /// The engine as events spell it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cwltool(_) => "cwltool",
            Self::Command(_) => "command",
            Self::Wfexs(_) => "wfexs",
            Self::Tes(_) => "tes",
        }
    }

    /// Whether it runs steps in the container images that a workflow names. Others run workflows on tools of the TRE's own.
    pub fn uses_images(&self) -> bool {
        match self {
            Self::Command(_) => true,
            Self::Cwltool(engine) => engine.uses_images(),
            Self::Wfexs(_) | Self::Tes(_) => false,
        }
    }

    /// Runs the workflow of a packet and returns its output files.
    ///
    /// The packet's inputs become the workflow's by their parameters' names; values that read as whole numbers or booleans
    /// are passed as such.
    ///
    /// # Errors
    /// [`RunError`]; its code is one of the closed list.
    pub async fn run(&self, job: &Job<'_>) -> Result<RunReport, RunError> {
        match self {
            Self::Cwltool(engine) => engine.run(job).await,
            Self::Command(engine) => engine.run(job).await,
            Self::Wfexs(engine) => engine.run(job).await,
            Self::Tes(engine) => engine.run(job).await,
        }
    }

    /// Asks the engine for its name and version, as in `cwltool 3.1`; so that somebody sees that it is there.
    ///
    /// # Errors
    /// [`RunError`] where it does not start or answer.
    pub async fn version(&self) -> Result<String, RunError> {
        match self {
            Self::Cwltool(engine) => engine.version().await,
            Self::Command(engine) => Ok(engine.label()),
            Self::Wfexs(engine) => engine.version().await,
            Self::Tes(engine) => engine.version().await,
        }
    }

    /// Ends what an interrupted runner left running of the run in that work folder, and waits until it is dead.
    ///
    /// # Errors
    /// [`RunError::NotStopped`] where that cannot be confirmed: then nothing may be said to have stopped.
    pub async fn end_leftovers(&self, work: &Path) -> Result<(), RunError> {
        match self {
            Self::Cwltool(_) | Self::Command(_) | Self::Wfexs(_) => leftover::end_processes(work).await,
            Self::Tes(engine) => engine.end_leftovers(work).await,
        }
    }
}
