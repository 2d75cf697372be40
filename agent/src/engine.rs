//! Running the workflow of a packet: [`run`] executes it with `cwltool`, bounded and alone.

mod cwltool;
mod find;
mod outputs;
mod process;

pub use cwltool::{FailureCode, Job, OutputFile, RunError, RunReport, run};
pub use find::{FindError, find_cwltool};
