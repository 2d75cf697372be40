//! How entries change memberships.

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};
use uuid::Uuid;

use super::Member;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    members: Rows<Member>,
}

/// The membership that an entry adds or removes.
fn subject(entry: &Entry) -> Result<Option<(Uuid, Uuid)>, FoldError> {
    match (&entry.stream, entry.kind.as_str()) {
        (Stream::Project(project), "member-added" | "member-removed") => {
            Ok(Some((*project, entry.id("member")?)))
        }
        _ => Ok(None),
    }
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Some(key) = subject(entry)? {
            self.members.want(key);
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Some(key) = subject(entry)? else {
            return Ok(());
        };
        if entry.kind == "member-removed" {
            return self.members.change(&key, entry, |member| {
                member.removed = Some(entry.index);
                member.reason = Some(entry.text("reason")?.to_owned());
                member.suspect_from = entry.maybe_integer("suspect_from");
                Ok(())
            });
        }
        // One that was removed may be added again.
        self.members.put(Member {
            project: key.0,
            member: key.1,
            added: entry.index,
            at: entry.at,
            version: entry.leaf.clone(),
            removed: None,
            reason: None,
            suspect_from: None,
        });
        Ok(())
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.members]
    }
}
