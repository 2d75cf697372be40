//! What holds above every rule table: who writes which stream, in which order, and whose key is whose at this index.
//!
//! A rule table is adopted by the operator and so can be changed by it; this cannot. The operator vouches for the hub's
//! services, registrars and auditors, and for keys of its own beside the first. It invites a TRE by the thumbprint of a root key that the TRE made and keeps, and
//! can never add a key of a TRE: only the root lends keys to relay, runner and review. A key belongs to one actor for ever.
//!
//! Streams' states are JSON objects. The constitution keeps three members of them: `author`, the organisation that wrote
//! the first event; `keys`, the keys valid now of the actors at home there; `doubts`, the keys that ended under suspicion,
//! each with the tree size from which what it signed is in doubt; and, in the federation's, `tres`, the root of each
//! invited TRE. The rest is the rule table's.

mod keys;

use serde_json::{Map, Value, json};
use thiserror::Error;

pub use self::keys::{Registration, registrations};
use crate::Hash;
use crate::event::Event;
use crate::id::{Actor, Organisation, Stream, TreRole};
use crate::key::{KeyError, KeyUse};

/// A stream's folded state.
pub type State = Map<String, Value>;

/// What is known of the log just before an event.
pub trait Facts {
    /// Position and leaf hash of the last event of a stream; `None` before the first.
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)>;
    /// The folded state of a stream; `None` where nothing is known of it.
    fn state(&self, stream: &Stream) -> Option<&State>;
    /// Whether a key of that name was ever registered, by whomever, valid now or not.
    fn key_was_registered(&self, kid: &Hash) -> bool;
    /// The largest `seen.size` in any event of this actor; 0 where there is none.
    fn seen(&self, actor: &Actor) -> u64;
}

