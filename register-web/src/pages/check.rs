//! Is an entry genuine? This site's own check, and what a reader needs for two others.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::note::VerifierKey;
use daybook_core::sealed::Opening;
use daybook_store::publish::Released;
use daybook_store::read::Entry;
use daybook_views::register::digest;
use jiff::Timestamp;
use serde_json::Value;

use super::{Shown, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::checkpoint::cosigners;
use crate::site::Site;
use crate::visit::Visit;

/// What became of one part of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Holds,
    Fails,
    Open,
}

struct Step {
    words: String,
    outcome: Outcome,
}

#[derive(Template)]
#[template(path = "check.html")]
struct Check {
    page: Frame,
    index: u64,
    leaf: String,
    author: String,
    stream: String,
    kind: String,
    kind_words: Option<&'static str>,
    at: i64,
    /// The path of the page that shows what the entry is about.
    about: Option<String>,
    /// The path of the document that the entry committed to, if it is a version of a page.
    record: Option<String>,
    answer: Outcome,
    now: i64,
    steps: Vec<Step>,
    /// Who has cosigned that checkpoint: name, and whether it is from outside of the federation.
    witnesses: Vec<(String, bool)>,
    checkpoint: String,
    log_key: String,
}

/// The check of an entry.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Path(index): Path<String>) -> Shown {
    let (index, entry) = entry(&site, &index).await?;
    let covers = site.covering(index);
    let event = Event::parse(&entry.event).ok();
    let mut steps = vec![Step {
        words: visit.language.say("check.step-form").to_owned(),
        outcome: holds(event.as_ref().is_some_and(|event| event.leaf() == &entry.leaf)),
    }];
    let signed = match &event {
        Some(event) => {
            let key = site.reader.key(event.kid()).await?;
            key.is_some_and(|key| event.verify(&key).is_ok())
        }
        None => false,
    };
    steps.push(Step {
        words: visit
            .language
            .fill("check.step-signature", &[("author", &entry.author)]),
        outcome: holds(signed),
    });
    let included = match &covers {
        Some(released) => holds(is_included(&site, &entry, released).await?),
        None => Outcome::Open,
    };
    let entries = crate::words::thousands(covers.as_ref().map_or(0, |released| released.head.size));
    steps.push(Step {
        words: visit.language.fill("check.step-inclusion", &[("size", &entries)]),
        outcome: included,
    });
    let record = match &event {
        Some(event) if event.claims().kind == "register-published" => {
            let (step, document) = check_page(&site, &visit, event, index).await?;
            steps.push(step);
            document
        }
        _ => None,
    };
    let answer = if steps.iter().any(|step| step.outcome == Outcome::Fails) {
        Outcome::Fails
    } else {
        included
    };
    let number = crate::words::thousands(index);
    let mut frame = Frame::new(
        &site,
        &visit,
        "record",
        &visit.language.fill("check.title", &[("number", &number)]),
    );
    frame.is_indexed = false;
    let frame = frame
        .with_post("cite-as", &format!("/check/{index}"), "text/html")
        .with_post("describedby", &format!("/v1/events/{index}"), "application/json")
        .with_post("item", &format!("/check/{index}/entry.jws"), "application/jose")
        .of_type("DigitalDocument");
    let claims = event.as_ref().map(Event::claims);
    let page = Check {
        index,
        leaf: entry.leaf.to_base64url(),
        kind_words: kind_words(&visit, &entry.kind),
        at: claims.map_or(0, |claims| claims.iat),
        about: claims.and_then(|claims| about(&frame, &claims.sub)),
        record,
        answer,
        now: Timestamp::now().as_second(),
        steps,
        witnesses: site
            .watch
            .as_ref()
            .zip(covers.as_ref())
            .map(|(watch, released)| cosigners(watch, released))
            .unwrap_or_default(),
        checkpoint: covers
            .map(|released| released.note.to_string())
            .unwrap_or_default(),
        log_key: site.log_key.to_string(),
        author: entry.author,
        stream: entry.stream,
        kind: entry.kind,
        page: frame,
    };
    posted(&page, &page.page)
}

