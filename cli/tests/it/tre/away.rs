//! A hub that is away, approvals that lapse meanwhile, and a disk without room.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use daybook_core::id::Subject;
use serde_json::json;

use super::place::{Place, kinds};
use crate::relay::federation::{Federation, WHOLE_LIFE, until};

/// For how many minutes more the hub is away.
fn minutes() -> u64 {
    std::env::var("DAYBOOK_AWAY_MINUTES").map_or(0, |minutes| minutes.parse().expect("minutes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_gets_everything_in_order_when_it_is_back() {
    let mut place = Place::new().await;
    place.kill_runner();
    let job = place.submit_shipped().await;
    place.until_state(job, "signed-off").await;
    place.federation.kill_hub();
    place.start_runner();
    place.until_relay(job, "assessed").await;
    place.both("approve", job, &[]);
    place.until_relay(job, "staged").await;
    // Nobody has heard of it but the TRE, which says so.
    let (_, status) = place.federation.command(&["status"]);
    assert!(status.contains("Events to be sent"), "{status}");
    // `make away` makes it an hour: retries have long been at their longest by then, and whatever lapses has lapsed.
    tokio::time::sleep(Duration::from_mins(minutes())).await;
    place.federation.start_hub();
    place.until_state(job, "released").await;
    assert_eq!(kinds(&place.events(job).await), WHOLE_LIFE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_the_tre_cannot_hear_is_not_confirmed_until_its_record_has_come_whole() {
    let mut place = Place::of(Federation::new().await).await;
    place.start_relay();
    let job = place.submit_shipped().await;
    place.until_state(job, "signed-off").await;
    place.federation.door.shut();
    place.start_runner();
    place.until_relay(job, "assessed").await;
    let more = json!({ "reason": "not-needed" });
    place
        .team_says(job, "cancellation-requested", more, "Somebody else has done it.")
        .await;
    let (word, sentence) = place.public(job).await;
    assert!(
        sentence.ends_with("wessex has not confirmed that it has stopped."),
        "{word}: {sentence}"
    );

    place.federation.door.open();
    place.until_state(job, "cancelled").await;
    let events = place.events(job).await;
    assert_eq!(kinds(&events)[..8], WHOLE_LIFE[..8]);
    let cancelled = events
        .iter()
        .find(|event| event.claims().kind == "job-cancelled")
        .unwrap();
    assert_eq!(cancelled.claims().data["began"], json!(true));
    let sentence = place.public(job).await.1;
    assert!(!sentence.contains("not confirmed"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_approval_lapses_waits_until_it_stands_again() {
    let mut place = Place::new().await;
    let job = place.submit_shipped().await;
    place.until_state(job, "assessed").await;
    let (member, project) = (place.federation.member_id, place.federation.project);
    place.federation.withdraw(Subject::Member, member).await;
    place.both("approve", job, &[]);
    place.until_state(job, "on-hold").await;
    let held = place.events(job).await;
    assert_eq!(
        held.last().unwrap().claims().data["code"],
        json!("approval-lapsed")
    );
    assert_eq!(place.public(job).await.0, "Paused");
    let stream = format!("project/{project}");
    let entries = place.federation.client.entries(&stream, None).await.unwrap();
    let version = &entries.last().unwrap().leaf_hash;
    place.federation.approve(Subject::Member, member, version).await;
    place.until_state(job, "released").await;
}

/// A small disk of its own. It goes with this value.
struct Disk(std::path::PathBuf);

impl Disk {
    /// Mounts one; nothing where that is not allowed.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"])
            .arg(at);
        let is_mounted = command.output().is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self(at.to_owned()))
    }

    /// Leaves no byte free, and gives the file that takes the room.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.0.join("filled");
        let mut file = fs::File::create(&path).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_a_job_where_it_is_and_room_lets_it_go_on() {
    let mut place = Place::of(Federation::new().await).await;
    let disks = ["relay", "runner"].map(|name| Disk::mount(&place.path(name), "24m"));
    let [Some(relay), Some(runner)] = &disks else {
        eprintln!("no small disk can be mounted here (only root may), so nothing is said of full disks");
        return;
    };
    place.start();
    place.until_relay_listens().await;
    let filled = relay.fill();
    let job = place.submit_shipped().await;
    until("the relay says that its disk is full", async || {
        place
            .relay
            .as_ref()
            .unwrap()
            .log()
            .contains("is full; make room")
            .then_some(())
    })
    .await;
    fs::remove_file(filled).unwrap();
    place.until_state(job, "assessed").await;

    let second = {
        let filled = runner.fill();
        let second = place.submit_shipped().await;
        until("the runner says that its disk is full", async || {
            place
                .runner
                .as_ref()
                .unwrap()
                .log()
                .contains("is full; make room")
                .then_some(())
        })
        .await;
        fs::remove_file(filled).unwrap();
        second
    };
    place.until_state(second, "assessed").await;
    for job in [job, second] {
        place.both("approve", job, &[]);
        place.until_state(job, "released").await;
        assert_eq!(kinds(&place.events(job).await), WHOLE_LIFE);
    }
}
