//! Signing: what every author fills in, and nothing of what it says.

use std::collections::HashMap;

use daybook_core::event::{Claims, Event, FormError};
use daybook_core::id::{Actor, Stream};
use daybook_core::key::{KeyUse, SecretKey, possession_bytes};
use daybook_core::sealed::{Opening, OpeningError, digest_list};
use daybook_core::{Hash, base64url};
use daybook_rules::Table;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::chance::Chance;
use crate::time::step_of;
use crate::{Ground, Said};

/// Seconds by which an author's clock is behind that of the log when its event arrives, at most.
const MAX_LAG: i64 = 3;

/// An event cannot be made.
#[derive(Debug, Error)]
pub enum SeedError {
    /// Not of the one form.
    #[error("{kind} has no good form")]
    Form {
        /// The type.
        kind: &'static str,
        /// What is wrong.
        source: FormError,
    },
    /// A sealed value that cannot be sealed.
    #[error("a sealed field of {kind}")]
    Opening {
        /// The type.
        kind: &'static str,
        /// What is wrong.
        source: OpeningError,
    },
    /// A type that the rules do not know.
    #[error("the rules know no {0}")]
    UnknownType(&'static str),
    /// A name of an actor that is none.
    #[error("a name in the seed")]
    Name(#[from] daybook_core::id::IdError),
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// Events so far.
    pub(crate) seq: u64,
    /// The last one.
    pub(crate) leaf: Option<Hash>,
}

/// What an author says.
pub(crate) struct Line {
    pub(crate) actor: Actor,
    pub(crate) stream: Stream,
    pub(crate) kind: &'static str,
    pub(crate) clear: Value,
    pub(crate) sealed: Vec<(&'static str, Value)>,
}

impl Line {
    pub(crate) fn new(actor: &Actor, stream: &Stream, kind: &'static str, clear: Value) -> Self {
        Self {
            actor: actor.clone(),
            stream: stream.clone(),
            kind,
            clear,
            sealed: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn seal(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.sealed.push((name, value.into()));
        self
    }
}

/// Everybody's hand.
pub(crate) struct Pen {
    ground: Ground,
    keys: HashMap<Actor, SecretKey>,
    pub(crate) chance: Chance,
}

impl Pen {
    pub(crate) fn new(seed: u64, ground: Ground) -> Self {
        Self {
            ground,
            keys: HashMap::new(),
            chance: Chance::of(seed, "salts and ids"),
        }
    }

    fn key(&mut self, actor: &Actor) -> &SecretKey {
        match actor {
            Actor::Operator => &self.ground.operator,
            Actor::Clerk => &self.ground.clerk,
            Actor::Editor => &self.ground.editor,
            _ => self.keys.entry(actor.clone()).or_insert_with(|| {
                let name = [self.ground.secret.as_slice(), actor.to_string().as_bytes()].concat();
                SecretKey::from_seed(&Hash::of(&name).0)
            }),
        }
    }

    /// Forgets the key of somebody who signs no more.
    pub(crate) fn forget(&mut self, actor: &Actor) {
        self.keys.remove(actor);
    }

    /// The thumbprint of an actor's key.
    pub(crate) fn thumbprint(&mut self, actor: &Actor) -> String {
        self.key(actor).public().thumbprint().to_base64url()
    }

    /// The list of keys by which an event registers an actor's.
    pub(crate) fn keys_of(&mut self, actor: &Actor) -> Value {
        let origin = self.ground.origin.clone();
        let key = self.key(actor);
        let public = key.public();
        let proof = key.sign(&possession_bytes(&origin, actor, KeyUse::Event, &public));
        json!([{ "proof": base64url::encode(&proof), "use": "event", "x": public.to_x() }])
    }

    /// Signs a line as the next event of its stream, which the log takes at that time.
    pub(crate) fn sign(&mut self, head: &mut Head, at: i64, line: Line) -> Result<Said, SeedError> {
        let kind = line.kind;
        let rule = Table::v1().rule(kind).ok_or(SeedError::UnknownType(kind))?;
        let mut openings = Vec::with_capacity(line.sealed.len());
        for (name, value) in line.sealed {
            let opening = Opening::new(self.chance.bytes(), name, value);
            openings.push(opening.map_err(|source| SeedError::Opening { kind, source })?);
        }
        let mut data = match line.clear {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        if rule.digests > 0 {
            let decoys: Vec<[u8; 32]> = (openings.len()..rule.digests)
                .map(|_| self.chance.bytes())
                .collect();
            data.insert("_sd".to_owned(), digest_list(&openings, &decoys));
        }
        // What leaves a controlled zone is dated in steps.
        let iat = match line.actor.role() {
            "runner" => step_of(at),
            "clerk" => at,
            _ => at - self.chance.within(0, MAX_LAG),
        };
        let claims = Claims {
            aud: self.ground.origin.clone(),
            data,
            iat,
            jti: self.chance.id(),
            prev: head.leaf,
            seen: line.actor.is_service().then_some(self.ground.seen),
            seq: head.seq + 1,
            sub: line.stream,
            iss: line.actor,
            kind: kind.to_owned(),
            version: 1,
        };
        let key = self.key(&claims.iss);
        let event = Event::sign(&claims, key).map_err(|source| SeedError::Form { kind, source })?;
        *head = Head {
            seq: claims.seq,
            leaf: Some(*event.leaf()),
        };
        Ok(Said { event, openings, at })
    }
}
