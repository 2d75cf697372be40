//! The entries of a pack in the order of the log: who signed, with which key, and what the rules make of it.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::constitution::{Facts, State, valid_key};
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::{Actor, Stream};
use daybook_core::key::KeyUse;
use daybook_rules::{Table as Rules, judge, reads};
use serde_json::Value;
use uuid::Uuid;

use super::{Evidence, Subject};

/// The clerk's entry about the heads of all streams; the one entry of a pack whose stream is not whole.
const HEADS_COMMITTED: &str = "heads-committed";

/// A key, and the entries between which it was its actor's.
#[derive(Clone, Debug)]
pub(super) struct Lifetime {
    pub(super) kid: Hash,
    pub(super) actor: Actor,
    pub(super) usage: KeyUse,
    pub(super) x: String,
    /// The entry that registered it.
    pub(super) from: u64,
    /// The entry that ended it.
    pub(super) until: Option<u64>,
    /// What it signed from so many entries on is in doubt.
    pub(super) doubted_from: Option<u64>,
}

/// What the entries say.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// What does not follow, with the entry.
    pub(super) faults: Vec<(u64, String)>,
    pub(super) keys: Vec<Lifetime>,
    /// Rule tables that were in force, by their hashes, as canonical JSON.
    pub(super) tables: BTreeMap<String, Value>,
    pub(super) states: BTreeMap<Stream, State>,
    pub(super) heads: BTreeMap<Stream, (u64, Hash)>,
    seen: BTreeMap<Actor, u64>,
}

impl Facts for Replayed {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }

    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.keys.iter().any(|key| key.kid == *kid)
    }

    fn seen(&self, actor: &Actor) -> u64 {
        self.seen.get(actor).copied().unwrap_or(0)
    }
}

/// Goes through the entries of a pack, in a log of that name.
pub(super) fn replay(evidence: &Evidence, origin: &str) -> Replayed {
    let mut replayed = Replayed::default();
    let mut rules = Rules::v1().clone();
    for (index, entry) in &evidence.entries {
        let event = &entry.event;
        let claims = event.claims();
        if claims.sub == Stream::Log {
            replayed.alone(*index, event, origin, evidence);
            continue;
        }
        replayed.take(*index, event, origin, &rules);
        if claims.kind == POLICY_ADOPTED
            && let Some(table) = claims.data.get("table")
        {
            match Rules::from_value(table) {
                Ok(table) => rules = table,
                Err(error) => replayed.faults.push((*index, format!("its table: {error}"))),
            }
            replayed
                .tables
                .insert(rules.hash().to_base64url(), rules.to_value());
        }
    }
    replayed
}

impl Replayed {
    /// An entry whose stream is whole.
    fn take(&mut self, index: u64, event: &Event, origin: &str, rules: &Rules) {
        let claims = event.claims();
        match judge(rules, origin, self, event) {
            Ok(verdict) => {
                let home = self.states.get(&claims.iss.home());
                let key = valid_key(home, &claims.iss, event.kid(), KeyUse::Event);
                let brought = verdict.registrations.iter().find(|new| new.kid == *event.kid());
                self.signature(index, event, key.or(brought.map(|new| new.key.clone())));
                for new in verdict.registrations {
                    self.keys.push(Lifetime {
                        kid: new.kid,
                        actor: new.actor,
                        usage: new.usage,
                        x: new.key.to_x(),
                        from: index,
                        until: None,
                        doubted_from: None,
                    });
                }
                self.states.extend(verdict.states);
                self.end_keys(index, &claims.sub);
            }
            Err(refusal) => {
                let cause = std::error::Error::source(&refusal).map(|cause| format!(": {cause}"));
                let words = format!(
                    "{} of {}: {refusal}{}",
                    claims.kind,
                    claims.iss,
                    cause.unwrap_or_default()
                );
                self.faults.push((index, words));
            }
        }
        self.heads.insert(claims.sub.clone(), (claims.seq, *event.leaf()));
        if let Some(seen) = claims.seen {
            self.seen.insert(claims.iss.clone(), seen.size);
        }
    }

    /// The clerk's commitment, which is there without the rest of its stream.
    fn alone(&mut self, index: u64, event: &Event, origin: &str, evidence: &Evidence) {
        let claims = event.claims();
        let is_named = evidence
            .committed
            .as_ref()
            .is_some_and(|committed| committed.entry == index);
        if !is_named || claims.kind != HEADS_COMMITTED || claims.aud != origin || claims.iss != Actor::Clerk {
            let words = format!("{} has no place in a pack", claims.kind);
            self.faults.push((index, words));
        }
        let home = self.states.get(&claims.iss.home());
        let key = valid_key(home, &claims.iss, event.kid(), KeyUse::Event);
        self.signature(index, event, key);
    }

    fn signature(&mut self, index: u64, event: &Event, key: Option<daybook_core::key::PublicKey>) {
        if key.is_none_or(|key| event.verify(&key).is_err()) {
            let words = format!("not signed by a key that was {}'s there", event.claims().iss);
            self.faults.push((index, words));
        }
    }

    /// Keys that are their home's no more.
    fn end_keys(&mut self, index: u64, home: &Stream) {
        let state = self.states.get(home);
        let member = |name: &str, kid: &Hash| state?.get(name)?.get(kid.to_base64url());
        for key in &mut self.keys {
            if key.until.is_none() && key.actor.home() == *home && member("keys", &key.kid).is_none() {
                key.until = Some(index);
                key.doubted_from = member("doubts", &key.kid).and_then(Value::as_u64);
            }
        }
    }
}

/// The streams that a pack about a subject must hold, as far as these entries name them. `log` is not among them: it is long,
/// and says nothing of anybody.
pub(super) fn needed<'a>(
    subject: Subject,
    entries: impl Iterator<Item = &'a Event> + Clone,
) -> BTreeSet<Stream> {
    let mut needed = BTreeSet::from([subject.stream(), Stream::Federation]);
    if let Subject::Project(id) = subject {
        needed.insert(Stream::Register(id));
    }
    let mut rules = Rules::v1().clone();
    for event in entries {
        let claims = event.claims();
        needed.insert(claims.sub.clone());
        needed.extend(reads(&rules, event));
        if let (Stream::Job(_), Some(submission)) = (&claims.sub, id_in(event, "submission")) {
            needed.insert(Stream::Submission(submission));
        }
        if claims.kind == POLICY_ADOPTED
            && let Some(table) = claims
                .data
                .get("table")
                .and_then(|table| Rules::from_value(table).ok())
        {
            rules = table;
        }
    }
    needed.remove(&Stream::Log);
    needed
}

fn id_in(event: &Event, name: &str) -> Option<Uuid> {
    let text = event.claims().data.get(name)?.as_str()?;
    daybook_core::id::random_id(text).ok()
}
