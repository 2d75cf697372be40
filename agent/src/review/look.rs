//! What waits for people, and what they look at.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::acts::current;
use super::{Desk, Proposal, ReviewError};
use crate::link::wire::JobView;
use crate::runner::OutputSet;

/// A job that waits for people.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The job.
    pub job: Uuid,
    /// Its state.
    pub state: String,
    /// What is to be done, in a sentence.
    pub todo: String,
    /// The set of outputs that is looked at, with their findings; without their salt.
    pub outputs: Option<Value>,
    /// Where the files lie.
    pub folder: Option<std::path::PathBuf>,
    /// What the team has answered to the last question.
    pub answer: Option<String>,
    /// Who has agreed so far, to how many files.
    pub agreed: Option<(Vec<String>, Vec<String>)>,
}

/// The jobs that wait for people, those collected first first.
pub async fn waiting(desk: &Desk) -> Result<Vec<Waiting>, ReviewError> {
    let list = desk.client.jobs(None, 0).await?;
    let mut found = Vec::new();
    for view in &list.jobs {
        if let Some(todo) = todo(view) {
            found.push(describe(desk, view, todo)?);
        }
    }
    Ok(found)
}

/// One job, whether it waits or not.
pub async fn look(desk: &Desk, job: Uuid) -> Result<Waiting, ReviewError> {
    let view = desk.client.job(job).await?;
    let todo = todo(&view).unwrap_or_else(|| view.waits_for.clone());
    describe(desk, &view, todo)
}

fn todo(view: &JobView) -> Option<String> {
    match view.state.as_str() {
        "checked" if view.waits_for.contains("sign") => {
            Some("sign it off, or refuse it at the relay".to_owned())
        }
        "assessed" => Some("look at the outputs: approve, ask, or refuse".to_owned()),
        "on-hold" => {
            let code = view.facts.get("held").and_then(Value::as_str).unwrap_or("held");
            Some(format!("on hold ({code}): resume it, or cancel it"))
        }
        _ => None,
    }
}

fn describe(desk: &Desk, view: &JobView, todo: String) -> Result<Waiting, ReviewError> {
    let folder = desk.folder(view.id);
    let set: Option<OutputSet> = match current(view, &folder) {
        Ok(set) => Some(set),
        Err(ReviewError::NoOutputs(_)) => None,
        Err(error) => return Err(error),
    };
    let agreed = match &set {
        Some(set) => Proposal::read(&folder, set.set)?,
        None => None,
    };
    let place = set
        .as_ref()
        .map(|set| folder.file(&format!("runs/{}/outputs", set.attempt)));
    let shown = set.map(|set| {
        let mut shown = serde_json::to_value(set).unwrap_or_default();
        if let Some(object) = shown.as_object_mut() {
            object.remove("salt");
        }
        shown
    });
    Ok(Waiting {
        job: view.id,
        state: view.state.clone(),
        todo,
        outputs: shown,
        folder: place,
        answer: view.answer.as_ref().and_then(|answer| answer.text.clone()),
        agreed: agreed.map(|proposal| {
            let names = proposal.agreed.into_iter().map(|person| person.name).collect();
            (names, proposal.files)
        }),
    })
}
