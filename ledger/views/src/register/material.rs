//! Which entries a register entry tells of: one for each slot, so that a newer entry takes the place of an older one.

use daybook_core::id::{Stream, Subject};
use daybook_store::project::{Entry, FoldError};
use uuid::Uuid;

use super::RegisterEntry;

/// Outputs of which a version tells at most: the newest.
const MAX_OUTPUTS: usize = 40;
/// Approvals, with withdrawals, of which a version tells at most: the newest.
const MAX_APPROVALS: usize = 30;

/// The project of which an entry tells something that its page must say; `None` where it tells nothing of that kind, or
/// does not name the project.
pub(super) fn project(entry: &Entry) -> Result<Option<Uuid>, FoldError> {
    Ok(match (&entry.stream, entry.kind.as_str()) {
        (
            Stream::Project(id),
            "project-registered" | "project-amended" | "output-linked" | "project-closed",
        )
        | (Stream::Approval(_, Subject::Project, id), _) => Some(*id),
        (Stream::Job(_), "run-started" | "job-released") => Some(entry.id("project")?),
        _ => None,
    })
}

/// Takes an entry into what the next version rests on; says whether anything has changed.
pub(super) fn take(row: &mut RegisterEntry, entry: &Entry) -> bool {
    let slot = match (&entry.stream, entry.kind.as_str()) {
        (_, "project-registered" | "project-amended") => "project".to_owned(),
        (Stream::Approval(tre, ..), "approval-granted") => {
            row.approved = true;
            remove(row, &format!("withdrawn/{tre}"));
            format!("approval/{tre}")
        }
        (Stream::Approval(tre, ..), _) => format!("withdrawn/{tre}"),
        (_, "output-linked") => format!("output/{:016}", entry.index),
        (_, "run-started") if row.slots.iter().any(|slot| slot == "run") => return false,
        (_, "run-started") => "run".to_owned(),
        (_, "job-released") => "release".to_owned(),
        (_, "release-recalled") => "recall".to_owned(),
        _ => "closed".to_owned(),
    };
    // The newest comes last, so that the oldest of a family is the first to go.
    remove(row, &slot);
    row.slots.push(slot);
    row.leaves.push(entry.leaf.clone());
    trim(row, &["output/"], MAX_OUTPUTS);
    trim(row, &["approval/", "withdrawn/"], MAX_APPROVALS);
    row.changed = entry.index;
    if row.approved && row.due.is_none() {
        row.due = Some(entry.index);
    }
    true
}

fn remove(row: &mut RegisterEntry, slot: &str) {
    if let Some(at) = row.slots.iter().position(|one| one == slot) {
        row.slots.remove(at);
        row.leaves.remove(at);
    }
}

fn trim(row: &mut RegisterEntry, family: &[&str], most: usize) {
    let is_of = |slot: &String| family.iter().any(|prefix| slot.starts_with(prefix));
    while row.slots.iter().filter(|slot| is_of(slot)).count() > most {
        let Some(at) = row.slots.iter().position(is_of) else {
            return;
        };
        row.slots.remove(at);
        row.leaves.remove(at);
    }
}
