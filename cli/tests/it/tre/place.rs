//! A whole TRE: the relay and the runner as processes, data in the controlled zone, and its people.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use daybook_agent::engine::Sandbox;
use daybook_agent::keyfile::Keys;
use daybook_agent::packet::Bag;
use daybook_agent::review::create_secret;
use daybook_core::base64url;
use daybook_core::event::Event;
use daybook_core::id::{Slug, Stream, Subject};
use daybook_study::generate_data;
use serde_json::{Value, json};
use uuid::Uuid;

use super::process::{Order, Process};
use super::study::Plot;
use crate::bin::{daybook_within, stderr, stdout};
use crate::relay::federation::{Federation, draft, until};

/// The people who look at outputs.
pub(crate) const REVIEWERS: [&str; 2] = ["Rosalind", "Srinivasa"];

/// The TRE and the federation around it.
pub(crate) struct Place {
    pub(crate) relay: Option<Process>,
    pub(crate) runner: Option<Process>,
    pub(crate) federation: Federation,
    /// Words before the programs of the polling zone and of the controlled zone.
    pub(crate) within: [Vec<String>; 2],
}

impl Place {
    /// The TRE of a federation, its programs not started yet.
    pub(crate) async fn of(federation: Federation) -> Self {
        let place = Self {
            relay: None,
            runner: None,
            federation,
            within: [Vec::new(), Vec::new()],
        };
        place.put_data(&generate_data("wessex", 6000));
        place.write_configs().await;
        place
    }

    /// A TRE at work.
    pub(crate) async fn new() -> Self {
        let mut place = Self::of(Federation::new().await).await;
        place.start();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.federation.site.path(name)
    }

    /// What the TRE's dataset holds from now on.
    pub(crate) fn put_data(&self, csv: &str) {
        fs::write(self.path("admissions.csv"), csv).unwrap();
    }

    async fn write_configs(&self) {
        let federation = &self.federation;
        let relay = Keys::read(&self.path("keys/tre-wessex-relay.json")).unwrap();
        let link = json!({
            "url": format!("http://{}", federation.link),
            "name": "wessex-link",
            "access": relay.access.unwrap().public().to_x(),
        });
        let dataset = json!({
            "id": federation.dataset, "names": ["#emergency-admissions"], "mount": self.path("admissions.csv"),
        });
        let runner = json!({
            "tre": "wessex",
            "log_key": federation.log_key.to_string(),
            "keys": self.path("keys/tre-wessex-runner.json"),
            "spool": self.path("runner"),
            "time_step": "1 second",
            "parallel": 2,
            "relay": link,
            "engine": { "kind": "cwltool", "program": cwltool() },
            "sandbox": wall().await,
            "datasets": [dataset],
        });
        create_secret(&self.path("review.secret")).unwrap();
        let review = json!({
            "tre": "wessex",
            "log_key": federation.log_key.to_string(),
            "keys": self.path("keys/tre-wessex-review.json"),
            "secret": self.path("review.secret"),
            "spool": self.path("runner"),
            "memory": self.path("review"),
            "time_step": "1 second",
            "relay": link,
        });
        for (name, config) in [("runner.toml", runner), ("review.toml", review)] {
            fs::write(self.path(name), toml::to_string(&config).unwrap()).unwrap();
        }
    }

    pub(crate) fn order(&self, program: &str) -> Order {
        let within = &self.within[usize::from(program != "relay")];
        Order {
            within: within.clone(),
            arguments: [
                program,
                "--config",
                &self.federation.site.text(&format!("{program}.toml")),
            ]
            .map(str::to_owned)
            .to_vec(),
            log: self.path(&format!("{program}.log")),
        }
    }

    pub(crate) fn start(&mut self) {
        self.start_relay();
        self.start_runner();
    }

    pub(crate) fn start_relay(&mut self) {
        self.relay = Some(self.order("relay").start());
    }

    pub(crate) fn start_runner(&mut self) {
        self.runner = Some(self.order("runner").start());
    }

    pub(crate) fn kill_relay(&mut self) {
        self.relay.take().unwrap().kill();
    }

    pub(crate) fn kill_runner(&mut self) {
        self.runner.take().unwrap().kill();
    }

    /// Registers a workflow, approves it, and gives its id.
    pub(crate) async fn adopt(&mut self, plot: Plot) -> Uuid {
        let id = daybook_agent::random::id().unwrap();
        let clear = json!({ "digest": base64url::encode(&plot.digest()) });
        let sealed = vec![
            ("title", plot.name().into()),
            ("permalink", plot.permalink().into()),
            ("version", "1".into()),
        ];
        let registered = draft(Stream::Workflow(id), "workflow-registered", clear, sealed);
        let version = self
            .federation
            .registrar
            .say(&registered)
            .await
            .unwrap()
            .leaf_hash;
        self.federation.approve(Subject::Workflow, id, &version).await;
        id
    }

