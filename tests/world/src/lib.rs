//! A federation in memory: an operator, a registrar, two TREs with all their keys, a project with two members, and a log that
//! they write, judged by the real rules.
//!
//! Everything is made from names by hashing, so that two worlds that do the same hold the same bytes.
//!
//! ```
//! use daybook_world::{Ending, World};
//!
//! let mut world = World::founded();
//! let job = world.run_job("wessex", Ending::Released);
//! assert_eq!(world.job_state(job)["state"], "released");
//! for entry in world.entries() {
//!     assert!(entry.as_str().len() < 48 * 1024);
//! }
//! ```
//!
//! One event at a time: [`World::usual`] drafts the usual event of a type, which a test changes before it signs.
//!
//! ```
//! # use daybook_world::World;
//! let mut world = World::ready_for("run-started");
//! let draft = world.usual("run-started").with("attempt", 2.into());
//! let event = world.sign(&draft);
//! assert_eq!(world.append(&event).unwrap_err().code(), "not-next-number");
//! ```
//!
//! The world is for tests: what cannot happen in it panics.

#![expect(
    clippy::missing_panics_doc,
    reason = "the crate is for tests, and says once that what cannot happen panics"
)]

mod draft;
mod figures;
mod founding;
mod jobs;
mod usual;

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::constitution::{Facts, Registration, State, valid_key};
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::heads::{Head, Heads};
use daybook_core::id::{Actor, Stream};
use daybook_core::key::{KeyUse, SecretKey, possession_bytes};
use daybook_core::sealed::{Opening, digest_list};
use daybook_core::{Hash, base64url};
use daybook_rules::{Admitted, Refusal, Table, Verdict, check_openings, judge};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::draft::{Draft, sample};
pub use self::figures::{Figures, figures, stops, year};
pub use self::founding::Cast;
pub use self::jobs::Ending;

/// The origin of a world's log.
pub const ORIGIN: &str = "log.example/world";
/// When a world begins, in seconds since 1970.
pub const BEGINNING: i64 = 1_790_000_000;

/// A log in memory with everything that its actors know and hold.
#[derive(Clone)]
pub struct World {
    /// Who and what there is by name.
    pub cast: Cast,
    /// The `iat` of the next event; each event moves it on by a minute.
    pub now: i64,
    /// The job that [`World::usual`] speaks of.
    pub job: Option<Uuid>,
    table: Table,
    entries: Vec<Event>,
    states: BTreeMap<Stream, State>,
    heads: BTreeMap<Stream, (u64, Hash)>,
    keys: BTreeMap<Hash, Registration>,
    seen: BTreeMap<Actor, u64>,
    generations: BTreeMap<Actor, u32>,
    openings: BTreeMap<Hash, Vec<Opening>>,
    signed: u64,
}

/// 32 bytes made from a name.
pub fn bytes(name: &str) -> [u8; 32] {
    Hash::of(format!("daybook-world {name}").as_bytes()).0
}

/// A random-looking id made from a name.
pub fn id(name: &str) -> Uuid {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes(name)[..16]);
    uuid::Builder::from_random_bytes(half).into_uuid()
}

/// A digest in base64url made from a name: a commitment, a tag, a root.
pub fn digest(name: &str) -> String {
    base64url::encode(&bytes(name))
}

