//! The life of a project: registered, approved, shown on the register, and closed.

use daybook_core::id::{Actor, Stream, Subject};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Ends;
use crate::chance::turn;
use crate::country::BODIES;
use crate::federation::{PAUSE, STANDS, decides};
use crate::page::Page;
use crate::pen::{Head, Line, SeedError};
use crate::run::{Seed, Task};
use crate::time::{DAY, HOUR, MINUTE, at_work, date};
use crate::words::{self, Telling};

/// How long the editor takes to write, in seconds.
const WRITES: i64 = 30;
/// How long it gathers what is new where entries are to be few.
const GATHERS: i64 = 300 * DAY;
/// What stands in a text that has to be held: the number is one of those that are kept free for plays and films.
const TELLTALE: &str = " Questions? Call 020 7946 0018, or write to j.bloggs@post.example.";

/// What comes between a project and the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Usual,
    /// An embargo until then, and whether the editor has said so.
    Embargo(i64, bool),
    /// A text that names somebody: whether it is put right, and whether the editor has said that it waits.
    Held(bool, bool),
}

/// A project.
pub(crate) struct Project {
    pub(crate) id: Uuid,
    head: Head,
    telling: Telling,
    until: i64,
    /// The leaf hash that approvals name.
    version: String,
    /// Members with the leaf hash of what added them.
    members: Vec<(Uuid, String)>,
    /// The TREs that are to approve it, and those that have.
    asked: Vec<usize>,
    pub(crate) sites: Vec<Approved>,
    pub(crate) page: Page,
    fate: Fate,
    /// Jobs with steps to come.
    pub(crate) running: usize,
    pub(crate) released: usize,
    is_closing: bool,
}

/// A TRE's approvals of a project.
#[derive(Clone, Debug)]
pub(crate) struct Approved {
    /// A place among the sites.
    pub(crate) site: usize,
    /// Kinds of data.
    pub(crate) data: Vec<usize>,
    /// The approval of the project, and those of its members in their order.
    pub(crate) project: String,
    pub(crate) members: Vec<String>,
}

impl Project {
    /// The method that its jobs use.
    pub(crate) fn method(&self) -> usize {
        self.telling.method
    }

    /// One of its members: its place, and who signs.
    pub(crate) fn member(&self, nth: usize) -> (usize, Actor) {
        let place = nth % self.members.len().max(1);
        let (project, member) = (self.id, self.member_id(place));
        (place, Actor::Member { project, member })
    }

    /// The id of the membership at a place.
    pub(crate) fn member_id(&self, place: usize) -> Uuid {
        self.members.get(place).map(|(id, _)| *id).unwrap_or_default()
    }

    fn details(&self, line: Line, is_whole: bool) -> Line {
        let mut line = line;
        for (name, value) in &self.telling.fields {
            let value = match value.as_str() {
                Some(text) if !is_whole && *name == "lay_summary" => format!("{text}{TELLTALE}").into(),
                _ => value.clone(),
            };
            line = line.seal(name, value);
        }
        line
    }
}

impl Seed {
    /// Takes a project out to work on it.
    fn take(&mut self, place: usize) -> Option<Box<Project>> {
        self.projects.get_mut(place)?.take()
    }

    fn put_back(&mut self, place: usize, project: Box<Project>) {
        if let Some(home) = self.projects.get_mut(place) {
            *home = Some(project);
        }
    }

    fn fate(&mut self, place: usize, at: i64) -> Fate {
        match (place, self.plan.projects - place) {
            (_, 5) => Fate::Held(false, false),
            (_, 3) => Fate::Embargo((self.plan.until + 40 * DAY).min(at + 340 * DAY), false),
            (1.., _) if place % 25 == 7 => Fate::Embargo(at + self.chance.days(120, 240), false),
            (1.., _) if place % 40 == 11 => Fate::Held(true, false),
            _ => Fate::Usual,
        }
    }

