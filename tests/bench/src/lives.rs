//! Events signed beforehand: the lives of many jobs, each made from one that the real rules have judged.
//!
//! A world runs one job of each kind. Every further life is that one with other ids, salts and signatures: the same
//! authors, fields and sealed fields, and so the same work for a hub.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::{Actor, Stream};
use daybook_core::key::SecretKey;
use daybook_core::sealed::{Opening, ReaderClass, SALT_BYTES, digest_list};
use daybook_core::{Hash, id};
use daybook_rules::Table;
use daybook_world::{Cast, Ending, World};
use serde_json::Value;
use uuid::Uuid;

/// The TREs of the federation.
const TRES: [&str; 4] = ["wessex", "mercia", "cornwall", "fens"];
/// How ten jobs end; most are released.
const ENDINGS: [Ending; 10] = [
    Ending::Released,
    Ending::Released,
    Ending::ReleasedInPart,
    Ending::Released,
    Ending::Withheld,
    Ending::Released,
    Ending::Refused,
    Ending::Released,
    Ending::Abandoned,
    Ending::Released,
];

/// A federation at work: four TREs, each of which has approved the project, its workflow and its member for a year from
/// `now` on, in seconds since 1970.
pub(crate) fn federation(now: i64) -> World {
    let mut world = World::founded();
    for tre in TRES.iter().filter(|tre| !Cast::TRES.contains(tre)) {
        world.join(tre);
    }
    // A day ago, so that no life is dated ahead of the hub's clock.
    world.now = world.now.max(now - 86_400);
    for tre in TRES {
        for subject in ["project", "workflow", "member"] {
            let draft = world.approval(tre, subject);
            world.say(&draft);
        }
    }
    world
}

/// An event of a life that ran in a world.
struct Step {
    claims: Claims,
    openings: Vec<Opening>,
    leaf: String,
}

/// A life that ran, to be lived again under other ids.
struct Model {
    steps: Vec<Step>,
    /// The ids that each life has for itself, and the numbers under which it makes them.
    ids: BTreeMap<String, u64>,
}

/// Ids and leaf hashes of a model, and those of a life made from it.
type Names = HashMap<String, String>;

/// Who signs lives.
struct Voice<'a> {
    /// The world of the models.
    world: &'a World,
    /// Keys that were made already.
    keys: HashMap<Actor, SecretKey>,
    /// The tree that services say that they saw.
    seen: Seen,
    /// What no other life is called.
    seed: String,
}

impl<'a> Voice<'a> {
    /// Speaks after all that a world has said.
    fn of(world: &'a World) -> Self {
        let size = world.entries().len();
        Self {
            world,
            keys: HashMap::new(),
            seen: Seen {
                root: world.root(size),
                size: size as u64,
            },
            seed: String::new(),
        }
    }

    fn bytes(&self, what: &str) -> [u8; 32] {
        Hash::of(format!("{} {what}", self.seed).as_bytes()).0
    }

    fn key(&mut self, author: &Actor) -> &SecretKey {
        self.keys
            .entry(author.clone())
            .or_insert_with(|| self.world.key(author))
    }
}

/// Makes lives of single jobs, all of one project.
pub(crate) struct Lives<'a> {
    models: Vec<Model>,
    voice: Voice<'a>,
    seed: String,
    next: u64,
}

/// A signed event with the openings that travel beside it.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// The event.
    pub(crate) event: Event,
    /// Its openings.
    pub(crate) openings: Vec<Opening>,
}

impl Signed {
    /// The body of the request that appends it.
    pub(crate) fn body(&self) -> String {
        let openings: Vec<&str> = self.openings.iter().map(Opening::as_str).collect();
        serde_json::json!({ "event": self.event.as_str(), "openings": openings }).to_string()
    }
}

impl<'a> Lives<'a> {
    /// Begins after the founding of a federation. Two seeds never give the same event.
    pub(crate) fn new(founded: &'a World, seed: &str) -> Self {
        let mut models = Vec::new();
        for (n, ending) in ENDINGS.iter().enumerate() {
            models.push(Model::of_job(founded, TRES[n % TRES.len()], *ending));
        }
        Self {
            models,
            voice: Voice::of(founded),
            seed: seed.to_owned(),
            next: 0,
        }
    }

    /// Signs the next life, in order.
    pub(crate) fn sign(&mut self) -> Result<Vec<Signed>> {
        let life = self.next;
        self.next += 1;
        self.voice.seed = format!("{} {life}", self.seed);
        let model = &self.models[usize::try_from(life)? % self.models.len()];
        model.live(&mut self.voice)
    }
}

impl Model {
    /// One submission to a TRE, whose job ends like that.
    fn of_job(founded: &World, tre: &str, ending: Ending) -> Self {
        let mut world = founded.clone();
        let job = world.run_job(tre, ending);
        let new = &world.entries()[founded.entries().len()..];
        let mut ids = vec![job.to_string()];
        for event in new {
            let claims = event.claims();
            if let Stream::Submission(id) = &claims.sub {
                ids.push(id.to_string());
            }
            if let Some(packet) = claims.data.get("packet").and_then(Value::as_str) {
                ids.push(packet.to_owned());
            }
        }
        Self::new(&world, new.iter().collect(), ids)
    }