impl Facts for World {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }

    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.keys.contains_key(kid)
    }

    fn seen(&self, actor: &Actor) -> u64 {
        self.seen.get(actor).copied().unwrap_or(0)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            cast: Cast::new(),
            now: BEGINNING,
            job: None,
            table: Table::v1().clone(),
            entries: Vec::new(),
            states: BTreeMap::new(),
            heads: BTreeMap::new(),
            keys: BTreeMap::new(),
            seen: BTreeMap::new(),
            generations: BTreeMap::new(),
            openings: BTreeMap::new(),
            signed: 0,
        }
    }

    /// The entries so far.
    pub fn entries(&self) -> &[Event] {
        &self.entries
    }

    /// The states of all streams.
    pub fn states(&self) -> &BTreeMap<Stream, State> {
        &self.states
    }

    /// The table in force.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The state of a stream by name; empty where there is none.
    pub fn state_of(&self, stream: &str) -> State {
        let stream: Stream = stream.parse().expect("a stream's name");
        self.states.get(&stream).cloned().unwrap_or_default()
    }

    /// The state of a job; empty where there is none.
    pub fn job_state(&self, job: Uuid) -> State {
        self.states.get(&Stream::Job(job)).cloned().unwrap_or_default()
    }

    /// Lets days pass.
    pub fn advance_days(&mut self, days: i64) {
        self.now += days * 86_400;
    }

    /// The actor's key for events.
    pub fn key(&self, actor: &Actor) -> SecretKey {
        let generation = self.generations.get(actor).copied().unwrap_or(0);
        SecretKey::from_seed(&bytes(&format!("key {generation} of {actor}")))
    }

    /// Gives an actor a new key, with which it signs from now on; registering it is another matter.
    pub fn renew_key(&mut self, actor: &Actor) {
        *self.generations.entry(actor.clone()).or_default() += 1;
    }

    /// The list of keys by which an event registers the actor's key.
    pub fn keys_of(&self, actor: &Actor) -> Value {
        let key = self.key(actor);
        let public = key.public();
        let proof = key.sign(&possession_bytes(ORIGIN, actor, KeyUse::Event, &public));
        json!([{ "proof": base64url::encode(&proof), "use": "event", "x": public.to_x() }])
    }

    /// The root of the log's tree over the first `size` entries (RFC 6962 §2.1).
    pub fn root(&self, size: usize) -> Hash {
        let leaves: Vec<Hash> = self
            .entries
            .iter()
            .take(size)
            .map(|event| *event.leaf())
            .collect();
        root(&leaves)
    }

    /// The heads of all streams that have an entry.
    pub fn heads(&self) -> Heads {
        let heads = self.heads.iter().map(|(stream, (seq, leaf))| Head {
            stream: stream.clone(),
            seq: *seq,
            leaf: *leaf,
        });
        Heads::new(heads.collect()).expect("one head a stream")
    }

    /// Signs an event, the next of its stream, with all that an author must fill in.
    ///
    /// `sealed` names values of sealed fields; required ones that are not named get a sample. The openings are kept: see
    /// [`World::openings`].
    pub fn event(
        &mut self,
        actor: &Actor,
        stream: &Stream,
        kind: &str,
        data: Value,
        sealed: &[(&str, Value)],
    ) -> Event {
        let mut draft = Draft::new(actor, stream, kind, data);
        for (name, value) in sealed {
            draft = draft.seal(name, value.clone());
        }
        self.sign(&draft)
    }

    /// Signs a draft: see [`World::event`].
    pub fn sign(&mut self, draft: &Draft) -> Event {
        let (claims, openings) = self.claims(draft);
        let event = Event::sign(&claims, &self.key(&draft.actor)).expect("a well-formed event");
        self.openings.insert(*event.leaf(), openings);
        event
    }

    /// What [`World::sign`] would sign, and its openings.
    pub fn claims(&mut self, draft: &Draft) -> (Claims, Vec<Opening>) {
        self.signed += 1;
        let turn = self.signed;
        let openings = draft.openings(&self.table, turn);
        let mut data = draft.data.clone();
        let digests = self.table.rule(&draft.kind).map_or(0, |rule| rule.digests);
        if digests > 0 {
            let missing = digests.saturating_sub(openings.len());
            let decoys: Vec<[u8; 32]> = (0..missing)
                .map(|n| bytes(&format!("decoy {turn} {n}")))
                .collect();
            data.insert("_sd".to_owned(), digest_list(&openings, &decoys));
        }
        let head = self.heads.get(&draft.stream).copied();
        let size = self.entries.len();
        let claims = Claims {
            aud: ORIGIN.to_owned(),
            data,
            iat: self.now,
            jti: id(&format!("jti {turn}")),
            prev: head.map(|(_, leaf)| leaf),
            seen: (draft.actor.is_service() && size > 0).then(|| Seen {
                root: self.root(size),
                size: size as u64,
            }),
            seq: head.map_or(1, |(seq, _)| seq + 1),
            sub: draft.stream.clone(),
            iss: draft.actor.clone(),
            kind: draft.kind.clone(),
            version: 1,
        };
        (claims, openings)
    }

    /// The openings of an event that this world signed, issuer-only ones included.
    pub fn openings(&self, event: &Event) -> Vec<Opening> {
        self.openings.get(event.leaf()).cloned().unwrap_or_default()
    }

    /// The openings of an event that may travel to a hub, with class and time to keep them.
    pub fn admitted(&self, event: &Event) -> Result<Vec<Admitted>, Refusal> {
        let rule = self.table.rule(&event.claims().kind);
        let travels = |opening: &Opening| {
            let field = rule.and_then(|rule| rule.sealed.get(opening.name()));
            field.is_none_or(|field| field.class != daybook_core::sealed::ReaderClass::IssuerOnly)
        };
        let openings: Vec<Opening> = self.openings(event).into_iter().filter(travels).collect();
        check_openings(&self.table, event, &openings)
    }

    /// Judges an event and its openings, and appends nothing.
    pub fn judge(&self, event: &Event) -> Result<Verdict, Refusal> {
        let verdict = judge(&self.table, ORIGIN, self, event)?;
        if self.openings.contains_key(event.leaf()) {
            self.admitted(event)?;
        }
        Ok(verdict)
    }

    /// Appends an event, if its signature and the rules allow.
    pub fn append(&mut self, event: &Event) -> Result<Verdict, Refusal> {
        let verdict = self.judge(event)?;
        let claims = event.claims();
        let home = self.states.get(&claims.iss.home());
        let registered = verdict.registrations.iter().find(|new| new.kid == *event.kid());
        let key = valid_key(home, &claims.iss, event.kid(), KeyUse::Event)
            .or_else(|| registered.map(|new| new.key.clone()))
            .expect("the judge checked the key");
        assert!(
            event.verify(&key).is_ok(),
            "the signature of an event of this world"
        );
        for new in &verdict.registrations {
            self.keys.insert(new.kid, new.clone());
        }
        self.states.extend(verdict.states.clone());
        self.heads.insert(claims.sub.clone(), (claims.seq, *event.leaf()));
        if let Some(seen) = claims.seen {
            self.seen.insert(claims.iss.clone(), seen.size);
        }
        if claims.kind == "policy-adopted" {
            self.table = Table::from_value(&claims.data["table"]).expect("the judge loaded it");
        }
        self.entries.push(event.clone());
        self.now += 60;
        Ok(verdict)
    }

    /// Signs and appends a draft that the rules allow.
    #[track_caller]
    pub fn say(&mut self, draft: &Draft) -> Event {
        let event = self.sign(draft);
        if let Err(refusal) = self.append(&event) {
            let inner = std::error::Error::source(&refusal).map(ToString::to_string);
            panic!(
                "{} is refused: {refusal} {}",
                draft.kind,
                inner.unwrap_or_default()
            );
        }
        event
    }

    /// Every key that was ever registered.
    pub fn known_keys(&self) -> BTreeSet<Hash> {
        self.keys.keys().copied().collect()
    }
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&root(left), &root(right))
        }
    }
}
