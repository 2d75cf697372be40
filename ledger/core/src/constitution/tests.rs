use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::event::{Claims, Seen};
use crate::key::{SecretKey, possession_bytes};

const ORIGIN: &str = "log.example";
const PROJECT: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
const MEMBER: &str = "16fd2706-8baf-433b-82eb-8c7fada847da";

/// A log in memory, judged by nothing but the constitution.
#[derive(Default)]
struct Log {
    states: BTreeMap<Stream, State>,
    heads: BTreeMap<Stream, (u64, Hash)>,
    keys: BTreeSet<Hash>,
    seen: BTreeMap<Actor, u64>,
    events: u8,
}

impl Facts for Log {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }
    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }
    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.keys.contains(kid)
    }
    fn seen(&self, actor: &Actor) -> u64 {
        self.seen.get(actor).copied().unwrap_or(0)
    }
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn entry(actor: &str, n: u8) -> Value {
    let public = key(n).public();
    let bytes = possession_bytes(ORIGIN, &actor.parse().unwrap(), KeyUse::Event, &public);
    json!({"proof": crate::base64url::encode(&key(n).sign(&bytes)), "use": "event", "x": public.to_x()})
}

impl Log {
    fn claims(&self, iss: &str, sub: &str, kind: &str, data: Value) -> Claims {
        let sub: Stream = sub.parse().unwrap();
        let head = self.heads.get(&sub).copied();
        let iss: Actor = iss.parse().unwrap();
        Claims {
            aud: ORIGIN.to_owned(),
            data: serde_json::from_value(data).unwrap(),
            iat: 0,
            seen: iss.is_service().then(|| Seen {
                root: Hash::of(b""),
                size: 1,
            }),
            iss,
            jti: uuid::Builder::from_random_bytes([self.events; 16]).into_uuid(),
            prev: head.map(|(_, leaf)| leaf),
            seq: head.map_or(1, |(seq, _)| seq + 1),
            sub,
            kind: kind.to_owned(),
            version: 1,
        }
    }

    fn append(&mut self, claims: &Claims, n: u8) -> Result<(), Breach> {
        let event = Event::sign(claims, &key(n)).unwrap();
        let new = check(ORIGIN, &event, self)?;
        self.events += 1;
        let state = self.states.entry(claims.sub.clone()).or_default();
        apply(&event, &new, state);
        self.heads.insert(claims.sub.clone(), (claims.seq, *event.leaf()));
        self.keys.extend(new.iter().map(|new| new.kid));
        if let Some(seen) = claims.seen {
            self.seen.insert(claims.iss.clone(), seen.size);
        }
        Ok(())
    }

    fn says(&mut self, iss: &str, sub: &str, kind: &str, n: u8, data: Value) -> Result<(), Breach> {
        let claims = self.claims(iss, sub, kind, data);
        self.append(&claims, n)
    }

    /// Operator 1, clerk 2, editor 3, registrar 4, root 5, relay 6, member 7.
    fn opened() -> Self {
        let mut log = Self::default();
        let operator = json!({"operator": [entry("operator", 1)], "clerk": [entry("hub/clerk", 2)]});
        log.says("operator", "federation", "log-opened", 1, operator)
            .unwrap();
        let registrar = json!({"role": "registrar", "id": "main", "keys": [entry("registrar/main", 4)]});
        log.says("operator", "federation", "role-granted", 1, registrar)
            .unwrap();
        let root = json!({"root": key(5).public().thumbprint().to_base64url(), "tre": "wessex"});
        log.says("operator", "federation", "tre-invited", 1, root)
            .unwrap();
        let joined = json!({"keys": [entry("tre/wessex/root", 5)]});
        log.says("tre/wessex/root", "tre/wessex", "tre-joined", 5, joined)
            .unwrap();
        let relay = json!({"role": "relay", "keys": [entry("tre/wessex/relay", 6)]});
        log.says("tre/wessex/root", "tre/wessex", "key-added", 5, relay)
            .unwrap();
        log.says(
            "registrar/main",
            &format!("project/{PROJECT}"),
            "project-registered",
            4,
            json!({}),
        )
        .unwrap();
        log
    }
}

