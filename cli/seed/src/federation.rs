//! Who is there before anybody asks: the registrar, workflows, TREs with their data.

use daybook_core::id::{Actor, Slug, Stream, Subject, TreRole};
use serde_json::json;
use uuid::Uuid;

use crate::chance::turn;
use crate::country::{ABOUT, KINDS, TRES, Tre};
use crate::pen::{Head, Line, SeedError};
use crate::run::Seed;
use crate::time::{DAY, date};
use crate::words::METHODS;

/// Seconds between two events of one piece of work.
pub(crate) const PAUSE: i64 = 5;
/// How long an approval stands, in seconds: longer than the seed.
pub(crate) const STANDS: i64 = 1_800 * DAY;

/// A TRE that has joined.
pub(crate) struct Site {
    /// Its place in [`TRES`].
    pub(crate) place: usize,
    pub(crate) tre: &'static Tre,
    pub(crate) slug: Slug,
    pub(crate) head: Head,
    pub(crate) relay: Actor,
    pub(crate) runner: Actor,
    pub(crate) review: Actor,
    /// The thing that describes it.
    pub(crate) thing: usize,
    /// One for each kind.
    pub(crate) datasets: Vec<Dataset>,
    /// The approvals of the workflows, by leaf hash.
    pub(crate) granted: Vec<String>,
    /// Events of its jobs, and runs.
    pub(crate) made: u64,
    pub(crate) runs: u64,
}

/// Data of a TRE.
pub(crate) struct Dataset {
    pub(crate) id: Uuid,
    /// The leaf hash that describes it.
    pub(crate) version: String,
    /// The thing that does.
    pub(crate) thing: usize,
}

/// A workflow.
pub(crate) struct Workflow {
    pub(crate) id: Uuid,
    pub(crate) digest: String,
    pub(crate) version: String,
    pub(crate) thing: usize,
}

impl Seed {
    pub(crate) fn grant_registrar(&mut self, at: i64) -> Result<(), SeedError> {
        let registrar = self.registrar.clone();
        let keys = self.pen.keys_of(&registrar);
        let data = json!({ "id": "first", "keys": keys, "role": "registrar" });
        let line = Line::new(&Actor::Operator, &Stream::Federation, "role-granted", data)
            .seal("name", "The federation's office (fictional)");
        self.say_to_federation(at, line)
    }

    fn say_to_federation(&mut self, at: i64, line: Line) -> Result<(), SeedError> {
        let mut head = self.federation;
        self.say(&mut head, at, line)?;
        self.federation = head;
        Ok(())
    }

    /// Keeps what describes a thing, and answers with its place.
    fn thing(&mut self) -> usize {
        self.things.extend(self.part());
        self.things.len() - 1
    }

    pub(crate) fn register_workflow(&mut self, method: usize, at: i64) -> Result<(), SeedError> {
        let (id, digest) = (self.chance.id(), self.chance.digest());
        let title = turn(&METHODS, method).workflow;
        let registrar = self.registrar.clone();
        let address = format!(
            "https://workflows.example/{}?version=1",
            title.to_lowercase().replace(", ", "-").replace(' ', "-")
        );
        let line = Line::new(
            &registrar,
            &Stream::Workflow(id),
            "workflow-registered",
            json!({ "digest": digest }),
        )
        .seal("title", title)
        .seal("permalink", address)
        .seal("version", "1")
        .seal("licence", "Apache-2.0");
        let version = self.say(&mut Head::default(), at, line)?;
        let thing = self.thing();
        self.workflows.push(Workflow {
            id,
            digest,
            version,
            thing,
        });
        Ok(())
    }

    /// A TRE is invited, joins, lends its keys, registers its data and approves the workflows.
    pub(crate) fn join(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let tre = turn(&TRES, place);
        let slug: Slug = tre.slug.parse()?;
        let actor = |role| Actor::Tre(slug.clone(), role);
        let root = actor(TreRole::Root);
        let invited = json!({ "root": self.pen.thumbprint(&root), "tre": tre.slug });
        let invitation = Line::new(&Actor::Operator, &Stream::Federation, "tre-invited", invited);
        self.say_to_federation(at - DAY, invitation)?;
        let (mut head, stream) = (Head::default(), Stream::Tre(slug.clone()));
        let keys = json!({ "keys": self.pen.keys_of(&root) });
        let line = Line::new(&root, &stream, "tre-joined", keys)
            .seal("name", tre.name)
            .seal("organisation", tre.organisation)
            .seal("contact", format!("Data access, data@{}.example", tre.slug))
            .seal(
                "accreditation",
                json!(["Accredited under an act of its own (fictional)"]),
            )
            .seal("tiers", json!(["De-identified records"]))
            .seal(
                "note",
                format!(
                    "{} is a place in a story. This TRE and its records are made up.",
                    tre.place
                ),
            );
        self.say(&mut head, at, line)?;
        let thing = self.thing();
        for role in [TreRole::Relay, TreRole::Runner, TreRole::Review] {
            let data = json!({ "keys": self.pen.keys_of(&actor(role)), "role": role.as_str() });
            self.say(
                &mut head,
                at + PAUSE,
                Line::new(&root, &stream, "key-added", data),
            )?;
        }
        let mut site = Site {
            place,
            tre,
            head,
            relay: actor(TreRole::Relay),
            runner: actor(TreRole::Runner),
            review: actor(TreRole::Review),
            slug,
            thing,
            datasets: Vec::new(),
            granted: Vec::new(),
            made: 0,
            runs: 0,
        };
        self.register_data(&mut site, at + 2 * PAUSE)?;
        self.approve_workflows(&mut site, at + 3 * PAUSE)?;
        self.sites.push(site);
        self.ask(self.sites.len() - 1, at);
        Ok(())
    }

    fn register_data(&mut self, site: &mut Site, at: i64) -> Result<(), SeedError> {
        for (kind, about) in KINDS.iter().zip(ABOUT) {
            let id = self.chance.id();
            let mut name = kind.0.to_owned();
            if let Some(first) = name.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let line = Line::new(&site.relay, &Stream::Dataset(id), "dataset-registered", json!({}))
                .seal("title", format!("{name}, {}", site.tre.place))
                .seal("controller", site.tre.organisation)
                .seal("kind_of", kind.0)
                .seal("description", about);
            let version = self.say(&mut Head::default(), at, line)?;
            let thing = self.thing();
            site.datasets.push(Dataset { id, version, thing });
        }
        Ok(())
    }

    fn approve_workflows(&mut self, site: &mut Site, at: i64) -> Result<(), SeedError> {
        let all: Vec<(Uuid, String)> = self
            .workflows
            .iter()
            .map(|one| (one.id, one.version.clone()))
            .collect();
        let sign_off = if site.tre.stands { "standing" } else { "person" };
        for (id, version) in all {
            let stream = Stream::Approval(site.slug.clone(), Subject::Workflow, id);
            let data = json!({
                "body": "delegated-officer", "cause": version, "egress": "reviewed", "sign_off": sign_off,
                "until": at + STANDS,
            });
            let line = Line::new(&site.review, &stream, "approval-granted", data)
                .seal("decided_by", decides(site.tre))
                .seal("decided_on", date(at));
            site.granted.push(self.say(&mut Head::default(), at, line)?);
        }
        Ok(())
    }
}

/// Who decides at a TRE.
pub(crate) fn decides(tre: &Tre) -> String {
    format!("{} Data Access Committee (fictional)", tre.place)
}
