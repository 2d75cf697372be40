//! Keys as the constitution keeps them in the states of streams.

use serde_json::{Value, json};

use super::{Breach, State};
use crate::event::Event;
use crate::id::{Actor, Slug, Stream, TreRole, random_id};
use crate::key::{KeyUse, PublicKey, possession_bytes};
use crate::{Hash, base64url};

/// A key that an event registers.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The key's thumbprint.
    pub kid: Hash,
    /// Whose it is, for ever.
    pub actor: Actor,
    /// What it may sign.
    pub usage: KeyUse,
    /// The key.
    pub key: PublicKey,
}

/// At most this many keys in one list of an event.
const MAX_KEYS: usize = 4;

/// The keys that an event registers, each with its possession proved.
pub fn registrations(event: &Event) -> Result<Vec<Registration>, Breach> {
    let claims = event.claims();
    let mut found = Vec::new();
    match claims.kind.as_str() {
        "log-opened" => {
            list(event, "operator", &Actor::Operator, &mut found)?;
            list(event, "clerk", &Actor::Clerk, &mut found)?;
        }
        "tre-joined" => list(event, "keys", &claims.iss, &mut found)?,
        "role-granted" => list(event, "keys", &granted(event)?, &mut found)?,
        "key-added" => {
            let Stream::Tre(tre) = &claims.sub else {
                return Err(Breach::Field("role"));
            };
            let role = match text(event, "role")? {
                "root" => TreRole::Root,
                "relay" => TreRole::Relay,
                "runner" => TreRole::Runner,
                "review" => TreRole::Review,
                _ => return Err(Breach::Field("role")),
            };
            list(event, "keys", &Actor::Tre(tre.clone(), role), &mut found)?;
        }
        "member-added" => list(event, "keys", &member(event)?, &mut found)?,
        _ => {}
    }
    Ok(found)
}

/// Adds the registered keys to the state and takes away those that the event ends.
pub(super) fn apply(event: &Event, registrations: &[Registration], state: &mut State) {
    let ended = ended(event).ok().flatten();
    if registrations.is_empty() && ended.is_none() {
        return;
    }
    let keys = state.entry("keys").or_insert_with(|| json!({}));
    let Some(keys) = keys.as_object_mut() else { return };
    for new in registrations {
        let entry = json!({ "actor": new.actor.to_string(), "use": new.usage.as_str(), "x": new.key.to_x() });
        keys.insert(new.kid.to_base64url(), entry);
    }
    let Some(ended) = ended else { return };
    let mut gone = Vec::new();
    keys.retain(|kid, key| {
        let stays = !ended.holds(kid, key);
        if !stays {
            gone.push(kid.clone());
        }
        stays
    });
    let Some(from) = event.claims().data.get("suspect_from") else {
        return;
    };
    if let Value::Object(doubts) = state.entry("doubts").or_insert_with(|| json!({})) {
        doubts.extend(gone.into_iter().map(|kid| (kid, from.clone())));
    }
}

/// A key that is to end must be there, and be its holder's. Whoever registers and ends the keys of a home keeps one for
/// events: the operator in the federation's stream, the root in its TRE's.
pub(super) fn check_end(event: &Event, home: Option<&State>) -> Result<(), Breach> {
    let Some(ended) = ended(event)? else { return Ok(()) };
    let keys = home.and_then(|home| home.get("keys")?.as_object());
    let (gone, left): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .flatten()
        .partition(|(kid, key)| ended.holds(kid, key));
    if let (Some(kid), true) = (ended.kid, gone.is_empty()) {
        return Err(Breach::NoSuchKey(kid));
    }
    let keeper = match &event.claims().sub {
        Stream::Federation => Actor::Operator,
        Stream::Tre(tre) => Actor::Tre(tre.clone(), TreRole::Root),
        _ => return Ok(()),
    };
    let keeps = |(_, key): &(&String, &Value)| {
        let is = |name: &str, value: &str| key.get(name).and_then(Value::as_str) == Some(value);
        is("actor", &keeper.to_string()) && is("use", KeyUse::Event.as_str())
    };
    if left.iter().any(keeps) {
        Ok(())
    } else {
        Err(Breach::LastKey(keeper))
    }
}

/// The actor's valid key of that name and use.
pub(super) fn find(home: &State, actor: &Actor, kid: &Hash, usage: KeyUse) -> Option<PublicKey> {
    PublicKey::from_x(entry(home, actor, kid, usage)?.get("x")?.as_str()?).ok()
}

