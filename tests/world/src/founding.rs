//! Who and what there is, and how the federation begins.

use daybook_core::id::{Actor, Stream, TreRole};
use serde_json::json;
use uuid::Uuid;

use crate::{Draft, World, id};

/// The actors and things of a founded world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The operator.
    pub operator: Actor,
    /// The clerk.
    pub clerk: Actor,
    /// The editor.
    pub editor: Actor,
    /// `registrar/main`.
    pub registrar: Actor,
    /// `auditor/main`.
    pub auditor: Actor,
    /// The project.
    pub project: Uuid,
    /// The membership of the researcher who submits.
    pub member: Uuid,
    /// Another membership of the project.
    pub colleague: Uuid,
    /// Another project, on the register and approved by nobody.
    pub other_project: Uuid,
    /// A member of that one.
    pub stranger: Uuid,
    /// The workflow.
    pub workflow: Uuid,
}

impl Cast {
    pub(crate) fn new() -> Self {
        let actor = |name: &str| name.parse().expect("an actor's name");
        Self {
            operator: Actor::Operator,
            clerk: Actor::Clerk,
            editor: Actor::Editor,
            registrar: actor("registrar/main"),
            auditor: actor("auditor/main"),
            project: id("project"),
            member: id("member"),
            colleague: id("colleague"),
            other_project: id("other project"),
            stranger: id("stranger"),
            workflow: id("workflow"),
        }
    }

    /// The two TREs.
    pub const TRES: [&'static str; 2] = ["wessex", "mercia"];

    /// A TRE's actor: its root, relay, runner or review service.
    pub fn tre(tre: &str, role: TreRole) -> Actor {
        Actor::Tre(tre.parse().expect("a TRE's id"), role)
    }

    /// The researcher who submits.
    pub fn researcher(&self) -> Actor {
        Self::member_of(self.project, self.member)
    }

    /// A member of a project.
    pub fn member_of(project: Uuid, member: Uuid) -> Actor {
        Actor::Member { project, member }
    }

    /// The dataset of a TRE; each has two, 0 and 1.
    pub fn dataset(tre: &str, n: usize) -> Uuid {
        id(&format!("dataset {n} of {tre}"))
    }
}

impl World {
    /// A log that is opened, with its table and its roles: no TRE yet.
    pub fn opened() -> Self {
        let mut world = Self::new();
        for kind in ["log-opened", "policy-adopted"] {
            let draft = world.usual(kind);
            world.say(&draft);
        }
        for role in ["registrar", "auditor", "editor"] {
            let draft = world.grant(role);
            world.say(&draft);
        }
        world
    }

    /// A working federation: TREs joined, datasets, workflow, project and members registered, approved by both TREs, and
    /// the project on the register.
    pub fn founded() -> Self {
        Self::found(true)
    }

    /// The same, but for the project: it is not on the register, nor was it ever.
    pub fn unlisted() -> Self {
        Self::found(false)
    }

    /// Such a project under an embargo of thirty days, with a job that wessex has signed off.
    pub fn under_embargo() -> Self {
        let mut world = Self::unlisted();
        let register = Stream::Register(world.cast.project);
        let deferred = world.usual("register-deferred").on(&register);
        world.say(&deferred);
        world.submit(&["wessex"]);
        world.steps(&[
            "job-collected",
            "job-checked",
            "workflow-retrieved",
            "job-signed-off",
        ]);
        world
    }

    /// The log's own clock goes so many days ahead of everybody's.
    pub fn mark_ahead(&mut self, days: i64) {
        let now = self.now;
        self.advance_days(days);
        self.steps(&["time-marked"]);
        self.now = now;
    }

    fn found(listed: bool) -> Self {
        let mut world = Self::opened();
        for tre in Cast::TRES {
            world.join(tre);
        }
        let (registrar, project) = (world.cast.registrar.clone(), world.cast.project);
        let digest = crate::digest("workflow");
        let workflow = Stream::Workflow(world.cast.workflow);
        world.say(&Draft::new(
            &registrar,
            &workflow,
            "workflow-registered",
            json!({ "digest": digest }),
        ));
        let projects = [
            (project, vec![world.cast.member, world.cast.colleague]),
            (world.cast.other_project, vec![world.cast.stranger]),
        ];
        for (project, members) in projects {
            let is_listed = listed || project != world.cast.project;
            world.add_project(project, &members, is_listed);
        }
        for tre in Cast::TRES {
            for subject in ["project", "workflow", "member"] {
                let draft = world.approval(tre, subject);
                world.say(&draft);
            }
        }
        world
    }

    /// A TRE is invited, joins, lends its keys and registers two datasets.
    pub fn join(&mut self, tre: &str) {
        let root = Cast::tre(tre, TreRole::Root);
        let thumbprint = self.key(&root).public().thumbprint().to_base64url();
        let invited = json!({ "tre": tre, "root": thumbprint });
        self.say(&Draft::new(
            &Actor::Operator,
            &Stream::Federation,
            "tre-invited",
            invited,
        ));
        let home = root.home();
        let keys = json!({ "keys": self.keys_of(&root) });
        self.say(&Draft::new(&root, &home, "tre-joined", keys).seal("name", format!("The {tre} TRE").into()));
        for role in [TreRole::Relay, TreRole::Runner, TreRole::Review] {
            let keys = self.keys_of(&Cast::tre(tre, role));
            let added = json!({ "keys": keys, "role": role.as_str() });
            self.say(&Draft::new(&root, &home, "key-added", added));
        }
        let relay = Cast::tre(tre, TreRole::Relay);
        for n in 0..2 {
            let stream = Stream::Dataset(Cast::dataset(tre, n));
            self.say(&Draft::new(&relay, &stream, "dataset-registered", json!({})));
        }
    }

    /// A project is registered with its members and appears on the register.
    pub fn register_project(&mut self, project: Uuid, members: &[Uuid]) {
        self.add_project(project, members, true);
    }

    fn add_project(&mut self, project: Uuid, members: &[Uuid], is_listed: bool) {
        let registrar = self.cast.registrar.clone();
        let stream = Stream::Project(project);
        let until = self.now + 1_000 * 86_400;
        let registered = Draft::new(
            &registrar,
            &stream,
            "project-registered",
            json!({ "until": until }),
        );
        let version = self.say(&registered).leaf().to_base64url();
        for member in members {
            let keys = self.keys_of(&Cast::member_of(project, *member));
            let added = json!({ "keys": keys, "member": member.to_string() });
            self.say(&Draft::new(&registrar, &stream, "member-added", added));
        }
        if !is_listed {
            return;
        }
        let published = json!({ "cause": version, "openings": [], "version": 1 });
        self.say(&Draft::new(
            &Actor::Editor,
            &Stream::Register(project),
            "register-published",
            published,
        ));
    }
}
