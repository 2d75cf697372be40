//! One event at a time: what is taken, what is refused, and what a repeat is told.

use daybook_core::event::{Event, Seen};
use daybook_core::id::{Actor, Stream, TreRole};
use daybook_core::{Hash, base64url};
use daybook_store::append::{AppendError, Candidate, MAX_AHEAD, Pace};
use daybook_testkit::{TestLog, workflow};
use daybook_world::{Cast, Draft, id};
use futures::future::join_all;
use serde_json::json;

use crate::support::{check_whole, code, number, refusal, signed};

fn dataset(name: &str) -> Draft {
    let relay = Cast::tre("wessex", TreRole::Relay);
    Draft::new(
        &relay,
        &Stream::Dataset(id(name)),
        "dataset-registered",
        json!({}),
    )
}

fn revocation(log: &TestLog) -> Draft {
    let relay = Cast::tre("wessex", TreRole::Relay);
    let kid = log.world.key(&relay).public().thumbprint().to_base64url();
    let root = Cast::tre("wessex", TreRole::Root);
    Draft::new(
        &root,
        &root.home(),
        "key-revoked",
        json!({ "kid": kid, "reason": "lost" }),
    )
}

#[tokio::test]
async fn log_begins_with_its_opening_and_nothing_else() {
    let mut log = TestLog::empty().await;
    let early = log.workflows("early", 1).await.remove(0);
    assert!(matches!(refusal(&log, &early).await, AppendError::UnknownKey(_)));
    let tables_first = log.world.usual("policy-adopted");
    let tables_first = log.sign(&tables_first).await;
    assert!(matches!(
        refusal(&log, &tables_first).await,
        AppendError::UnknownKey(_)
    ));
    for (index, kind) in (0..).zip(["log-opened", "policy-adopted"]) {
        let (_, receipt) = log.say(&log.world.usual(kind)).await;
        assert_eq!((receipt.index, receipt.is_repeat), (index, false));
    }
    let again = log.world.usual("log-opened");
    let again = log.sign(&again).await;
    assert_eq!(code(&refusal(&log, &again).await), "not-opened");
    assert_eq!(check_whole(&log.owner().await).await.len(), 2);
}

#[tokio::test]
async fn entry_is_exactly_the_bytes_that_were_signed_and_its_openings_stand_beside_it() {
    let mut log = TestLog::founded().await;
    let draft = workflow(&log.world, "one").seal("author", "Somebody".into());
    let (candidate, receipt) = log.say(&draft).await;
    assert_eq!(receipt.leaf, Hash::leaf(candidate.event.as_str().as_bytes()));
    let entry = log.store.reader.entry(receipt.index).await.unwrap().unwrap();
    assert_eq!((entry.index, entry.leaf), (receipt.index, receipt.leaf));
    assert_eq!(entry.event, candidate.event.as_str());
    let stored = log.store.reader.openings(receipt.index).await.unwrap();
    let mut found: Vec<_> = stored
        .iter()
        .map(|one| (one.name.as_str(), one.class.as_str()))
        .collect();
    found.sort_unstable();
    let public = ["permalink", "title", "version"].map(|name| (name, "public"));
    assert_eq!(found, [&[("author", "auditor")], &public[..]].concat());
    for one in &candidate.openings {
        assert!(
            stored
                .iter()
                .any(|found| found.name == one.name() && found.opening == one.as_str())
        );
    }
    let owner = log.owner().await;
    let kept_for_ever = "SELECT count(*) FROM openings WHERE class = 'public' AND retain_until IS NULL";
    assert!(number(&owner, kept_for_ever).await >= 3);
    let head = log
        .store
        .reader
        .stream_head(&draft.stream.to_string())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((head.seq, head.leaf), (1, Some(receipt.leaf)));
    assert_eq!(Some(&head.state), log.world.states().get(&draft.stream));
}

#[tokio::test]
async fn states_in_the_database_are_those_of_the_rules() {
    let log = TestLog::founded().await;
    for (stream, state) in log.world.states() {
        let head = log
            .store
            .reader
            .stream_head(&stream.to_string())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&head.state, state, "{stream}");
    }
    let owner = log.owner().await;
    let known = i64::try_from(log.world.known_keys().len()).unwrap();
    assert_eq!(number(&owner, "SELECT count(*) FROM keys").await, known);
    for kid in log.world.known_keys() {
        assert_eq!(
            log.store.reader.key(&kid).await.unwrap().unwrap().thumbprint(),
            kid
        );
    }
}