#[test]
fn a_federation_can_be_founded() {
    let mut log = Log::opened();
    let project = format!("project/{PROJECT}");
    let member = format!("{project}/member/{MEMBER}");
    let added = json!({"member": MEMBER, "keys": [entry(&member, 7)]});
    log.says("registrar/main", &project, "member-added", 4, added)
        .unwrap();
    log.says(
        &member,
        &format!("submission/{MEMBER}"),
        "job-submitted",
        7,
        json!({}),
    )
    .unwrap();
    log.says(
        "tre/wessex/relay",
        &format!("job/{MEMBER}"),
        "job-collected",
        6,
        json!({}),
    )
    .unwrap();
}

#[test]
fn the_operator_cannot_speak_for_a_tre() {
    let mut log = Log::opened();
    let relay = json!({"role": "relay", "keys": [entry("tre/wessex/relay", 9)]});
    let stream: Stream = "tre/wessex".parse().unwrap();
    let refused = |actor: &str| Breach::NotYourStream {
        actor: actor.parse().unwrap(),
        stream: stream.clone(),
    };
    assert_eq!(
        log.says("operator", "tre/wessex", "key-added", 1, relay.clone()),
        Err(refused("operator"))
    );
    // With the operator's key under the TRE's name.
    let not_yours = |n, actor: &str| Breach::NotYourKey {
        kid: key(n).public().thumbprint(),
        actor: actor.parse().unwrap(),
    };
    let outcome = log.says("tre/wessex/root", "tre/wessex", "key-added", 1, relay.clone());
    assert_eq!(outcome, Err(not_yours(1, "tre/wessex/root")));
    // With a role that only TREs have.
    let role = json!({"role": "relay", "id": "wessex", "keys": [entry("tre/wessex/relay", 9)]});
    assert_eq!(
        log.says("operator", "federation", "role-granted", 1, role),
        Err(Breach::Field("role"))
    );
    // A lent key cannot lend on.
    let outcome = log.says("tre/wessex/relay", "tre/wessex", "key-added", 6, relay);
    assert_eq!(outcome, Err(Breach::RootOnly("key-added".into())));
}

#[test]
fn a_tre_joins_only_with_the_invited_root() {
    let mut log = Log::opened();
    for (tre, n) in [("mercia", 8), ("wessex", 8)] {
        let actor = format!("tre/{tre}/root");
        let joined = json!({"keys": [entry(&actor, n)]});
        assert!(
            log.says(&actor, &format!("tre/{tre}"), "tre-joined", n, joined)
                .is_err(),
            "{tre}"
        );
    }
}

#[test]
fn order_in_a_stream_is_exact() {
    let mut log = Log::opened();
    let stream = format!("job/{MEMBER}");
    let next = |seq, prev| Breach::NotNext {
        stream: stream.parse().unwrap(),
        seq,
        prev,
    };
    let mut claims = log.claims("tre/wessex/relay", &stream, "job-collected", json!({}));
    claims.seq = 2;
    claims.prev = Some(Hash::of(b"x"));
    assert_eq!(log.append(&claims, 6), Err(next(1, None)));
    log.says("tre/wessex/relay", &stream, "job-collected", 6, json!({}))
        .unwrap();
    let (_, leaf) = log.heads[&stream.parse().unwrap()];
    assert_eq!(log.append(&claims, 6), Err(next(2, Some(leaf))));
}

#[test]
fn a_stream_keeps_its_author() {
    let mut log = Log::opened();
    let stream = format!("dataset/{MEMBER}");
    log.states
        .entry(stream.parse().unwrap())
        .or_default()
        .insert("author".into(), "tre/mercia".into());
    let outcome = log.says("tre/wessex/relay", &stream, "dataset-registered", 6, json!({}));
    assert!(matches!(outcome, Err(Breach::NotYourStream { .. })));
}

