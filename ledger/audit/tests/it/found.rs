//! Logs that do not hold, and what is said of them.

use std::collections::BTreeSet;

use daybook_audit::{Kind, Report};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::tree::TileId;
use daybook_world::{ORIGIN, World};

use crate::copies::{Copy, audit, checkpoint, signer};
use crate::whole::BUSY;

fn entries() -> Vec<String> {
    BUSY.entries()
        .iter()
        .map(|event| event.as_str().to_owned())
        .collect()
}

fn has(report: &Report, kind: Kind) {
    assert!(
        report.counts.contains_key(&kind),
        "{kind} is not in {:#?}",
        report.findings
    );
    assert!(!report.holds());
}

/// The log of other entries, with a checkpoint to them.
async fn of(change: impl FnOnce(&mut Vec<String>)) -> Report {
    let copy = Copy::of(BUSY.entries());
    let mut entries = entries();
    change(&mut entries);
    copy.write(&entries);
    copy.audit().await
}

#[tokio::test]
async fn an_altered_entry_is_found_though_the_tree_was_made_anew() {
    let report = of(|entries| {
        // Another payload under the old signature.
        let event = Event::parse(&entries[40]).unwrap();
        let mut claims = event.claims().clone();
        claims.iat -= 1;
        let other = Event::sign(&claims, &BUSY.key(&claims.iss)).unwrap();
        let (signed, _) = other.as_str().rsplit_once('.').unwrap();
        let (_, signature) = entries[40].rsplit_once('.').unwrap();
        entries[40] = format!("{signed}.{signature}");
    })
    .await;
    has(&report, Kind::SignatureWrong);
}

#[tokio::test]
async fn dropped_inserted_and_reordered_entries_are_found() {
    let dropped = of(|entries| drop(entries.remove(60))).await;
    has(&dropped, Kind::NotAllowed);
    let inserted = of(|entries| entries.insert(60, entries[59].clone())).await;
    has(&inserted, Kind::NotAllowed);
    let reordered = of(|entries| {
        let same =
            |a: &str, b: &str| Event::parse(a).unwrap().claims().sub == Event::parse(b).unwrap().claims().sub;
        let at = (40..250)
            .find(|at| same(&entries[*at], &entries[at + 1]))
            .unwrap();
        entries.swap(at, at + 1);
    })
    .await;
    has(&reordered, Kind::NotAllowed);
}

#[tokio::test]
async fn bytes_that_are_no_event_are_found() {
    let report = of(|entries| entries[70].push('x')).await;
    has(&report, Kind::EntryMalformed);
}

#[tokio::test]
async fn entries_that_are_not_those_of_the_signed_root_are_found() {
    let copy = Copy::of(BUSY.entries());
    let mut other = entries();
    other.swap(3, 4);
    copy.write(&other);
    copy.sign(&checkpoint(&entries()));
    let report = copy.audit().await;
    has(&report, Kind::RootDiffers);
    assert!(
        copy.state()
            .join("state")
            .join(format!("root-differs-{}.txt", entries().len()))
            .exists()
    );
}

#[tokio::test]
async fn a_log_that_ends_before_its_checkpoint_is_found() {
    let copy = Copy::of(BUSY.entries());
    let longer = Checkpoint::new(ORIGIN, 1_000, Hash::of(b"more")).unwrap();
    copy.sign(&longer);
    let report = copy.audit().await;
    has(&report, Kind::EntryMissing);
}

#[tokio::test]
async fn a_tile_that_is_not_what_the_entries_give_is_found() {
    let copy = Copy::of(BUSY.entries());
    let path = copy.tile(TileId { level: 0, n: 0 });
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(path, bytes).unwrap();
    has(&copy.audit().await, Kind::TileDiffers);
}

#[tokio::test]
async fn a_log_that_goes_back_or_forks_after_an_audit_is_found() {
    let copy = Copy::of(BUSY.entries());
    assert!(copy.audit().await.holds());
    let all = entries();
    copy.sign(&checkpoint(&all[..200]));
    has(&copy.audit().await, Kind::LogWentBack);

    let copy = Copy::of(&BUSY.entries()[..200]);
    assert!(copy.audit().await.holds());
    let mut forked = all.clone();
    forked.remove(150);
    copy.write(&forked);
    has(&copy.audit().await, Kind::LogForked);

    let copy = Copy::of(&BUSY.entries()[..200]);
    assert!(copy.audit().await.holds());
    copy.sign(&Checkpoint::new(ORIGIN, 200, Hash::of(b"fork")).unwrap());
    has(&copy.audit().await, Kind::LogForked);
}

