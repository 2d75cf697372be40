//! Clients that post to whichever hub answers, until they know; and watchers who keep every checkpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use daybook_agent::keyfile::Keys;
use daybook_core::note::VerifierKey;
use serde_json::Value;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::ledger::{Ledger, Signed, sign};
use super::site::{Hub, LIMIT};

/// Clients at once.
const CLIENTS: u64 = 16;
/// How long a client waits for an answer before it tries elsewhere: less than a hub may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause of a client who was told to come again.
const PAUSE: Duration = Duration::from_millis(30);

/// What all clients share.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) hubs: Arc<[Hub; 2]>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) registrar: Arc<Keys>,
    pub(crate) log_key: VerifierKey,
    http: reqwest::Client,
}

/// Clients and watchers at work.
pub(crate) struct Crowd {
    ends: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Lets everybody finish what they have begun, and fails if one of them met a contradiction.
    pub(crate) async fn end(mut self) {
        self.ends.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

impl Field {
    pub(crate) fn new(hubs: Arc<[Hub; 2]>, registrar: Arc<Keys>, log_key: VerifierKey) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self {
            hubs,
            ledger: Arc::default(),
            registrar,
            log_key,
            http,
        }
    }

    /// Sends clients and watchers to work.
    pub(crate) fn crowd(&self, seed: u64) -> Crowd {
        let ends = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS {
            let dice = Dice::new(seed ^ (client + 1).wrapping_mul(0x9e37_79b9));
            tasks.spawn(self.clone().live(dice, ends.clone()));
        }
        for at in 0..2 {
            tasks.spawn(self.clone().watch(at, ends.clone()));
        }
        Crowd { ends, tasks }
    }

    /// Registers workflows and withdraws them. The second event follows the first at whichever hub comes next.
    async fn live(self, mut dice: Dice, ends: Arc<AtomicBool>) {
        while !ends.load(Ordering::Relaxed) {
            let first = sign(&self.registrar, &mut dice, None);
            self.insist(&first, &mut dice).await;
            let second = sign(&self.registrar, &mut dice, Some(&first.event));
            self.insist(&second, &mut dice).await;
            if dice.below(4) == 0 {
                // To both at once: one of them appends it at most.
                let third = sign(&self.registrar, &mut dice, None);
                self.ledger.sends(&third.event);
                tokio::join!(self.post(0, &third.body), self.post(1, &third.body));
                self.insist(&third, &mut dice).await;
            }
        }
    }

    /// Posts the same bytes until they are acknowledged, here or there.
    pub(crate) async fn insist(&self, signed: &Signed, dice: &mut Dice) {
        self.ledger.sends(&signed.event);
        let begin = Instant::now();
        while self.post(dice.below(2), &signed.body).await.is_none() {
            assert!(begin.elapsed() < LIMIT, "an event is never acknowledged");
        }
    }

    /// Posts once; the status and where it stands, if it was acknowledged.
    pub(crate) async fn post(&self, at: usize, body: &str) -> Option<(u16, u64)> {
        let url = format!("{}/v1/events", self.hubs[at].url());
        let request = self.http.post(url).header("content-type", "application/json");
        let Ok(response) = request.body(body.to_owned()).send().await else {
            tokio::time::sleep(PAUSE).await;
            return None;
        };
        let status = response.status().as_u16();
        let says_when = response.headers().contains_key("retry-after");
        let Ok(text) = response.text().await else {
            return None;
        };
        match status {
            200 | 201 => {
                let answer: Value = serde_json::from_str(&text).unwrap();
                self.ledger.acknowledged(status, &answer, body);
                Some((status, answer["index"].as_u64().unwrap()))
            }
            503 => {
                assert!(says_when, "a 503 says when to come again: {text}");
                tokio::time::sleep(PAUSE).await;
                None
            }
            _ => panic!("hub {} answered {status}: {text}", self.hubs[at].name),
        }
    }

    /// Keeps every checkpoint that a hub serves. It never shrinks, whatever happens to the hub.
    async fn watch(self, at: usize, ends: Arc<AtomicBool>) {
        let mut last = 0;
        while !ends.load(Ordering::Relaxed) {
            let url = format!("{}/log/checkpoint", self.hubs[at].url());
            if let Ok(response) = self.http.get(url).send().await
                && response.status() == 200
                && let Ok(note) = response.bytes().await
            {
                let size = self.ledger.published(&note, &self.log_key);
                assert!(size >= last, "the checkpoint went back from {last} to {size}");
                last = size;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
