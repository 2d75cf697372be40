//! `daybook relay`: the polling zone of a TRE.
//!
//! It speaks out to the hub, and listens for the runner and the review service alone. Everything that it knows lies in its
//! spool; [`Desk`] is the one way to that. Of the loops that share it, one asks the hub for work, one takes each job's
//! next step, one sends the outbox, one listens to what the teams want, one cosigns the log as a witness, one reports what the
//! TRE counts, and one writes down how all that fares.

mod config;
mod control;
mod desk;
mod doctor;
mod health;
mod outbound;
mod patience;
mod poll;
mod report;
mod send;
mod service;
mod standing;
mod status;
mod step;
mod watch;
mod witness;

pub use self::config::{
    AboutTable, Config, How, LinkTable, Mode, PacketTable, Reference, SignOffTable, WitnessTable,
};
pub use self::control::{go_live, hold_all, release_hold};
pub use self::desk::{Collected, Counts, Desk, DeskError, Hold, Identity, Notes, RefusalNote, ResultPacket};
pub(crate) use self::desk::{PACKET, RESULT};
pub use self::doctor::examine;
pub use self::health::Message;
pub use self::outbound::{Leaving, outbound};
pub use self::report::ask_report;
pub use self::service::{Relay, run};
pub use self::standing::{Standing, StandingError};
pub use self::status::{JobStatus, Status, WitnessStatus};
