//! The engine `tes`, against a task service that refuses whatever GA4GH TES 1.1 does not allow.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use daybook_agent::engine::{
    Engine, FailureCode, Job, Provided, RunError, RunLimits, RunReport, Sandbox, Tes, TesConfig, find_cwltool,
};
use daybook_study::generate_data;
use tokio_util::sync::CancellationToken;

use crate::support::{DATASET, bag, is_running, until_there};

/// The service as a process of its own; it ends with its standard input.
struct Service {
    process: Child,
    port: String,
    folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("tests/python/tes_server.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`make setup` makes the Python environment that the task service runs in");
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        assert!(!port.is_empty(), "the task service does not start");
        Self {
            process,
            port: port.trim().to_owned(),
            folder,
        }
    }

    fn config(&self, image: &str) -> TesConfig {
        let storage = self.folder.path().join("storage");
        std::fs::create_dir_all(&storage).unwrap();
        TesConfig {
            url: format!("http://127.0.0.1:{}/ga4gh/tes/v1", self.port),
            token_file: None,
            storage_url: format!("file://{}", storage.display()),
            storage,
            image: image.to_owned(),
            command: vec![
                find_cwltool(None).unwrap().to_str().unwrap().to_owned(),
                "--no-container".to_owned(),
            ],
            cpu_cores: 1,
            poll_milliseconds: 20,
            cancel_seconds: 60,
        }
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    async fn run(
        &self,
        config: TesConfig,
        limits: &RunLimits,
        stop: &CancellationToken,
    ) -> Result<RunReport, RunError> {
        let data = self.folder.path().join("data.csv");
        std::fs::write(&data, generate_data("wessex", 3_000)).unwrap();
        let url = Some(format!("file://{}", data.display()));
        let provided = Provided { url, ..data.into() };
        let datasets: BTreeMap<String, Provided> = [(DATASET.to_owned(), provided)].into();
        let (work, packet) = (self.work(), bag(10));
        let job = Job {
            work: &work,
            packet: &packet,
            datasets: &datasets,
            images: &[],
            limits,
            stop,
        };
        Engine::Tes(Tes::new(config).unwrap()).run(&job).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_task_service_runs_the_study_and_keeps_nothing_of_it() {
    if !Sandbox::strongest().await.unwrap().is_isolated() {
        eprintln!("no namespaces here: the task service cannot show tasks their folders, so none is run");
        return;
    }
    let service = Service::start();
    let report = service
        .run(
            service.config("local"),
            &RunLimits::default(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    assert_eq!(report.engine, "tes Example task service 1.0.0");
    let names: Vec<&str> = report.outputs.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["counts.csv", "summary.json"]);
    let left = std::fs::read_dir(service.folder.path().join("storage"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "the run's folder in the storage is removed");
}

#[tokio::test]
async fn each_state_of_a_task_has_its_end() {
    let ends = [
        (
            "QUEUED/INITIALIZING/RUNNING/PAUSED/RUNNING/SYSTEM_ERROR",
            FailureCode::HostLost,
        ),
        ("RUNNING/PREEMPTED", FailureCode::HostLost),
        ("RUNNING/CANCELING/CANCELED", FailureCode::Stopped),
        ("RUNNING/EXECUTOR_ERROR", FailureCode::MemoryLimit),
        ("RUNNING/UNKNOWN/UNKNOWN/PREEMPTED", FailureCode::HostLost),
        ("RUNNING/UNKNOWN", FailureCode::ToolError),
        ("RUNNING/DREAMING", FailureCode::ToolError),
        // It says it is done, and there is nothing.
        ("RUNNING/COMPLETE", FailureCode::ToolError),
    ];
    let service = Service::start();
    for (states, code) in ends {
        let config = service.config(&format!("states/{states}"));
        let error = service
            .run(config, &RunLimits::default(), &CancellationToken::new())
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{states}: {error}");
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_cancels_the_task_and_waits_until_it_is_over() {
    if !Sandbox::strongest().await.unwrap().is_isolated() {
        eprintln!("no namespaces here: the task service cannot show tasks their folders, so none is run");
        return;
    }
    let service = Service::start();
    let mut config = service.config("local");
    let script = "touch /daybook/out/begun; sleep 86521; exit 1";
    config.command = ["sh", "-c", script, "sh"].map(ToOwned::to_owned).to_vec();
    let (stop, limits) = (CancellationToken::new(), RunLimits::default());
    let begun = service.folder.path().join("task-1/daybook/out/begun");
    let stopping = async {
        until_there(&begun).await;
        stop.cancel();
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = service.run(config, &limits, &stop) => ended,
        never = stopping => never,
    };
    assert_eq!(ended.unwrap_err().code(), FailureCode::Stopped);
    assert!(
        !is_running("86521"),
        "the service said that it is over, and so it is"
    );
}

#[tokio::test]
async fn a_task_over_its_time_is_cancelled() {
    let service = Service::start();
    let limits = RunLimits {
        seconds: 1,
        ..RunLimits::default()
    };
    let config = service.config("states/RUNNING");
    let error = service
        .run(config, &limits, &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.code(), FailureCode::TimeLimit);
}

#[tokio::test]
async fn a_service_that_never_confirms_the_end_leaves_a_note_by_which_the_next_runner_asks_again() {
    let service = Service::start();
    let mut config = service.config("states/RUNNING");
    config.cancel_seconds = 0;
    let stop = CancellationToken::new();
    stop.cancel();
    let error = service
        .run(config.clone(), &RunLimits::default(), &stop)
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::NotStopped(_)), "{error}");
    config.cancel_seconds = 60;
    let engine = Engine::Tes(Tes::new(config).unwrap());
    engine.end_leftovers(&service.work()).await.unwrap();
    engine.end_leftovers(&service.work()).await.unwrap();
}

#[tokio::test]
async fn a_dataset_without_a_url_and_a_wrong_token_are_told_apart() {
    let service = Service::start();
    std::fs::write(service.folder.path().join("token"), "open-sesame\n").unwrap();
    let error = service
        .run(
            service.config("states/RUNNING"),
            &RunLimits::default(),
            &CancellationToken::new(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), FailureCode::ToolError);
    assert!(matches!(error, RunError::Tes(_)), "{error}");

    let token = service.folder.path().join("my-token");
    std::fs::write(&token, "open-sesame\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = TesConfig {
        token_file: Some(token),
        ..service.config("states/RUNNING/PREEMPTED")
    };
    let ended = service
        .run(config, &RunLimits::default(), &CancellationToken::new())
        .await;
    assert_eq!(ended.unwrap_err().code(), FailureCode::HostLost);
}