    fn new(world: &World, events: Vec<&Event>, own: Vec<String>) -> Self {
        let mut ids = BTreeMap::new();
        for id in own {
            let slot = ids.len() as u64;
            ids.entry(id).or_insert(slot);
        }
        let step = |event: &Event| Step {
            claims: event.claims().clone(),
            openings: travelling(world.table(), &event.claims().kind, world.openings(event)),
            leaf: event.leaf().to_base64url(),
        };
        Self {
            steps: events.into_iter().map(step).collect(),
            ids,
        }
    }

    /// Lives once more.
    fn live(&self, voice: &mut Voice<'_>) -> Result<Vec<Signed>> {
        let mut names = Names::new();
        for (old, slot) in &self.ids {
            let new = random(&voice.bytes(&format!("id {slot}"))).to_string();
            names.insert(old.clone(), new);
        }
        let mut heads: HashMap<Stream, Hash> = HashMap::new();
        let mut signed = Vec::with_capacity(self.steps.len());
        for (n, step) in self.steps.iter().enumerate() {
            let mut claims = step.claims.clone();
            claims.sub = replaced(&claims.sub.to_string(), &names).parse()?;
            claims.iss = replaced(&claims.iss.to_string(), &names).parse()?;
            claims.prev = heads.get(&claims.sub).copied();
            claims.jti = random(&voice.bytes(&format!("jti {n}")));
            claims.seen = claims.seen.map(|_| voice.seen);
            for value in claims.data.values_mut() {
                replace(value, &names);
            }
            let salts = voice.bytes(&format!("salt {n}"));
            let openings = reseal(step, &mut claims, &salts)?;
            let event = Event::sign(&claims, voice.key(&claims.iss))?;
            heads.insert(claims.sub, *event.leaf());
            names.insert(step.leaf.clone(), event.leaf().to_base64url());
            signed.push(Signed { event, openings });
        }
        Ok(signed)
    }
}

/// Those of an event's openings that may travel to a hub.
pub(crate) fn travelling(table: &Table, kind: &str, openings: Vec<Opening>) -> Vec<Opening> {
    let stays = |opening: &Opening| {
        let field = table.rule(kind).and_then(|rule| rule.sealed.get(opening.name()));
        field.is_some_and(|field| field.class == ReaderClass::IssuerOnly)
    };
    openings.into_iter().filter(|opening| !stays(opening)).collect()
}

/// Seals the same values under other salts, and fills up with decoys.
fn reseal(step: &Step, claims: &mut Claims, salts: &[u8; 32]) -> Result<Vec<Opening>> {
    let digests = claims.digests().count();
    if digests == 0 {
        return Ok(Vec::new());
    }
    let fresh = |n: usize| Hash::of(&[salts.as_slice(), &n.to_le_bytes()].concat()).0;
    let mut openings = Vec::with_capacity(step.openings.len());
    for (n, old) in step.openings.iter().enumerate() {
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&fresh(n)[..SALT_BYTES]);
        openings.push(Opening::new(salt, old.name(), old.value().clone())?);
    }
    let decoys: Vec<[u8; 32]> = (openings.len()..digests).map(fresh).collect();
    claims
        .data
        .insert("_sd".to_owned(), digest_list(&openings, &decoys));
    Ok(openings)
}

fn replace(value: &mut Value, names: &Names) {
    match value {
        Value::String(text) => {
            if let Some(new) = names.get(text.as_str()) {
                text.clone_from(new);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, names)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, names)),
        _ => {}
    }
}

/// The name of a stream or an actor with other ids in it.
fn replaced(name: &str, names: &Names) -> String {
    let parts = name.split('/');
    let new: Vec<&str> = parts
        .map(|part| names.get(part).map_or(part, String::as_str))
        .collect();
    new.join("/")
}

fn random(bytes: &[u8; 32]) -> Uuid {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    let made = uuid::Builder::from_random_bytes(half).into_uuid();
    debug_assert!(id::random_id(&made.to_string()).is_ok());
    made
}

#[cfg(test)]
mod tests {
    use daybook_world::BEGINNING;

    use super::*;

    #[test]
    fn every_life_is_allowed_and_no_event_is_made_twice() {
        let founded = federation(BEGINNING);
        let (mut world, mut lives) = (founded.clone(), Lives::new(&founded, "a"));
        let mut leaves = std::collections::BTreeSet::new();
        for _ in 0..2 * ENDINGS.len() {
            let life = lives.sign().unwrap();
            assert!(life.len() <= crate::run::LONGEST_LIFE);
            for signed in life {
                let verdict = world.append(&signed.event);
                assert!(verdict.is_ok(), "{}: {verdict:?}", signed.event.claims().kind);
                daybook_rules::check_openings(world.table(), &signed.event, &signed.openings).unwrap();
                assert!(leaves.insert(*signed.event.leaf()));
            }
        }
        let other = Lives::new(&founded, "b").sign().unwrap();
        assert!(!leaves.contains(other[0].event.leaf()));
    }
}
