//! Job packets: one zipped `BagIt` bag holding a Five Safes RO-Crate.
//!
//! [`check`] is how a stranger's packet comes in. [`Bag`] is the container, read from and written to bytes; [`Request`] is
//! what a request says, [`read_request`] and [`request_bag`] its two directions; [`result_bag`] makes what goes back;
//! [`RULES`] is everything that a packet is held against; [`commitment`] is how the log speaks of outputs before their
//! release. Nothing here reads a clock, a disk or a network, or makes an id.
//!
//! Sources: RFC 8493 (`BagIt` 1.0), RO-Crate 1.2, Five Safes RO-Crate 0.4 (<https://w3id.org/5s-crate/0.4>).

mod archive;
mod bag;
mod check;
pub mod commitment;
mod document;
mod error;
mod facts;
mod graph;
mod manifest;
mod model;
mod names;
mod open;
mod preview;
mod read;
mod refused;
mod request;
mod result;
mod result_check;
mod rules;
mod workflow;

pub use archive::Limits;
pub use bag::{Bag, Payload, zip_files};
pub use check::{Checked, check};
pub use document::document;
pub use error::{BagError, NameRule};
pub use graph::CrateError;
pub(crate) use manifest::hex;
pub use manifest::{manifest_line, sha512_hex};
pub use model::{
    Input, InputKind, LocalId, METADATA_PATH, Named, Project, Request, Requester, Workflow, plain_value,
    run_id,
};
pub use read::{Reading, RunStatus, read_request, read_run_status, workflow_file};
pub use refused::{RefusalCode, Refused, event_text};
pub(crate) use request::path_id;
pub use request::{request_bag, request_metadata};
pub use result::{Outcome, Output, Review, Step, result_bag, result_metadata};
pub use result_check::check_result;
pub use rules::{Finding, RULES, Rule, Severity};
pub use workflow::{read_workflow, workflow_copy, workflow_digest};
