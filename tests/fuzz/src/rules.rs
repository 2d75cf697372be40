//! Targets for the constitution and the rule table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use daybook_core::constitution::{Facts, State, apply, check, registrations, valid_key};
use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream};
use daybook_core::{Hash, canonical};
use daybook_rules::{Table, judge};

use crate::events::sign;

const ORIGIN: &str = "log.example/daybook";

/// A log in memory: what is known of it after some events.
#[derive(Default)]
struct Known {
    states: BTreeMap<Stream, State>,
    heads: BTreeMap<Stream, (u64, Hash)>,
    keys: BTreeSet<Hash>,
}

impl Facts for Known {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }
    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }
    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.keys.contains(kid)
    }
    fn seen(&self, _: &Actor) -> u64 {
        0
    }
}

impl Known {
    fn append(&mut self, event: &Event) {
        let new = registrations(event).unwrap_or_default();
        let claims = event.claims();
        apply(event, &new, self.states.entry(claims.sub.clone()).or_default());
        self.heads.insert(claims.sub.clone(), (claims.seq, *event.leaf()));
        self.keys.extend(new.iter().map(|new| new.kid));
    }
}

/// Logs of which nothing, an opening, an invitation, or an invited TRE that joined is known; all by the key of these targets.
///
/// They are made of the corpus's own first seeds; one that does not read is left out.
static LOGS: LazyLock<[Known; 4]> = LazyLock::new(|| {
    let opened = &include_bytes!("../corpus/constitution/1-log-opened")[..];
    let invited = &include_bytes!("../corpus/constitution/2-tre-invited")[..];
    let joined = &include_bytes!("../corpus/constitution/3-tre-joined")[..];
    [
        vec![],
        vec![opened, invited],
        vec![invited],
        vec![invited, joined],
    ]
    .map(|payloads| {
        let mut known = Known::default();
        for payload in payloads {
            if let Ok(event) = Event::parse(&sign("daybook-event+jwt", payload)) {
                known.append(&event);
            }
        }
        known
    })
});

/// Checks a signed payload against the constitution, as the next event of several logs.
///
/// # Panics
/// When an accepted event registers a key away from its home, one that is there already, or one that is not valid then;
/// or changes a stream that it may not write.
pub fn constitution(data: &[u8]) {
    let Ok(event) = Event::parse(&sign("daybook-event+jwt", data)) else {
        return;
    };
    let claims = event.claims();
    for known in LOGS.iter() {
        // No rule table makes good what the constitution forbids.
        let judged = judge(Table::v1(), ORIGIN, known, &event);
        let Ok(new) = check(ORIGIN, &event, known) else {
            assert!(judged.is_err(), "the rules follow the constitution");
            continue;
        };
        assert!(claims.sub.admits(&claims.iss.organisation()), "its own stream");
        assert_eq!(claims.aud, ORIGIN, "for this log");
        let mut state = known.states.get(&claims.sub).cloned().unwrap_or_default();
        apply(&event, &new, &mut state);
        for key in &new {
            assert_eq!(key.actor.home(), claims.sub, "keys live at home");
            assert_eq!(key.key.thumbprint(), key.kid, "a key's name is its own");
            assert!(!known.keys.contains(&key.kid), "a key is registered once");
            let found = valid_key(Some(&state), &key.actor, &key.kid, key.usage);
            assert_eq!(found.as_ref(), Some(&key.key), "a registered key is valid");
        }
    }
}

/// Loads a rule table.
///
/// # Panics
/// When an accepted table does not load again from its own canonical form as the same table.
pub fn table(data: &[u8]) {
    let Ok(value) = serde_json::from_slice(data) else {
        return;
    };
    let Ok(table) = Table::from_value(&value) else {
        return;
    };
    assert_eq!(
        canonical::parse(table.canonical().as_bytes()),
        Ok(table.to_value())
    );
    assert_eq!(table.hash(), Hash::of(table.canonical().as_bytes()));
    assert_eq!(Table::from_value(&table.to_value()).ok().as_ref(), Some(&table));
}