/// The entry's bytes, as its author signed them.
pub(crate) async fn bytes(State(site): State<Site>, Path(index): Path<String>) -> Shown {
    let (index, entry) = entry(&site, &index).await?;
    let name = HeaderValue::from_str(&format!("attachment; filename=\"daybook-{index}.jws\""));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/jose")),
        (
            header::CONTENT_DISPOSITION,
            name.unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    Ok((headers, entry.event).into_response())
}

async fn entry(site: &Site, index: &str) -> Result<(u64, Entry), Failure> {
    let number: u64 = index.parse().map_err(|_| Failure::NotFound)?;
    if number.to_string() != index {
        return Err(Failure::NotFound);
    }
    let entry = site.reader.entry(number).await?.ok_or(Failure::NotFound)?;
    Ok((number, entry))
}

async fn is_included(site: &Site, entry: &Entry, released: &Released) -> Result<bool, Failure> {
    let Some(proof) = site.reader.proof(entry.index, released).await? else {
        return Ok(false);
    };
    let key: Option<VerifierKey> = site.log_key.parse().ok();
    let Some(key) = key else { return Ok(false) };
    // The leaf hash is made from the entry's bytes, and not taken from the database.
    let leaf = daybook_core::Hash::leaf(entry.event.as_bytes());
    Ok(proof.verify(&leaf, &key, &site.origin).is_ok())
}

/// Whether the page of a version is what the entry committed to.
async fn check_page(
    site: &Site,
    visit: &Visit,
    event: &Event,
    index: u64,
) -> Result<(Step, Option<String>), Failure> {
    let claims = event.claims();
    let (Stream::Register(project), Some(number)) =
        (&claims.sub, claims.data.get("version").and_then(Value::as_i64))
    else {
        return Err(Failure::NotFound);
    };
    let say = |key: &str, outcome| Step {
        words: visit.language.say(key).to_owned(),
        outcome,
    };
    let Some(version) = site.views.register_version(*project, Some(number)).await?.row else {
        return Ok((say("check.step-page", Outcome::Open), None));
    };
    let edition = site.views.edition(version).await?;
    let openings = site.reader.openings(index).await?;
    let page = openings
        .iter()
        .filter_map(|stored| Opening::parse(&stored.opening).ok());
    let page = page.into_iter().find(|opening| opening.name() == "page");
    let committed = page.filter(|page| {
        event
            .claims()
            .digests()
            .any(|digest| digest == page.digest().to_base64url())
    });
    let record = format!("/projects/{project}/versions/{number}/record.json");
    let step = match committed {
        _ if edition.has_lost => say("check.step-lost", Outcome::Open),
        None => say("check.step-page", Outcome::Open),
        Some(page) => {
            let is_it = page.value().as_str() == Some(digest(&edition.document()).as_str());
            say("check.step-page", holds(is_it))
        }
    };
    Ok((step, Some(record)))
}

fn holds(does: bool) -> Outcome {
    if does { Outcome::Holds } else { Outcome::Fails }
}

/// A sentence for the type, where the public hears of it.
fn kind_words(visit: &Visit, kind: &str) -> Option<&'static str> {
    let key = format!("part.{kind}");
    visit.language.has_any(&key).then(|| visit.language.say(&key))
}

/// The page that shows what a stream is about.
fn about(frame: &Frame, stream: &Stream) -> Option<String> {
    Some(match stream {
        Stream::Project(id) | Stream::Register(id) => frame.link("/projects/", id),
        Stream::Job(id) => frame.link("/jobs/", id),
        Stream::Tre(tre) => frame.link("/tres/", tre),
        Stream::Dataset(id) => frame.link("/datasets/", id),
        Stream::Workflow(id) => frame.link("/workflows/", id),
        _ => return None,
    })
}

impl Outcome {
    /// How it looks.
    fn tone(self) -> &'static str {
        match self {
            Self::Holds => "done",
            Self::Fails => "stopped",
            Self::Open => "waits",
        }
    }

    /// The key of what it is called.
    fn key(self) -> &'static str {
        match self {
            Self::Holds => "check.ok",
            Self::Fails => "check.bad",
            Self::Open => "check.open",
        }
    }
}

impl Check {
    /// The answer in one sentence.
    fn sentence(&self) -> String {
        let key = match self.answer {
            Outcome::Holds => "check.holds",
            Outcome::Fails => return self.page.say("check.holds-not").to_owned(),
            Outcome::Open => return self.page.say("check.not-yet").to_owned(),
        };
        let (moment, number) = (self.page.moment(self.now), self.page.number(self.index));
        self.page.fill_two(key, "moment", moment, "number", number)
    }

    fn witness_words(&self) -> String {
        if self.witnesses.is_empty() {
            return self.page.say("check.witnesses-none").to_owned();
        }
        let names: Vec<&str> = self.witnesses.iter().map(|(name, _)| name.as_str()).collect();
        let words = self.page.fill("check.witnesses", "names", names.join(", "));
        if self.witnesses.iter().any(|(_, is_independent)| *is_independent) {
            words
        } else {
            format!("{words} {}", self.page.say("check.witnesses-own"))
        }
    }
}
