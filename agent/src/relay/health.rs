//! How the relay fares, for whoever runs it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::random;

/// Something that an operator should know. It goes when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it is about: `hub`, `outbox`, `disk`, `log`, or a job's id.
    pub about: String,
    /// What is the matter and what to do, in a sentence or two.
    pub text: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
}

/// The messages that stand.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<BTreeMap<String, Message>>);

impl Health {
    /// Something is the matter. The same again is no news.
    pub(super) fn say(&self, about: &str, text: String) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.get(about).is_some_and(|message| message.text == text) {
            return;
        }
        warn!(about, "{text}");
        let since = messages
            .get(about)
            .map_or_else(random::now, |message| message.since);
        let message = Message {
            about: about.to_owned(),
            text,
            since,
        };
        messages.insert(about.to_owned(), message);
    }

    /// It is over.
    pub(super) fn clear(&self, about: &str) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.remove(about).is_some() {
            info!(about, "That is over");
        }
    }

    /// What stands.
    pub(super) fn messages(&self) -> Vec<Message> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.values().cloned().collect()
    }
}
