//! The demonstration study that the project ships: emergency asthma admissions in fictional data.
//!
//! [`request_bag`] makes its packet with a real CWL workflow inside, [`generate_data`] the data of one TRE, and [`run`]
//! executes the workflow of any packet with `cwltool`. With the default threshold of 10 the outputs can be released; with
//! a threshold of 0 they hold small counts, which output checkers would withhold.

mod data;
mod engine;
mod find;
mod outputs;
mod packet;
mod process;

pub use data::generate_data;
pub use engine::{FailureCode, Job, OutputFile, RunError, RunReport, run};
pub use find::{FindError, find_cwltool};
pub use packet::{Params, RELEASABLE_THRESHOLD, request, request_bag, request_packet, workflow_digest};
