//! How a loop fares: at work, at rest, or in trouble since when.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::calm::Calm;

/// A loop that has been at one piece of work for longer hangs. Each piece has time-outs that end it earlier.
const TOO_LONG: Duration = Duration::from_secs(20);

/// What a loop says of itself.
#[derive(Debug)]
pub struct Beat {
    name: &'static str,
    calm: Calm,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it is at one piece of work.
    busy: Option<Instant>,
    trouble: Option<Failures>,
}

#[derive(Debug)]
struct Failures {
    since: Instant,
    last: Instant,
    count: u64,
    words: String,
}

/// A loop does not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong, for an operator.
    pub words: String,
    /// How long it has been so.
    pub lasts: Duration,
    /// How long ago it failed last.
    pub ago: Duration,
    /// How often it has failed since it last worked.
    pub count: u64,
}

impl Beat {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            calm: Calm::new(),
            state: Mutex::default(),
        }
    }

    /// It takes up a piece of work.
    pub(crate) fn begins(&self) {
        self.lock().busy = Some(Instant::now());
    }

    /// It has put a piece of work aside, whatever came of it.
    pub(crate) fn rests(&self) {
        self.lock().busy = None;
    }

    /// It has done its work; where it had failed before, that is over and said.
    pub(crate) fn worked(&self) {
        let over = {
            let mut state = self.lock();
            state.busy = None;
            state.trouble.take()
        };
        if let Some(Failures { since, count, .. }) = over {
            self.calm.forget();
            let seconds = since.elapsed().as_secs();
            info!(count, seconds, "The {} works again", self.name);
        }
    }

    /// It has failed and tries again. Said at once, and while it goes on, seldom.
    pub(crate) fn failed(&self, words: impl Into<String>, error: &(dyn Error + 'static)) {
        let words = words.into();
        if let Some(unsaid) = self.calm.may_say() {
            warn!(error, unsaid, "The {} failed and tries again: {words}", self.name);
        }
        let now = Instant::now();
        let mut state = self.lock();
        state.busy = None;
        let (since, count) = state
            .trouble
            .as_ref()
            .map_or((now, 0), |trouble| (trouble.since, trouble.count));
        state.trouble = Some(Failures {
            since,
            last: now,
            count: count + 1,
            words,
        });
    }

    /// What is wrong with it; `None` while it works, or has nothing to do.
    pub fn trouble(&self) -> Option<Trouble> {
        let state = self.lock();
        if let Some(failures) = &state.trouble {
            return Some(Trouble {
                words: failures.words.clone(),
                lasts: failures.since.elapsed(),
                ago: failures.last.elapsed(),
                count: failures.count,
            });
        }
        let busy = state.busy?.elapsed();
        (busy > TOO_LONG).then(|| Trouble {
            words: "one piece of work does not end".to_owned(),
            lasts: busy,
            ago: Duration::ZERO,
            count: 0,
        })
    }

    /// Lets time pass, in tests.
    #[cfg(test)]
    pub(crate) fn age(&self, by: Duration) {
        if let Some(failures) = &mut self.lock().trouble {
            failures.last -= by;
            failures.since -= by;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_from_the_first_failure_to_the_next_success() {
        let (beat, error) = (Beat::new("loop"), std::io::Error::other("of this test"));
        assert_eq!(beat.trouble(), None);
        beat.failed("first", &error);
        beat.failed("second", &error);
        let trouble = beat.trouble().unwrap();
        assert_eq!((trouble.words.as_str(), trouble.count), ("second", 2));
        assert!(trouble.lasts >= trouble.ago);
        beat.begins();
        assert!(beat.trouble().is_some(), "an attempt is no success");
        beat.worked();
        assert_eq!(beat.trouble(), None);
    }

    #[test]
    fn loop_that_hangs_is_in_trouble() {
        let beat = Beat::new("loop");
        beat.begins();
        assert_eq!(beat.trouble(), None);
        beat.lock().busy = Instant::now().checked_sub(TOO_LONG + Duration::from_secs(1));
        assert!(beat.trouble().unwrap().words.contains("does not end"));
    }
}
