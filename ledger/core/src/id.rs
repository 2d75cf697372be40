//! Names that stand in clear in an event: slugs, random ids, actors, organisations and streams.
//!
//! Each has exactly one spelling. Random ids are UUIDs of version 4 in lower case with hyphens (RFC 9562 §5.4);
//! version 7 would carry the millisecond at which somebody acted.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::{Uuid, Variant};

/// A name is not one of the spellings that an event may hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// Not a UUID of version 4 in its canonical spelling.
    #[error("{0:?} is not a random UUID (version 4, lower case, with hyphens)")]
    Uuid(String),
    /// Not a slug.
    #[error("{0:?} is not a slug: 2 to 32 of a-z, 0-9 and single hyphens, beginning with a letter")]
    Slug(String),
    /// No actor is called that.
    #[error("{0:?} is not an actor's name")]
    Actor(String),
    /// No stream is called that.
    #[error("{0:?} is not a stream's name")]
    Stream(String),
}

/// Characters of the longest name, rounded up; no error quotes more.
const MAX_NAME: usize = 96;

fn cut(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

/// The parts of a name; none where it is too long to be one.
fn parts(text: &str) -> Vec<&str> {
    if text.len() > MAX_NAME {
        Vec::new()
    } else {
        text.split('/').collect()
    }
}

/// Reads a random id in its one spelling.
pub fn random_id(text: &str) -> Result<Uuid, IdError> {
    let id = Uuid::try_parse(text).map_err(|_| IdError::Uuid(cut(text)))?;
    let canonical = id.get_version_num() == 4
        && id.get_variant() == Variant::RFC4122
        && id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
    if canonical {
        Ok(id)
    } else {
        Err(IdError::Uuid(cut(text)))
    }
}

/// A registered short name, such as a TRE's: 2 to 32 of `a-z`, `0-9` and single inner hyphens, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

impl Slug {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let good = plain
            && (2..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--");
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Slug(cut(text)))
        }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key of a TRE is for. Only the root lends the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreRole {
    /// The TRE's own offline key, made and kept by the TRE.
    Root,
    /// The polling zone.
    Relay,
    /// The controlled zone.
    Runner,
    /// The service through which the TRE's people decide.
    Review,
}

impl TreRole {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Relay => "relay",
            Self::Runner => "runner",
            Self::Review => "review",
        }
    }
}

/// Who signs: an organisation's service, or a member of one project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// `operator`: the people who answer for the hub.
    Operator,
    /// `hub/clerk`: the service that keeps the log's own stream.
    Clerk,
    /// `hub/editor`: the service that writes the register.
    Editor,
    /// `registrar/<slug>`: records projects, members and workflows.
    Registrar(Slug),
    /// `auditor/<slug>`: reads what auditors may read; signs no event.
    Auditor(Slug),
    /// `tre/<slug>/<role>`.
    Tre(Slug, TreRole),
    /// `project/<uuid>/member/<uuid>`: a researcher on one project.
    Member {
        /// The project.
        project: Uuid,
        /// The membership, and nothing that outlives it.
        member: Uuid,
    },
}

impl Actor {
    /// The organisation for which this actor signs.
    pub fn organisation(&self) -> Organisation {
        match self {
            Self::Operator => Organisation::Operator,
            Self::Clerk | Self::Editor => Organisation::Hub,
            Self::Registrar(_) => Organisation::Registrar,
            Self::Auditor(_) => Organisation::Auditor,
            Self::Tre(tre, _) => Organisation::Tre(tre.clone()),
            Self::Member { project, .. } => Organisation::Project(*project),
        }
    }

    /// The role in one word, as the rule table names it.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Clerk => "clerk",
            Self::Editor => "editor",
            Self::Registrar(_) => "registrar",
            Self::Auditor(_) => "auditor",
            Self::Tre(_, role) => role.as_str(),
            Self::Member { .. } => "member",
        }
    }

    /// Whether this is a machine that can follow the log, and so must state what it has seen of it.
    pub fn is_service(&self) -> bool {
        match self {
            Self::Clerk | Self::Editor => true,
            Self::Tre(_, role) => *role != TreRole::Root,
            Self::Operator | Self::Registrar(_) | Self::Auditor(_) | Self::Member { .. } => false,
        }
    }

    /// The stream whose state holds this actor's keys.
    pub fn home(&self) -> Stream {
        match self {
            Self::Operator | Self::Clerk | Self::Editor | Self::Registrar(_) | Self::Auditor(_) => {
                Stream::Federation
            }
            Self::Tre(tre, _) => Stream::Tre(tre.clone()),
            Self::Member { project, .. } => Stream::Project(*project),
        }
    }
}

