//! Writing what goes back: the request with what the TRE did, phase by phase, and outputs only where they are released.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::bag::{Bag, Payload};
use super::commitment::{OUTPUTS_FOLDER, SALT_PATH, salt_text};
use super::facts::is_reserved;
use super::model::{METADATA_PATH, Named, Request};
use super::preview::{PREVIEW_PATH, preview};
use super::request::{
    GraphWriter, PROFILE, data_inputs, describe_input, folder, id, ids, object, parts, path_id, root, run,
};

const SHA_512: &str = "https://www.iana.org/assignments/named-information#sha-512";
const SHP: &str = "https://w3id.org/shp#";
const SERVICE: &str = "#relay";
const GOVERNANCE: &str = "#information-governance";
const CHECKERS: &str = "#output-checkers";

/// One step that the TRE took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// A random id for the action.
    pub id: Uuid,
    /// When it ended, as exactly as the TRE wants to say.
    pub ended: Timestamp,
}

/// The TRE's side of a result crate. People appear by their office only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The TRE; publisher of the crate and provider of its software.
    pub tre: Named,
    /// Home page of the software that did the automatic steps; RO-Crate 1.2 wants one.
    pub software_url: String,
    /// Check phase: the bag's digests.
    pub check: Step,
    /// Validation phase: the profile.
    pub validation: Option<Step>,
    /// Workflow retrieval phase.
    pub retrieval: Option<Step>,
    /// Sign-off phase.
    pub sign_off: Option<Step>,
    /// The policy that sign-off went by.
    pub policy: Named,
    /// Publishing phase.
    pub publishing: Step,
    /// Conditions under which the result may be used.
    pub licence: Named,
}

/// One file that is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Name within `outputs/`.
    pub path: String,
    /// What it is, for people.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// How the job ended, with what the packet then carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Outputs go out.
    Released {
        /// Start of the run.
        started: Timestamp,
        /// End of the run.
        ended: Timestamp,
        /// Engine and version, as in `cwltool 3.1`.
        engine: String,
        /// The disclosure check.
        disclosure: Step,
        /// Whether files were kept back.
        partial: bool,
        /// The approved files, and no others.
        outputs: Vec<Output>,
        /// Salt of the commitment to them.
        salt: [u8; 32],
    },
    /// Disclosure control kept everything; the crate says nothing of the run or its files.
    Withheld {
        /// The disclosure check.
        disclosure: Step,
    },
    /// The job was not run: the last step that [`Review`] holds did not pass.
    Refused,
    /// The job was cancelled.
    Cancelled {
        /// Whether a run had begun.
        began: bool,
    },
    /// No attempt led to an end.
    Abandoned {
        /// How many runs there were.
        attempts: u32,
        /// Why the last one failed, as a code of the rule table's list `failure`.
        code: Option<String>,
    },
}

impl Outcome {
    /// What happened, in a sentence for whoever opens the packet.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Released { partial: false, .. } => {
                "The workflow was run, and its outputs were approved for release.".to_owned()
            }
            Self::Released { partial: true, .. } => {
                "The workflow was run, and a part of its outputs was approved for release.".to_owned()
            }
            Self::Withheld { .. } => {
                "Nothing was released: the outputs did not pass disclosure control.".to_owned()
            }
            Self::Refused => "Not run: the request did not pass the checks before the run.".to_owned(),
            Self::Cancelled { began: false } => {
                "Not run: the job was cancelled before a run had begun.".to_owned()
            }
            Self::Cancelled { began: true } => {
                "The job was cancelled: its run was stopped and nothing of it was kept.".to_owned()
            }
            Self::Abandoned { attempts, code } => {
                let runs = match attempts {
                    1 => "1 run".to_owned(),
                    many => format!("{many} runs"),
                };
                let why = code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
                format!(
                    "Nothing was released: {runs} of the workflow failed{why}, and the TRE tries no more."
                )
            }
        }
    }
}