#[tokio::test]
async fn same_bytes_again_have_the_same_receipt() {
    let mut log = TestLog::founded().await;
    let (candidate, first) = log.say(&workflow(&log.world, "one")).await;
    let again = log.offer(&candidate).await.unwrap();
    assert_eq!(
        (again.index, again.leaf, again.is_repeat),
        (first.index, first.leaf, true)
    );

    let other = log.workflows("other", 1).await.remove(0);
    let answers = join_all((0..32).map(|_| log.offer(&other))).await;
    let receipts: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.is_repeat).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.index == first.index + 1));
    check_whole(&log.owner().await).await;
}

#[tokio::test]
async fn same_bytes_again_have_the_same_receipt_after_the_key_was_revoked() {
    let mut log = TestLog::founded().await;
    let (candidate, first) = log.say(&dataset("before")).await;
    let revoked = revocation(&log);
    log.say(&revoked).await;
    assert_eq!(log.offer(&candidate).await.unwrap().index, first.index);
    let after = log.sign(&dataset("after")).await;
    assert_eq!(code(&refusal(&log, &after).await), "not-your-key");
}

#[tokio::test]
async fn same_bytes_again_have_the_same_receipt_when_the_clock_was_set_back() {
    let mut log = TestLog::founded().await;
    let (candidate, first) = log.say(&workflow(&log.world, "one")).await;
    let early = candidate.event.claims().iat - MAX_AHEAD - 1;
    let again = log.store.appender.append(candidate, early).await.unwrap();
    assert_eq!((again.index, again.is_repeat), (first.index, true));
}

#[tokio::test]
async fn erased_opening_never_comes_back_by_a_repeat() {
    let mut log = TestLog::founded().await;
    let (candidate, receipt) = log.say(&workflow(&log.world, "one")).await;
    assert!(!log.store.reader.openings(receipt.index).await.unwrap().is_empty());
    let owner = log.owner().await;
    let index = i64::try_from(receipt.index).unwrap();
    owner
        .execute("DELETE FROM openings WHERE idx = $1", &[&index])
        .await
        .unwrap();
    assert!(log.offer(&candidate).await.unwrap().is_repeat);
    assert!(log.store.reader.openings(receipt.index).await.unwrap().is_empty());
}

#[tokio::test]
async fn id_that_its_author_has_used_is_a_conflict_and_another_author_may_use_it() {
    let mut log = TestLog::founded().await;
    let (first, receipt) = log.say(&workflow(&log.world, "one")).await;
    let jti = first.event.claims().jti;
    let other = workflow(&log.world, "other");
    let other = signed(&mut log, &other, |claims| claims.jti = jti).await;
    assert!(matches!(refusal(&log, &other).await, AppendError::Conflict(_)));
    let theirs = signed(&mut log, &dataset("theirs"), |claims| claims.jti = jti).await;
    assert_eq!(log.offer(&theirs).await.unwrap().index, receipt.index + 1);
}

#[tokio::test]
async fn event_that_is_not_the_next_of_its_stream_is_refused() {
    let mut log = TestLog::founded().await;
    let registered = workflow(&log.world, "one");
    let (first, _) = log.say(&registered).await;
    let withdrawn = Draft::new(
        &registered.actor,
        &registered.stream,
        "workflow-withdrawn",
        json!({ "reason": "security" }),
    );
    let leaf = *first.event.leaf();
    for (seq, prev) in [(3, Some(leaf)), (2, Some(Hash::empty_root())), (1, None)] {
        let wrong = signed(&mut log, &withdrawn, |claims| {
            (claims.seq, claims.prev) = (seq, prev);
        })
        .await;
        assert_eq!(code(&refusal(&log, &wrong).await), "not-next", "{seq}");
    }
    // Two authors' hands on one position: the second is too late.
    let race = [log.sign(&withdrawn).await, log.sign(&withdrawn).await];
    let answers = join_all(race.iter().map(|one| log.offer(one))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (1, 1));
    assert_eq!(code(refused[0].as_ref().unwrap_err()), "not-next");
}

