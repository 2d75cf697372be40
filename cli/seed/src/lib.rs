//! Seed data: three years of a fictional country as signed events, for the demo, tests and the benchmark.
//!
//! [`Seed`] yields the events of a federation that grows: TREs join one after the other, projects by universities, trusts,
//! charities and companies are registered, approved and shown on the register, and their jobs run, wait, are refused, withheld,
//! paused, cancelled and recalled, at the hours at which people work. Everything carries the mark of fiction: organisations say
//! so in their names, and all addresses end in `.example`.
//!
//! # What it promises
//!
//! The same [`Plan`] and [`Ground`] give the same bytes. Events come in the order of the log, each with the time at which the log
//! takes it; the last comes before [`Plan::until`]. The rules allow every one of them where it stands, so that a caller puts
//! them through the store as it puts any others. Held in memory is what is still open: projects, and jobs with a step to come.
//!
//! # Out of scope
//!
//! Founding the log (`log-opened`, `policy-adopted`, the editor's `role-granted`), packets, and what witnesses say. Keys follow
//! from [`Ground::secret`]: whoever knows it speaks for everybody here.

mod chance;
mod country;
mod ends;
mod federation;
mod job;
mod page;
mod pen;
mod project;
mod run;
mod step;
mod time;
mod words;

use daybook_core::Hash;
use daybook_core::event::{Event, Seen};
use daybook_core::key::SecretKey;
use daybook_core::sealed::Opening;

pub use self::pen::SeedError;
pub use self::run::Seed;
use self::time::DAY;
pub use self::words::{CONDITIONS, Condition};

/// How long the seed goes back, in seconds: three years.
pub const SPAN: i64 = 1_096 * DAY;

/// How much there is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From which number chance begins.
    pub number: u64,
    /// Projects, from 1.
    pub projects: usize,
    /// Jobs.
    pub jobs: usize,
    /// The end, in seconds since 1970: "now".
    pub until: i64,
    /// Which ends jobs come to.
    pub ends: Ends,
}

/// Which ends jobs come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// All of them, as often as one would expect: some seventeen entries for each job, those of its project among them.
    AsUsual,
    /// Most wait or are refused: some four entries for each job, for a register that is to be large.
    FewEntries,
}

impl Plan {
    /// So many jobs and about a fourth as many projects, ending then.
    pub fn of(jobs: usize, until: i64) -> Self {
        Self {
            number: 1,
            projects: (jobs / 4).clamp(12, 5_000),
            jobs,
            until,
            ends: Ends::AsUsual,
        }
    }

    /// When it begins, in seconds since 1970: the log has to be founded then.
    pub fn begins(&self) -> i64 {
        self.until - SPAN
    }
}

/// The log on which it stands, founded and with nothing else in it.
#[derive(Debug)]
pub struct Ground {
    /// The log's origin.
    pub origin: String,
    /// Of what the keys of all others are made.
    pub secret: [u8; 32],
    /// The operator's key.
    pub operator: SecretKey,
    /// The clerk's.
    pub clerk: SecretKey,
    /// The editor's.
    pub editor: SecretKey,
    /// Position and leaf hash of the last event in the stream `federation`.
    pub federation: (u64, Hash),
    /// A published checkpoint over all that there is.
    pub seen: Seen,
}

/// An event that somebody says.
#[derive(Clone, Debug)]
pub struct Said {
    /// The event.
    pub event: Event,
    /// The openings that travel beside it.
    pub openings: Vec<Opening>,
    /// When the log takes it, in seconds since 1970; never before the one before it.
    pub at: i64,
}
