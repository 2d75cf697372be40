//! The study, executed for real by cwltool.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use daybook_agent::engine::{
    Cwltool, Engine, FailureCode, Job, Provided, RunError, RunLimits, RunReport, Sandbox, find_cwltool,
};
use daybook_agent::packet::{Bag, Limits, read_request};
use daybook_study::{RELEASABLE_THRESHOLD, generate_data, request_packet, workflow_digest};
use tokio_util::sync::CancellationToken;

use crate::support::{DATASET, bag, params, until_gone, until_there};

pub(crate) fn cwltool() -> PathBuf {
    let given = std::env::var_os("DAYBOOK_CWLTOOL").map(PathBuf::from);
    find_cwltool(given.as_deref())
        .unwrap_or_else(|error| panic!("the study's tests run cwltool for real: {error}"))
}

/// One TRE with its data, and a place to run.
struct Place {
    folder: tempfile::TempDir,
    datasets: BTreeMap<String, Provided>,
    stop: CancellationToken,
}

impl Place {
    fn new(tre: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A name that a careless URI would break.
        let data = folder.path().join("admissions #1 100%.csv");
        std::fs::write(&data, generate_data(tre, 3_000)).unwrap();
        Self {
            folder,
            datasets: [(DATASET.to_owned(), data.into())].into(),
            stop: CancellationToken::new(),
        }
    }

    async fn run(&self, bag: &Bag, limits: &RunLimits) -> Result<RunReport, RunError> {
        let engine = Engine::Cwltool(Cwltool {
            program: cwltool(),
            sandbox: Sandbox::strongest().await.unwrap(),
            containers: None,
        });
        let work = self.folder.path().join("work");
        engine
            .run(&Job {
                work: &work,
                packet: bag,
                datasets: &self.datasets,
                images: &[],
                limits,
                stop: &self.stop,
            })
            .await
    }
}

fn long() -> RunLimits {
    RunLimits {
        seconds: 300,
        ..RunLimits::default()
    }
}

fn text<'a>(report: &'a RunReport, name: &str) -> &'a str {
    let file = report.outputs.iter().find(|file| file.name == name).unwrap();
    std::str::from_utf8(&file.bytes).unwrap()
}

/// Counts of a table by age band and year, computed here from the data and not by the workflow.
fn expected(tre: &str) -> BTreeMap<(String, String), u32> {
    let mut counts = BTreeMap::new();
    for line in generate_data(tre, 3_000).lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let band = match fields[1].parse::<u8>().unwrap() {
            0..=4 => "0-4",
            5..=17 => "5-17",
            18..=39 => "18-39",
            40..=64 => "40-64",
            65..=79 => "65-79",
            _ => "80+",
        };
        if fields[4] == "emergency" && (fields[5].starts_with("J45") || fields[5].starts_with("J46")) {
            *counts
                .entry((band.to_owned(), fields[3][..4].to_owned()))
                .or_insert(0) += 1;
        }
    }
    counts
}

#[tokio::test]
async fn the_study_counts_rightly_and_masks_small_cells() {
    let packet = request_packet(&params(RELEASABLE_THRESHOLD)).unwrap();
    let opened = Bag::from_zip(&packet, &Limits::default()).unwrap();
    let report = Place::new("wessex").run(&opened, &long()).await.unwrap();
    assert!(report.engine.starts_with("cwltool 3."), "{}", report.engine);
    let names: Vec<&str> = report.outputs.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["counts.csv", "summary.json"]);
    let expected = expected("wessex");
    let mut masked = 0;
    for line in text(&report, "counts.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let count = expected
            .get(&(fields[0].to_owned(), fields[1].to_owned()))
            .copied()
            .unwrap_or(0);
        let shown = if (1..10).contains(&count) {
            "<10".to_owned()
        } else {
            count.to_string()
        };
        assert_eq!(fields[2], shown, "{line}");
        masked += u32::from(shown == "<10");
    }
    assert!(
        masked > 0,
        "the fictional data must hold small cells, or the study shows nothing"
    );
    let summary: serde_json::Value = serde_json::from_str(text(&report, "summary.json")).unwrap();
    assert_eq!(summary["cells_masked"], masked);
}

#[tokio::test]
async fn a_threshold_of_nought_shows_small_cells_that_a_checker_withholds() {
    let report = Place::new("lothian").run(&bag(0), &long()).await.unwrap();
    let counts = text(&report, "counts.csv")
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap());
    let small = counts
        .filter(|count| count.parse::<u32>().is_ok_and(|count| (1..10).contains(&count)))
        .count();
    assert!(small > 0);
}