/// Makes the bag that goes back to the requester.
///
/// The `External-Identifier` stays the request's. Of the request's payload only the files that `request` names are
/// carried: its inputs and its copy of the workflow, and never anything at the places of outputs. The metadata is written
/// anew from `request`, so nothing else that the client put there survives. Source: Five Safes RO-Crate 0.4, phases.
pub fn result_bag(request_bag: &Bag, request: &Request, review: &Review, outcome: &Outcome) -> Bag {
    let carried = request_bag
        .payload
        .iter()
        .filter(|(path, _)| request.names(path) && !is_reserved(path));
    let mut payload: Payload = carried
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect();
    if let Outcome::Released { outputs, salt, .. } = outcome {
        payload.extend(
            outputs
                .iter()
                .map(|file| (format!("{OUTPUTS_FOLDER}{}", file.path), file.bytes.clone())),
        );
        payload.insert(SALT_PATH.to_owned(), salt_text(salt).into_bytes());
    }
    payload.insert(
        METADATA_PATH.to_owned(),
        result_metadata(request, review, outcome),
    );
    payload.insert(PREVIEW_PATH.to_owned(), preview(request, review, outcome));
    let external_identifier = request_bag.external_identifier;
    Bag {
        folder: folder("result", external_identifier),
        external_identifier,
        payload,
    }
}

/// Writes the `ro-crate-metadata.json` that goes back.
///
/// A withheld crate has no `CreateAction` and no output, as the profile's Disclosure phase asks; one that was refused,
/// cancelled or abandoned has a failed `CreateAction` without times. Equal arguments give equal bytes.
pub fn result_metadata(request: &Request, review: &Review, outcome: &Outcome) -> Vec<u8> {
    let mut graph = GraphWriter::default();
    let mut root = root(&mut graph, request);
    let mut parts = parts(request);
    let mut mentions = Vec::new();
    if let Some(run) = run_action(&mut graph, request, outcome, &mut parts) {
        mentions.push(request.run.id.clone());
        graph.add(Value::Object(run));
    }
    for action in actions(request, review, outcome) {
        mentions.push(action["@id"].as_str().unwrap_or_default().to_owned());
        graph.add(action);
    }
    offices(&mut graph, review);
    root.insert("mentions".to_owned(), ids(&mentions));
    root.insert("hasPart".to_owned(), ids(&parts));
    root.insert("publisher".to_owned(), id(&review.tre.id));
    root.insert("license".to_owned(), id(&review.licence.id));
    root.insert(
        "datePublished".to_owned(),
        json!(review.publishing.ended.to_string()),
    );
    graph.add_named("CreativeWork", &review.licence);
    graph.finish(root)
}

/// The run's action, if the crate may speak of the run, and the outputs as parts.
fn run_action(
    graph: &mut GraphWriter,
    request: &Request,
    outcome: &Outcome,
    parts: &mut Vec<String>,
) -> Option<Map<String, Value>> {
    match outcome {
        Outcome::Withheld { .. } => {
            // The request's own data are still parts of the crate, so they are still described.
            data_inputs(request).for_each(|input| describe_input(graph, input));
            None
        }
        Outcome::Refused | Outcome::Cancelled { .. } | Outcome::Abandoned { .. } => {
            let mut action = run(graph, request, "FailedActionStatus");
            action.insert("error".to_owned(), json!(outcome.sentence()));
            Some(action)
        }
        Outcome::Released {
            started,
            ended,
            engine,
            outputs,
            ..
        } => {
            let mut action = run(graph, request, "CompletedActionStatus");
            let results: Vec<String> = outputs
                .iter()
                .map(|file| path_id(&format!("{OUTPUTS_FOLDER}{}", file.path)))
                .collect();
            for (file, at) in outputs.iter().zip(&results) {
                graph.add(json!({
                    "@id": at,
                    "@type": "File",
                    "name": file.name,
                    "encodingFormat": file.media_type,
                    "contentSize": file.bytes.len().to_string(),
                }));
            }
            graph.add(json!({
                "@id": SALT_PATH,
                "@type": "File",
                "name": "Salt of the commitment to the outputs in the log",
                "encodingFormat": "text/plain",
            }));
            action.insert("startTime".to_owned(), json!(started.to_string()));
            action.insert("endTime".to_owned(), json!(ended.to_string()));
            action.insert("description".to_owned(), json!(format!("Run by {engine}.")));
            action.insert("result".to_owned(), ids(&results));
            parts.extend(results);
            parts.push(SALT_PATH.to_owned());
            Some(action)
        }
    }
}

