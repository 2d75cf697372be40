//! The demonstration study that the project ships: emergency asthma admissions in fictional data.
//!
//! [`request_bag`] makes its packet with a real CWL workflow inside, [`generate_data`] the data of one TRE. With the
//! default threshold of 10 the outputs can be released; with a threshold of 0 they hold small counts, which output
//! checkers would withhold.
//!
//! In scope: what the demo and the tests send and run. Out of scope: running it, which is the agent's.

mod data;
mod packet;

pub use data::generate_data;
pub use packet::{Params, RELEASABLE_THRESHOLD, request, request_bag, request_packet, workflow_digest};
