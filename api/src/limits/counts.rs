//! How much of something each client has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is open, by client. Whoever has nothing open is not remembered.
#[derive(Debug)]
pub(crate) struct Counts {
    /// What one client may have open; zero is no limit.
    most: usize,
    open: Mutex<HashMap<u128, usize>>,
}

/// A client has as much open as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// One that is open, until this is dropped.
#[derive(Debug)]
pub(crate) struct OneOpen {
    counts: Arc<Counts>,
    client: u128,
}

impl Counts {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let open = Mutex::default();
        Arc::new(Self { most, open })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u128, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more.
    pub(super) fn enter(self: &Arc<Self>, client: u128) -> Result<OneOpen, TooMany> {
        let mut open = self.open();
        let count = open.entry(client).or_default();
        // Nothing is left behind: a client that may not enter has others open.
        if self.most > 0 && *count >= self.most {
            return Err(TooMany);
        }
        *count += 1;
        Ok(OneOpen {
            counts: self.clone(),
            client,
        })
    }
}

impl Drop for OneOpen {
    fn drop(&mut self) {
        let mut open = self.counts.open();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_so_many_open_and_who_has_none_is_forgotten() {
        let counts = Counts::new(2);
        let (first, second) = (counts.enter(1).unwrap(), counts.enter(1).unwrap());
        assert!(counts.enter(1).is_err());
        assert!(counts.enter(2).is_ok());
        drop(first);
        let third = counts.enter(1).unwrap();
        assert!(counts.enter(1).is_err());
        drop((second, third));
        assert!(counts.open().is_empty());
    }

    #[test]
    fn nothing_is_no_limit() {
        let counts = Counts::new(0);
        let open: Vec<_> = (0..100).map(|_| counts.enter(1).unwrap()).collect();
        drop(open);
        assert!(counts.open().is_empty());
    }
}
