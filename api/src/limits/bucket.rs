//! Token buckets, one for each key, in bounded memory.
//!
//! A bucket is one number: the moment at which it is full again (the generic cell rate algorithm). A bucket that is full
//! need not be remembered, so that memory holds only those who were busy lately.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Parts of the memory, so that two requests seldom wait for one another.
const SHARDS: usize = 16;
/// How often a part that is full may be swept.
const SWEEP: u64 = 1_000_000_000;

/// So many a second for ever, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// A rate; a zero in either place is no limit.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// No limit.
    pub const fn unlimited() -> Self {
        Self::new(0, 0)
    }
}

#[derive(Debug)]
pub(super) struct Buckets<K> {
    /// Nanoseconds that one token takes to come back; zero is no limit.
    interval: u64,
    /// Nanoseconds that the whole bucket takes.
    whole: u64,
    begin: Instant,
    hasher: RandomState,
    most: usize,
    shards: [Mutex<Shard<K>>; SHARDS],
}

#[derive(Debug)]
struct Shard<K> {
    /// When each bucket is full again, in nanoseconds since the beginning.
    full_at: HashMap<K, u64>,
    swept: u64,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Buckets of one rate, of which about `most` are remembered.
    pub(super) fn new(rate: Rate, most: usize) -> Self {
        let is_limited = rate.per_second > 0 && rate.burst > 0;
        let interval = if is_limited {
            1_000_000_000 / u64::from(rate.per_second)
        } else {
            0
        };
        let shard = |_| {
            Mutex::new(Shard {
                full_at: HashMap::new(),
                swept: 0,
            })
        };
        Self {
            interval,
            whole: interval * u64::from(rate.burst),
            begin: Instant::now(),
            hasher: RandomState::new(),
            most: most.div_ceil(SHARDS),
            shards: std::array::from_fn(shard),
        }
    }

    /// Takes a token; how long to wait where there is none.
    pub(super) fn take(&self, key: &K) -> Result<(), Duration> {
        let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.take_at(key, now)
    }

    /// Puts a token back.
    pub(super) fn give_back(&self, key: &K) {
        // Whoever was forgotten since has a full bucket.
        if let Some(full_at) = self.shard(key).full_at.get_mut(key) {
            *full_at = full_at.saturating_sub(self.interval);
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        let place = self.hasher.hash_one(key) % SHARDS as u64;
        let place = usize::try_from(place).unwrap_or_default();
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_at(&self, key: &K, now: u64) -> Result<(), Duration> {
        if self.interval == 0 {
            return Ok(());
        }
        let mut shard = self.shard(key);
        let full_at = shard.full_at.get(key).copied().unwrap_or(now).max(now) + self.interval;
        if full_at - now > self.whole {
            return Err(Duration::from_nanos(full_at - now - self.whole));
        }
        if let Some(old) = shard.full_at.get_mut(key) {
            *old = full_at;
            return Ok(());
        }
        if shard.full_at.len() >= self.most {
            shard.make_room(now);
        }
        shard.full_at.insert(key.clone(), full_at);
        Ok(())
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    /// Forgets whoever has a full bucket again, or, where nobody has, anybody: a flood from very many addresses must
    /// neither fill the memory nor shut out everybody else.
    fn make_room(&mut self, now: u64) {
        if now >= self.swept + SWEEP {
            self.swept = now;
            let before = self.full_at.len();
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() < before {
                return;
            }
        }
        let any = self.full_at.keys().next().cloned();
        if let Some(any) = any {
            self.full_at.remove(&any);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let buckets = Buckets::new(Rate::new(10, 5), 100);
        for _ in 0..5 {
            buckets.take_at(&1, SECOND).unwrap();
        }
        let wait = buckets.take_at(&1, SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        buckets.take_at(&2, SECOND).unwrap();
        buckets.take_at(&1, SECOND + SECOND / 10).unwrap();
        buckets.take_at(&1, SECOND + SECOND / 10).unwrap_err();
        // After a rest the whole burst is there again, and no more.
        let passed = (0..20).filter(|_| buckets.take_at(&1, 60 * SECOND).is_ok());
        assert_eq!(passed.count(), 5);
    }

    #[test]
    fn waiting_as_long_as_told_is_enough_and_less_is_not() {
        let buckets = Buckets::new(Rate::new(3, 2), 100);
        let mut now = 7;
        for _ in 0..50 {
            match buckets.take_at(&"one", now) {
                Ok(()) => {}
                Err(wait) => {
                    let wait = u64::try_from(wait.as_nanos()).unwrap();
                    buckets.take_at(&"one", now + wait - 1).unwrap_err();
                    now += wait;
                    buckets.take_at(&"one", now).unwrap();
                }
            }
        }
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let buckets = Buckets::new(Rate::new(1, 10), 320);
        for key in 0..100_000_u64 {
            buckets.take_at(&key, key).unwrap();
        }
        let held = || -> usize {
            let of = |shard: &Mutex<Shard<u64>>| shard.lock().unwrap().full_at.len();
            buckets.shards.iter().map(of).sum()
        };
        assert!(held() <= 320, "{}", held());
        // Later all but the newest are full again, and are forgotten at the next newcomer.
        for key in 0..1_000 {
            buckets.take_at(&(1_000_000 + key), 1_000 * SECOND).unwrap();
        }
        assert!(held() <= 320, "{}", held());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let buckets = Buckets::new(Rate::new(1, 2), 100);
        buckets.give_back(&1);
        for _ in 0..10 {
            buckets.take_at(&1, SECOND).unwrap();
            buckets.give_back(&1);
        }
        let passed = (0..20).filter(|_| buckets.take_at(&1, SECOND).is_ok());
        assert_eq!(passed.count(), 2);
    }

    #[test]
    fn zero_is_no_limit() {
        let buckets = Buckets::new(Rate::unlimited(), 100);
        assert!((0..10_000).all(|_| buckets.take_at(&1, 0).is_ok()));
    }
}