/// An event breaks the constitution.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Breach {
    /// Meant for another log.
    #[error("the event is for the log {found:?}, and this is {expected:?}")]
    OtherLog {
        /// The origin in `aud`.
        found: String,
        /// This log's.
        expected: String,
    },
    /// An organisation that may not write that stream.
    #[error("{actor} may not write the stream {stream}")]
    NotYourStream {
        /// The author.
        actor: Actor,
        /// The stream.
        stream: Stream,
    },
    /// Not the next event of its stream.
    #[error("the next event of {stream} has seq {seq} and prev {}", prev.map_or("none".to_owned(), |h| h.to_string()))]
    NotNext {
        /// The stream.
        stream: Stream,
        /// The position that is free.
        seq: u64,
        /// The leaf hash that must stand before it.
        prev: Option<Hash>,
    },
    /// No valid key of that name for that actor.
    #[error("the key {kid} is not a valid key of {actor} for events at this point of the log")]
    NotYourKey {
        /// The key.
        kid: Hash,
        /// The author.
        actor: Actor,
    },
    /// A service that does not say what it has seen.
    #[error("{0} is a service and must state in `seen` the last checkpoint that it verified")]
    SeenMissing(Actor),
    /// An actor whose view of the log shrinks.
    #[error("{actor} has stated a checkpoint of size {before} before, and now states {now}")]
    SeenWentBack {
        /// The author.
        actor: Actor,
        /// The largest size stated before.
        before: u64,
        /// The size stated now.
        now: u64,
    },
    /// A key that some actor already had.
    #[error("the key {0} is registered already; a key belongs to one actor for ever")]
    KeyKnown(Hash),
    /// A key that is to end, and is not its holder's.
    #[error("the key {0} is not a key of that holder at this point of the log")]
    NoSuchKey(Hash),
    /// The operator's last key for events, or a root's.
    #[error("that would end the last key for events of {0}; register another first")]
    LastKey(Actor),
    /// A key without proof of possession.
    #[error("the proof of possession for the key {kid}")]
    Possession {
        /// The key.
        kid: Hash,
        /// What is wrong.
        source: KeyError,
    },
    /// A key that cannot be used.
    #[error("a key in this event")]
    Key(#[from] KeyError),
    /// A TRE that was not invited, or with another root.
    #[error("the TRE {0} was not invited with this root key")]
    NotInvited(String),
    /// Something that only a TRE's root may do.
    #[error("only the root key of the TRE may sign {0}")]
    RootOnly(String),
    /// A field of an event that registers or ends keys.
    #[error("the field {0:?} is missing or not of its form")]
    Field(&'static str),
    /// Not the first event of a log.
    #[error("the first event of a log is `log-opened`, in the stream `federation`, and there is only one")]
    Opening,
}

/// Checks an event against the constitution and answers with the keys that it registers.
///
/// The author's signature is not checked here: `kid` names the key's bytes, so a signature that was verified once
/// stays so, while the validity of the key is a question of the index.
pub fn check(origin: &str, event: &Event, facts: &dyn Facts) -> Result<Vec<Registration>, Breach> {
    let claims = event.claims();
    if claims.aud != origin {
        return Err(Breach::OtherLog {
            found: claims.aud.clone(),
            expected: origin.to_owned(),
        });
    }
    let opens = claims.kind == "log-opened";
    let is_opened = facts.head(&Stream::Federation).is_some();
    if is_opened == opens || (opens && claims.sub != Stream::Federation) {
        return Err(Breach::Opening);
    }
    check_author(event, facts)?;
    check_order(event, facts)?;
    let registrations = registrations(event)?;
    check_home(event, &registrations)?;
    check_invitation(event, facts)?;
    check_key(event, facts, &registrations)?;
    check_seen(event, facts)?;
    keys::check_end(event, facts.state(&claims.sub))?;
    for (at, new) in registrations.iter().enumerate() {
        let twice = registrations[..at].iter().any(|other| other.kid == new.kid);
        if twice || facts.key_was_registered(&new.kid) {
            return Err(Breach::KeyKnown(new.kid));
        }
    }
    Ok(registrations)
}

/// Folds the constitution's part of an event that passed [`check`] into the state of its stream.
pub fn apply(event: &Event, registrations: &[Registration], state: &mut State) {
    let claims = event.claims();
    state
        .entry("author")
        .or_insert_with(|| claims.iss.organisation().to_string().into());
    if claims.kind == "tre-invited" {
        invite(event, state);
    }
    keys::apply(event, registrations, state);
}

/// The key of that name that an actor may use now, from the state of the actor's home stream.
pub fn valid_key(
    home: Option<&State>,
    actor: &Actor,
    kid: &Hash,
    usage: KeyUse,
) -> Option<crate::key::PublicKey> {
    keys::find(home?, actor, kid, usage)
}

/// Keeps the thumbprint of an invited TRE's root under `tres`; the first invitation of a name stands for ever.
fn invite(event: &Event, state: &mut State) {
    let data = &event.claims().data;
    let (Some(Value::String(tre)), Some(root)) = (data.get("tre"), data.get("root")) else {
        return;
    };
    if let Value::Object(tres) = state.entry("tres").or_insert_with(|| Value::Object(Map::new())) {
        tres.entry(tre.clone()).or_insert_with(|| json!({ "root": root }));
    }
}

fn check_author(event: &Event, facts: &dyn Facts) -> Result<(), Breach> {
    let claims = event.claims();
    let author: Organisation = claims.iss.organisation();
    let first = facts
        .state(&claims.sub)
        .and_then(|state| state.get("author"))
        .and_then(Value::as_str);
    if claims.sub.admits(&author) && first.is_none_or(|first| first == author.to_string()) {
        Ok(())
    } else {
        Err(Breach::NotYourStream {
            actor: claims.iss.clone(),
            stream: claims.sub.clone(),
        })
    }
}

fn check_order(event: &Event, facts: &dyn Facts) -> Result<(), Breach> {
    let claims = event.claims();
    let head = facts.head(&claims.sub);
    let (seq, prev) = head.map_or((1, None), |(seq, leaf)| (seq.saturating_add(1), Some(leaf)));
    if claims.seq == seq && claims.prev == prev {
        Ok(())
    } else {
        Err(Breach::NotNext {
            stream: claims.sub.clone(),
            seq,
            prev,
        })
    }
}

/// Keys are registered in the one stream that keeps their actor's keys. Elsewhere a stranger could found a home of its own,
/// and with it begin any stream that a TRE may write.
fn check_home(event: &Event, registrations: &[Registration]) -> Result<(), Breach> {
    let stream = &event.claims().sub;
    match registrations.iter().find(|new| new.actor.home() != *stream) {
        Some(new) => Err(Breach::NotYourStream {
            actor: new.actor.clone(),
            stream: stream.clone(),
        }),
        None => Ok(()),
    }
}

/// A TRE's stream begins with `tre-joined`, signed by the root that the operator invited; its keys are the root's affair.
fn check_invitation(event: &Event, facts: &dyn Facts) -> Result<(), Breach> {
    let claims = event.claims();
    let Stream::Tre(tre) = &claims.sub else {
        return Ok(());
    };
    let is_root = matches!(claims.iss, Actor::Tre(_, TreRole::Root));
    let is_first = claims.seq == 1;
    if is_first != (claims.kind == "tre-joined") {
        return Err(Breach::NotInvited(tre.to_string()));
    }
    if matches!(claims.kind.as_str(), "tre-joined" | "key-added" | "key-revoked") && !is_root {
        return Err(Breach::RootOnly(claims.kind.clone()));
    }
    if is_first {
        let invited = facts
            .state(&Stream::Federation)
            .and_then(|state| state.get("tres")?.get(tre.as_str())?.get("root")?.as_str())
            .and_then(Hash::from_base64url);
        if invited.as_ref() != Some(event.kid()) {
            return Err(Breach::NotInvited(tre.to_string()));
        }
    }
    Ok(())
}

fn check_key(event: &Event, facts: &dyn Facts, registrations: &[Registration]) -> Result<(), Breach> {
    let claims = event.claims();
    // The two events that found a home sign with a key that they register themselves.
    let founds = matches!(claims.kind.as_str(), "log-opened" | "tre-joined");
    let own = founds
        && registrations
            .iter()
            .any(|new| new.kid == *event.kid() && new.actor == claims.iss && new.usage == KeyUse::Event);
    let home = facts.state(&claims.iss.home());
    let held = home.is_some_and(|home| keys::holds(home, &claims.iss, event.kid(), KeyUse::Event));
    if own || held {
        Ok(())
    } else {
        Err(Breach::NotYourKey {
            kid: *event.kid(),
            actor: claims.iss.clone(),
        })
    }
}

fn check_seen(event: &Event, facts: &dyn Facts) -> Result<(), Breach> {
    let claims = event.claims();
    let actor = claims.iss.clone();
    match claims.seen {
        None if actor.is_service() => Err(Breach::SeenMissing(actor)),
        None => Ok(()),
        Some(seen) => {
            let before = facts.seen(&actor);
            if seen.size < before {
                Err(Breach::SeenWentBack {
                    actor,
                    before,
                    now: seen.size,
                })
            } else {
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
