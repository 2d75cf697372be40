//! How entries become rows of what happened.

use daybook_core::id::{Actor, Stream, Subject};
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};
use uuid::Uuid;

use super::{Activity, Place, words};
use crate::jobs::opened;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    activity: Rows<Activity>,
    places: Rows<Place>,
}

/// The job of which an entry speaks without naming project and TRE.
fn job(entry: &Entry) -> Result<Option<Uuid>, FoldError> {
    match entry.stream {
        Stream::Job(job) => Ok(Some(job)),
        Stream::Submission(_) if entry.kind != "job-submitted" => entry.id("job").map(Some),
        _ => Ok(None),
    }
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if words::is_shown(&entry.kind)
            && let Some(job) = job(entry)?
        {
            self.places.want((job,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if !words::is_shown(&entry.kind) {
            return Ok(());
        }
        if entry.kind == "job-submitted" {
            return self.submitted(entry);
        }
        let mut row = row(entry, 0);
        if let Some(job) = job(entry)? {
            let place = self.places.get(&(job,)).ok_or_else(|| entry.missing("places"))?;
            row.job = Some(job);
            row.project = Some(place.project);
            row.tre = Some(place.tre.clone());
        } else {
            locate(&mut row, entry)?;
        }
        self.activity.put(row);
        Ok(())
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.activity, &mut self.places]
    }
}

impl Changes {
    fn submitted(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Actor::Member { project, .. } = entry.author else {
            return Err(entry.no("iss"));
        };
        for (part, (tre, job, _)) in (0..).zip(opened(entry)?) {
            self.activity.put(Activity {
                project: Some(project),
                tre: Some(tre.to_owned()),
                job: Some(job),
                ..row(entry, part)
            });
            self.places.put(Place {
                job,
                project,
                tre: tre.to_owned(),
            });
        }
        Ok(())
    }
}

fn row(entry: &Entry, part: i64) -> Activity {
    Activity {
        entry: entry.index,
        part,
        at: entry.at,
        kind: entry.kind.clone(),
        project: None,
        tre: None,
        job: None,
        thing: None,
    }
}

/// Project, TRE and thing of an entry about none of the jobs.
fn locate(row: &mut Activity, entry: &Entry) -> Result<(), FoldError> {
    if let Actor::Tre(tre, _) = &entry.author {
        row.tre = Some(tre.to_string());
    }
    match &entry.stream {
        Stream::Project(project) | Stream::Register(project) => {
            row.project = Some(*project);
            if entry.kind == "register-deferred" {
                row.tre = Some(entry.text("tre")?.to_owned());
            }
        }
        Stream::Approval(_, Subject::Project, project) => row.project = Some(*project),
        Stream::Approval(_, Subject::Workflow, workflow) => row.thing = Some(*workflow),
        Stream::Approval(_, Subject::Member, _) => row.project = entry.maybe_id("project")?,
        Stream::Dataset(id) | Stream::Workflow(id) => row.thing = Some(*id),
        Stream::Federation => row.tre = Some(entry.text("tre")?.to_owned()),
        _ => {}
    }
    Ok(())
}