    pub(crate) fn register(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let telling = words::telling(self.plan.number, place);
        let mut project = Box::new(Project {
            id: self.chance.id(),
            head: Head::default(),
            telling,
            until: at + self.chance.days(1_250, 1_700),
            version: String::new(),
            members: Vec::new(),
            asked: Vec::new(),
            sites: Vec::new(),
            page: Page::default(),
            fate: self.fate(place, at),
            running: 0,
            released: 0,
            is_closing: false,
        });
        let (registrar, stream) = (self.registrar.clone(), Stream::Project(project.id));
        let line = Line::new(
            &registrar,
            &stream,
            "project-registered",
            json!({ "until": project.until }),
        );
        let line = project.details(line, !matches!(project.fate, Fate::Held(..)));
        project.version = self.say(&mut project.head, at, line)?;
        project.page.tell("project", self.part());
        for nth in 1..=self.chance.below(3) + 1 {
            let (id, pause) = (self.chance.id(), PAUSE * i64::try_from(nth).unwrap_or(0));
            let member = Actor::Member {
                project: project.id,
                member: id,
            };
            let data = json!({ "keys": self.pen.keys_of(&member), "member": id });
            let line = Line::new(&registrar, &stream, "member-added", data)
                .seal("name", format!("Invented person {nth} of project {place}"));
            let leaf = self.say(&mut project.head, at + pause, line)?;
            project.members.push((id, leaf));
        }
        let joined = self.sites.len();
        let asked = 1 + self.chance.below(4.min(joined));
        let first = self.chance.below(joined);
        project.asked = (0..asked).map(|n| (first + n) % joined.max(1)).collect();
        let mut when = at;
        for nth in 0..project.asked.len() {
            when = at_work(
                when + self
                    .chance
                    .around(if nth == 0 { 18 * DAY } else { 12 * DAY })
                    .min(90 * DAY),
            );
            self.push(when, Task::Approve(place, nth));
        }
        if place % 5 == 2 {
            let closes = at_work(at + self.chance.days(420, 800));
            self.push(closes, Task::Close(place));
        }
        self.put_back(place, project);
        Ok(())
    }

    /// Some of the projects that are there already ask a TRE that has just joined.
    pub(crate) fn ask(&mut self, site: usize, at: i64) {
        for place in 0..self.projects.len() {
            let is_asking = self.chance.one_in(3);
            let when = at_work(at + self.chance.days(20, 150));
            let Some(project) = self.projects.get_mut(place).and_then(Option::as_mut) else {
                continue;
            };
            if is_asking && !project.is_closing {
                project.asked.push(site);
                let nth = project.asked.len() - 1;
                self.push(when, Task::Approve(place, nth));
            }
        }
    }

    pub(crate) fn approve(&mut self, place: usize, nth: usize, at: i64) -> Result<(), SeedError> {
        let Some(mut project) = self.take(place) else {
            return Ok(());
        };
        if matches!(project.fate, Fate::Held(_, true)) && !project.page.is_published() {
            // What waits for a person is not touched meanwhile: the editor would hold it again.
            self.push(at_work(at + 30 * DAY), Task::Approve(place, nth));
            self.put_back(place, project);
            return Ok(());
        }
        let asked = project.asked.get(nth).copied().unwrap_or(0);
        if let (false, Some(site)) = (project.is_closing, self.sites.get(asked)) {
            let (slug, review, tre) = (site.slug.clone(), site.review.clone(), site.tre);
            let kind = project.telling.kind;
            let mut data = vec![kind];
            if place.is_multiple_of(3) {
                data.push((kind + 1) % site.datasets.len().max(1));
            }
            let datasets = data.iter().filter_map(|kind| site.datasets.get(*kind));
            let things: Vec<usize> = datasets
                .clone()
                .map(|dataset| dataset.thing)
                .chain([site.thing])
                .collect();
            let ids: Vec<Uuid> = datasets.map(|dataset| dataset.id).collect();
            let body = *self.chance.of_all(&BODIES);
            let until = at + STANDS;
            let grant = |seed: &mut Self, subject, id, mut data: Value, at| {
                let stream = Stream::Approval(slug.clone(), subject, id);
                data["body"] = body.into();
                data["until"] = until.into();
                let line = Line::new(&review, &stream, "approval-granted", data)
                    .seal("decided_by", decides(tre))
                    .seal("decided_on", date(at));
                seed.say(&mut Head::default(), at, line)
            };
            let of_project = json!({ "cause": project.version, "datasets": ids });
            let granted = grant(self, Subject::Project, project.id, of_project, at)?;
            project.page.tell(&format!("approval/{}", tre.slug), self.part());
            for thing in things {
                project.page.tell_of(thing);
            }
            let mut members = Vec::new();
            for (id, added) in &project.members {
                let of_member = json!({ "cause": added, "project": project.id });
                members.push(grant(self, Subject::Member, *id, of_member, at + PAUSE)?);
            }
            project.sites.push(Approved {
                site: asked,
                data,
                project: granted,
                members,
            });
            self.due(place, &mut project, at + PAUSE);
        }
        self.put_back(place, project);
        Ok(())
    }

