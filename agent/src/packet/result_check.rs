//! Whether a result's crate is what the profile says of its phases.

use jiff::Timestamp;

use super::bag::Bag;
use super::commitment::OUTPUTS_FOLDER;
use super::facts::{Notes, read_project, read_workflow};
use super::graph::{Entity, Graph, Target, has_type, only_ref, refs, target, text};
use super::model::METADATA_PATH;
use super::read::{ROOT, RunStatus, check_context, check_descriptor, check_entities};
use super::rules::{self, Finding};

const SHP: &str = "https://w3id.org/shp#";

/// Holds a result against the rules of Five Safes RO-Crate 0.4 for what a TRE sends back; answers with warnings.
///
/// The bag itself was checked when it was opened. What an outcome needs follows from the crate: a run that is completed
/// has passed every phase, a failed one has no results, and a crate without a run says that disclosure control failed.
///
/// # Errors
/// Every rule that is broken.
pub fn check_result(bag: &Bag) -> Result<Vec<Finding>, Vec<Finding>> {
    let Some(bytes) = bag.payload.get(METADATA_PATH) else {
        return Err(vec![Finding::new(&rules::CRATE_MISSING, METADATA_PATH, "")]);
    };
    let graph = Graph::parse(bytes).map_err(|error| error.findings())?;
    let mut notes = Notes::default();
    check_context(&graph.context, &mut notes);
    check_descriptor(&graph, &mut notes);
    check_entities(&graph, &mut notes);
    match graph.get(ROOT).filter(|root| has_type(root, "Dataset")) {
        Some(root) => check_root(&graph, root, bag, &mut notes),
        None => notes.hold(false, &rules::ROOT_DATASET, ROOT),
    }
    if notes.breaches.is_empty() {
        Ok(notes.warnings)
    } else {
        Err(notes.breaches)
    }
}

fn check_root(graph: &Graph, root: &Entity, bag: &Bag, notes: &mut Notes) {
    let lacks = |keys: &[&str]| !keys.iter().any(|key| root.contains_key(*key));
    let is_published =
        !lacks(&["publisher"]) && !lacks(&["license", "licence"]) && !lacks(&["datePublished"]);
    notes.hold(is_published, &rules::RESULT_PUBLISHER, ROOT);
    notes.hold(
        lacks(&["licence"]) || root.contains_key("license"),
        &rules::TOLERATED_LICENCE,
        ROOT,
    );
    let main = only_ref(root, "mainEntity");
    notes.hold(main.is_some(), &rules::WORKFLOW_ONE, ROOT);
    let project = only_ref(root, "sourceOrganization");
    notes.hold(project.is_some(), &rules::PROJECT_ONE, ROOT);
    if let Some(id) = main {
        read_workflow(graph, root, id, &bag.payload, notes);
    }
    if let Some(id) = project {
        read_project(graph, id, notes);
    }
    let actions = Actions {
        graph,
        mentioned: refs(root, "mentions"),
    };
    actions.check_each(notes);
    for (id, entity) in &graph.entities {
        if has_type(entity, "SoftwareApplication") {
            let provider = only_ref(entity, "provider");
            let holds = provider.is_some_and(|id| graph.has_type(id, "Organization"));
            notes.hold(holds, &rules::RESULT_PROVIDER, id);
        }
    }
    let results = actions.check_phases(main, notes);
    check_outputs(graph, root, &results, bag, notes);
}

/// The actions of a crate.
struct Actions<'a> {
    graph: &'a Graph,
    mentioned: Vec<&'a str>,
}

impl<'a> Actions<'a> {
    /// What holds for every action of the TRE.
    fn check_each(&self, notes: &mut Notes) {
        for (id, entity) in &self.graph.entities {
            let is_assessment = has_type(entity, "AssessAction");
            let holds = !is_assessment || self.mentioned.contains(&id.as_str());
            notes.hold(holds, &rules::RESULT_ASSESSED, id);
            let is_update = has_type(entity, "UpdateAction");
            if !(is_assessment || is_update || has_type(entity, "DownloadAction")) {
                continue;
            }
            let agent = only_ref(entity, "agent").and_then(|id| self.graph.get(id));
            let status = RunStatus::read(entity);
            let is_whole = !text(entity, "name").is_empty()
                && status.is_some()
                && agent.is_some()
                && !refs(entity, "object").is_empty();
            notes.hold(is_whole, &rules::RESULT_ACTION, id);
            notes.hold(RunStatus::is_plain(entity), &rules::TOLERATED_STATUS, id);
            // The last action is written before the manifests are, so it has no true end.
            let has_ended = !is_update && matches!(status, Some(RunStatus::Completed | RunStatus::Failed));
            check_times(entity, id, has_ended.then_some("endTime"), notes);
        }
    }