#[test]
fn a_revoked_key_signs_nothing_more() {
    let mut log = Log::opened();
    let kid = key(6).public().thumbprint();
    let revoked = json!({"kid": kid.to_base64url()});
    log.says("tre/wessex/root", "tre/wessex", "key-revoked", 5, revoked)
        .unwrap();
    let outcome = log.says(
        "tre/wessex/relay",
        &format!("job/{MEMBER}"),
        "job-collected",
        6,
        json!({}),
    );
    assert_eq!(
        outcome,
        Err(Breach::NotYourKey {
            kid,
            actor: "tre/wessex/relay".parse().unwrap()
        })
    );
    // Nor does it come back, under this name or another.
    let again = json!({"role": "review", "keys": [entry("tre/wessex/review", 6)]});
    assert_eq!(
        log.says("tre/wessex/root", "tre/wessex", "key-added", 5, again),
        Err(Breach::KeyKnown(kid))
    );
}

#[test]
fn roles_and_memberships_end_with_their_keys() {
    let mut log = Log::opened();
    let ended = json!({"role": "registrar", "id": "main"});
    log.says("operator", "federation", "role-ended", 1, ended)
        .unwrap();
    let outcome = log.says(
        "registrar/main",
        &format!("project/{PROJECT}"),
        "project-closed",
        4,
        json!({}),
    );
    assert!(matches!(outcome, Err(Breach::NotYourKey { .. })));
}

#[test]
fn roles_of_the_hub_renew_their_keys_and_the_last_stays() {
    let mut log = Log::opened();
    let kid = |n| key(n).public().thumbprint().to_base64url();
    let last = |actor: &str| Err(Breach::LastKey(actor.parse().unwrap()));
    let end = |log: &mut Log, n, data| log.says("operator", "federation", "role-ended", n, data);
    assert_eq!(end(&mut log, 1, json!({"role": "operator"})), last("operator"));
    let second = json!({"role": "operator", "keys": [entry("operator", 11)]});
    log.says("operator", "federation", "role-granted", 1, second)
        .unwrap();
    let first = json!({"role": "operator", "kid": kid(1), "suspect_from": 4});
    end(&mut log, 11, first).unwrap();
    assert_eq!(log.states[&Stream::Federation]["doubts"], json!({kid(1): 4}));
    let data = json!({"role": "operator", "kid": kid(11)});
    assert_eq!(end(&mut log, 11, data.clone()), last("operator"));
    let unknown = Breach::NoSuchKey(key(11).public().thumbprint());
    let clerks = json!({"role": "clerk", "kid": kid(11)});
    assert_eq!(end(&mut log, 11, clerks), Err(unknown));
    // A key for access does not keep a home.
    let mut access = entry("operator", 12);
    let public = key(12).public();
    let bytes = possession_bytes(ORIGIN, &Actor::Operator, KeyUse::Access, &public);
    access["use"] = "access".into();
    access["proof"] = crate::base64url::encode(&key(12).sign(&bytes)).into();
    let third = json!({"role": "operator", "keys": [access]});
    log.says("operator", "federation", "role-granted", 11, third)
        .unwrap();
    assert_eq!(end(&mut log, 11, data), last("operator"));
}

#[test]
fn a_root_lends_a_root_and_the_last_stays() {
    let mut log = Log::opened();
    let revoked = json!({"kid": key(5).public().thumbprint().to_base64url()});
    let root = "tre/wessex/root";
    let outcome = log.says(root, "tre/wessex", "key-revoked", 5, revoked.clone());
    assert_eq!(outcome, Err(Breach::LastKey(root.parse().unwrap())));
    let second = json!({"role": "root", "keys": [entry(root, 9)]});
    log.says(root, "tre/wessex", "key-added", 5, second).unwrap();
    log.says(root, "tre/wessex", "key-revoked", 9, revoked).unwrap();
    let relay = json!({"role": "relay", "keys": [entry("tre/wessex/relay", 10)]});
    assert!(
        log.says(root, "tre/wessex", "key-added", 5, relay.clone())
            .is_err()
    );
    log.says(root, "tre/wessex", "key-added", 9, relay).unwrap();
}