#[tokio::test]
async fn event_from_the_future_is_refused_beyond_five_minutes() {
    let mut log = TestLog::founded().await;
    let now = log.world.now;
    for (ahead, is_taken) in [(MAX_AHEAD, true), (MAX_AHEAD + 1, false), (-1_000_000, true)] {
        let draft = workflow(&log.world, &format!("ahead by {ahead}"));
        let candidate = signed(&mut log, &draft, |claims| claims.iat = now + ahead).await;
        let answer = log.store.appender.append(candidate, now).await;
        match answer {
            Ok(_) => assert!(is_taken, "{ahead}"),
            Err(AppendError::Ahead { ahead: found }) => assert_eq!((found, is_taken), (ahead, false)),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn forged_event_is_refused() {
    let mut log = TestLog::founded().await;
    let [good, other] = [0, 1].map(|n| workflow(&log.world, &format!("{n}")));
    let (good, other) = (log.sign(&good).await, log.sign(&other).await);
    // Another event's signature, by the same key.
    let (content, _) = good.event.as_str().rsplit_once('.').unwrap();
    let (_, signature) = other.event.as_str().rsplit_once('.').unwrap();
    let forged = Event::parse(&format!("{content}.{signature}")).unwrap();
    let forged = Candidate {
        event: forged,
        openings: good.openings.clone(),
    };
    assert!(matches!(refusal(&log, &forged).await, AppendError::Signature(_)));

    // A key of nobody, and the key of somebody else.
    let registrar = log.world.cast.registrar.clone();
    let mut stranger = log.world.clone();
    stranger.renew_key(&registrar);
    let claims = good.event.claims();
    let unknown = Event::sign(claims, &stranger.key(&registrar)).unwrap();
    let unknown = Candidate {
        event: unknown,
        openings: good.openings.clone(),
    };
    assert!(matches!(
        refusal(&log, &unknown).await,
        AppendError::UnknownKey(_)
    ));
    let stolen = Event::sign(claims, &log.world.key(&Actor::Operator)).unwrap();
    let stolen = Candidate {
        event: stolen,
        openings: good.openings.clone(),
    };
    assert_eq!(code(&refusal(&log, &stolen).await), "not-your-key");

    // Another log's event.
    let elsewhere = workflow(&log.world, "0");
    let elsewhere = signed(&mut log, &elsewhere, |claims| {
        claims.aud = "log.example/staging".into();
    })
    .await;
    assert_eq!(code(&refusal(&log, &elsewhere).await), "other-log");
    log.offer(&good).await.unwrap();
}

#[tokio::test]
async fn operator_cannot_speak_for_a_tre() {
    let mut log = TestLog::founded().await;
    let theirs = dataset("theirs");
    let operator = log.world.key(&Actor::Operator);
    let mut candidate = log.sign(&theirs).await;
    candidate.event = Event::sign(candidate.event.claims(), &operator).unwrap();
    assert_eq!(code(&refusal(&log, &candidate).await), "not-your-key");
    let root = Cast::tre("wessex", TreRole::Root);
    let relay = Cast::tre("wessex", TreRole::Relay);
    let mut later = log.world.clone();
    later.renew_key(&relay);
    let data = json!({ "keys": later.keys_of(&relay), "role": "relay" });
    for actor in [
        Actor::Operator,
        Cast::tre("mercia", TreRole::Root),
        Cast::tre("wessex", TreRole::Review),
    ] {
        let added = Draft::new(&actor, &root.home(), "key-added", data.clone());
        let added = log.sign(&added).await;
        let code = code(&refusal(&log, &added).await);
        assert!(matches!(code, "not-your-stream" | "root-only"), "{actor}: {code}");
    }
}

#[tokio::test]
async fn key_belongs_to_one_actor_for_ever() {
    let mut log = TestLog::founded().await;
    let revoked = revocation(&log);
    log.say(&revoked).await;
    let (root, relay) = (
        Cast::tre("wessex", TreRole::Root),
        Cast::tre("wessex", TreRole::Relay),
    );
    let data = json!({ "keys": log.world.keys_of(&relay), "role": "relay" });
    let again = Draft::new(&root, &root.home(), "key-added", data);
    let again = log.sign(&again).await;
    assert_eq!(code(&refusal(&log, &again).await), "key-known");
}

#[tokio::test]
async fn service_states_a_tree_that_was_published_and_never_a_smaller_one() {
    let mut log = TestLog::founded().await;
    let small = log.store.published.clone().covering(1).await.unwrap().head;
    log.say(&workflow(&log.world, "grows")).await;
    let large = log
        .store
        .published
        .clone()
        .covering(small.size + 1)
        .await
        .unwrap()
        .head;
    let seen = |root, size| Some(Seen { root, size });
    for (wrong, expected) in [
        (seen(large.root, large.size + 1), large.size + 1),
        (seen(small.root, large.size), large.size),
        (seen(large.root, small.size), small.size),
    ] {
        let event = signed(&mut log, &dataset("unseen"), |claims| claims.seen = wrong).await;
        let refused = refusal(&log, &event).await;
        assert!(
            matches!(refused, AppendError::SeenUnknown(size) if size == expected),
            "{refused:?}"
        );
    }
    let silent = signed(&mut log, &dataset("silent"), |claims| claims.seen = None).await;
    assert_eq!(code(&refusal(&log, &silent).await), "seen-missing");
    for (name, tree) in [("small", small), ("large", large)] {
        let event = signed(&mut log, &dataset(name), |claims| {
            claims.seen = seen(tree.root, tree.size);
        })
        .await;
        log.offer(&event).await.unwrap();
    }
    let back = signed(&mut log, &dataset("back"), |claims| {
        claims.seen = seen(small.root, small.size);
    })
    .await;
    assert_eq!(code(&refusal(&log, &back).await), "seen-went-back");
}

#[tokio::test]
async fn opening_that_does_not_belong_is_refused_with_its_event() {
    let mut log = TestLog::founded().await;
    let [one, other] = [0, 1].map(|n| workflow(&log.world, &format!("{n}")));
    let (one, other) = (log.sign(&one).await, log.sign(&other).await);
    let swapped = Candidate {
        event: one.event.clone(),
        openings: other.openings.clone(),
    };
    assert_eq!(code(&refusal(&log, &swapped).await), "opening-not-in-event");
    let without = Candidate {
        event: one.event.clone(),
        openings: Vec::new(),
    };
    assert_eq!(code(&refusal(&log, &without).await), "opening-missing");
    let twice = Candidate {
        event: one.event.clone(),
        openings: [&one.openings[..], &one.openings].concat(),
    };
    assert_eq!(code(&refusal(&log, &twice).await), "opening-twice");
    log.offer(&one).await.unwrap();
}

#[tokio::test]
async fn largest_event_is_taken_and_a_larger_one_has_no_form() {
    let mut log = TestLog::founded().await;
    let draft = workflow(&log.world, "large");
    let small = log.sign(&draft).await;
    // What the rules refuse is still carried through the queue and the database's parameters.
    let filled = |length: usize| {
        let mut claims = small.event.claims().clone();
        claims
            .data
            .insert("digest".to_owned(), base64url::encode(&vec![7; length]).into());
        Event::sign(&claims, &log.world.key(&draft.actor))
    };
    let room = daybook_core::event::MAX_EVENT - small.event.as_str().len();
    let event = filled(room / 2).unwrap();
    assert!(event.as_str().len() > 12_000);
    let refused = refusal(
        &log,
        &Candidate {
            event,
            openings: small.openings.clone(),
        },
    )
    .await;
    assert_eq!(code(&refused), "field-invalid");
    filled(room).unwrap_err();
}

/// Lets everybody pass, and remembers who was counted.
#[derive(Clone, Default)]
struct Counting(std::sync::Arc<std::sync::Mutex<Vec<Actor>>>);

impl Pace for Counting {
    fn take(&self, author: &Actor) -> Result<(), std::time::Duration> {
        self.0.lock().unwrap().push(author.clone());
        Ok(())
    }

    fn give_back(&self, _: &Actor) {}
}

#[tokio::test]
async fn event_counts_as_of_whom_its_key_is_whatever_author_it_names() {
    let mut log = TestLog::founded().await;
    let counting = Counting::default();
    log.store.gate.set(Box::new(counting.clone()));
    let draft = log.world.usual("workflow-registered");
    let victim = draft.actor.clone();
    let thief = Cast::tre("wessex", TreRole::Relay);
    assert_ne!(victim, thief);
    let (mut claims, _) = log.world.claims(&draft);
    let forged = |claims: &_, key: &_| Candidate {
        event: Event::sign(claims, key).unwrap(),
        openings: Vec::new(),
    };
    let (appender, now) = (log.store.appender.clone(), log.world.now);
    // With a key that is registered, and is another's.
    let by_thief = forged(&claims, &log.world.key(&thief));
    appender.append(by_thief.clone(), now).await.unwrap_err();
    let offered = appender.batch(now).offer(vec![by_thief]).await;
    for one in offered {
        one.answer().await.unwrap_err();
    }
    assert_eq!(*counting.0.lock().unwrap(), [thief.clone(), thief]);
    // With one that only the event itself registers.
    log.world.renew_key(&Actor::Clerk);
    claims.kind = "role-granted".to_owned();
    claims.data.insert("role".to_owned(), "clerk".into());
    claims
        .data
        .insert("keys".to_owned(), log.world.keys_of(&Actor::Clerk));
    let by_nobody = forged(&claims, &log.world.key(&Actor::Clerk));
    appender.append(by_nobody, now).await.unwrap_err();
    counting.0.lock().unwrap().retain(|actor| *actor == victim);
    assert!(
        counting.0.lock().unwrap().is_empty(),
        "the victim was never counted"
    );
}
