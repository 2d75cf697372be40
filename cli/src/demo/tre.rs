//! A TRE's side: from the queue to a decision. The packet, the run and the checks are real.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use daybook_core::base64url;
use daybook_core::id::Stream;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cast::{Cast, DATASET_NAME, Told, Tre, leaf, tell};
use super::checks::assess;
use super::stage::Stage;
use super::timeline::Timeline;
use crate::commands::submit::text;
use daybook_agent::engine::{self, RunReport};
use daybook_agent::packet::{
    Bag, Limits, Named, Outcome, Output, Request, Review, Step, commitment, read_request, result_bag,
};
use daybook_agent::random;
use daybook_study as study;

/// One job at one TRE, as it goes on.
struct Scene<'a> {
    tre: &'a mut Tre,
    stage: &'a Stage,
    timeline: &'a Timeline,
    job: Uuid,
    /// What the gates name: project, workflow, member, datasets.
    gate: Value,
    bag: Bag,
    request: Request,
}

/// What a run left, with the commitment to it.
struct Run {
    report: RunReport,
    started: Timestamp,
    ended: Timestamp,
    salt: [u8; 32],
    outputs: String,
}

/// Takes the waiting job of one TRE from its queue to its end.
pub(super) async fn take_up(
    cast: &mut Cast,
    at: usize,
    stage: &Stage,
    cwltool: &Path,
    timeline: &Timeline,
) -> Result<()> {
    let gate = json!({
        "project": cast.project, "workflow": cast.workflow, "member": cast.member_id,
        "datasets": [cast.tres[at].dataset],
    });
    let digest = cast.workflow_digest;
    let mut scene = collect(&mut cast.tres[at], stage, timeline, gate).await?;
    scene.check(digest).await?;
    scene.sign_off().await?;
    let run = scene.run(cwltool).await?;
    let releases = scene.assess(&run).await?;
    if releases {
        scene.release(&run).await
    } else {
        scene.withhold().await
    }
}

/// Polls the queue, fetches the packet and says so.
async fn collect<'a>(
    tre: &'a mut Tre,
    stage: &'a Stage,
    timeline: &'a Timeline,
    gate: Value,
) -> Result<Scene<'a>> {
    let queue: Value = stage.client.get(&format!("/v1/tres/{}/queue", tre.slug)).await?;
    let waiting = queue["jobs"]
        .as_array()
        .and_then(|jobs| jobs.first())
        .context("nothing waits in the queue")?;
    let job = daybook_core::id::random_id(text(waiting, "id"))?;
    let clear = json!({ "submission": text(waiting, "submission"), "cause": leaf(text(waiting, "cause"))?.to_base64url() });
    let bytes = stage
        .client
        .get_packet(&tre.relay.keys, stage.origin(), text(waiting, "packet"))
        .await?;
    let bag = Bag::from_zip(&bytes, &Limits::default()).context("the packet")?;
    let request = read_request(&bag).context("the packet")?.request;
    let told = Told {
        who: tre.name,
        what: "relay collects the packet from its queue",
        stream: Stream::Job(job),
        kind: "job-collected",
        clear,
        sealed: Vec::new(),
    };
    tell(&mut tre.relay, timeline, told).await?;
    Ok(Scene {
        tre,
        stage,
        timeline,
        job,
        gate,
        bag,
        request,
    })
}

/// Which of the TRE's services speaks.
#[derive(Clone, Copy)]
enum Voice {
    Relay,
    Runner,
    Review,
}

