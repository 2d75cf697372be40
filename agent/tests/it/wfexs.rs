//! The engine `wfexs`, with the real program: `make wfexs-test WFEXS=<its command>`.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::PathBuf;

use daybook_agent::engine::{
    Engine, FailureCode, Job, Provided, RunError, RunLimits, RunReport, Sandbox, Wfexs,
};
use daybook_agent::packet::Bag;
use daybook_study::generate_data;
use tokio_util::sync::CancellationToken;

use crate::support::{DATASET, bag};

/// The program as the environment gives it, in the strongest sandbox that there is.
async fn engine() -> Engine {
    let given = |name| std::env::var(name).unwrap();
    Engine::Wfexs(Wfexs {
        command: given("DAYBOOK_WFEXS")
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect(),
        cache: PathBuf::from(given("DAYBOOK_WFEXS_CACHE")),
        sandbox: Sandbox::strongest().await.unwrap(),
    })
}

async fn run(engine: &Engine, packet: &Bag) -> Result<RunReport, RunError> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("the TRE's own name.csv");
    std::fs::write(&data, generate_data("wessex", 3_000)).unwrap();
    let datasets: BTreeMap<String, Provided> = [(DATASET.to_owned(), data.into())].into();
    let (work, stop) = (folder.path().join("work"), CancellationToken::new());
    let outcome = engine
        .run(&Job {
            work: &work,
            packet,
            datasets: &datasets,
            images: &[],
            limits: &RunLimits::default(),
            stop: &stop,
        })
        .await;
    if outcome.is_err() {
        let log = std::fs::read(work.join("stderr.txt")).unwrap_or_default();
        eprintln!("{}", String::from_utf8_lossy(&log));
    }
    outcome
}

#[tokio::test]
async fn wfexs_runs_the_study_and_its_execution_crate_is_among_the_outputs() {
    let engine = engine().await;
    let report = run(&engine, &bag(10)).await.unwrap();
    assert!(report.engine.starts_with("WfExS-backend 1."), "{}", report.engine);
    assert_eq!(engine.version().await.unwrap(), report.engine);
    let names: Vec<&str> = report.outputs.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["counts.csv", "execution.ro-crate.zip", "summary.json"]);
    assert!(
        report.outputs[0].bytes.starts_with(b"age_band,year,"),
        "{:?}",
        report.outputs[0]
    );

    let mut crate_ = zip::ZipArchive::new(Cursor::new(&report.outputs[1].bytes)).unwrap();
    let mut metadata = String::new();
    crate_
        .by_name("ro-crate-metadata.json")
        .unwrap()
        .read_to_string(&mut metadata)
        .unwrap();
    assert!(metadata.contains("https://w3id.org/ro/wfrun/process/0.5"));
    assert!(
        !metadata.contains("own name"),
        "the TRE's file names stay its own"
    );
}

#[tokio::test]
async fn a_workflow_that_fails_under_wfexs_is_no_success() {
    let engine = engine().await;
    let mut packet = bag(10);
    packet.payload.insert(
        "workflow/scripts/count.py".to_owned(),
        b"raise SystemExit('patient-7')\n".to_vec(),
    );
    let error = run(&engine, &packet).await.unwrap_err();
    assert_eq!(error.code(), FailureCode::ToolError, "{error}");
    assert!(!error.to_string().contains("patient-7"));
}
