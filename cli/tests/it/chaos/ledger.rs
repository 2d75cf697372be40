//! What was sent, what was answered, and what was published: everything that a hub ever said, held against what it says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use daybook_agent::keyfile::Keys;
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::{Claims, Event};
use daybook_core::id::Stream;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::sealed::{Opening, digest_list};
use serde_json::{Value, json};

use super::dice::Dice;
use super::site::ORIGIN;

/// Where an acknowledged event stands, and what was posted.
#[derive(Clone)]
pub(crate) struct Receipt {
    pub(crate) index: u64,
    pub(crate) body: String,
}

#[derive(Default)]
struct Inner {
    sent: HashSet<Hash>,
    receipts: HashMap<Hash, Receipt>,
    places: HashMap<u64, Hash>,
    /// Events that some hub said it had appended, and not found.
    created: HashSet<Hash>,
    checkpoints: BTreeMap<u64, Hash>,
}

/// All of it, whichever hub said it. A contradiction is a panic.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Inner>);

impl Ledger {
    pub(crate) fn sends(&self, event: &Event) {
        self.0.lock().unwrap().sent.insert(*event.leaf());
    }

    pub(crate) fn was_sent(&self, leaf: &Hash) -> bool {
        self.0.lock().unwrap().sent.contains(leaf)
    }

    /// Takes down an answer: an event has one place, a place one event, and an event is appended once.
    pub(crate) fn acknowledged(&self, status: u16, answer: &Value, body: &str) {
        let index = answer["index"].as_u64().unwrap();
        let leaf = Hash::from_base64url(answer["leaf_hash"].as_str().unwrap()).unwrap();
        let mut inner = self.0.lock().unwrap();
        let first = inner.receipts.entry(leaf).or_insert_with(|| Receipt {
            index,
            body: body.to_owned(),
        });
        assert_eq!(first.index, index, "an event has one place");
        assert_eq!(
            *inner.places.entry(index).or_insert(leaf),
            leaf,
            "a place has one event"
        );
        assert!(
            status == 200 || inner.created.insert(leaf),
            "an event was appended twice"
        );
    }

    /// Takes down a checkpoint: two of one size have one root. Answers with the size.
    pub(crate) fn published(&self, note: &[u8], key: &VerifierKey) -> u64 {
        let note = Note::parse(note).unwrap();
        let checkpoint = Checkpoint::open(&note, key, ORIGIN).unwrap();
        let mut inner = self.0.lock().unwrap();
        let root = *inner
            .checkpoints
            .entry(checkpoint.size())
            .or_insert(*checkpoint.root());
        assert_eq!(root, *checkpoint.root(), "a fork at size {}", checkpoint.size());
        checkpoint.size()
    }

    pub(crate) fn receipts(&self) -> HashMap<Hash, Receipt> {
        self.0.lock().unwrap().receipts.clone()
    }

    pub(crate) fn acknowledgements(&self) -> usize {
        self.0.lock().unwrap().receipts.len()
    }

    pub(crate) fn checkpoints(&self) -> BTreeMap<u64, Hash> {
        self.0.lock().unwrap().checkpoints.clone()
    }
}

/// An event as a registrar signs it, and the body that carries it.
pub(crate) struct Signed {
    pub(crate) event: Event,
    pub(crate) body: String,
}

/// Signs an event of a workflow: that it is registered, or that it is withdrawn after that.
pub(crate) fn sign(keys: &Keys, dice: &mut Dice, after: Option<&Event>) -> Signed {
    let uuid = |dice: &mut Dice| uuid::Builder::from_random_bytes(dice.bytes()).into_uuid();
    let digest = Hash(dice.bytes()).to_base64url();
    let mut seal = |name: &str, value: &str| Opening::new(dice.bytes(), name, value.into()).unwrap();
    let openings = match after {
        None => vec![
            seal("permalink", "https://workflows.example.org/7"),
            seal("title", "Asthma admissions"),
            seal("version", "1"),
        ],
        Some(_) => Vec::new(),
    };
    let decoys: [[u8; 32]; 3] = std::array::from_fn(|_| dice.bytes());
    let (kind, data) = match after {
        None => (
            "workflow-registered",
            json!({ "_sd": digest_list(&openings, &decoys), "digest": digest }),
        ),
        Some(_) => (
            "workflow-withdrawn",
            json!({ "_sd": digest_list(&openings, &decoys[..1]), "reason": "ended" }),
        ),
    };
    let claims = Claims {
        aud: ORIGIN.to_owned(),
        data: data.as_object().unwrap().clone(),
        iat: daybook_agent::random::now(),
        iss: keys.actor.clone(),
        jti: uuid(dice),
        prev: after.map(|event| *event.leaf()),
        seen: None,
        seq: after.map_or(1, |event| event.claims().seq + 1),
        sub: after.map_or_else(
            || Stream::Workflow(uuid(dice)),
            |event| event.claims().sub.clone(),
        ),
        kind: kind.to_owned(),
        version: 1,
    };
    let event = Event::sign(&claims, &keys.event).unwrap();
    let openings: Vec<&str> = openings.iter().map(Opening::as_str).collect();
    let body = json!({ "event": event.as_str(), "openings": openings }).to_string();
    Signed { event, body }
}
