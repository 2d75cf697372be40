//! The editor: the hub's service that writes the register, with a key of its own.
//!
//! It publishes a version of a project's page at the first approval and whenever there is something new to say, unless the
//! screen finds what may tell who somebody is: then it says `register-held`, and a person looks. What is due is a view of
//! the log, so that any number of hubs may run an editor, and a restart loses nothing: whoever comes second is told that
//! its event is not the next one, and looks again.

mod compose;
mod screen;

use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::{Opening, digest_list};
use daybook_rules::{Refusal, Table};
use daybook_store::Store;
use daybook_store::append::{AppendError, Appender, Candidate};
use daybook_store::calm::Calm;
use daybook_store::publish::Published;
use daybook_store::read::{Reader, StreamHead};
use daybook_views::register::{DueKey, NAME, RegisterEntry};
use daybook_views::{MAX_LIMIT, Page, Views};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

pub(crate) use self::compose::{Draft, draft};
pub(crate) use self::screen::findings;
use daybook_agent::keyfile::Keys;
use daybook_agent::random;

/// How often the editor looks whether the view has moved.
const LOOK: Duration = Duration::from_millis(200);
/// Looks after which it also looks where nothing has moved: an embargo may have ended.
const ROUND: u32 = 150;

pub(super) struct Editor {
    origin: String,
    keys: Keys,
    appender: Appender,
    reader: Reader,
    published: Published,
    views: Views,
    failed: Calm,
    /// Size of the view when it was looked through last.
    looked: u64,
}

/// What became of an event that the editor wanted to say.
enum Said {
    /// It is in the log.
    Appended,
    /// Something else came first, or is not there yet; the next look will show it.
    Later,
}

