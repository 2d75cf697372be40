//! What several of these tests need.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_agent::packet::{Bag, LocalId, Named, Project, Requester};
use daybook_study::{Params, request_bag};
use uuid::Uuid;

/// The id of the study's dataset in these tests.
pub(crate) const DATASET: &str = "urn:uuid:6c1b1f0e-3b0c-4c37-9d63-8a1d7a4c2f10";

/// Parameters of the study, with every optional part of a request filled.
pub(crate) fn params(threshold: u32) -> Params {
    Params {
        submission: Uuid::from_u128(0x9796_155a_fe44_4614_89b8_7194_5f71_8ffb),
        run: Uuid::from_u128(0x3725_2371_c937_43bd_a0a7_3680_b48c_0538),
        made: "2026-11-02T09:30:00Z".parse().unwrap(),
        requester: Requester {
            person: Named::new("https://orcid.example.org/0000-0000-0000-0001", "Ada Example"),
            affiliation: Some(Named::new("https://ror.example.org/u", "University of Examples")),
        },
        project: Project {
            project: Named::new(
                "urn:uuid:be6ffb55-4f5a-4c14-b60e-47e0951090c7",
                "Asthma in children",
            ),
            local_ids: vec![LocalId {
                issuer: "wessex".to_owned(),
                value: "81".to_owned(),
            }],
            funding: vec![Named::new("https://grants.example.org/1", "Example grant")],
            members: vec![Named::new("https://ror.example.org/u", "University of Examples")],
        },
        workflow: Named::new("https://workflows.example.org/7?version=1", "Asthma admissions"),
        distribution: "https://workflows.example.org/7/crate.zip?version=1".to_owned(),
        dataset: Named::new(DATASET, "Hospital admissions"),
        threshold,
    }
}

/// The study's request as a bag.
pub(crate) fn bag(threshold: u32) -> Bag {
    request_bag(&params(threshold))
}

/// A folder of published example data, if the tests are given one.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("DAYBOOK_SHARED_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("DAYBOOK_SHARED_DATA is not set: the published example crates are not read in this run");
    }
    folder
}

/// Whether a process of this machine has `word` among its arguments.
pub(crate) fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| {
            line.split(|byte| *byte == 0)
                .any(|argument| argument == word.as_bytes())
        })
}

/// Waits for the kernel to have finished with processes that were killed.
pub(crate) async fn until_gone(word: &str) {
    until_running(word, false).await;
}

/// Waits for a process to be there, which a file that was written before it does not say, or to be gone.
pub(crate) async fn until_running(word: &str, running: bool) {
    let so = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while is_running(word) != running {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), so)
        .await
        .unwrap_or_else(|_| panic!("{word} runs: this was not {running} within ten seconds"));
}

/// Waits for a file, for ever: beside what writes it, whose end is the end of waiting.
pub(crate) async fn until_there(file: &Path) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while !file.exists() {
        ticks.tick().await;
    }
}