    /// Whether the phase of that type is there, and with which status.
    fn phase(&self, kind: &str) -> Option<RunStatus> {
        let wanted = format!("{SHP}{kind}");
        let mut found = self.mentioned.iter().filter_map(|id| self.graph.get(id));
        let action = found.find(|entity| refs(entity, "additionalType").contains(&wanted.as_str()))?;
        RunStatus::read(action)
    }

    /// Checks that the phases fit the outcome; answers with the ids of the results.
    fn check_phases(&self, main: Option<&str>, notes: &mut Notes) -> Vec<&'a str> {
        let mut need = |kind: &str, status: &[RunStatus]| {
            if !self.phase(kind).is_some_and(|found| status.contains(&found)) {
                notes.add(Finding::new(&rules::RESULT_PHASE, ROOT, kind));
            }
        };
        let (completed, failed) = (RunStatus::Completed, RunStatus::Failed);
        need("CheckValue", &[completed, failed]);
        need("GenerateCheckValue", &[completed]);
        let runs: Vec<&str> = self
            .mentioned
            .iter()
            .copied()
            .filter(|id| self.graph.has_type(id, "CreateAction"))
            .collect();
        let run = runs.first().and_then(|id| Some((*id, self.graph.get(id)?)));
        let status = run.and_then(|(_, run)| RunStatus::read(run));
        if status == Some(completed) {
            for kind in ["CheckValue", "ValidationCheck", "SignOff", "DisclosureCheck"] {
                need(kind, &[completed]);
            }
        }
        let Some((id, run)) = run else {
            need("DisclosureCheck", &[failed]);
            return Vec::new();
        };
        let is_withheld = self.phase("DisclosureCheck") == Some(failed);
        notes.hold(!is_withheld, &rules::RESULT_WITHHELD, id);
        notes.hold(runs.len() == 1, &rules::RUN_ONE, ROOT);
        notes.hold(only_ref(run, "instrument") == main, &rules::RUN_INSTRUMENT, id);
        let is_ended = matches!(status, Some(RunStatus::Completed | RunStatus::Failed));
        notes.hold(is_ended, &rules::RESULT_ACTION, id);
        notes.hold(RunStatus::is_plain(run), &rules::TOLERATED_STATUS, id);
        let agent = only_ref(run, "agent");
        notes.hold(agent.is_some(), &rules::AGENT_ONE, id);
        if let Some(agent) = agent {
            notes.hold(self.graph.has_type(agent, "Person"), &rules::AGENT_PERSON, agent);
        }
        check_times(run, id, None, notes);
        let results = refs(run, "result");
        if status == Some(completed) {
            results
        } else {
            for id in results {
                notes.hold(false, &rules::RESULT_OUTPUT, id);
            }
            Vec::new()
        }
    }
}

/// Every time that is given is one, and the one that is needed is given.
fn check_times(entity: &Entity, id: &str, needed: Option<&str>, notes: &mut Notes) {
    let is_time = |key: &&str| text(entity, key).parse::<Timestamp>().is_ok();
    let given = ["startTime", "endTime"]
        .into_iter()
        .filter(|key| entity.contains_key(*key));
    let holds = given.chain(needed).all(|key| is_time(&key));
    notes.hold(holds, &rules::RESULT_TIMES, id);
}

/// Results are described, parts of the crate, and in the bag; and nothing else is in the outputs' folder.
fn check_outputs(graph: &Graph, root: &Entity, results: &[&str], bag: &Bag, notes: &mut Notes) {
    let parts = refs(root, "hasPart");
    let mut places = Vec::new();
    for id in results {
        let is_there = match target(id) {
            Target::File(path) => {
                let is_there = bag.payload.contains_key(&path);
                places.push(path);
                is_there
            }
            Target::Folder(path) => {
                let is_there = bag.payload.keys().any(|name| name.starts_with(&path));
                places.push(path);
                is_there
            }
            Target::Uri | Target::Local => true,
            Target::Root | Target::Forbidden => false,
        };
        let is_part = parts.contains(id) || matches!(target(id), Target::Uri | Target::Local);
        notes.hold(
            is_there && is_part && graph.get(id).is_some(),
            &rules::RESULT_OUTPUT,
            id,
        );
    }
    let outputs = bag.payload.keys().filter(|path| path.starts_with(OUTPUTS_FOLDER));
    for path in outputs {
        let is_named =
            |place: &String| place == path || (place.ends_with('/') && path.starts_with(place.as_str()));
        notes.hold(places.iter().any(is_named), &rules::RESULT_STRAY, path);
    }
}
