//! What passes over the link: paths, bodies, problems.
//!
//! | call | who | what |
//! |---|---|---|
//! | `GET /link/v1/jobs?after=&wait=` | runner, review | every open job; with `after` it waits until something has changed |
//! | `GET /link/v1/jobs/{job}` | runner, review | one job |
//! | `GET /link/v1/jobs/{job}/packet` | runner, review | the request's bytes |
//! | `GET /link/v1/jobs/{job}/gate` | runner, review | whether what the job rests on stands now |
//! | `POST /link/v1/jobs/{job}/lease` | runner | takes the job for a while, or for a while longer |
//! | `DELETE /link/v1/jobs/{job}/lease?holder=` | runner | gives it back |
//! | `GET /link/v1/things/{digest}` | runner | a workflow or an image, by its SHA-256 |
//! | `GET /link/v1/place?stream=&since=` | runner, review | where the caller's next event belongs, and what there is of the log |
//! | `POST /link/v1/events` | runner, review | hands an event over |
//! | `PUT /link/v1/jobs/{job}/outputs` | runner | says which outputs come; only once they are cleared |
//! | `PUT /link/v1/jobs/{job}/outputs/{at}` | runner | one of them |
//! | `PUT /link/v1/jobs/{job}/cancellation` | review | the TRE's own people want the job to stop |
//!
//! Every call may be sent again: it then does nothing more and answers the same.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What the paths begin with.
pub const ROOT: &str = "/link/v1";
/// The header of a signed answer.
pub const ANSWER_HEADER: &str = "daybook-answer";
/// Seconds that a call for jobs waits at most.
pub const MAX_WAIT: u64 = 30;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Which kind: `not-authenticated`, `not-allowed`, `not-found`, `malformed`, `too-large`, `not-next`, `went-back`,
    /// `leased`, `not-cleared`, `not-as-approved`, `on-hold`, `full`, `away`, `internal`, or a code of the rules such as
    /// `wrong-state` or `approval-lapsed`.
    pub code: String,
    /// What is particular, in a sentence.
    pub detail: String,
    /// With `not-next` and `went-back`: where the next event belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceBody>,
}

impl Problem {
    /// A refusal without a place.
    pub fn new(status: u16, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            place: None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        self.status >= 500
    }
}

/// Where the next event of a stream belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceBody {
    /// Its position.
    pub seq: u64,
    /// The leaf hash of the event before it.
    pub prev: Option<String>,
}

/// The answer to `GET …/place`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceAnswer {
    /// The place.
    pub place: PlaceBody,
    /// The newest checkpoint that the relay has verified, as a signed note; missing where there is none newer than `since`,
    /// or none that can be shown to continue it now.
    pub checkpoint: Option<String>,
    /// The proof that it continues the tree of `since` entries (RFC 9162 §2.1.4), as base64url hashes.
    #[serde(default)]
    pub consistency: Vec<String>,
}

/// All open jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobList {
    /// Grows with every change; the next call's `after`.
    pub version: u64,
    /// Whether this is a play in the shadow: nothing leaves the TRE, and nothing of it counts once the relay is live. A runner
    /// keeps a spool of its own for it.
    pub is_shadow: bool,
    /// The code for which the TRE holds everything, if it does. Nothing new is begun then.
    pub hold: Option<String>,
    /// The jobs, those collected first first.
    pub jobs: Vec<JobView>,
}

/// One job, as the relay knows it: with the events that it has taken, sent or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub id: Uuid,
    /// Its state in the rules' word.
    pub state: String,
    /// Its folded state, as the rules define it: `submission`, `project`, `workflow`, `member`, `datasets`, `cause`, and
    /// what its events have set (`attempts`, `set`, `outputs`, `approved`, `extent`, `changes`, `resume`, `held`, …).
    pub facts: Map<String, Value>,
    /// What was taken, in order.
    pub events: Vec<EventRef>,
    /// What the packet has in bytes and which SHA-256, where it was fetched.
    pub packet: Option<Thing>,
    /// The workflow's files, where they were retrieved: a thing that is a [`WorkflowFiles`].
    pub workflow: Option<Thing>,
    /// The images that it names.
    pub images: Vec<Image>,
    /// Why it is to stop, where the team or the TRE's own people want that.
    pub cancellation: Option<Cancellation>,
    /// The team's answer to what the checkers asked, if it is in.
    pub answer: Option<Answer>,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// Which of the outputs are still to come, once some were announced.
    pub missing: Option<Vec<usize>>,
    /// What the relay waits for, in a sentence.
    pub waits_for: String,
    /// Whether it has its end. It is shown on for a while, so that both zones can clean up.
    pub is_ended: bool,
}

