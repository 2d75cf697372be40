//! How entries change keys: as the constitution registers and ends them.

use daybook_core::id::{Actor, Stream, TreRole};
use daybook_core::key::PublicKey;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};
use serde_json::Value;

use super::Key;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    keys: Rows<Key>,
}

/// What an entry does to keys.
enum Effect {
    /// Registers the keys of a list for an actor.
    Adds(Vec<(Actor, &'static str)>),
    /// Ends all keys of an actor, or the one that is named.
    Ends(Option<Actor>),
    /// Says what holds of what a key signed in doubt.
    Settles,
    Nothing,
}

fn effect(entry: &Entry) -> Result<Effect, FoldError> {
    Ok(match entry.kind.as_str() {
        "log-opened" => Effect::Adds(vec![(Actor::Operator, "operator"), (Actor::Clerk, "clerk")]),
        "tre-joined" => Effect::Adds(vec![(entry.author.clone(), "keys")]),
        "role-granted" => Effect::Adds(vec![(holder(entry)?, "keys")]),
        "key-added" => Effect::Adds(vec![(lent(entry)?, "keys")]),
        "member-added" => Effect::Adds(vec![(member(entry)?, "keys")]),
        "key-revoked" => Effect::Ends(None),
        "role-ended" => Effect::Ends(Some(holder(entry)?)),
        "member-removed" => Effect::Ends(Some(member(entry)?)),
        "role-doubts-settled" | "key-doubts-settled" | "member-doubts-settled" => Effect::Settles,
        _ => Effect::Nothing,
    })
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        match effect(entry)? {
            Effect::Ends(Some(actor)) => self.keys.want_by("actor", actor.to_string()),
            Effect::Ends(None) | Effect::Settles => self.keys.want((entry.text("kid")?.to_owned(),)),
            Effect::Adds(_) | Effect::Nothing => {}
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        match effect(entry)? {
            Effect::Adds(lists) => lists
                .into_iter()
                .try_for_each(|(actor, list)| self.add(entry, &actor, list)),
            Effect::Ends(actor) => {
                let actor = actor.map(|actor| actor.to_string());
                let kid = entry.maybe_text("kid");
                let reason = entry.maybe_text("reason");
                let suspect_from = entry.maybe_integer("suspect_from");
                self.keys.change_each(|key| {
                    let is_meant = key.ended.is_none()
                        && actor.as_ref().is_none_or(|actor| key.actor == *actor)
                        && kid.as_ref().is_none_or(|kid| key.kid == *kid);
                    if is_meant {
                        key.ended = Some(entry.index);
                        key.reason.clone_from(&reason);
                        key.suspect_from = suspect_from;
                    }
                    is_meant
                });
                Ok(())
            }
            Effect::Settles => {
                let kid = (entry.text("kid")?.to_owned(),);
                self.keys.change(&kid, entry, |key| {
                    key.settled = Some(entry.text("rest")?.to_owned());
                    Ok(())
                })
            }
            Effect::Nothing => Ok(()),
        }
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.keys]
    }
}

impl Changes {
    fn add(&mut self, entry: &Entry, actor: &Actor, list: &'static str) -> Result<(), FoldError> {
        let keys = entry.field(list)?.as_array().ok_or_else(|| entry.no(list))?;
        for key in keys {
            let text = |name: &str| key.get(name).and_then(Value::as_str);
            let (Some(x), Some(usage)) = (text("x"), text("use")) else {
                return Err(entry.no(list));
            };
            let kid = PublicKey::from_x(x).map_err(|_| entry.no(list))?.thumbprint();
            self.keys.put(Key {
                kid: kid.to_base64url(),
                registered: entry.index,
                actor: actor.to_string(),
                usage: usage.to_owned(),
                x: x.to_owned(),
                ended: None,
                reason: None,
                suspect_from: None,
                settled: None,
            });
        }
        Ok(())
    }
}

/// The actor of `role-granted` and `role-ended`.
fn holder(entry: &Entry) -> Result<Actor, FoldError> {
    let slug = || entry.text("id")?.parse().map_err(|_| entry.no("id"));
    match entry.text("role")? {
        "operator" => Ok(Actor::Operator),
        "clerk" => Ok(Actor::Clerk),
        "editor" => Ok(Actor::Editor),
        "registrar" => Ok(Actor::Registrar(slug()?)),
        "auditor" => Ok(Actor::Auditor(slug()?)),
        _ => Err(entry.no("role")),
    }
}

/// The actor of `key-added`.
fn lent(entry: &Entry) -> Result<Actor, FoldError> {
    let role = match entry.text("role")? {
        "root" => TreRole::Root,
        "relay" => TreRole::Relay,
        "runner" => TreRole::Runner,
        "review" => TreRole::Review,
        _ => return Err(entry.no("role")),
    };
    match &entry.stream {
        Stream::Tre(tre) => Ok(Actor::Tre(tre.clone(), role)),
        _ => Err(entry.no("sub")),
    }
}

/// The actor of `member-added` and `member-removed`.
fn member(entry: &Entry) -> Result<Actor, FoldError> {
    let member = entry.id("member")?;
    match entry.stream {
        Stream::Project(project) => Ok(Actor::Member { project, member }),
        _ => Err(entry.no("sub")),
    }
}
