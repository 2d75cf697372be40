//! Every parser of Daybook, fed with bytes that nobody meant.
//!
//! A target is a function of bytes that panics when a promise is broken: that unknown bytes never panic a parser, and
//! that what it accepts has exactly one spelling. The test of this package replays each target's corpus with some
//! thousand mutations; the package in `libfuzzer/` runs the same functions under a coverage-guided fuzzer.
//!
//! To add a target: write the function, name it in [`TARGETS`], put seeds into `corpus/<name>/`, and a file of two
//! lines into `libfuzzer/fuzz_targets/` with its `[[bin]]`. The test says what is forgotten.

mod deid;
mod engines;
mod events;
mod evidence;
mod link;
mod log;
mod packets;
mod rules;

pub use deid::deid;
pub use engines::{cwl_outputs, execution_crate, execution_record, image_archive, image_names};
pub use events::{access_token, canonical, claims, event, key, name, opening};
pub use evidence::pack;
pub use link::link_call;
pub use log::{
    add_checkpoint, bundle, checkpoint, note, proof_file, tile_path, trust_policy, vkey, witness_key,
};
pub use packets::{bag, metadata};
pub use rules::{constitution, table};

/// A target: takes any bytes, panics when a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the folder with its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_token", access_token),
    ("add_checkpoint", add_checkpoint),
    ("bag", bag),
    ("bundle", bundle),
    ("canonical", canonical),
    ("checkpoint", checkpoint),
    ("claims", claims),
    ("constitution", constitution),
    ("cwl_outputs", cwl_outputs),
    ("deid", deid),
    ("event", event),
    ("execution_crate", execution_crate),
    ("execution_record", execution_record),
    ("image_archive", image_archive),
    ("image_names", image_names),
    ("key", key),
    ("link_call", link_call),
    ("metadata", metadata),
    ("name", name),
    ("note", note),
    ("opening", opening),
    ("pack", pack),
    ("proof_file", proof_file),
    ("table", table),
    ("tile_path", tile_path),
    ("trust_policy", trust_policy),
    ("vkey", vkey),
    ("witness_key", witness_key),
];