    /// Lets its members submit from now on.
    fn admit(&mut self, place: usize) {
        if !self.open.contains(&place) {
            self.open.push(place);
            self.fresh.push_back(place);
        }
    }

    /// Has the editor write, unless it is about to.
    pub(crate) fn due(&mut self, place: usize, project: &mut Project, at: i64) {
        let is_pressing = !project.page.is_published() || self.plan.ends == Ends::AsUsual;
        if !project.page.is_due {
            project.page.is_due = true;
            let wait = if is_pressing { WRITES } else { GATHERS };
            self.push(at + wait, Task::Publish(place));
        }
    }

    pub(crate) fn publish(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let Some(mut project) = self.take(place) else {
            return Ok(());
        };
        let stream = Stream::Register(project.id);
        match project.fate {
            Fate::Embargo(until, false) if at < until => {
                let tre = project.sites.first().and_then(|one| self.sites.get(one.site));
                let tre = tre.map(|site| site.tre.slug);
                let data = json!({ "code": "pre-publication", "tre": tre, "until": until });
                let line = Line::new(&Actor::Editor, &stream, "register-deferred", data);
                self.say(&mut project.page.head, at, line)?;
                project.fate = Fate::Embargo(until, true);
                self.push(until + MINUTE, Task::Publish(place));
                self.admit(place);
            }
            Fate::Held(is_mended, false) => {
                let line = Line::new(
                    &Actor::Editor,
                    &stream,
                    "register-held",
                    json!({ "code": "screen" }),
                )
                .seal(
                    "text",
                    "A telephone number and a mailbox of a person in the lay summary.",
                );
                self.say(&mut project.page.head, at, line)?;
                project.fate = Fate::Held(is_mended, true);
                if is_mended {
                    let when = at_work(at + self.chance.days(2, 9));
                    self.push(when, Task::Amend(place));
                }
            }
            _ => {
                if !project.page.is_published() && !project.is_closing {
                    self.admit(place);
                }
                let line = project.page.next(project.id, &project.version, &mut self.things);
                self.say(&mut project.page.head, at, line)?;
            }
        }
        self.put_back(place, project);
        Ok(())
    }

    /// The registrar tells the project anew, without what named somebody.
    pub(crate) fn amend(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let Some(mut project) = self.take(place) else {
            return Ok(());
        };
        let data = json!({ "material": false, "until": project.until });
        let line = Line::new(
            &self.registrar,
            &Stream::Project(project.id),
            "project-amended",
            data,
        );
        let line = project.details(line, true);
        self.say(&mut project.head, at, line)?;
        project.page.tell("project", self.part());
        self.push(at + WRITES, Task::Publish(place));
        self.put_back(place, project);
        Ok(())
    }

    /// Something has come of it.
    pub(crate) fn link(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let Some(mut project) = self.take(place) else {
            return Ok(());
        };
        let number = project.head.seq;
        let kinds = [
            ("paper", "What we found"),
            ("preprint", "First results"),
            ("report", "In plain words"),
            ("code", "Programs and tables"),
            ("paper", "What we found"),
        ];
        let (kind, begins) = self.chance.of_all(&kinds);
        let line = Line::new(
            &self.registrar,
            &Stream::Project(project.id),
            "output-linked",
            json!({ "kind": kind }),
        )
        .seal("title", format!("{begins}: {}", project.telling.title))
        .seal("url", format!("https://library.example/{kind}s/{place}-{number}"))
        .seal("published", date(at - 3 * DAY));
        self.say(&mut project.head, at, line)?;
        project.page.tell(&format!("output/{number}"), self.part());
        self.due(place, &mut project, at);
        self.put_back(place, project);
        Ok(())
    }

    /// It submits nothing more, and ends once its jobs have.
    pub(crate) fn close(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let Some(mut project) = self.take(place) else {
            return Ok(());
        };
        project.is_closing = true;
        self.open.retain(|open| *open != place);
        if project.running > 0 {
            self.push(at_work(at + 20 * DAY), Task::Close(place));
        } else {
            let data = json!({ "reason": *turn(&["completed", "completed", "stopped"], place / 5) });
            let line = Line::new(
                &self.registrar,
                &Stream::Project(project.id),
                "project-closed",
                data,
            );
            self.say(&mut project.head, at, line)?;
            project.page.tell("closed", self.part());
            for nth in 0..project.members.len() {
                self.pen.forget(&project.member(nth).1);
            }
            if !project.sites.is_empty() {
                self.due(place, &mut project, at + HOUR);
            }
        }
        self.put_back(place, project);
        Ok(())
    }
}