impl Scene<'_> {
    async fn say(
        &mut self,
        voice: Voice,
        kind: &str,
        what: &str,
        clear: Value,
        sealed: Vec<(&str, Value)>,
    ) -> Result<()> {
        let author = match voice {
            Voice::Relay => &mut self.tre.relay,
            Voice::Runner => &mut self.tre.runner,
            Voice::Review => &mut self.tre.review,
        };
        let told = Told {
            who: self.tre.name,
            what,
            stream: Stream::Job(self.job),
            kind,
            clear,
            sealed,
        };
        tell(author, self.timeline, told).await?;
        Ok(())
    }

    /// The gates' fields with some more.
    fn at_gate(&self, more: Value) -> Value {
        let mut clear = self.gate.clone();
        if let (Some(all), Value::Object(more)) = (clear.as_object_mut(), more) {
            all.extend(more);
        }
        clear
    }

    async fn check(&mut self, registered: [u8; 32]) -> Result<()> {
        self.say(
            Voice::Relay,
            "job-checked",
            "packet whole, requester is the signer",
            json!({ "profile": "five-safes-0.4" }),
            vec![],
        )
        .await?;
        let digest = study::workflow_digest(&self.bag, &self.request);
        ensure!(
            digest == Some(registered),
            "the packet's workflow is not the one that was registered"
        );
        let clear = json!({
            "workflow": self.gate["workflow"], "digest": base64url::encode(&registered), "images": [],
        });
        self.say(
            Voice::Relay,
            "workflow-retrieved",
            "workflow has the registered digest",
            clear,
            vec![],
        )
        .await
    }

    async fn sign_off(&mut self) -> Result<()> {
        let clear = self.at_gate(json!({ "how": "standing", "approvals": self.tre.approvals }));
        self.say(
            Voice::Relay,
            "job-signed-off",
            "three approvals stand",
            clear,
            vec![],
        )
        .await?;
        let clear = self.at_gate(json!({}));
        self.say(
            Voice::Runner,
            "job-admitted",
            "runner takes it into the controlled zone",
            clear,
            vec![],
        )
        .await
    }

    async fn run(&mut self, cwltool: &Path) -> Result<Run> {
        let zone = self.stage.below(&format!("{}-controlled-zone", self.tre.slug))?;
        let data = zone.join("admissions.csv");
        fs::write(&data, study::generate_data(self.tre.slug.as_str(), self.tre.rows))?;
        let head: Value = self
            .stage
            .client
            .get(&format!("/v1/streams/dataset/{}/head", self.tre.dataset))
            .await?;
        let versions = json!([text(&head, "leaf_hash")]);
        let clear = self.at_gate(json!({ "attempt": 1, "engine": "cwltool", "versions": versions }));
        let what = format!("runs the workflow on {} fictional patients", self.tre.rows);
        self.say(Voice::Runner, "run-started", &what, clear, vec![])
            .await?;

        let started = Timestamp::now();
        let engine = engine::Engine::Cwltool(engine::Cwltool {
            program: cwltool.to_path_buf(),
            sandbox: engine::Sandbox::strongest().await?,
        });
        let job = engine::Job {
            work: &zone.join("run-1"),
            packet: &self.bag,
            datasets: &BTreeMap::from([(DATASET_NAME.to_owned(), data.into())]),
            limits: &engine::RunLimits::default(),
            stop: &CancellationToken::new(),
        };
        let report = engine.run(&job).await.context("the workflow's run")?;
        let ended = Timestamp::now();
        self.say(
            Voice::Runner,
            "run-completed",
            "the run ended",
            json!({ "attempt": 1, "engine": "cwltool" }),
            vec![],
        )
        .await?;
        self.timeline.note(&format!(
            "{}: {} output files, still inside",
            report.engine,
            report.outputs.len()
        ));
        let salt = random::bytes()?;
        let files = report
            .outputs
            .iter()
            .map(|file| (file.name.as_str(), file.bytes.as_slice()));
        let outputs = base64url::encode(&commitment::commit_files(&salt, files));
        Ok(Run {
            report,
            started,
            ended,
            salt,
            outputs,
        })
    }

    /// Weighs the outputs by the TRE's own limit; answers whether they may leave.
    async fn assess(&mut self, run: &Run) -> Result<bool> {
        let table = run.report.outputs.iter().find(|file| file.name == "counts.csv");
        let table = table.context("the run left no counts.csv")?;
        let smallest = self.tre.smallest_count;
        let found = assess(&table.bytes, smallest)?;
        ensure!(found.counts > 0, "counts.csv holds no counts");
        let passes = found.too_small == 0;
        let ruleset = daybook_core::Hash::of(format!("smallest count {smallest}").as_bytes());
        let clear = json!({
            "set": 1, "outputs": run.outputs, "ruleset": ruleset.to_base64url(), "workflow": self.gate["workflow"],
        });
        let sealed = vec![
            ("verdict", if passes { "pass" } else { "fail" }.into()),
            ("flagged", found.too_small.into()),
        ];
        let what = format!("outputs weighed: no count below {smallest}");
        self.say(Voice::Runner, "outputs-assessed", &what, clear, sealed)
            .await?;
        self.timeline.note(&format!(
            "inside only: {} of {} counts are too small",
            found.too_small, found.counts
        ));
        Ok(passes)
    }

    async fn withhold(&mut self) -> Result<()> {
        let tags = self.tags(&["checker one", "checker two"])?;
        let sealed = vec![
            ("reason", "disclosure-risk".into()),
            (
                "text",
                format!(
                    "Some counts are below {}, which this TRE does not let out.",
                    self.tre.smallest_count
                )
                .into(),
            ),
        ];
        self.say(
            Voice::Review,
            "disclosure-refused",
            "two people do not let the outputs out",
            json!({ "tags": tags }),
            sealed,
        )
        .await
    }

    async fn release(&mut self, run: &Run) -> Result<()> {
        let outputs = run.outputs.as_str();
        let tags = self.tags(&["checker one", "checker two"])?;
        let clear = json!({ "extent": "all", "outputs": outputs, "tags": tags });
        self.say(
            Voice::Review,
            "disclosure-approved",
            "two people let all of the outputs out",
            clear,
            vec![],
        )
        .await?;
        let clear = json!({ "outputs": outputs });
        self.say(
            Voice::Relay,
            "outputs-moved",
            "the approved outputs reach the polling zone",
            clear,
            vec![],
        )
        .await?;
        let files = run
            .report
            .outputs
            .iter()
            .map(|file| (file.name.as_str(), file.bytes.as_slice()));
        let moved = base64url::encode(&commitment::commit_files(&run.salt, files));
        ensure!(
            moved == run.outputs,
            "what reached the polling zone is not what was approved"
        );
        let clear = json!({ "how": "automatic", "outputs": outputs });
        self.say(
            Voice::Relay,
            "outputs-rechecked",
            "they are still what was approved",
            clear,
            vec![],
        )
        .await?;

        let bytes = self.result(run)?.to_zip()?;
        let digest = daybook_core::Hash::of(&bytes).to_base64url();
        let packet = random::id()?;
        let (client, origin) = (&self.stage.client, self.stage.origin());
        client
            .put_packet(&self.tre.relay.keys, origin, packet, bytes)
            .await
            .context("the result packet")?;
        let clear = self.at_gate(json!({ "outputs": outputs, "extent": "all", "packet": packet }));
        let sealed = vec![("packet_digest", digest.into())];
        self.say(
            Voice::Relay,
            "job-released",
            "results wait for the researcher",
            clear,
            sealed,
        )
        .await
    }

    fn result(&self, run: &Run) -> Result<Bag> {
        let step = || {
            Ok::<_, anyhow::Error>(Step {
                id: random::id()?,
                ended: Timestamp::now(),
            })
        };
        let home = format!("https://{}.example/", self.tre.slug);
        let review = Review {
            tre: Named::new(home.as_str(), format!("{} TRE (fictional)", self.tre.name)),
            software_url: home.clone(),
            check: step()?,
            validation: Some(step()?),
            retrieval: Some(step()?),
            sign_off: Some(step()?),
            policy: Named::new(format!("{home}agreement"), "Data use agreement (fictional)"),
            publishing: step()?,
            licence: Named::new(
                "https://spdx.org/licenses/CC-BY-4.0",
                "Creative Commons Attribution 4.0 International",
            ),
        };
        let outputs = run.report.outputs.iter().map(|file| Output {
            path: file.name.clone(),
            name: file.name.clone(),
            media_type: if file.name == "summary.json" {
                "application/json"
            } else {
                "text/csv"
            }
            .to_owned(),
            bytes: file.bytes.clone(),
        });
        let outcome = Outcome::Released {
            started: run.started,
            ended: run.ended,
            engine: run.report.engine.clone(),
            disclosure: step()?,
            partial: false,
            outputs: outputs.collect(),
            salt: run.salt,
        };
        Ok(result_bag(&self.bag, &self.request, &review, &outcome))
    }

    /// One tag for each reviewer: they show that two people differ within this job, and link nothing across jobs.
    fn tags(&self, people: &[&str]) -> Result<Vec<String>> {
        let secret: [u8; 32] = random::bytes()?;
        let tag = |person: &&str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&secret)?;
            mac.update(self.job.as_bytes());
            mac.update(person.as_bytes());
            Ok(base64url::encode(&mac.finalize().into_bytes()))
        };
        people.iter().map(tag).collect()
    }
}
