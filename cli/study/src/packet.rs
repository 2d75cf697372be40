//! The study's request, with its workflow in the bag.

use jiff::Timestamp;
use uuid::Uuid;

use daybook_agent::packet::{
    self, Bag, BagError, Input, InputKind, Named, Payload, Project, Request, Requester, Workflow, run_id,
};

/// The smallest count that the study shows when its outputs are fit for release.
pub const RELEASABLE_THRESHOLD: u32 = 10;

const FOLDER: &str = "workflow/";
const FILES: [(&str, &str); 6] = [
    (
        "asthma-admissions.cwl",
        include_str!("../workflow/asthma-admissions.cwl"),
    ),
    (
        "ro-crate-metadata.json",
        include_str!("../workflow/ro-crate-metadata.json"),
    ),
    ("scripts/count.py", include_str!("../workflow/scripts/count.py")),
    (
        "scripts/suppress.py",
        include_str!("../workflow/scripts/suppress.py"),
    ),
    ("tools/count.cwl", include_str!("../workflow/tools/count.cwl")),
    (
        "tools/suppress.cwl",
        include_str!("../workflow/tools/suppress.cwl"),
    ),
];

/// What changes from one request of the study to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// The submission's id, which becomes the bag's `External-Identifier`.
    pub submission: Uuid,
    /// The run's id; another than the submission's.
    pub run: Uuid,
    /// When the request is made.
    pub made: Timestamp,
    /// Who asks.
    pub requester: Requester,
    /// For which project.
    pub project: Project,
    /// Versioned permalink of the registered workflow, and its title.
    pub workflow: Named,
    /// Where the workflow's own crate can be had as a zip.
    pub distribution: String,
    /// The dataset to read: its id and title.
    pub dataset: Named,
    /// Smallest count to show; 0 shows all, which makes the outputs unfit for release.
    pub threshold: u32,
}

/// The study's request as facts.
pub fn request(params: &Params) -> Request {
    let parameter = |name: &str| Some(Named::new(format!("#parameter-{name}"), name));
    Request {
        name: "Emergency asthma admissions by age band and year".to_owned(),
        description:
            "Counts emergency hospital admissions for asthma by age band and calendar year in fictional data."
                .to_owned(),
        made: Some(params.made),
        licence: Some(Named::new(
            "https://spdx.org/licenses/CC-BY-4.0",
            "Creative Commons Attribution 4.0 International",
        )),
        run: Named::new(
            run_id(params.run),
            "Count emergency asthma admissions by age band and year",
        ),
        requester: params.requester.clone(),
        project: params.project.clone(),
        workflow: Workflow {
            workflow: params.workflow.clone(),
            distribution: Some(params.distribution.clone()),
            folder: Some(FOLDER.to_owned()),
        },
        inputs: vec![
            Input {
                input: params.dataset.clone(),
                kind: InputKind::Dataset,
                parameter: parameter("admissions"),
            },
            Input {
                input: Named::new("#threshold", "smallest count shown"),
                kind: InputKind::Value(params.threshold.to_string()),
                parameter: parameter("threshold"),
            },
        ],
    }
}

/// The study's request as a bag.
pub fn request_bag(params: &Params) -> Bag {
    let files: Payload = FILES
        .iter()
        .map(|(path, text)| (format!("{FOLDER}{path}"), text.as_bytes().to_vec()))
        .collect();
    packet::request_bag(&request(params), params.submission, files)
}

/// The study's request as the bytes of a packet; equal parameters give equal bytes.
///
/// # Errors
/// As [`Bag::to_zip`].
pub fn request_packet(params: &Params) -> Result<Vec<u8>, BagError> {
    request_bag(params).to_zip()
}

/// The digest by which the workflow of a request is registered and recognised, [`packet::workflow_digest`]; nothing if the
/// request has no copy of its workflow.
pub fn workflow_digest(bag: &Bag, request: &Request) -> Option<[u8; 32]> {
    packet::workflow_copy(bag, request).map(|files| packet::workflow_digest(&files))
}
