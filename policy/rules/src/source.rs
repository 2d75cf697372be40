//! Where a condition or an effect takes a value from, and how a stream's name is made from an event.

use std::fmt;

use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream};
use serde_json::Value;

/// One value of an event or of the state before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A clear field.
    Field(String),
    /// The event's leaf hash.
    Leaf,
    /// The author's statement of the time.
    Iat,
    /// The word of the state before.
    Was,
    /// The author's project.
    Project,
    /// The author's membership.
    Member,
    /// The author's TRE.
    Tre,
    /// The id in the stream's name.
    Id,
    /// The subject in the name of an approval's stream.
    Subject,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Field(field) => field,
            Self::Leaf => "@leaf",
            Self::Iat => "@iat",
            Self::Was => "@was",
            Self::Project => "@project",
            Self::Member => "@member",
            Self::Tre => "@tre",
            Self::Id => "@id",
            Self::Subject => "@subject",
        })
    }
}

impl Source {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let source = match text {
            "@leaf" => Self::Leaf,
            "@iat" => Self::Iat,
            "@was" => Self::Was,
            "@project" => Self::Project,
            "@member" => Self::Member,
            "@tre" => Self::Tre,
            "@id" => Self::Id,
            "@subject" => Self::Subject,
            _ => {
                let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                return good.then(|| Self::Field(text.to_owned()));
            }
        };
        Some(source)
    }

    /// Its name, for a refusal.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Field(field) => field.clone(),
            Self::Iat => "iat".to_owned(),
            Self::Project | Self::Member | Self::Tre => "iss".to_owned(),
            Self::Leaf | Self::Was | Self::Id | Self::Subject => "sub".to_owned(),
        }
    }

    /// The value, if the event has one.
    pub(crate) fn value(&self, event: &Event, was: &str) -> Option<Value> {
        let claims = event.claims();
        match self {
            Self::Field(field) => claims.data.get(field).cloned(),
            Self::Leaf => Some(event.leaf().to_base64url().into()),
            Self::Iat => Some(claims.iat.into()),
            Self::Was => Some(was.into()),
            Self::Project => match &claims.iss {
                Actor::Member { project, .. } => Some(project.to_string().into()),
                _ => None,
            },
            Self::Member => match &claims.iss {
                Actor::Member { member, .. } => Some(member.to_string().into()),
                _ => None,
            },
            Self::Tre => match &claims.iss {
                Actor::Tre(tre, _) => Some(tre.as_str().into()),
                _ => None,
            },
            Self::Id => match &claims.sub {
                Stream::Federation | Stream::Log => None,
                Stream::Tre(tre) => Some(tre.as_str().into()),
                Stream::Dataset(id)
                | Stream::Workflow(id)
                | Stream::Project(id)
                | Stream::Approval(_, _, id)
                | Stream::Submission(id)
                | Stream::Job(id)
                | Stream::Register(id)
                | Stream::Erasure(id) => Some(id.to_string().into()),
            },
            Self::Subject => match &claims.sub {
                Stream::Approval(_, subject, _) => Some(subject.as_str().into()),
                _ => None,
            },
        }
    }
}

/// A stream's name with places for values: `approval/{@tre}/project/{project}`.
///
/// A field that is a list makes one name for each item. `{jobs.tre}`, `{jobs.job}` and `{jobs.datasets}` take the parts
/// of a field of the kind `jobs`. At most one place holds a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    One(Source),
    Each(String, Option<String>),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        for part in text.split('/') {
            let Some(place) = part.strip_prefix('{') else {
                parts.push(Part::Text(part.to_owned()));
                continue;
            };
            let place = place.strip_suffix('}')?;
            parts.push(match place.split_once('.') {
                Some((field, of)) if ["tre", "job", "datasets"].contains(&of) => {
                    Part::Each(field.to_owned(), Some(of.to_owned()))
                }
                Some(_) => return None,
                None => match Source::parse(place)? {
                    Source::Field(field) => Part::Each(field, None),
                    source => Part::One(source),
                },
            });
        }
        let fields = parts.iter().filter(|part| matches!(part, Part::Each(..))).count();
        let text = text.to_owned();
        (fields <= 1).then_some(Self { text, parts })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Each(field, _) => Some(field.as_str()),
            Part::Text(_) | Part::One(_) => None,
        })
    }

    /// The streams that an event names, in its order; what is no stream's name is left out.
    pub(crate) fn streams(&self, event: &Event) -> Vec<Stream> {
        let mut names = vec![String::new()];
        for part in &self.parts {
            let values = match part {
                Part::Text(text) => vec![text.clone()],
                Part::One(source) => source
                    .value(event, "")
                    .and_then(|value| value.as_str().map(str::to_owned))
                    .into_iter()
                    .collect(),
                Part::Each(field, of) => event
                    .claims()
                    .data
                    .get(field)
                    .map(|value| each(value, of.as_deref()))
                    .unwrap_or_default(),
            };
            names = names
                .iter()
                .flat_map(|name| {
                    values.iter().map(move |value| {
                        if name.is_empty() {
                            value.clone()
                        } else {
                            format!("{name}/{value}")
                        }
                    })
                })
                .collect();
        }
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

fn each(value: &Value, of: Option<&str>) -> Vec<String> {
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    match (of, value) {
        (None, value) => texts(value),
        (Some("tre"), Value::Object(jobs)) => jobs.keys().cloned().collect(),
        (Some(of), Value::Object(jobs)) => jobs
            .values()
            .filter_map(|job| job.get(of))
            .flat_map(texts)
            .collect(),
        (Some(_), _) => Vec::new(),
    }
}
