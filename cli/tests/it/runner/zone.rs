//! A controlled zone: the runner as a process, the review service as commands, before a real relay and a real hub.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use daybook_agent::engine::Sandbox;
use daybook_study::generate_data;
use serde_json::Value;
use uuid::Uuid;

use crate::bin::{daybook, run, stderr, stdout, terminate};
use crate::relay::federation::{Federation, until};
use crate::relay::process::RelayProcess;

/// The federation, its relay, and a runner.
pub(crate) struct Zone {
    pub(crate) federation: Federation,
    runner: Option<Child>,
    _relay: RelayProcess,
}

impl Zone {
    /// A zone whose engine is this script, which finds its outputs' folder as its current one.
    pub(crate) async fn new(script: &str) -> Self {
        let zone = Self::with_engine("").await;
        let file = zone.path("engine.sh");
        let find = "cd \"$(sed -n 's/.*\"outputs\": \"\\(.*\\)\".*/\\1/p' \"$1\")\"";
        std::fs::write(&file, format!("#!/bin/sh\n{find}\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let engine = format!(
            "kind = \"command\"\nprogram = \"{}\"\nname = \"script 1\"\n",
            file.display()
        );
        zone.configure(&engine).await;
        zone
    }

    /// A zone with the engine of a table `[engine]`.
    pub(crate) async fn with_engine(engine: &str) -> Self {
        let federation = Federation::new().await;
        let relay = federation.relay();
        let zone = Self {
            federation,
            runner: None,
            _relay: relay,
        };
        let made = run(&[
            "review",
            "new-secret",
            &zone.federation.site.text("review.secret"),
        ]);
        assert!(made.status.success(), "{}", stderr(&made));
        zone.configure(engine).await;
        zone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.federation.site.path(name)
    }

    async fn configure(&self, engine: &str) {
        let federation = &self.federation;
        let site = &federation.site;
        std::fs::write(self.path("data.csv"), generate_data("wessex", 3_000)).unwrap();
        let wall = if Sandbox::strongest().await.unwrap().is_isolated() {
            ""
        } else {
            eprintln!("no namespaces here: runs are not isolated in this test");
            "isolation = \"none\"\nnetwork = \"open\"\n"
        };
        let common = |role: &str| {
            format!(
                "tre = \"wessex\"\nlog_key = \"{}\"\nkeys = \"{}\"\nspool = \"{}\"\ntime_step = \"1 second\"\n",
                federation.log_key,
                site.text(&format!("keys/tre-wessex-{role}.json")),
                site.text("runner"),
            )
        };
        let runner = format!(
            "{}{}[engine]\n{engine}[sandbox]\n{wall}[limits]\nseconds = 120\n[rules]\ntypes = [\"csv\", \"json\", \"txt\", \"zip\"]\n[[datasets]]\nid = \"{}\"\n\
             names = [\"#emergency-admissions\"]\nmount = \"{}\"\n",
            common("runner"),
            federation.relay_table(),
            federation.dataset,
            site.text("data.csv"),
        );
        std::fs::write(self.path("runner.toml"), runner).unwrap();
        let review = format!(
            "{}secret = \"{}\"\nmemory = \"{}\"\n{}",
            common("review"),
            site.text("review.secret"),
            site.text("review"),
            federation.relay_table(),
        );
        std::fs::write(self.path("review.toml"), review).unwrap();
    }

    /// Starts the runner; its log goes to a file.
    pub(crate) fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("runner.log"))
            .unwrap();
        let runner = daybook()
            .args(["runner", "--config"])
            .arg(self.path("runner.toml"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.runner = Some(runner);
    }

    /// Kills the runner, which says nothing of it to anybody.
    pub(crate) fn kill(&mut self) {
        let mut runner = self.runner.take().unwrap();
        runner.kill().unwrap();
        runner.wait().unwrap();
    }

    /// Tells the runner to end, and answers whether it ended well.
    pub(crate) fn terminate(&mut self) -> bool {
        let mut runner = self.runner.take().unwrap();
        terminate(&mut runner)
    }

    /// `daybook runner` with a command.
    pub(crate) fn command(&self, args: &[&str]) -> (bool, String) {
        let config = self.federation.site.text("runner.toml");
        let output = run(&[&["runner", "--config", &config], args].concat());
        (output.status.success(), stdout(&output) + &stderr(&output))
    }

    /// `daybook review` with a command.
    pub(crate) fn review(&self, args: &[&str]) -> (bool, String) {
        let config = self.federation.site.text("review.toml");
        let output = run(&[&["review", "--config", &config], args].concat());
        (output.status.success(), stdout(&output) + &stderr(&output))
    }

    /// The same, which must succeed.
    pub(crate) fn decide(&self, args: &[&str]) -> String {
        let (is_well, text) = self.review(args);
        assert!(is_well, "{args:?}: {text}");
        text
    }

    /// Waits until the relay has the job in a state.
    pub(crate) async fn until(&self, job: Uuid, state: &str) {
        let link = self.federation.link("review");
        let ask = async || {
            let view = link.job(job).await.ok()?;
            (view.state == state).then_some(())
        };
        until(&format!("the job is {state}"), ask).await;
    }

    /// A file of the job in the runner's spool.
    pub(crate) fn file(&self, job: Uuid, name: &str) -> PathBuf {
        self.path(&format!("runner/jobs/{job}/{name}"))
    }

    pub(crate) async fn until_there(&self, job: Uuid, name: &str) {
        let file = self.file(job, name);
        until(&format!("{name} is there"), async || file.exists().then_some(())).await;
    }

    /// The data of a job's last event of a kind at the hub.
    pub(crate) async fn data(&self, job: Uuid, kind: &str) -> Value {
        let event = self.federation.last_of(job, kind).await;
        Value::Object(event.claims().data.clone())
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        if let Some(mut runner) = self.runner.take() {
            drop(runner.kill());
            drop(runner.wait());
        }
        if std::thread::panicking() {
            eprintln!(
                "{}",
                std::fs::read_to_string(self.path("runner.log")).unwrap_or_default()
            );
        }
    }
}