#[tokio::test]
async fn what_somebody_else_was_shown_must_be_continued() {
    let copy = Copy::of(BUSY.entries());
    let with = |note| {
        let mut options = copy.options();
        options.others = vec![note];
        options
    };
    let same = checkpoint(&entries()[..100]).sign(&signer()).unwrap();
    assert!(audit(with(same)).await.holds());
    let other = Checkpoint::new(ORIGIN, 100, Hash::of(b"other"))
        .unwrap()
        .sign(&signer())
        .unwrap();
    has(&audit(with(other)).await, Kind::LogForked);
}

#[tokio::test]
async fn a_checkpoint_that_is_not_the_logs_is_not_believed() {
    let copy = Copy::of(BUSY.entries());
    let thief = daybook_core::note::NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[7; 32]).unwrap();
    copy.publish(&checkpoint(&entries()).sign(&thief).unwrap());
    let report = copy.audit().await;
    has(&report, Kind::CheckpointUnbelieved);
    assert_eq!(report.entries, 0);
}

#[tokio::test]
async fn an_author_that_was_shown_another_tree_is_heard() {
    let mut world = World::founded();
    let draft = world.usual("job-submitted");
    let event = world.sign(&draft);
    world.append(&event).unwrap();
    let submission = event.claims().data["jobs"]["wessex"]["job"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    world.job = Some(submission);
    let draft = world.usual("job-collected");
    let mut claims = world.sign(&draft).claims().clone();
    claims.seen = Some(daybook_core::event::Seen {
        root: Hash::of(b"what the hub showed this TRE"),
        size: 20,
    });
    let event = Event::sign(&claims, &world.key(&claims.iss)).unwrap();
    let mut events = world.entries().to_vec();
    events.push(event);
    has(&Copy::of(&events).audit().await, Kind::SeenUnknown);
}

#[tokio::test]
async fn a_key_that_the_operator_made_for_a_tre_is_found_by_what_the_tre_publishes() {
    let copy = Copy::of(BUSY.entries());
    let mut options = copy.options();
    let root = Hash::of(b"the root that wessex publishes").to_base64url();
    options
        .anchors
        .insert("wessex".to_owned(), BTreeSet::from([root]));
    has(&audit(options).await, Kind::TreRootDiffers);
}

#[tokio::test]
async fn what_the_clerk_committed_is_recomputed() {
    let mut world = World::founded();
    world.run_job("wessex", daybook_world::Ending::Released);
    let (good, bad) = (world.clone(), world);
    let heads = |mut world: World, lie: bool| {
        let size = world.entries().len() as u64;
        let committed = world.heads();
        let root = if lie { Hash::of(b"lie") } else { committed.root() };
        let draft = world
            .usual("heads-committed")
            .with("size", size.into())
            .with("heads", root.to_base64url().into())
            .with("streams", committed.streams().into());
        world.say(&draft);
        world
    };
    let report = Copy::of(heads(good, false).entries()).audit().await;
    assert_eq!(
        (report.heads, report.holds()),
        (1, true),
        "{:#?}",
        report.findings
    );
    has(
        &Copy::of(heads(bad, true).entries()).audit().await,
        Kind::HeadsDiffer,
    );
}

#[tokio::test]
async fn more_acknowledged_than_there_is_means_that_the_hub_dropped_some() {
    let mut world = World::founded();
    world.run_job("wessex", daybook_world::Ending::Released);
    let report = |world: &mut World, acknowledged: u64| {
        let draft = world
            .usual("tre-reported")
            .with("made", acknowledged.into())
            .with("acknowledged", acknowledged.into())
            .with("waiting", 0.into());
        world.say(&draft);
    };
    report(&mut world, 5);
    assert!(Copy::of(world.entries()).audit().await.holds());
    report(&mut world, 5_000);
    has(
        &Copy::of(world.entries()).audit().await,
        Kind::AcknowledgedMissing,
    );
}
