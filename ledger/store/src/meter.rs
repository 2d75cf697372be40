//! What the log counts about itself, for whoever watches it.
//!
//! A count is an addition to a number in memory, and a time two looks at a clock: the append pays nanoseconds for them.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A part of the way of an event into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One event at the door: clock, key, signature, `seen`.
    Verify,
    /// The lock of the head, and reading on where another instance moved it.
    Lock,
    /// Everything that the judge needs.
    Load,
    /// The rules over the whole batch, and the new tiles.
    Judge,
    /// Entries, tiles, states, head.
    Write,
    /// The commit.
    Commit,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Lock => "lock",
            Self::Load => "load",
            Self::Judge => "judge",
            Self::Write => "write",
            Self::Commit => "commit",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Steps {
    step: &'static str,
}

/// The numbers. Cheap to clone; every clone counts into the same.
#[derive(Clone, Debug)]
pub struct Meter {
    steps: Family<Steps, Histogram, fn() -> Histogram>,
    verify: Histogram,
    lock: Histogram,
    load: Histogram,
    judge: Histogram,
    write: Histogram,
    commit: Histogram,
    batch_events: Histogram,
    appended: Counter,
    pub(crate) retries: Counter,
    pub(crate) commit_failures: Counter,
    pub(crate) unknown_outcomes: Counter,
    pub(crate) guard_writes: Histogram,
    pub(crate) guard_failures: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) publish_failures: Counter,
}

impl Default for Meter {
    fn default() -> Self {
        let steps = Family::<Steps, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        let of = |step| {
            steps.get_or_create_owned(&Steps {
                step: Step::name(step),
            })
        };
        Self {
            verify: of(Step::Verify),
            lock: of(Step::Lock),
            load: of(Step::Load),
            judge: of(Step::Judge),
            write: of(Step::Write),
            commit: of(Step::Commit),
            steps,
            batch_events: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            appended: Counter::default(),
            retries: Counter::default(),
            commit_failures: Counter::default(),
            unknown_outcomes: Counter::default(),
            guard_writes: seconds(),
            guard_failures: Counter::default(),
            checkpoints: Counter::default(),
            publish_failures: Counter::default(),
        }
    }
}

/// From a tenth of a millisecond to about three seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 16))
}

impl Meter {
    /// Names every number. `docs/OPERATING.md` lists them.
    pub fn register(&self, registry: &mut Registry) {
        let log = registry.sub_registry_with_prefix("daybook");
        log.register_with_unit(
            "append_step",
            "Time of each step of the append: verify for one event, the others for a batch",
            Unit::Seconds,
            self.steps.clone(),
        );
        log.register(
            "append_batch_events",
            "Events that one transaction took",
            self.batch_events.clone(),
        );
        log.register(
            "append_events",
            "Events that this hub has appended",
            self.appended.clone(),
        );
        log.register(
            "append_retries",
            "Transactions of the append that failed and were tried again",
            self.retries.clone(),
        );
        log.register(
            "append_commit_failures",
            "Commits of which the outcome was unknown at first",
            self.commit_failures.clone(),
        );
        log.register(
            "append_unknown_outcomes",
            "Callers who were told to ask again, since nothing was known in time",
            self.unknown_outcomes.clone(),
        );
        log.register_with_unit(
            "guard_write",
            "Time of raising the guard file, fsync included",
            Unit::Seconds,
            self.guard_writes.clone(),
        );
        log.register(
            "guard_failures",
            "Times that the guard file could not be written",
            self.guard_failures.clone(),
        );
        log.register(
            "checkpoints",
            "Checkpoints that this hub has signed and let out",
            self.checkpoints.clone(),
        );
        log.register(
            "publish_failures",
            "Times that publishing failed and was tried again",
            self.publish_failures.clone(),
        );
    }

    /// A transaction took so many events and appended so many of them.
    pub(crate) fn took(&self, events: usize, appended: usize) {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.batch_events.observe(f64::from(count(events)));
        self.appended.inc_by(u64::from(count(appended)));
    }

    /// Begins to time the steps of one batch.
    pub(crate) fn laps(&self) -> Laps<'_> {
        Laps {
            meter: self,
            since: Instant::now(),
        }
    }
}

/// Times steps that follow one another.
pub(crate) struct Laps<'a> {
    meter: &'a Meter,
    since: Instant,
}

impl Laps<'_> {
    /// Ends a step, and begins the next.
    pub(crate) fn end(&mut self, step: Step) {
        let now = Instant::now();
        let histogram = match step {
            Step::Verify => &self.meter.verify,
            Step::Lock => &self.meter.lock,
            Step::Load => &self.meter.load,
            Step::Judge => &self.meter.judge,
            Step::Write => &self.meter.write,
            Step::Commit => &self.meter.commit,
        };
        histogram.observe((now - self.since).as_secs_f64());
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_under_their_own_names() {
        let (meter, mut registry) = (Meter::default(), Registry::default());
        meter.register(&mut registry);
        let mut laps = meter.laps();
        laps.end(Step::Lock);
        laps.end(Step::Commit);
        laps.end(Step::Commit);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for (step, count) in [("lock", 1), ("commit", 2), ("verify", 0)] {
            let line = format!("daybook_append_step_seconds_count{{step=\"{step}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
