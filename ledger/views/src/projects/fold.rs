//! How entries change projects.

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};

use super::Project;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    projects: Rows<Project>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Stream::Project(id) | Stream::Register(id) = entry.stream
            && entry.kind != "project-registered"
        {
            self.projects.want((id,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        match entry.stream {
            Stream::Project(id) if entry.kind == "project-registered" => {
                self.projects.put(registered(id, entry)?);
                Ok(())
            }
            Stream::Project(id) => self
                .projects
                .change(&(id,), entry, |project| step(project, entry)),
            Stream::Register(id) => self
                .projects
                .change(&(id,), entry, |project| published(project, entry)),
            _ => Ok(()),
        }
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.projects]
    }
}

fn registered(id: uuid::Uuid, entry: &Entry) -> Result<Project, FoldError> {
    Ok(Project {
        id,
        registered: entry.index,
        at: entry.at,
        registrar: entry.author.to_string(),
        version: entry.leaf.clone(),
        details: entry.index,
        until: entry.integer("until")?,
        state: "open".to_owned(),
        closed: None,
        members: 0,
        outputs: 0,
        register: None,
        register_version: None,
        register_cause: None,
        register_until: None,
        register_code: None,
        register_tre: None,
        register_entry: None,
        latest: entry.index,
    })
}

fn step(project: &mut Project, entry: &Entry) -> Result<(), FoldError> {
    project.latest = entry.index;
    match entry.kind.as_str() {
        "project-amended" => {
            project.details = entry.index;
            project.until = entry.integer("until")?;
            if entry.truth("material")? {
                project.version.clone_from(&entry.leaf);
            }
        }
        "member-added" => project.members += 1,
        "member-removed" => project.members -= 1,
        "output-linked" => project.outputs += 1,
        "project-closed" => {
            "closed".clone_into(&mut project.state);
            project.closed = Some(entry.text("reason")?.to_owned());
        }
        _ => {}
    }
    Ok(())
}

fn published(project: &mut Project, entry: &Entry) -> Result<(), FoldError> {
    project.register_entry = Some(entry.index);
    let state = match entry.kind.as_str() {
        "register-published" => {
            project.register_version = Some(entry.integer("version")?);
            project.register_cause = Some(entry.text("cause")?.to_owned());
            project.register_until = None;
            "published"
        }
        "register-held" => "held",
        "register-deferred" => {
            project.register_until = Some(entry.integer("until")?);
            project.register_code = Some(entry.text("code")?.to_owned());
            project.register_tre = Some(entry.text("tre")?.to_owned());
            "deferred"
        }
        _ => "withdrawn",
    };
    project.register = Some(state.to_owned());
    Ok(())
}