impl FromStr for Actor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = parts(text);
        let actor = match parts.as_slice() {
            ["operator"] => Self::Operator,
            ["hub", "clerk"] => Self::Clerk,
            ["hub", "editor"] => Self::Editor,
            ["registrar", slug] => Self::Registrar(slug.parse()?),
            ["auditor", slug] => Self::Auditor(slug.parse()?),
            ["tre", slug, role] => {
                let role = match *role {
                    "root" => TreRole::Root,
                    "relay" => TreRole::Relay,
                    "runner" => TreRole::Runner,
                    "review" => TreRole::Review,
                    _ => return Err(IdError::Actor(cut(text))),
                };
                Self::Tre(slug.parse()?, role)
            }
            ["project", project, "member", member] => Self::Member {
                project: random_id(project)?,
                member: random_id(member)?,
            },
            _ => return Err(IdError::Actor(cut(text))),
        };
        Ok(actor)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Clerk => f.write_str("hub/clerk"),
            Self::Editor => f.write_str("hub/editor"),
            Self::Registrar(slug) => write!(f, "registrar/{slug}"),
            Self::Auditor(slug) => write!(f, "auditor/{slug}"),
            Self::Tre(slug, role) => write!(f, "tre/{slug}/{}", role.as_str()),
            Self::Member { project, member } => write!(f, "project/{project}/member/{member}"),
        }
    }
}

/// Who is behind an actor. A stream has one author organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Organisation {
    /// The people who answer for the hub.
    Operator,
    /// The hub's services.
    Hub,
    /// All registrars together.
    Registrar,
    /// All auditors together.
    Auditor,
    /// One TRE.
    Tre(Slug),
    /// The members of one project together: any of them may answer, cancel or collect.
    Project(Uuid),
}

impl fmt::Display for Organisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Hub => f.write_str("hub"),
            Self::Registrar => f.write_str("registrar"),
            Self::Auditor => f.write_str("auditor"),
            Self::Tre(slug) => write!(f, "tre/{slug}"),
            Self::Project(project) => write!(f, "project/{project}"),
        }
    }
}

/// What a TRE approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A version of a project.
    Project,
    /// A workflow.
    Workflow,
    /// A membership.
    Member,
}

impl Subject {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Workflow => "workflow",
            Self::Member => "member",
        }
    }
}

/// The events of one thing, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// `federation`: the log's opening, the rule table, TREs invited, roles.
    Federation,
    /// `log`: what the clerk says about the log itself.
    Log,
    /// `tre/<slug>`: a TRE and its keys.
    Tre(Slug),
    /// `dataset/<uuid>`.
    Dataset(Uuid),
    /// `workflow/<uuid>`.
    Workflow(Uuid),
    /// `project/<uuid>`: a project and its members.
    Project(Uuid),
    /// `approval/<tre>/<project|workflow|member>/<uuid>`.
    Approval(Slug, Subject, Uuid),
    /// `submission/<uuid>`: what the researchers do.
    Submission(Uuid),
    /// `job/<uuid>`: what the TRE does.
    Job(Uuid),
    /// `register/<project uuid>`.
    Register(Uuid),
    /// `erasure/<uuid>`.
    Erasure(Uuid),
}

impl Stream {
    /// The kind of stream in one word, as the rule table names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Federation => "federation",
            Self::Log => "log",
            Self::Tre(_) => "tre",
            Self::Dataset(_) => "dataset",
            Self::Workflow(_) => "workflow",
            Self::Project(_) => "project",
            Self::Approval(..) => "approval",
            Self::Submission(_) => "submission",
            Self::Job(_) => "job",
            Self::Register(_) => "register",
            Self::Erasure(_) => "erasure",
        }
    }

    /// Whether an organisation may ever write this stream; the first event then fixes which one does.
    pub fn admits(&self, author: &Organisation) -> bool {
        match (self, author) {
            (Self::Federation | Self::Erasure(_), Organisation::Operator)
            | (Self::Log | Self::Register(_), Organisation::Hub)
            | (Self::Workflow(_) | Self::Project(_), Organisation::Registrar)
            | (Self::Dataset(_) | Self::Job(_), Organisation::Tre(_))
            | (Self::Submission(_), Organisation::Project(_)) => true,
            (Self::Tre(tre) | Self::Approval(tre, ..), Organisation::Tre(author)) => tre == author,
            _ => false,
        }
    }
}

impl FromStr for Stream {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = parts(text);
        let stream = match parts.as_slice() {
            ["federation"] => Self::Federation,
            ["log"] => Self::Log,
            ["tre", slug] => Self::Tre(slug.parse()?),
            ["dataset", id] => Self::Dataset(random_id(id)?),
            ["workflow", id] => Self::Workflow(random_id(id)?),
            ["project", id] => Self::Project(random_id(id)?),
            ["approval", tre, subject, id] => {
                let subject = match *subject {
                    "project" => Subject::Project,
                    "workflow" => Subject::Workflow,
                    "member" => Subject::Member,
                    _ => return Err(IdError::Stream(cut(text))),
                };
                Self::Approval(tre.parse()?, subject, random_id(id)?)
            }
            ["submission", id] => Self::Submission(random_id(id)?),
            ["job", id] => Self::Job(random_id(id)?),
            ["register", id] => Self::Register(random_id(id)?),
            ["erasure", id] => Self::Erasure(random_id(id)?),
            _ => return Err(IdError::Stream(cut(text))),
        };
        Ok(stream)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Federation | Self::Log => f.write_str(kind),
            Self::Tre(slug) => write!(f, "{kind}/{slug}"),
            Self::Approval(tre, subject, id) => write!(f, "{kind}/{tre}/{}/{id}", subject.as_str()),
            Self::Dataset(id)
            | Self::Workflow(id)
            | Self::Project(id)
            | Self::Submission(id)
            | Self::Job(id)
            | Self::Register(id)
            | Self::Erasure(id) => write!(f, "{kind}/{id}"),
        }
    }
}

#[cfg(test)]
mod tests;
