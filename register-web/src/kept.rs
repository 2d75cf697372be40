//! Pages that were asked for lately, kept for as long as nothing in the register has moved.
//!
//! A page is a function of its address and of that moment, so that a kept one is what would be made again. Pages show
//! nothing but openings of the public classes, which only `fields-erased` takes away: that moves the log, and everything
//! kept is thrown away at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::HeaderMap;

/// Bytes of all kept pages at most; where one more does not fit, all go.
const MOST: usize = 48 * 1024 * 1024;
/// Bytes of a page that is kept at most: exports may be long, and are rarely asked for twice.
pub(crate) const LONGEST: usize = 512 * 1024;

/// An answer with status 200.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its headers, without those that every answer gets.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// The kept pages. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What all pages that are kept were made of.
    moment: String,
    bytes: usize,
    pages: HashMap<String, Answer>,
}

impl Kept {
    /// The page of an address, if it was kept at this moment.
    pub(crate) fn get(&self, moment: &str, address: &str) -> Option<Answer> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.move_to(moment);
        inner.pages.get(address).cloned()
    }

    /// Keeps a page that was begun at this moment, unless things have moved since.
    pub(crate) fn put(&self, moment: &str, address: String, answer: Answer) {
        let size = answer.body.len() + address.len();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.moment != moment {
            return;
        }
        if inner.bytes + size > MOST {
            inner.clear();
        }
        if inner.pages.insert(address, answer).is_none() {
            inner.bytes += size;
        }
    }
}

impl Inner {
    fn move_to(&mut self, moment: &str) {
        if self.moment != moment {
            self.clear();
            moment.clone_into(&mut self.moment);
        }
    }

    fn clear(&mut self) {
        self.pages.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: usize) -> Answer {
        Answer {
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'a'; bytes]),
        }
    }

    #[test]
    fn what_was_made_of_older_entries_is_gone_once_newer_are_asked_for() {
        let kept = Kept::default();
        assert!(kept.get("1", "/").is_none());
        kept.put("1", "/".to_owned(), page(3));
        assert_eq!(kept.get("1", "/").unwrap().body.len(), 3);
        assert!(kept.get("2", "/").is_none());
        // Begun before the log moved, done after it.
        kept.put("1", "/".to_owned(), page(3));
        assert!(kept.get("2", "/").is_none());
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let kept = Kept::default();
        drop(kept.get("1", "/"));
        for n in 0..2 * MOST / LONGEST {
            kept.put("1", format!("/{n}"), page(LONGEST));
            assert!(kept.0.lock().unwrap().bytes <= MOST);
        }
        assert!(kept.get("1", &format!("/{}", 2 * MOST / LONGEST - 1)).is_some());
        assert!(kept.get("1", "/0").is_none());
    }
}
