//! What witnesses say: kept, added, waited for, and never believed unseen.

use std::time::Duration;

use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::Cosigner;
use daybook_core::note::Note;
use daybook_core::trust::TrustPolicy;
use daybook_store::publish::Released;
use daybook_store::witnessed::{CosignatureError, Witnesses};
use daybook_testkit::{TestLog, signer, workflow};
use tokio_util::sync::CancellationToken;

use crate::audit::settle;

fn cosigner(name: &str, seed: u8) -> Cosigner {
    Cosigner::from_seed(name.parse().unwrap(), &[seed; 32]).unwrap()
}

/// Two witnesses, of which one is enough or both are needed.
fn policy(threshold: &str) -> TrustPolicy {
    let (w, v) = (cosigner("w.example", 2), cosigner("v.example", 3));
    let text = format!(
        "witness w {}\nwitness v {}\ngroup g {threshold} w v\nquorum g\n",
        w.verifier(),
        v.verifier()
    );
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    policy.for_log(signer().verifier().clone())
}

fn line(cosigner: &Cosigner, released: &Released, time: u64) -> daybook_core::note::NoteSignature {
    let note = Note::parse(released.note.as_bytes()).unwrap();
    cosigner
        .cosign(&Checkpoint::parse(note.text()).unwrap(), time)
        .unwrap()
}

/// Records a witness's cosignature of the newest checkpoint.
pub(crate) async fn cosign(log: &TestLog) {
    settle(log).await;
    let (witnesses, _gatherer) = log.store.witnesses(policy("any"));
    let latest = log.store.published.latest().unwrap();
    let line = line(&cosigner("w.example", 2), &latest, 1_795_300_000);
    witnesses.record(latest.head.size, &line).await.unwrap();
}

async fn grown(log: &mut TestLog, name: &str) -> Released {
    let draft = workflow(&log.world, name);
    log.say(&draft).await;
    settle(log).await;
    log.store.published.latest().unwrap()
}

