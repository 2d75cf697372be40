//! How entries change the register.

use std::collections::BTreeMap;

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rest, Rows, Words};
use serde_json::Value;
use uuid::Uuid;

use super::table::{Opened, RegisterEntry, RegisterVersion, Release, Rested, Searched, Thing, Use};
use super::{material, search};

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    entries: Rows<RegisterEntry>,
    versions: Rows<RegisterVersion>,
    rested: Rows<Rested>,
    opened: Rows<Opened>,
    uses: Rows<Use>,
    things: Rows<Thing>,
    releases: Rows<Release>,
    searched: Rows<Searched>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Some(project) = material::project(entry)?
            && entry.kind != "project-registered"
        {
            self.entries.want((project,));
        }
        match (&entry.stream, entry.kind.as_str()) {
            (Stream::Job(job), "release-recalled") => self.releases.want((*job,)),
            (Stream::Register(project), _) => {
                self.entries.want((*project,));
                self.searched.want((*project,));
                for opening in entry.rests.iter().flat_map(|rest| &rest.openings) {
                    self.opened.want((opening.digest.clone(),));
                }
                for rest in &entry.rests {
                    self.things.want((rest.entry.stream.to_string(),));
                }
            }
            (Stream::Erasure(_), _) => {
                for (leaf, digest) in erased(entry) {
                    self.opened.want((digest,));
                    self.uses.want_by("leaf", leaf);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn want_more(&mut self, entry: &Entry) -> Result<(), FoldError> {
        match (&entry.stream, entry.kind.as_str()) {
            (Stream::Job(job), "release-recalled") => {
                if let Some(release) = self.releases.get(&(*job,)) {
                    self.entries.want((release.project,));
                }
            }
            (Stream::Erasure(_), _) => {
                for (leaf, _) in erased(entry) {
                    for project in self.projects_of(&leaf) {
                        self.entries.want((project,));
                        self.searched.want((project,));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Some(project) = material::project(entry)? {
            return self.tell(project, entry);
        }
        match (&entry.stream, entry.kind.as_str()) {
            (Stream::Job(job), "release-recalled") => {
                let project = self.releases.get(&(*job,)).map(|release| release.project);
                match project {
                    Some(project) => self.tell(project, entry),
                    None => Err(entry.missing("releases")),
                }
            }
            (Stream::Register(project), "register-published") => self.publish(*project, entry),
            (Stream::Register(project), _) => self.turn(*project, entry),
            (Stream::Erasure(_), _) => self.erase(entry),
            _ => Ok(()),
        }
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![
            &mut self.entries,
            &mut self.versions,
            &mut self.rested,
            &mut self.opened,
            &mut self.uses,
            &mut self.things,
            &mut self.releases,
            &mut self.searched,
        ]
    }
}

/// The fields that an entry erases: leaf hash of their entry, and digest.
fn erased(entry: &Entry) -> Vec<(String, String)> {
    let fields = entry.data.0.get("fields").and_then(Value::as_array);
    let pairs = fields.into_iter().flatten().filter_map(|of| {
        let leaf = of.get("event")?.as_str()?.to_owned();
        let digests = of.get("digests")?.as_array()?.iter().filter_map(Value::as_str);
        Some(
            digests
                .map(|digest| (leaf.clone(), digest.to_owned()))
                .collect::<Vec<_>>(),
        )
    });
    pairs.flatten().collect()
}

impl Changes {
    fn projects_of(&self, leaf: &str) -> Vec<Uuid> {
        let of_leaf = self.uses.held().filter(|one| one.leaf == leaf);
        of_leaf.map(|one| one.project).collect()
    }

    /// Something that a project's page must say.
    fn tell(&mut self, project: Uuid, entry: &Entry) -> Result<(), FoldError> {
        if entry.kind == "project-registered" {
            self.entries.put(registered(project, entry));
        }
        if let (Stream::Job(job), "job-released") = (&entry.stream, entry.kind.as_str()) {
            self.releases.put(Release {
                job: *job,
                project,
                entry: entry.index,
            });
        }
        self.entries.change(&(project,), entry, |row| {
            material::take(row, entry);
            Ok(())
        })
    }

    fn publish(&mut self, project: Uuid, entry: &Entry) -> Result<(), FoldError> {
        let rests_on = entry.texts("rests_on");
        self.open(entry);
        for rest in &entry.rests {
            self.rest(project, rest);
        }
        let version = entry.integer("version")?;
        self.versions.put(RegisterVersion {
            project,
            version,
            entry: entry.index,
            leaf: entry.leaf.clone(),
            at: entry.at,
            cause: entry.text("cause")?.to_owned(),
            rests_on: rests_on.clone(),
        });
        let mut first = (entry.index, entry.at);
        self.entries.change(&(project,), entry, |row| {
            first = (
                *row.first.get_or_insert(entry.index),
                *row.first_at.get_or_insert(entry.at),
            );
            row.state = Some("published".to_owned());
            (row.version, row.at, row.entry) = (Some(version), Some(entry.at), Some(entry.index));
            (row.until, row.code, row.tre) = (None, None, None);
            let tells_all = row.leaves.iter().all(|leaf| rests_on.contains(leaf));
            row.due = match row.due {
                _ if tells_all => None,
                None => Some(entry.index),
                due => due,
            };
            Ok(())
        })?;
        let fields: Vec<(&Rest, BTreeMap<String, Value>)> = entry
            .rests
            .iter()
            .map(|rest| (rest.as_ref(), self.published(rest)))
            .collect();
        let row = search::row(project, (version, first, (entry.index, entry.at)), &fields);
        self.searched.put(row);
        Ok(())
    }

    /// Each digest that the entry publishes has a row, also where its opening is gone already.
    fn open(&mut self, entry: &Entry) {
        for digest in entry.texts("openings") {
            let rest = entry.rests.iter().find_map(|rest| {
                let opening = rest.openings.iter().find(|opening| opening.digest == digest)?;
                Some((rest, opening))
            });
            let (leaf, name, value) = match rest {
                Some((rest, opening)) => (
                    rest.entry.leaf.clone(),
                    opening.name.clone(),
                    Some(opening.value.to_string()),
                ),
                None => (String::new(), String::new(), None),
            };
            self.opened.put(Opened {
                digest,
                leaf,
                entry: entry.index,
                name,
                value,
            });
        }
    }

    fn rest(&mut self, project: Uuid, rest: &Rest) {
        let (leaf, stream) = (rest.entry.leaf.clone(), rest.entry.stream.to_string());
        self.uses.put(Use {
            leaf: leaf.clone(),
            project,
        });
        let is_thing = matches!(
            rest.entry.stream,
            Stream::Tre(_) | Stream::Dataset(_) | Stream::Workflow(_)
        );
        let is_newest = self
            .things
            .get(&(stream.clone(),))
            .is_none_or(|thing| thing.entry <= rest.entry.index);
        if is_thing && is_newest {
            self.things.put(Thing {
                stream: stream.clone(),
                leaf: leaf.clone(),
                entry: rest.entry.index,
                project,
            });
        }
        self.rested.put(Rested {
            leaf,
            entry: rest.entry.index,
            kind: rest.entry.kind.clone(),
            stream,
            at: rest.entry.at,
            clear: clear(&rest.entry),
        });
    }

    /// The fields of an entry that are published, with this entry or before.
    fn published(&self, rest: &Rest) -> BTreeMap<String, Value> {
        let shown = rest.openings.iter().filter(|opening| {
            let row = self.opened.get(&(opening.digest.clone(),));
            row.is_some_and(|row| row.value.is_some())
        });
        shown
            .map(|opening| (opening.name.clone(), opening.value.clone()))
            .collect()
    }

    /// The entry is held, deferred or withdrawn.
    fn turn(&mut self, project: Uuid, entry: &Entry) -> Result<(), FoldError> {
        if entry.kind == "register-withdrawn" {
            self.forget(project, false);
        }
        self.entries.change(&(project,), entry, |row| {
            row.entry = Some(entry.index);
            let state = match entry.kind.as_str() {
                "register-held" => {
                    row.looked = Some(entry.index);
                    "held"
                }
                "register-deferred" => {
                    row.until = Some(entry.integer("until")?);
                    row.tre = entry.maybe_text("tre");
                    "deferred"
                }
                _ => {
                    row.due = None;
                    "withdrawn"
                }
            };
            row.code = entry.maybe_text("code");
            row.state = Some(state.to_owned());
            Ok(())
        })
    }

    /// Values go for ever. A page that showed one is due again, and is not searched by its texts until then.
    fn erase(&mut self, entry: &Entry) -> Result<(), FoldError> {
        for (leaf, digest) in erased(entry) {
            let Some(was) = self.opened.get(&(digest.clone(),)) else {
                continue;
            };
            let entry_of = was.entry;
            self.opened.put(Opened {
                digest,
                leaf: leaf.clone(),
                entry: entry_of,
                name: String::new(),
                value: None,
            });
            for project in self.projects_of(&leaf) {
                self.forget(project, true);
                self.entries.change(&(project,), entry, |row| {
                    row.changed = entry.index;
                    row.due.get_or_insert(entry.index);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Takes its texts out of the search; it stays listed only if it did before.
    fn forget(&mut self, project: Uuid, stays: bool) {
        if let Some(row) = self.searched.get(&(project,)).cloned() {
            self.searched.put(Searched {
                listed: row.listed && stays,
                title: String::new(),
                line: String::new(),
                organisations: daybook_store::project::Texts::default(),
                kinds: daybook_store::project::Texts::default(),
                topics: daybook_store::project::Texts::default(),
                words: Words::default(),
                ..row
            });
        }
    }
}

/// The clear fields that a page may need; keys of members are none.
fn clear(entry: &Entry) -> String {
    let mut clear = entry.data.0.clone();
    for name in ["keys", "tag", "approvals", "member"] {
        clear.remove(name);
    }
    Value::Object(clear).to_string()
}

fn registered(project: Uuid, entry: &Entry) -> RegisterEntry {
    RegisterEntry {
        project,
        registered: entry.index,
        approved: false,
        state: None,
        version: None,
        first: None,
        first_at: None,
        at: None,
        entry: None,
        until: None,
        code: None,
        tre: None,
        slots: Vec::new(),
        leaves: Vec::new(),
        changed: entry.index,
        due: None,
        looked: None,
    }
}