/// Whether the actor has a valid key of that name and use. Only keys that were checked come into a state, so that the point
/// is not checked again.
pub(super) fn holds(home: &State, actor: &Actor, kid: &Hash, usage: KeyUse) -> bool {
    entry(home, actor, kid, usage).is_some()
}

fn entry<'a>(home: &'a State, actor: &Actor, kid: &Hash, usage: KeyUse) -> Option<&'a Value> {
    let entry = home.get("keys")?.get(kid.to_base64url())?;
    let is = |name: &str, value: &str| entry.get(name).and_then(Value::as_str) == Some(value);
    (is("use", usage.as_str()) && is("actor", &actor.to_string())).then_some(entry)
}

/// The keys that an event ends: those of an actor, one of them, or one of whomever.
struct Ended {
    actor: Option<String>,
    kid: Option<Hash>,
}

impl Ended {
    fn holds(&self, kid: &str, key: &Value) -> bool {
        let of = key.get("actor").and_then(Value::as_str);
        self.kid
            .is_none_or(|ended| Hash::from_base64url(kid) == Some(ended))
            && self.actor.as_deref().is_none_or(|actor| of == Some(actor))
    }
}

fn ended(event: &Event) -> Result<Option<Ended>, Breach> {
    let actor = match event.claims().kind.as_str() {
        "key-revoked" => None,
        "role-ended" => Some(granted(event)?.to_string()),
        "member-removed" => Some(member(event)?.to_string()),
        _ => return Ok(None),
    };
    let kid = match (event.claims().data.contains_key("kid"), &actor) {
        (false, Some(_)) => None,
        _ => Some(Hash::from_base64url(text(event, "kid")?).ok_or(Breach::Field("kid"))?),
    };
    Ok(Some(Ended { actor, kid }))
}

/// The actor of `role-granted` and `role-ended`.
fn granted(event: &Event) -> Result<Actor, Breach> {
    let slug = || {
        text(event, "id")?
            .parse::<Slug>()
            .map_err(|_| Breach::Field("id"))
    };
    match text(event, "role")? {
        "operator" => Ok(Actor::Operator),
        "clerk" => Ok(Actor::Clerk),
        "editor" => Ok(Actor::Editor),
        "registrar" => Ok(Actor::Registrar(slug()?)),
        "auditor" => Ok(Actor::Auditor(slug()?)),
        _ => Err(Breach::Field("role")),
    }
}

/// The actor of `member-added` and `member-removed`.
fn member(event: &Event) -> Result<Actor, Breach> {
    let Stream::Project(project) = event.claims().sub else {
        return Err(Breach::Field("member"));
    };
    let member = random_id(text(event, "member")?).map_err(|_| Breach::Field("member"))?;
    Ok(Actor::Member { project, member })
}

fn text<'a>(event: &'a Event, name: &'static str) -> Result<&'a str, Breach> {
    event
        .claims()
        .data
        .get(name)
        .and_then(Value::as_str)
        .ok_or(Breach::Field(name))
}

/// Reads `[{"proof":"…","use":"event","x":"…"}, …]`, the proof being a signature over [`possession_bytes`].
fn list(
    event: &Event,
    name: &'static str,
    actor: &Actor,
    found: &mut Vec<Registration>,
) -> Result<(), Breach> {
    let keys = event.claims().data.get(name).and_then(Value::as_array);
    let keys = keys
        .filter(|keys| (1..=MAX_KEYS).contains(&keys.len()))
        .ok_or(Breach::Field(name))?;
    for entry in keys {
        let member = |part: &str| entry.get(part).and_then(Value::as_str).ok_or(Breach::Field(name));
        let usage = match member("use")? {
            "event" => KeyUse::Event,
            "access" => KeyUse::Access,
            _ => return Err(Breach::Field(name)),
        };
        let key = PublicKey::from_x(member("x")?)?;
        let kid = key.thumbprint();
        let proof = base64url::decode(member("proof")?).and_then(|bytes| bytes.try_into().ok());
        let proof: [u8; 64] = proof.ok_or(Breach::Field(name))?;
        key.verify(&possession_bytes(&event.claims().aud, actor, usage, &key), &proof)
            .map_err(|source| Breach::Possession { kid, source })?;
        found.push(Registration {
            kid,
            actor: actor.clone(),
            usage,
            key,
        });
    }
    Ok(())
}
