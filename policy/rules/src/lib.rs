//! What is allowed in a Daybook log: the rule table, and the judge that applies it to an event.
//!
//! # In scope
//! The table of roles, transitions, limits and schemas ([`Table`]), which is data and stands in the log itself; which
//! streams an event depends on ([`reads`]); whether it may follow, and what becomes of the states ([`judge`]); which
//! openings of sealed fields may come with it ([`check_openings`]); what in a text may tell who somebody is ([`deid`]); the
//! public words of a job's state ([`words`]); why nothing came of one ([`stops`]).
//!
//! # Out of scope
//! Form, signatures and the constitution (`ledger/core`), storage, time: nothing here looks at a clock.
//!
//! # Invariants
//! Every function is a function of its arguments. No input makes one panic. A state that the judge answers is
//! canonical JSON. What is not allowed by the table is refused.

pub mod deid;
pub mod document;
mod judge;
mod kind;
mod openings;
mod refusal;
mod source;
pub mod stops;
mod table;
pub mod words;

pub use daybook_core::constitution::{Facts, Registration, State};

pub use self::judge::{Verdict, judge, reads, refold, table_in_force, writes_across};
pub use self::kind::{ClearKind, SealedKind};
pub use self::openings::{Admitted, admit_openings, check_openings};
pub use self::refusal::{OpeningRefusal, Refusal};
pub use self::table::{Clear, EventRule, Sealed, Table, TableError, Target};