/// An event that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Its position.
    pub seq: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its leaf hash.
    pub leaf: String,
    /// Whether the log is proved to hold it.
    pub is_proved: bool,
}

/// Some bytes by their digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// SHA-256 in base64url.
    pub sha256: String,
    /// How many.
    pub size: u64,
}

/// The files of a workflow: each path within the workflow's crate with the base64url of its bytes.
pub type WorkflowFiles = std::collections::BTreeMap<String, String>;

/// A container image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// How the workflow names it.
    pub reference: String,
    /// The digest that the workflow names, in base64url.
    pub digest: String,
    /// `oci-archive` or `sif`.
    pub form: String,
    /// The file, as a thing.
    pub file: Thing,
}

/// Somebody wants a job to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// The leaf hash of the team's `cancellation-requested`; missing where the TRE's own people want it.
    #[serde(default)]
    pub cause: Option<String>,
    /// What they say.
    #[serde(default)]
    pub text: Option<String>,
}

/// A team's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The leaf hash of `changes-answered`.
    pub leaf: String,
    /// The leaf hash of the `changes-requested` that it answers.
    pub cause: String,
    /// What they say; missing where it could not be read.
    #[serde(default)]
    pub text: Option<String>,
}

/// Who works on a job, and until when that is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// A random id of the holder's spool, so that a runner that comes back keeps its jobs.
    pub holder: Uuid,
    /// In seconds since 1970.
    pub until: i64,
}

/// Asks for a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// The holder.
    pub holder: Uuid,
}

/// Whether what a job rests on stands now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The fields that every event at a gate names: `project`, `workflow`, `member`, `datasets`.
    pub fields: Map<String, Value>,
    /// The leaf hashes of the datasets' newest versions, in the order of `datasets`.
    pub versions: Vec<String>,
    /// The leaf hashes of the three approvals: project, workflow, member.
    pub approvals: Vec<String>,
    /// `reviewed`, or `standing` where a set may leave without a person: what the workflow's approval says.
    pub egress: Option<String>,
    /// Why the job does not pass now: a code of the list `hold` and a sentence.
    pub lapsed: Option<Lapse>,
    /// Whether the hub was asked just now. Where it is away, this is what it last said.
    pub is_fresh: bool,
}

/// Why a job does not pass a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapse {
    /// A code of the rule table's list `hold`.
    pub code: String,
    /// What is missing, in a sentence.
    pub text: String,
}

/// Hands an event over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRequest {
    /// The event's bytes.
    pub event: String,
    /// Its openings. Those for the issuer alone stay where they are.
    #[serde(default)]
    pub openings: Vec<String>,
}

/// An event was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAnswer {
    /// Its position.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: String,
}

/// The outputs that were cleared, and what the result crate says of the run that made them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputsRequest {
    /// The salt of the approved commitment, in base64url.
    pub salt: String,
    /// Start of the run, RFC 3339, as exactly as the TRE wants to say.
    pub started: String,
    /// End of the run.
    pub ended: String,
    /// When the people decided.
    pub decided: String,
    /// Engine and version, as in `cwltool 3.1`.
    pub engine: String,
    /// The files, and no others.
    pub files: Vec<OutputFile>,
}

/// One output that comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// Its name within `outputs/`.
    pub path: String,
    /// What it is, for people.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// SHA-512 in hexadecimal, as it stands in the bag's manifest.
    pub sha512: String,
    /// Bytes.
    pub size: u64,
}

/// Which outputs are still to come, by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputsAnswer {
    /// The places.
    pub missing: Vec<usize>,
}