/// A packet whose workflow is one shell command.
fn command(script: &str) -> Bag {
    let mut bag = bag(10);
    let tool = serde_json::json!({
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "baseCommand": ["sh", "-c", script],
        "inputs": {"admissions": "File", "threshold": "int"},
        "outputs": {"out": {"type": "File", "outputBinding": {"glob": "out.txt"}}},
    });
    bag.payload.insert(
        "workflow/asthma-admissions.cwl".to_owned(),
        tool.to_string().into_bytes(),
    );
    bag
}

#[tokio::test]
async fn a_run_over_its_time_is_killed_with_all_that_it_started() {
    // Two levels down, in the background, ignoring polite signals; 86413 seconds is the mark by which it is found.
    let bag = command("touch $TMPDIR/../begun; trap '' TERM; (setsid sleep 86413 &) ; sleep 86413");
    let mut seconds = 10;
    loop {
        let place = Place::new("wessex");
        let limits = RunLimits { seconds, ..long() };
        let run = tokio::time::timeout(Duration::from_mins(5), place.run(&bag, &limits));
        let error = run.await.unwrap().unwrap_err();
        assert!(matches!(error, RunError::TimeLimit(_)), "{error}");
        assert_eq!(error.code().as_str(), "time-limit");
        // cwltool itself may take as long to start, and then nothing had begun that could be killed.
        if place.folder.path().join("work/tmp/begun").exists() {
            break;
        }
        seconds *= 2;
    }
    until_gone("86413").await;
}

#[tokio::test]
async fn a_run_that_is_stopped_ends_with_all_that_it_started() {
    let place = Place::new("wessex");
    let mark = place.folder.path().join("work/tmp/begun");
    let bag = command("touch $TMPDIR/../begun; sleep 86417");
    let stop = place.stop.clone();
    let stopping = async {
        // The run's own mark says when there is something to stop.
        until_there(&mark).await;
        stop.cancel();
        std::future::pending().await
    };
    let limits = long();
    let ended = tokio::select! {
        ended = place.run(&bag, &limits) => ended,
        never = stopping => never,
    };
    assert_eq!(ended.unwrap_err().code(), FailureCode::Stopped);
    until_gone("86417").await;
}

#[tokio::test]
async fn what_a_tool_leaves_in_the_background_does_not_outlive_the_run() {
    let bag = command("(sleep 86419 >/dev/null 2>&1 &); echo done > out.txt");
    let report = Place::new("wessex").run(&bag, &long()).await.unwrap();
    assert_eq!(text(&report, "out.txt"), "done\n");
    until_gone("86419").await;
}

#[tokio::test]
async fn failures_have_codes_from_the_closed_list() {
    let code = async |bag: &Bag, memory: u64| {
        Place::new("wessex")
            .run(bag, &RunLimits { memory, ..long() })
            .await
            .unwrap_err()
            .code()
            .as_str()
    };
    assert_eq!(code(&command("exit 3"), 8 << 30).await, "tool-error");
    let hungry = "python3 -c 'bytearray(8 << 30)'; exit 1";
    assert_eq!(code(&command(hungry), 2 << 30).await, "memory-limit");
    let mut bare = bag(10);
    bare.payload.remove("workflow/asthma-admissions.cwl");
    assert_eq!(code(&bare, 8 << 30).await, "input-missing");

    let mut place = Place::new("wessex");
    place.datasets.clear();
    let error = place.run(&bag(10), &long()).await.unwrap_err();
    assert_eq!(error.code(), FailureCode::InputMissing);
    assert!(error.to_string().contains(DATASET), "{error}");
}

#[tokio::test]
async fn a_tool_s_log_stays_out_of_the_error_s_text() {
    let error = Place::new("wessex")
        .run(&command("echo patient-7 >&2; exit 1"), &long())
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("patient-7"));
    assert!(matches!(error, RunError::Tool { log, .. } if log.contains("patient-7")));
}

#[tokio::test]
async fn a_tool_sees_nothing_of_our_environment() {
    let report = Place::new("wessex")
        .run(&command("env > out.txt"), &long())
        .await
        .unwrap();
    let names: Vec<&str> = text(&report, "out.txt")
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    assert!(names.contains(&"PATH"));
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("CARGO") || name.starts_with("DAYBOOK")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_work_folder_in_use_is_refused() {
    let place = Place::new("wessex");
    std::fs::create_dir_all(place.folder.path().join("work/out")).unwrap();
    let error = place.run(&bag(10), &long()).await.unwrap_err();
    assert!(matches!(error, RunError::Work { .. }), "{error}");
}

#[test]
fn the_workflow_s_digest_is_the_workflow_s_alone() {
    let digest = |bag: &Bag| workflow_digest(bag, &read_request(bag).unwrap().request).unwrap();
    assert_eq!(digest(&bag(10)), digest(&bag(0)));
    let mut other = bag(10);
    other
        .payload
        .insert("workflow/scripts/count.py".to_owned(), b"print()\n".to_vec());
    assert_ne!(digest(&bag(10)), digest(&other));
}