    /// Sends a request for a workflow to the TRE, and gives submission and job.
    pub(crate) async fn submit(&mut self, plot: Plot, workflow: Uuid) -> Job {
        let bytes = plot.request().to_zip().unwrap();
        let to: [(Slug, Vec<Uuid>); 1] = [("wessex".parse().unwrap(), vec![self.federation.dataset])];
        let member = &mut self.federation.member;
        let submitted = daybook::commands::submit_packet(member, "it.example/log", bytes, workflow, &to);
        let submitted = submitted.await.unwrap();
        Job {
            id: submitted.jobs[0].1,
            submission: submitted.submission,
        }
    }

    /// A job of the shipped workflow.
    pub(crate) async fn submit_shipped(&mut self) -> Job {
        self.submit(Plot::Shipped, self.federation.workflow).await
    }

    /// `daybook review`.
    pub(crate) fn try_review(&self, arguments: &[&str]) -> Output {
        daybook_within(&self.within[1])
            .args(["review", "--config", &self.federation.site.text("review.toml")])
            .args(arguments)
            .output()
            .unwrap()
    }

    pub(crate) fn review(&self, arguments: &[&str]) -> String {
        let output = self.try_review(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Both people say the same of a job.
    pub(crate) fn both(&self, command: &str, job: Job, more: &[&str]) {
        let id = job.id.to_string();
        for reviewer in REVIEWERS {
            self.review(&[&[command, &id, "--reviewer", reviewer], more].concat());
        }
    }

    pub(crate) async fn until_state(&self, job: Job, state: &str) {
        self.federation.until_state(job.id, state).await;
    }

    /// Waits until the relay itself has the job in a state, whether the hub knows or not.
    pub(crate) async fn until_relay(&self, job: Job, state: &str) {
        let link = self.federation.link("review");
        until(&format!("the relay has the job {state}"), async || {
            (link.job(job.id).await.ok()?.state == state).then_some(())
        })
        .await;
    }

    /// What the public reads of a job: the word, and the sentence.
    pub(crate) async fn public(&self, job: Job) -> (String, String) {
        let body: Value = self
            .federation
            .client
            .get(&format!("/v1/jobs/{}", job.id))
            .await
            .unwrap();
        let text = |name: &str| body["public"][name].as_str().unwrap().to_owned();
        (text("word"), text("sentence"))
    }

    /// The job's events as the hub has them.
    pub(crate) async fn events(&self, job: Job) -> Vec<Event> {
        let stream = format!("job/{}", job.id);
        let entries = self.federation.client.entries(&stream, None).await.unwrap();
        entries
            .iter()
            .map(|entry| Event::parse(&entry.event).unwrap())
            .collect()
    }

    /// The team says something about a job of its submission.
    pub(crate) async fn team_says(&mut self, job: Job, kind: &'static str, more: Value, text: &str) {
        let mut clear = json!({ "job": job.id });
        clear
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let said = draft(
            Stream::Submission(job.submission),
            kind,
            clear,
            vec![("text", text.into())],
        );
        self.federation.member.say(&said).await.unwrap();
    }

    /// Waits until the relay listens for the controlled zone.
    pub(crate) async fn until_relay_listens(&self) {
        let link = self.federation.link("review");
        until("the relay listens", async || {
            link.jobs(None, 0).await.ok().map(drop)
        })
        .await;
    }

    /// What the team collects, once there is something.
    pub(crate) async fn results(&self, job: Job) -> Bag {
        self.federation.results(job.id).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // Why a run failed is told nowhere but inside.
        let jobs = ["jobs", "ended"].map(|name| self.path("runner").join(name));
        for runs in jobs.iter().filter_map(|jobs| fs::read_dir(jobs).ok()).flatten() {
            let runs = fs::read_dir(runs.unwrap().path().join("runs"))
                .into_iter()
                .flatten();
            for run in runs.filter_map(Result::ok).map(|run| run.path()) {
                for name in ["outcome.json", "stderr.txt"] {
                    let text = fs::read_to_string(run.join(name)).unwrap_or_default();
                    eprintln!("{}/{name}:\n{text}", run.display());
                }
            }
        }
    }
}

/// The engine of the repository's own environment.
fn cwltool() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found = std::env::var_os("DAYBOOK_CWLTOOL").map(PathBuf::from);
    let found = found.unwrap_or_else(|| repository.join(".venv/bin/cwltool"));
    assert!(found.exists(), "{} is missing: run `make setup`", found.display());
    found
}

/// The strongest wall around runs that this machine allows.
async fn wall() -> Value {
    if Sandbox::strongest().await.unwrap().is_isolated() {
        return json!({});
    }
    eprintln!("no sandbox can be made here: workflows run as plain processes");
    json!({ "isolation": "none", "network": "open" })
}

/// A job and the submission that it is part of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) submission: Uuid,
}

/// The types of events, in order.
pub(crate) fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.claims().kind.as_str()).collect()
}