/// The TRE's actions in the order of the phases.
fn actions(request: &Request, review: &Review, outcome: &Outcome) -> Vec<Value> {
    let steps_after_check = [review.validation, review.sign_off].into_iter().flatten().count();
    let failed = |place: usize| *outcome == Outcome::Refused && place == steps_after_check;
    let mut list = Vec::new();
    let check = assess(
        "CheckValue",
        review.check,
        "BagIt digests of the request",
        failed(0),
        SERVICE,
    );
    list.push(with(check, &[("instrument", id(SHA_512))]));
    if let Some(step) = review.validation {
        let action = assess(
            "ValidationCheck",
            step,
            "Validation against Five Safes RO-Crate 0.4",
            failed(1),
            SERVICE,
        );
        list.push(with(action, &[("instrument", id(PROFILE))]));
    }
    if let Some(step) = review.retrieval {
        list.push(retrieval(request, step));
    }
    if let Some(step) = review.sign_off {
        let place = 1 + usize::from(review.validation.is_some());
        let action = assess(
            "SignOff",
            step,
            "Sign-off of the run under the agreement policy",
            failed(place),
            GOVERNANCE,
        );
        let object = ["./", &request.workflow.workflow.id, &request.project.project.id].map(id);
        list.push(with(
            action,
            &[("instrument", id(&review.policy.id)), ("object", json!(object))],
        ));
    }
    match outcome {
        Outcome::Released {
            disclosure, partial, ..
        } => {
            let words = if *partial { "approved in part" } else { "approved" };
            let action = assess(
                "DisclosureCheck",
                *disclosure,
                "Disclosure check of the outputs",
                false,
                CHECKERS,
            );
            list.push(with(
                action,
                &[("name", json!(format!("Disclosure check of the outputs: {words}")))],
            ));
        }
        Outcome::Withheld { disclosure } => {
            list.push(assess(
                "DisclosureCheck",
                *disclosure,
                "Disclosure check of the outputs",
                true,
                CHECKERS,
            ));
        }
        Outcome::Refused | Outcome::Cancelled { .. } | Outcome::Abandoned { .. } => {}
    }
    list.push(json!({
        "@id": action_id("publishing", review.publishing),
        "@type": "UpdateAction",
        "additionalType": id(&format!("{SHP}GenerateCheckValue")),
        "name": "BagIt manifests of the crate written: done",
        "actionStatus": "http://schema.org/CompletedActionStatus",
        // Written before the manifests are, so the profile has no true end to give.
        "startTime": review.publishing.ended.to_string(),
        "agent": id(SERVICE),
        "instrument": id(SHA_512),
        "object": id("./"),
    }));
    list
}

fn retrieval(request: &Request, step: Step) -> Value {
    let workflow = &request.workflow;
    let action = object(json!({
        "@id": action_id("retrieval", step),
        "@type": "DownloadAction",
        "name": "Workflow retrieved outside the controlled zone: done",
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "endTime": step.ended.to_string(),
        "agent": id(SERVICE),
        "object": id(workflow.distribution.as_deref().unwrap_or(&workflow.workflow.id)),
    }));
    let result = workflow
        .folder
        .as_deref()
        .map(|folder| ("result", id(&path_id(folder))));
    with(Value::Object(action), result.as_slice())
}

fn assess(kind: &str, step: Step, what: &str, failed: bool, agent: &str) -> Value {
    let (status, words) = if failed {
        ("FailedActionStatus", "not passed")
    } else {
        ("CompletedActionStatus", "passed")
    };
    json!({
        "@id": action_id(&kind.to_ascii_lowercase(), step),
        "@type": "AssessAction",
        "additionalType": id(&format!("{SHP}{kind}")),
        "name": format!("{what}: {words}"),
        "actionStatus": format!("http://schema.org/{status}"),
        "endTime": step.ended.to_string(),
        "agent": id(agent),
        "object": id("./"),
    })
}

fn with(value: Value, more: &[(&str, Value)]) -> Value {
    let mut map = object(value);
    map.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    Value::Object(map)
}

fn action_id(kind: &str, step: Step) -> String {
    format!("#{kind}-{}", step.id)
}

/// The TRE, its software, and the offices that decide in its name.
fn offices(graph: &mut GraphWriter, review: &Review) {
    let tre = &review.tre;
    graph.add_named("Organization", tre);
    graph.add(json!({
        "@id": SERVICE,
        "@type": "SoftwareApplication",
        "name": format!("Daybook relay at {}", tre.name),
        "provider": id(&tre.id),
        "url": review.software_url,
        "version": env!("CARGO_PKG_VERSION"),
    }));
    for (at, office) in [
        (GOVERNANCE, "Information governance"),
        (CHECKERS, "Output checkers"),
    ] {
        graph.add(json!({
            "@id": at,
            "@type": "Organization",
            "name": format!("{office} at {}", tre.name),
            "parentOrganization": id(&tre.id),
        }));
    }
    graph.add_named("CreativeWork", &review.policy);
    graph.add(json!({"@id": SHA_512, "@type": "DefinedTerm", "name": "sha-512 algorithm"}));
}