async fn gathered(witnesses: &Witnesses, size: u64) -> Released {
    tokio::time::timeout(Duration::from_secs(30), witnesses.covering(size))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_checkpoint_counts_as_witnessed_when_the_quorum_has_cosigned_and_keeps_late_ones() {
    let mut log = TestLog::founded().await;
    let (witnesses, gatherer) = log.store.witnesses(policy("all"));
    let stop = CancellationToken::new();
    let gathering = tokio::spawn(gatherer.run(stop.clone()));
    let (w, v) = (cosigner("w.example", 2), cosigner("v.example", 3));
    let old = grown(&mut log, "a").await;
    let new = grown(&mut log, "b").await;
    witnesses
        .record(new.head.size, &line(&w, &new, 100))
        .await
        .unwrap();
    assert_eq!(witnesses.witnessed(), None);
    // Late, and of a checkpoint that is not the newest.
    witnesses
        .record(old.head.size, &line(&v, &old, 101))
        .await
        .unwrap();
    witnesses
        .record(old.head.size, &line(&w, &old, 102))
        .await
        .unwrap();
    let found = gathered(&witnesses, old.head.size).await;
    assert_eq!(found.head, old.head);
    let note = Note::parse(found.note.as_bytes()).unwrap();
    let believed = witnesses.policy().open(&note).unwrap();
    let times: Vec<u64> = believed.witnesses.iter().map(|(_, time)| *time).collect();
    assert_eq!(times, [102, 101]);
    // The newest carries what it has, though it is not enough.
    assert!(witnesses.decorated(new.clone()).note.contains("w.example"));
    witnesses
        .record(new.head.size, &line(&v, &new, 103))
        .await
        .unwrap();
    let newest = gathered(&witnesses, new.head.size).await;
    assert_eq!(
        (newest.head, witnesses.decorated(new.clone())),
        (new.head, newest)
    );
    let kept = witnesses.checkpoint(old.head.size).await.unwrap().unwrap();
    assert_eq!(kept.note, found.note);
    assert_eq!(witnesses.checkpoint(1_000_000).await.unwrap(), None);
    let standing = witnesses.standing(&v.verifier().to_string()).await.unwrap();
    assert_eq!(
        (standing.size, standing.time, standing.trouble),
        (new.head.size, Some(103), None)
    );
    stop.cancel();
    gathering.await.unwrap();
}

#[tokio::test]
async fn nothing_is_kept_that_does_not_verify() {
    let mut log = TestLog::founded().await;
    let (witnesses, _gatherer) = log.store.witnesses(policy("any"));
    let w = cosigner("w.example", 2);
    let old = grown(&mut log, "a").await;
    let new = grown(&mut log, "b").await;
    let stranger = line(&cosigner("x.example", 2), &new, 100);
    assert!(matches!(
        witnesses.record(new.head.size, &stranger).await,
        Err(CosignatureError::Stranger)
    ));
    // Another key under a known name has another id.
    let thief = line(&cosigner("w.example", 9), &new, 100);
    assert!(matches!(
        witnesses.record(new.head.size, &thief).await,
        Err(CosignatureError::Stranger)
    ));
    for size in [old.head.size, new.head.size + 1] {
        assert!(matches!(
            witnesses.record(size, &line(&w, &new, 100)).await,
            Err(CosignatureError::DoesNotHold)
        ));
    }
    assert_eq!(
        witnesses.standing(&w.verifier().to_string()).await.unwrap().size,
        0
    );
    // The same again changes nothing.
    for time in [100, 200] {
        witnesses
            .record(new.head.size, &line(&w, &new, time))
            .await
            .unwrap();
    }
    assert_eq!(
        witnesses.standing(&w.verifier().to_string()).await.unwrap().time,
        Some(100)
    );
}

#[tokio::test]
async fn hubs_on_one_database_share_a_witnesss_pace() {
    let log = TestLog::founded().await;
    let (one, _) = log.store.witnesses(policy("any"));
    let (other, _) = log.store.witnesses(policy("any"));
    let owner = log.owner().await;
    assert_eq!(one.take_turn("w").await.unwrap(), Some(0));
    // However long this takes, it is less than a second after that.
    let later = "UPDATE witnesses SET asked_at = asked_at + interval '1 hour'";
    owner.batch_execute(later).await.unwrap();
    assert_eq!(other.take_turn("w").await.unwrap(), None);
    assert_eq!(other.take_turn("v").await.unwrap(), Some(0));
    one.note_trouble("w", Some("away")).await.unwrap();
    assert_eq!(
        other.standing("w").await.unwrap().trouble.as_deref(),
        Some("away")
    );
    let earlier = "UPDATE witnesses SET asked_at = asked_at - interval '1 hour 1 second'";
    owner.batch_execute(earlier).await.unwrap();
    assert_eq!(other.take_turn("w").await.unwrap(), Some(0));
    other.note_trouble("w", None).await.unwrap();
    assert_eq!(one.standing("w").await.unwrap().trouble, None);
}

#[tokio::test]
async fn a_database_that_does_not_continue_what_a_witness_holds_is_not_opened() {
    use daybook_store::guard::GuardError;
    use daybook_store::log::TreeHead;
    use daybook_store::{OpenError, Options, Store};

    let log = TestLog::founded().await;
    settle(&log).await;
    let head = log.store.published.latest().unwrap().head;
    let with = |size, root| Options {
        held_elsewhere: vec![TreeHead { size, root }],
        ..log.options()
    };
    let root = daybook_core::Hash::of(b"another");
    for (held, size) in [(with(head.size + 1, root), 1), (with(head.size, root), 0)] {
        match Store::open(held).await {
            Err(OpenError::Guard(GuardError::OlderThanWitness { found, released })) => {
                assert_eq!((found, released), (head.size, head.size + size));
            }
            Err(OpenError::Guard(GuardError::Fork(at))) => assert_eq!((at, size), (head.size, 0)),
            Ok(_) => panic!("opened"),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(Store::open(with(head.size, head.root)).await.is_ok());
}
