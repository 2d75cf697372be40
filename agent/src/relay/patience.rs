//! Trying again: longer and longer, and never all at the same moment.

use std::time::Duration;

use crate::random;

/// The pause before the next attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Patience {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            first,
            longest,
        }
    }

    /// The next pause: between half and the whole of one that doubles each time.
    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        // Without random bytes all wait the whole time, which does no harm.
        let share = random::bytes::<2>().map_or(u16::MAX, u16::from_le_bytes);
        whole / 2 + (whole / 2).mul_f64(f64::from(share) / f64::from(u16::MAX))
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_success() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(8));
        let mut patience = Patience::new(first, longest);
        for whole in [1, 2, 4, 8, 8, 8] {
            let pause = patience.pause();
            let whole = Duration::from_secs(whole);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        patience.reset();
        assert!(patience.pause() <= first);
    }
}
