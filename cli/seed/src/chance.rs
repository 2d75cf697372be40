//! Chance that is the same each time: numbers that follow from a seed and a name.

use daybook_core::Hash;
use daybook_core::base64url;
use uuid::Uuid;

use crate::time::{DAY, HOUR};

/// How long something takes, in hundredths of its median: twenty steps, each as likely as the others. Most take about as
/// long as usual, few take ten times as long.
const SPREAD: [i64; 20] = [
    12, 20, 28, 36, 45, 55, 66, 78, 90, 100, 115, 135, 160, 190, 230, 290, 370, 480, 640, 900,
];

/// A stream of numbers (`SplitMix64`). Nothing that it makes is a secret.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The numbers that belong to a name under a seed.
    pub(crate) fn of(seed: u64, name: &str) -> Self {
        let hash = Hash::of(format!("daybook-seed {seed} {name}").as_bytes()).0;
        let (first, _) = hash.split_at(8);
        Self(first.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `most`; 0 where `most` is 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        let most = most.max(1) as u64;
        usize::try_from(self.next() % most).unwrap_or(0)
    }

    /// A number within two, both included.
    pub(crate) fn within(&mut self, from: i64, to: i64) -> i64 {
        let span = usize::try_from(to - from + 1).unwrap_or(1);
        from + i64::try_from(self.below(span)).unwrap_or(0)
    }

    /// Whether the one of so many has come.
    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// One of some things.
    pub(crate) fn of_all<'a, T, const N: usize>(&mut self, all: &'a [T; N]) -> &'a T {
        turn(all, self.below(N))
    }

    /// Seconds that something takes whose median is known.
    pub(crate) fn around(&mut self, median: i64) -> i64 {
        let step = *self.of_all(&SPREAD);
        median * step / 100 + self.within(0, median / 8)
    }

    /// Some bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for part in bytes.chunks_mut(8) {
            let eight = self.next().to_le_bytes();
            part.iter_mut().zip(eight).for_each(|(to, from)| *to = from);
        }
        bytes
    }

    /// A random id.
    pub(crate) fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// 32 bytes in base64url: a digest, a commitment, a tag.
    pub(crate) fn digest(&mut self) -> String {
        base64url::encode(&self.bytes::<32>())
    }

    /// Days and a part of one.
    pub(crate) fn days(&mut self, from: i64, to: i64) -> i64 {
        self.within(from * DAY, to * DAY) + self.within(0, HOUR)
    }
}

/// The things of a list in turn, over and over.
pub(crate) fn turn<T, const N: usize>(all: &[T; N], n: usize) -> &T {
    const { assert!(N > 0, "a list with nothing in it has no turns") };
    &all[n % N]
}