#[test]
fn possession_is_proved() {
    let mut log = Log::opened();
    let mut stolen = entry("tre/wessex/runner", 9);
    stolen["x"] = key(10).public().to_x().into();
    let added = json!({"role": "runner", "keys": [stolen]});
    let kid = key(10).public().thumbprint();
    let outcome = log.says("tre/wessex/root", "tre/wessex", "key-added", 5, added);
    assert_eq!(
        outcome,
        Err(Breach::Possession {
            kid,
            source: KeyError::Signature
        })
    );
    // A proof for another actor does not fit.
    let added = json!({"role": "runner", "keys": [entry("tre/wessex/relay", 10)]});
    let outcome = log.says("tre/wessex/root", "tre/wessex", "key-added", 5, added);
    assert_eq!(
        outcome,
        Err(Breach::Possession {
            kid,
            source: KeyError::Signature
        })
    );
}

#[test]
fn services_state_what_they_have_seen_and_never_less() {
    let mut log = Log::opened();
    let stream = format!("job/{MEMBER}");
    let actor: Actor = "tre/wessex/relay".parse().unwrap();
    let mut claims = log.claims("tre/wessex/relay", &stream, "job-collected", json!({}));
    claims.seen = None;
    assert_eq!(log.append(&claims, 6), Err(Breach::SeenMissing(actor.clone())));
    log.seen.insert(actor.clone(), 5);
    claims.seen = Some(Seen {
        root: Hash::of(b""),
        size: 4,
    });
    assert_eq!(
        log.append(&claims, 6),
        Err(Breach::SeenWentBack {
            actor,
            before: 5,
            now: 4
        })
    );
}

#[test]
fn keys_are_registered_at_home_only() {
    let mut log = Log::opened();
    let elsewhere = |actor: &str, stream: &str| {
        Err(Breach::NotYourStream {
            actor: actor.parse().unwrap(),
            stream: stream.parse().unwrap(),
        })
    };
    // A TRE that nobody invited, in a stream that any TRE may begin.
    for kind in ["job", "dataset"] {
        let stream = format!("{kind}/{MEMBER}");
        let joined = json!({"keys": [entry("tre/mercia/root", 9)]});
        assert_eq!(
            log.says("tre/mercia/root", &stream, "tre-joined", 9, joined),
            elsewhere("tre/mercia/root", &stream)
        );
    }
    // A role that a TRE grants to itself.
    let stream = format!("job/{MEMBER}");
    let editor = json!({"role": "editor", "keys": [entry("hub/editor", 9)]});
    assert_eq!(
        log.says("tre/wessex/relay", &stream, "role-granted", 6, editor),
        elsewhere("hub/editor", &stream)
    );
    // The first event, in the operator's other stream.
    let mut empty = Log::default();
    let operator = json!({"operator": [entry("operator", 1)], "clerk": [entry("hub/clerk", 2)]});
    let outcome = empty.says(
        "operator",
        &format!("erasure/{MEMBER}"),
        "log-opened",
        1,
        operator,
    );
    assert_eq!(outcome, Err(Breach::Opening));
}

#[test]
fn another_log_and_a_second_opening_are_refused() {
    let mut log = Log::opened();
    let mut claims = log.claims("operator", "federation", "tre-suspended", json!({}));
    claims.aud = "staging.example".to_owned();
    assert!(matches!(log.append(&claims, 1), Err(Breach::OtherLog { .. })));
    let again = json!({"operator": [entry("operator", 11)], "clerk": [entry("hub/clerk", 12)]});
    assert_eq!(
        log.says("operator", "federation", "log-opened", 1, again),
        Err(Breach::Opening)
    );
    let mut empty = Log::default();
    assert_eq!(
        empty.says("operator", "federation", "tre-invited", 1, json!({})),
        Err(Breach::Opening)
    );
}
