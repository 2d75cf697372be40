//! Job packets: one zipped `BagIt` bag holding a Five Safes RO-Crate.
//!
//! [`Bag`] is the container, read from and written to bytes; [`Request`] is what a request says, [`read_request`] and
//! [`request_bag`] its two directions; [`result_bag`] makes what goes back; [`commitment`] is how the log speaks of
//! outputs before their release. Nothing here reads a clock, a disk or a network, or makes an id.
//!
//! Sources: RFC 8493 (`BagIt` 1.0), RO-Crate 1.2, Five Safes RO-Crate 0.4 (<https://w3id.org/5s-crate/0.4>).

mod bag;
pub mod commitment;
mod error;
mod facts;
mod graph;
mod manifest;
mod model;
mod names;
mod open;
mod read;
mod request;
mod result;

pub use bag::{Bag, Payload};
pub use error::{BagError, NameRule};
pub use graph::{CrateError, Finding};
pub use manifest::{manifest_line, sha512_hex};
pub use model::{
    Input, InputKind, LocalId, METADATA_PATH, Named, Project, Request, Requester, Workflow, run_id,
};
pub use open::Limits;
pub use read::{Reading, RunStatus, read_request, read_run_status, workflow_file};
pub(crate) use request::path_id;
pub use request::{request_bag, request_metadata};
pub use result::{Outcome, Output, Review, Step, result_bag, result_metadata};