impl Editor {
    pub(super) fn new(origin: &str, keys: Keys, store: &Store, views: Views) -> Self {
        Self {
            origin: origin.to_owned(),
            keys,
            appender: store.appender.clone(),
            reader: store.reader.clone(),
            published: store.published.clone(),
            views,
            failed: Calm::new(),
            looked: 0,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        let mut round = 0;
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = stop.cancelled() => return,
            }
            let size = self.views.progress().size(NAME);
            round += 1;
            if size == self.looked && round % ROUND != 0 {
                continue;
            }
            match self.look(random::now()).await {
                Ok(()) => {
                    self.looked = size;
                    self.failed.forget();
                }
                Err(error) => {
                    if let Some(unsaid) = self.failed.may_say() {
                        warn!(
                            error = error.as_ref() as &dyn std::error::Error,
                            unsaid, "The register could not be written; trying again"
                        );
                    }
                }
            }
        }
    }

    /// Goes through all that is due.
    async fn look(&self, now: i64) -> Result<()> {
        let mut page = Page {
            limit: MAX_LIMIT,
            ..Page::default()
        };
        loop {
            let due = self.views.register_due(&page).await?;
            for row in due.rows.iter().filter(|row| may_publish(row, now)) {
                self.attend(row.project, now).await?;
            }
            let last = due.rows.last().filter(|_| due.has_more);
            let Some(last) = last else { return Ok(()) };
            page.after = Some(DueKey(last.due.unwrap_or_default(), last.project));
        }
    }

    /// Publishes the next version of a project's page, or holds it for a person.
    async fn attend(&self, project: Uuid, now: i64) -> Result<()> {
        // Of what is newest: the list may be older than what this editor has just said.
        let found = self.views.register_entry(project, None).await?;
        let Some(row) = found.row.filter(|row| row.due.is_some() && may_publish(row, now)) else {
            return Ok(());
        };
        let Some(draft) = draft(&self.reader, &self.views, &row).await? else {
            return Ok(());
        };
        let head = self
            .reader
            .stream_head(&Stream::Register(project).to_string())
            .await?;
        if self.is_ahead(head.as_ref(), found.as_of).await? {
            return Ok(());
        }
        let found = findings(&draft);
        if found.is_empty() {
            self.publish(project, head.as_ref(), draft, now).await
        } else {
            self.hold(project, head.as_ref(), &found, now).await
        }
    }

    /// Whether the stream has an entry that the view does not know of yet.
    async fn is_ahead(&self, head: Option<&StreamHead>, as_of: u64) -> Result<bool> {
        let Some(leaf) = head.and_then(|head| head.leaf) else {
            return Ok(false);
        };
        let index = self.reader.index_of_leaf(&leaf).await?;
        Ok(index.is_none_or(|index| index >= as_of))
    }

    async fn publish(&self, project: Uuid, head: Option<&StreamHead>, draft: Draft, now: i64) -> Result<()> {
        let version = head
            .and_then(|head| head.state.get("version")?.as_i64())
            .unwrap_or(0)
            + 1;
        let page = draft.document(project, version);
        let page = Opening::new(
            random::bytes()?,
            "page",
            daybook_views::register::digest(&page).into(),
        )?;
        let data = json!({
            "cause": draft.cause, "openings": draft.news(), "rests_on": draft.leaves(), "version": version,
        });
        let said = self
            .say(project, head, ("register-published", data), vec![page], now)
            .await?;
        if let Said::Appended = said {
            info!(project = %project, version, "Published version {version} of project {project} on the register");
        }
        Ok(())
    }

    async fn hold(
        &self,
        project: Uuid,
        head: Option<&StreamHead>,
        findings: &[screen::Finding],
        now: i64,
    ) -> Result<()> {
        let text = Opening::new(random::bytes()?, "text", screen::report(findings).into())?;
        let data = json!({ "code": "screen" });
        let said = self
            .say(project, head, ("register-held", data), vec![text], now)
            .await?;
        if let Said::Appended = said {
            // How many, and never what: this is a log.
            warn!(
                project = %project,
                findings = findings.len(),
                "Project {project} is held back from the register until a person has looked: \
                 `daybook register review {project}`"
            );
        }
        Ok(())
    }

    async fn say(
        &self,
        project: Uuid,
        head: Option<&StreamHead>,
        (kind, data): (&str, Value),
        openings: Vec<Opening>,
        now: i64,
    ) -> Result<Said> {
        let Some(released) = self.published.latest() else {
            return Ok(Said::Later);
        };
        let digests = Table::v1()
            .rule(kind)
            .context("the rules know no such event")?
            .digests;
        let decoys: Result<Vec<[u8; 32]>> = (openings.len()..digests).map(|_| random::bytes()).collect();
        let mut data: Map<String, Value> = data.as_object().cloned().unwrap_or_default();
        data.insert("_sd".to_owned(), digest_list(&openings, &decoys?));
        let claims = Claims {
            aud: self.origin.clone(),
            data,
            iat: now,
            iss: Actor::Editor,
            jti: random::id()?,
            prev: head.and_then(|head| head.leaf),
            seen: Some(Seen {
                root: released.head.root,
                size: released.head.size,
            }),
            seq: head.map_or(0, |head| head.seq) + 1,
            sub: Stream::Register(project),
            kind: kind.to_owned(),
            version: 1,
        };
        let event = Event::sign(&claims, &self.keys.event)?;
        match self.appender.append(Candidate { event, openings }, now).await {
            Ok(_) => Ok(Said::Appended),
            Err(AppendError::Refused(refusal)) if is_passing(&refusal) => Ok(Said::Later),
            Err(error) => Err(error).with_context(|| format!("{kind} of project {project} was not appended")),
        }
    }
}

/// Somebody else was first, or the project has changed meanwhile: neither is worth a word.
fn is_passing(refusal: &Refusal) -> bool {
    matches!(refusal.code(), "not-next" | "not-next-number" | "not-equal")
}

/// Whether the editor may publish by itself. An embargo is waited for; what was held waits until something has changed;
/// what was withdrawn comes back by a person only.
fn may_publish(row: &RegisterEntry, now: i64) -> bool {
    match row.state.as_deref() {
        Some("deferred") => row.until.is_none_or(|until| until <= now),
        Some("held") => {
            row.looked.is_none_or(|looked| row.changed > looked) && row.until.is_none_or(|until| until <= now)
        }
        Some("withdrawn") => false,
        _ => true,
    }
}
