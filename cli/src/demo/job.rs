//! The researcher's side.

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::cast::{Cast, DATASET_NAME, workflow_name};
use super::stage::Stage;
use super::timeline::Timeline;
use crate::commands::submit::{Submitted, submit_packet, text};
use crate::commands::{collect_results, output};
use daybook_agent::packet::{Named, Project, Requester};
use daybook_agent::random;
use daybook_study::{self as study, Params};

/// Smallest count that the researcher asks for. One TRE lets such counts out; for the other they are too small.
const THRESHOLD: u32 = 5;

/// What the request says.
pub(super) fn params(submission: Uuid) -> Result<Params> {
    Ok(Params {
        submission,
        run: random::id()?,
        made: Timestamp::now(),
        requester: Requester {
            person: Named::new("https://orcid.example/0000-0000-0000-0000", "Ada Example"),
            affiliation: Some(Named::new(
                "https://wessex.example/",
                "University of Wessex (fictional)",
            )),
        },
        project: Project {
            project: Named::new("#project-asthma", "Asthma emergencies by age"),
            local_ids: Vec::new(),
            funding: Vec::new(),
            members: vec![Named::new(
                "https://wessex.example/",
                "University of Wessex (fictional)",
            )],
        },
        workflow: workflow_name(),
        distribution: "https://workflows.example/asthma-admissions.crate.zip?version=1".to_owned(),
        dataset: Named::new(DATASET_NAME, "Emergency hospital admissions"),
        threshold: THRESHOLD,
    })
}

/// Makes the packet and sends it to every TRE.
pub(super) async fn submit(cast: &mut Cast, stage: &Stage, timeline: &Timeline) -> Result<Submitted> {
    let bytes = study::request_packet(&params(random::id()?)?)?;
    std::fs::write(stage.folder.join("request.zip"), &bytes)?;
    timeline.note(&format!(
        "a zipped BagIt bag with a Five Safes RO-Crate, {} bytes",
        bytes.len()
    ));
    let targets: Vec<_> = cast
        .tres
        .iter()
        .map(|tre| (tre.slug.clone(), vec![tre.dataset]))
        .collect();
    let submitted = submit_packet(&mut cast.member, stage.origin(), bytes, cast.workflow, &targets).await?;
    let found: Value = stage
        .client
        .get(&format!("/v1/events?leaf_hash={}", submitted.leaf))
        .await?;
    let index = found["entries"][0]["index"].as_u64().unwrap_or_default();
    timeline.event("Researcher", "submits the job", "job-submitted", index);
    Ok(submitted)
}

/// Collects where results were released.
pub(super) async fn collect(
    cast: &mut Cast,
    submitted: &Submitted,
    stage: &Stage,
    timeline: &Timeline,
) -> Result<()> {
    let mut collected = 0;
    for (tre, job) in &submitted.jobs {
        let found: Value = stage.client.get(&format!("/v1/jobs/{job}")).await?;
        if text(&found, "state") != "released" {
            continue;
        }
        let out = stage.folder.join(format!("results-{tre}.zip"));
        let done = collect_results(&mut cast.member, *job, &out).await?;
        collected += 1;
        if let Some(receipt) = &done.receipt {
            timeline.event("Researcher", "has the results", "results-received", receipt.index);
        }
        timeline.check(
            true,
            &format!(
                "{} entries about the job and its keys hold, signature and proof",
                done.verified
            ),
        );
        timeline.check(
            true,
            &format!(
                "the {} files from {tre} are exactly what two people approved",
                done.files
            ),
        );
    }
    ensure!(
        collected == 1,
        "one job was to release results, and {collected} did"
    );
    Ok(())
}

/// The same two jobs in the public's words.
pub(super) async fn show_public(submitted: &Submitted, stage: &Stage, timeline: &Timeline) -> Result<()> {
    let submission: Value = stage
        .client
        .get(&format!("/v1/submissions/{}", submitted.submission))
        .await?;
    let mut states = Vec::new();
    for job in submission["jobs"].as_array().into_iter().flatten() {
        let public = &job["public"];
        output::line(&format!("  {:<8} {}", text(job, "tre"), text(public, "word")));
        timeline.note(text(public, "sentence"));
        states.push(text(job, "state").to_owned());
    }
    states.sort_unstable();
    ensure!(
        states == ["released", "withheld"],
        "the jobs were to end released and withheld, and are {states:?}: {submission}"
    );
    Ok(())
}
