//! Saying the same thing seldom.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a thing that goes on is said again.
const PAUSE: Duration = Duration::from_secs(30);

/// Decides whether a line that may come many times a second is written: at once the first time, then at most every 30
/// seconds, with the number of those that were left out.
#[derive(Debug, Default)]
pub struct Calm(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Calm {
    /// One that has said nothing yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Said {
            last: None,
            unsaid: 0,
        }))
    }

    /// `None`: be silent. Else how many times it was silent since it spoke last.
    pub fn may_say(&self) -> Option<u64> {
        self.may_say_at(Instant::now())
    }

    /// The trouble is over: the next one is said at once.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Said::default();
    }

    fn may_say_at(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now < last + PAUSE) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_at_once_and_the_rest_are_counted() {
        let (calm, begin) = (Calm::new(), Instant::now());
        assert_eq!(calm.may_say_at(begin), Some(0));
        for second in 1..30 {
            assert_eq!(calm.may_say_at(begin + Duration::from_secs(second)), None);
        }
        assert_eq!(calm.may_say_at(begin + PAUSE), Some(29));
        assert_eq!(calm.may_say_at(begin + PAUSE), None);
        calm.forget();
        assert_eq!(calm.may_say_at(begin + PAUSE), Some(0));
    }
}
