//! The TRE's side: what its programs say is told, and its people decide.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use daybook_core::event::Event;
use uuid::Uuid;

use super::cast::Tre;
use super::checks::look;
use super::stage::Stage;
use super::timeline::Timeline;
use super::zone::Zone;

/// How often the hub is asked what has happened.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks a job may take: five minutes.
const LOOKS: u32 = 3000;
/// Who looks at outputs.
const REVIEWERS: [&str; 2] = ["checker one", "checker two"];

/// Tells what happens to a job until it has its end. The TRE's people decide when it is their turn.
pub(super) async fn follow(
    zone: &mut Zone,
    tre: &Tre,
    job: Uuid,
    stage: &Stage,
    timeline: &Timeline,
) -> Result<()> {
    let stream = format!("job/{job}");
    let mut after = None;
    for _ in 0..LOOKS {
        for entry in stage.client.entries(&stream, after).await? {
            let event = Event::parse(&entry.event)?;
            let kind = event.claims().kind.as_str();
            after = Some(entry.index);
            timeline.event(tre.name, &words(kind, tre), kind, entry.index);
            match kind {
                "outputs-assessed" => decide(zone, tre, job, timeline).await?,
                "job-released" | "packet-offered" => return Ok(()),
                _ => {}
            }
        }
        zone.check()?;
        tokio::time::sleep(LOOK).await;
    }
    bail!("the job at {} has no end after five minutes", tre.name)
}

/// What happened, for somebody who sees it for the first time.
fn words(kind: &str, tre: &Tre) -> String {
    let text = match kind {
        "job-collected" => "relay collects the packet from its queue",
        "job-checked" => "packet whole, requester is the signer",
        "workflow-retrieved" => "workflow has the registered digest",
        "job-signed-off" => "three approvals stand",
        "job-admitted" => "runner takes it into the controlled zone",
        "run-started" => return format!("runs the workflow on {} fictional patients", tre.rows),
        "run-completed" => "the run ended",
        "run-failed" => "the run broke down",
        "outputs-assessed" => "outputs stay inside and wait for people",
        "disclosure-approved" => "two people let all of the outputs out",
        "disclosure-refused" => "a person who looked does not let the outputs out",
        "outputs-moved" => "the approved outputs reach the polling zone",
        "outputs-rechecked" => "they are still what was approved",
        "job-released" => "results wait for the researcher",
        "packet-offered" => "a packet without outputs tells the researcher why",
        _ => "says",
    };
    text.to_owned()
}

/// Two people look at the table inside the controlled zone, and decide by the TRE's own limit.
async fn decide(zone: &Zone, tre: &Tre, job: Uuid, timeline: &Timeline) -> Result<()> {
    let table = zone.output(job, "counts.csv")?;
    let found = look(&table, tre.smallest_count)?;
    ensure!(found.counts > 0, "counts.csv holds no counts");
    let smallest = found.smallest.context("counts.csv holds nothing but zeros")?;
    timeline.note(&format!(
        "inside only: the smallest of {} counts is {smallest}; {} lets out {} or more",
        found.counts, tre.name, tre.smallest_count
    ));
    let job = job.to_string();
    let text = format!(
        "Some counts are below {}, which this TRE does not let out.",
        tre.smallest_count
    );
    if found.too_small > 0 {
        // One who says no is enough.
        let no = ["--reason", "disclosure-risk", "--text", &text];
        return zone
            .review(&[&["refuse", &job, "--reviewer", REVIEWERS[0]], &no[..]].concat())
            .await;
    }
    for reviewer in REVIEWERS {
        zone.review(&["approve", &job, "--reviewer", reviewer]).await?;
    }
    Ok(())
}
