//! Who may read which opening.

use daybook_core::event::Event;
use daybook_core::id::{Actor, Organisation, Stream, Subject};
use daybook_core::sealed::ReaderClass;
use daybook_store::StoreError;
use daybook_store::read::Reader;
use serde_json::Value;

/// Whether somebody may read the openings of a class of an event.
///
/// Texts of the class `public` wait for the screen for personal data before everybody may read them. Until the register
/// publishes them, they are for every TRE, which may be asked to approve what they describe, the parties, registrars, the
/// editor who screens them, and auditors. Those of the class `public-from` are under an embargo for other TREs too.
pub(crate) fn may_read(
    class: ReaderClass,
    caller: Option<&Actor>,
    event: &Event,
    parties: &[Organisation],
) -> bool {
    let Some(caller) = caller else { return false };
    let organisation = caller.organisation();
    if organisation == event.claims().iss.organisation() {
        return true;
    }
    let is_party = parties.contains(&organisation);
    match class {
        ReaderClass::Public | ReaderClass::PublicFrom => {
            let is_asked_to_approve = class == ReaderClass::Public && matches!(caller, Actor::Tre(..));
            is_party
                || is_asked_to_approve
                || matches!(caller, Actor::Editor | Actor::Auditor(_) | Actor::Registrar(_))
        }
        ReaderClass::Parties => is_party,
        ReaderClass::Auditor => matches!(caller, Actor::Auditor(_)),
        ReaderClass::IssuerOnly => false,
    }
}

/// The project and the TREs that an event concerns.
pub(crate) async fn parties(reader: &Reader, event: &Event) -> Result<Vec<Organisation>, StoreError> {
    let stream = &event.claims().sub;
    let mut parties = Vec::new();
    match stream {
        Stream::Project(id) | Stream::Register(id) => parties.push(Organisation::Project(*id)),
        Stream::Tre(tre) => parties.push(Organisation::Tre(tre.clone())),
        Stream::Approval(tre, subject, id) => {
            parties.push(Organisation::Tre(tre.clone()));
            if *subject == Subject::Project {
                parties.push(Organisation::Project(*id));
            }
            // A withdrawal names no project; the state does, from what was granted.
            if let Some(head) = reader.stream_head(&stream.to_string()).await? {
                add_project(&head.state, &mut parties);
            }
        }
        Stream::Job(_) | Stream::Submission(_) => {
            // What a team says about one of a submission's jobs is for the TRE of that job, and for no other.
            let job = event.claims().data.get("job").and_then(Value::as_str);
            let about = job.map_or_else(|| stream.to_string(), |job| format!("job/{job}"));
            if let Some(head) = reader.stream_head(&about).await? {
                add_project(&head.state, &mut parties);
                add_tres(&head.state, &mut parties);
            }
        }
        Stream::Federation | Stream::Log | Stream::Dataset(_) | Stream::Workflow(_) | Stream::Erasure(_) => {}
    }
    Ok(parties)
}

fn add_project(state: &serde_json::Map<String, Value>, parties: &mut Vec<Organisation>) {
    let id = state.get("project").and_then(Value::as_str);
    parties.extend(
        id.and_then(|id| daybook_core::id::random_id(id).ok())
            .map(Organisation::Project),
    );
}

/// A job's state names its TRE; a submission's has a job for each.
fn add_tres(state: &serde_json::Map<String, Value>, parties: &mut Vec<Organisation>) {
    let own = state.get("tre").and_then(Value::as_str);
    let of_jobs = state
        .get("jobs")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|jobs| jobs.keys());
    let names = own.into_iter().chain(of_jobs.map(String::as_str));
    parties.extend(names.filter_map(|name| name.parse().ok()).map(Organisation::Tre));
}
