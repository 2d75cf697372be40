//! `daybook relay`: the polling zone of a TRE.
//!
//! It speaks out to the hub, and listens for the runner and the review service alone. Everything that it knows lies in its
//! spool; [`Desk`] is the one way to that.

mod desk;
mod standing;

pub use self::desk::{Collected, Desk, DeskError, Identity, Notes};
pub use self::standing::{Standing, StandingError};
