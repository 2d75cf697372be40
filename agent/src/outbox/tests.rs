use daybook_core::event::{Claims, Seen};
use daybook_core::key::SecretKey;
use serde_json::{Map, json};
use uuid::Uuid;

use super::*;

fn job() -> Stream {
    Stream::Job("5f6c4f0a-9d55-4a53-9a3c-3d6d4f1f0c11".parse::<Uuid>().unwrap())
}

fn event(place: Place, seen: u64) -> Event {
    let claims = Claims {
        aud: "log.example".to_owned(),
        data: Map::new(),
        iat: 1,
        iss: "tre/wessex/relay".parse().unwrap(),
        jti: crate::random::id().unwrap(),
        prev: place.prev,
        seen: Some(Seen {
            root: Hash::of(b"root"),
            size: seen,
        }),
        seq: place.seq,
        sub: job(),
        kind: "job-collected".to_owned(),
        version: 1,
    };
    Event::sign(&claims, &SecretKey::from_seed(&[1; 32])).unwrap()
}

/// Takes some events, each at the next place.
fn filled(folder: &Path, count: u64) -> (Outbox, Vec<Event>) {
    let mut outbox = Outbox::open(folder).unwrap();
    let mut events = Vec::new();
    for _ in 0..count {
        let event = event(outbox.place(&job()), 5);
        assert!(outbox.take(&event, &[], &[]).unwrap());
        events.push(event);
    }
    (outbox, events)
}

#[test]
fn what_was_taken_is_there_after_a_restart_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let (outbox, events) = filled(&path, 3);
    let place = outbox.place(&job());
    drop(outbox);
    let outbox = Outbox::open(&path).unwrap();
    assert_eq!(outbox.place(&job()), place);
    let leaves: Vec<_> = outbox.unsent().iter().map(|item| *item.event.leaf()).collect();
    assert_eq!(
        leaves,
        events.iter().map(|event| *event.leaf()).collect::<Vec<_>>()
    );
}

#[test]
fn the_same_event_twice_is_taken_once_and_another_at_its_place_never() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, events) = filled(folder.path(), 2);
    assert!(!outbox.take(&events[0], &[], &[]).unwrap());
    assert_eq!(outbox.all().len(), 2);
    let rival = event(Place::FIRST, 5);
    let refused = outbox.take(&rival, &[], &[]);
    assert!(matches!(refused, Err(OutboxError::NotNext { place, .. }) if place.seq == 3));
}

#[test]
fn an_author_does_not_go_back_behind_what_will_be_sent_before() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = filled(folder.path(), 1);
    let older = event(outbox.place(&job()), 4);
    assert!(matches!(
        outbox.take(&older, &[], &[]),
        Err(OutboxError::SeenWentBack {
            before: 5,
            now: 4,
            ..
        })
    ));
}

#[test]
fn a_proof_ends_the_waiting_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = filled(folder.path(), 2);
    outbox.set_index(1, 40);
    assert_eq!((outbox.unsent().len(), outbox.unproved().len()), (1, 1));
    outbox.keep_proof(1, "proof").unwrap();
    drop(outbox);
    let outbox = Outbox::open(folder.path()).unwrap();
    assert_eq!(
        outbox.unsent().iter().map(|item| item.number).collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn what_is_refused_is_kept_with_what_builds_on_it_and_the_place_is_the_log_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let (mut outbox, events) = filled(&path, 4);
    let problem = json!({ "code": "approval-lapsed" });
    outbox
        .set_aside(&job(), 3, problem.clone(), Some((2, *events[1].leaf())))
        .unwrap();
    let place = outbox.place(&job());
    assert_eq!(place, Place::after(2, *events[1].leaf()));
    drop(outbox);
    let mut outbox = Outbox::open(&path).unwrap();
    assert_eq!(outbox.place(&job()), place);
    assert_eq!(outbox.refusals(&job()).unwrap()[0].problem, problem);
    // And a second time, at the same place.
    outbox.take(&event(place, 5), &[], &[]).unwrap();
    outbox
        .set_aside(&job(), 3, json!({}), Some((2, *events[1].leaf())))
        .unwrap();
    assert_eq!(outbox.refusals(&job()).unwrap().len(), 2);
    let kept = names(
        &folder
            .path()
            .join("refused")
            .join(job().to_string().replace('/', ".")),
    )
    .unwrap();
    let events = kept.iter().filter(|name| seq_part(name)).count();
    assert_eq!((kept.len(), events), (5, 3));
}

#[test]
fn what_a_killed_process_began_to_set_aside_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let (outbox, events) = filled(&path, 3);
    drop(outbox);
    let note = json!({
        "stream": job().to_string(), "seq": 2, "problem": {}, "head_seq": 1, "head_leaf": events[0].leaf().to_base64url(),
    });
    let stream = path.join(job().to_string().replace('/', "."));
    fs::write(stream.join("refusal.note"), note.to_string()).unwrap();
    let outbox = Outbox::open(&path).unwrap();
    assert_eq!(outbox.place(&job()), Place::after(1, *events[0].leaf()));
    assert_eq!(outbox.all().len(), 1);
}

/// Whether a file in `refused/` holds an event, and not the reason.
fn seq_part(name: &str) -> bool {
    name.split_once('-')
        .and_then(|(_, rest)| file::seq_of(rest))
        .is_some()
}
