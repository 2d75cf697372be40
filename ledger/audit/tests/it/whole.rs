//! Logs that hold.

use std::sync::LazyLock;

use daybook_audit::{Kind, Severity};
use daybook_core::cosignature::Cosigner;
use daybook_core::trust::TrustPolicy;
use daybook_world::{Ending, World};

use crate::copies::{Copy, checkpoint, signer};

/// A world in which enough has happened for a full tile.
pub(crate) static BUSY: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::founded();
    for tre in ["wessex", "mercia", "wessex"] {
        for ending in [
            Ending::Released,
            Ending::Withheld,
            Ending::ReleasedInPart,
            Ending::Refused,
            Ending::Abandoned,
        ] {
            world.run_job(tre, ending);
        }
    }
    while world.entries().len() < 300 {
        world.run_job("wessex", Ending::Released);
    }
    world
});

#[tokio::test]
async fn a_log_that_is_whole_holds() {
    let copy = Copy::of(BUSY.entries());
    let report = copy.audit().await;
    assert!(report.holds(), "{:#?}", report.findings);
    assert_eq!(report.entries, BUSY.entries().len() as u64);
    let worst = report.worst();
    assert!(
        worst.is_none_or(|worst| worst <= Severity::Notice),
        "{:#?}",
        report.findings
    );
    let streams = BUSY.heads().streams();
    assert_eq!(report.streams, streams);
}

#[tokio::test]
async fn the_next_audit_reads_only_what_is_new_wherever_the_first_one_ended() {
    let world = &*BUSY;
    let whole = Copy::of(world.entries()).audit().await;
    for cut in [1, 100, 255, 256, 257, world.entries().len() - 1] {
        let copy = Copy::of(&world.entries()[..cut]);
        let first = copy.audit().await;
        assert_eq!(
            (first.new_entries, first.holds()),
            (cut as u64, true),
            "{:#?}",
            first.findings
        );
        let entries: Vec<String> = world
            .entries()
            .iter()
            .map(|event| event.as_str().to_owned())
            .collect();
        copy.write(&entries);
        let second = copy.audit().await;
        assert_eq!(second.new_entries, (entries.len() - cut) as u64);
        assert_eq!(
            (second.entries, &second.root, &second.counts),
            (whole.entries, &whole.root, &whole.counts)
        );
        let third = copy.audit().await;
        assert_eq!((third.new_entries, third.entries), (0, whole.entries));
    }
}

#[tokio::test]
async fn every_kind_of_event_is_understood() {
    // All that the usual drafts can say, in one log.
    let mut world = World::founded();
    world.run_job("wessex", Ending::Recalled);
    world.run_job("mercia", Ending::Cancelled);
    let copy = Copy::of(world.entries());
    let report = copy.audit().await;
    assert!(report.holds(), "{:#?}", report.findings);
}

#[tokio::test]
async fn witnesses_are_told_and_a_quorum_that_is_away_is_a_warning() {
    let world = &*BUSY;
    let copy = Copy::of(world.entries());
    let entries: Vec<String> = world
        .entries()
        .iter()
        .map(|event| event.as_str().to_owned())
        .collect();
    let newest = checkpoint(&entries);
    let cosigners = ["a", "b"]
        .map(|name| Cosigner::from_seed(name.parse().unwrap(), &daybook_world::bytes(name)).unwrap());
    let text = format!(
        "log {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum both\n",
        signer().verifier(),
        cosigners[0].verifier(),
        cosigners[1].verifier()
    );
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    let mut note = newest.sign(&signer()).unwrap();
    note.add(cosigners[0].cosign(&newest, 1_795_300_000).unwrap())
        .unwrap();
    copy.publish(&note);
    let with = || {
        let mut options = copy.options();
        options.policy = policy.clone();
        options
    };
    let report = crate::copies::audit(with()).await;
    assert_eq!(
        (report.witnesses.as_slice(), report.holds()),
        (&["a".to_owned()][..], true)
    );
    assert_eq!(report.counts.get(&Kind::QuorumAway), Some(&1));
    note.add(cosigners[1].cosign(&newest, 1_795_300_001).unwrap())
        .unwrap();
    copy.publish(&note);
    let report = crate::copies::audit(with()).await;
    assert_eq!(
        (report.witnesses.len(), report.counts.get(&Kind::QuorumAway)),
        (2, None)
    );
}
