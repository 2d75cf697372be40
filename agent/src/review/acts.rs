//! The decisions themselves.

use std::fs::{File, TryLockError};

use daybook_core::id::Stream;
use daybook_rules::Table;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::proposal::{Proposal, weighed};
use super::{Desk, Person, ReviewError};
use crate::author::Draft;
use crate::link::Said;
use crate::link::wire::{Cancellation, JobView};
use crate::runner::OutputSet;
use crate::spool::{JobFolder, SpoolError};

/// Where a set stands after somebody has agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// How many have agreed, and how many must.
    pub people: (usize, usize),
    /// Whether earlier agreements to other files were dropped.
    pub began_anew: bool,
    /// The event, once all that are needed have agreed.
    pub said: Option<Said>,
}

/// What is asked of a team.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// A code of the list `changes`.
    pub kind: &'a str,
    /// What is asked, for the team.
    pub text: &'a str,
}

/// Why outputs may not leave.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    /// A code of the list `withholding`.
    pub reason: &'a str,
    /// Why, for the team.
    pub text: &'a str,
}

impl Desk {
    /// One person agrees that a set's files, or the named ones alone, may leave. The event is signed when the last person that
    /// is needed agrees to the very same files; whoever agrees to other ones begins anew.
    pub async fn approve(
        &mut self,
        job: Uuid,
        reviewer: &str,
        only: &[String],
        exception: Option<&str>,
    ) -> Result<Approved, ReviewError> {
        let (view, folder) = self.at(job, "approving", &["assessed"], "assessed").await?;
        let _lock = lock(&folder)?;
        let set = current(&view, &folder)?;
        let person = Person::at(job, reviewer, &self.secret)?;
        let exception = exception.map(|text| plain(text, 4_000)).transpose()?;
        if !set.findings.is_empty() && exception.is_none() {
            return Err(ReviewError::NeedsException);
        }
        let files = chosen(&folder, &set, only)?;
        let known = Proposal::read(&folder, set.set)?;
        let (mut proposal, began_anew) = match known {
            Some(known) if known.files == files => (known, false),
            other => (Proposal::new(&folder, &set, files)?, other.is_some()),
        };
        let needed = set.people as usize;
        // Said again after a crash or a refusal on the way, it is no second agreement.
        let is_complete = proposal.agreed.len() >= needed;
        if !is_complete {
            proposal.agree(person, exception)?;
        }
        if proposal.agreed.len() >= needed && proposal.decided.is_none() {
            proposal.decided = Some(Timestamp::now());
        }
        proposal.write(&folder, set.set)?;
        let said = if proposal.decided.is_some() {
            Some(self.say_approved(&view, &folder, &set, &proposal).await?)
        } else {
            None
        };
        Ok(Approved {
            people: (proposal.agreed.len(), needed),
            began_anew,
            said,
        })
    }

    async fn say_approved(
        &mut self,
        view: &JobView,
        folder: &JobFolder,
        set: &OutputSet,
        proposal: &Proposal,
    ) -> Result<Said, ReviewError> {
        let is_all = proposal.files.len() == set.files.len();
        let extent = if is_all { "all" } else { "part" };
        let clear = json!({ "extent": extent, "outputs": proposal.commitment, "tags": proposal.tags() });
        let statements = proposal.agreed.iter().map(|person| {
            statement(&json!({
                "agreed": person.at.to_string(), "commitment": proposal.commitment, "files": proposal.files.len(),
                "job": view.id, "person": person.name, "set": set.set,
            }))
        });
        let mut sealed = vec![("statements", statements.collect::<Value>())];
        let exceptions: Vec<&str> = proposal
            .agreed
            .iter()
            .filter_map(|person| person.exception.as_deref())
            .collect();
        if !exceptions.is_empty() {
            let text: String = exceptions.join("; ").chars().take(4_000).collect();
            sealed.push(("exception", Value::from(text)));
        }
        let name = format!("approved-{}", set.set);
        self.say(view, folder, &name, ("disclosure-approved", clear, sealed))
            .await
    }

    /// The outputs may not leave.
    pub async fn refuse(
        &mut self,
        job: Uuid,
        reviewer: &str,
        refusal: &Refusal<'_>,
    ) -> Result<Said, ReviewError> {
        const STATES: [&str; 4] = ["assessed", "changes-requested", "cleared", "staged"];
        let needs = "assessed, changes-requested, cleared or staged";
        let (view, folder) = self.at(job, "refusing", &STATES, needs).await?;
        let _lock = lock(&folder)?;
        let person = Person::at(job, reviewer, &self.secret)?;
        let reason = word(refusal.reason, "withholding")?;
        let text = plain(refusal.text, 4_000)?;
        let said = json!({ "job": job, "person": person.name, "refused": Timestamp::now().to_string() });
        let sealed = vec![
            ("reason", Value::from(reason)),
            ("text", Value::from(text)),
            ("statements", json!([statement(&said)])),
        ];
        // Should the refusal be taken back, people look anew.
        if let Ok(set) = current(&view, &folder) {
            Proposal::forget(&folder, set.set)?;
        }
        let name = format!("withheld-{}", view.events.len());
        let clear = json!({ "tags": [person.tag] });
        self.say(&view, &folder, &name, ("disclosure-refused", clear, sealed))
            .await
    }

    /// The team is asked to explain or change something.
    pub async fn ask(&mut self, job: Uuid, reviewer: &str, ask: &Ask<'_>) -> Result<Said, ReviewError> {
        const STATES: [&str; 3] = ["assessed", "cleared", "staged"];
        let (view, folder) = self
            .at(job, "asking", &STATES, "assessed, cleared or staged")
            .await?;
        let _lock = lock(&folder)?;
        let person = Person::at(job, reviewer, &self.secret)?;
        let kind = word(ask.kind, "changes")?;
        let said = json!({ "asked": Timestamp::now().to_string(), "job": job, "person": person.name });
        let sealed = vec![
            ("text", Value::from(plain(ask.text, 8_000)?)),
            ("statement", statement(&said)),
        ];
        let name = format!("asked-{}", view.events.len());
        let clear = json!({ "kind": kind });
        self.say(&view, &folder, &name, ("changes-requested", clear, sealed))
            .await
    }

    /// A person signs a job off to be run.
    pub async fn sign_off(
        &mut self,
        job: Uuid,
        reviewer: &str,
        note: Option<&str>,
    ) -> Result<Said, ReviewError> {
        let (view, folder) = self.at(job, "signing off", &["checked"], "checked").await?;
        let _lock = lock(&folder)?;
        let person = Person::at(job, reviewer, &self.secret)?;
        let gate = self.client.gate(job).await?;
        if let Some(lapse) = gate.lapsed {
            return Err(ReviewError::Lapsed(lapse.text));
        }
        let mut clear = Value::Object(gate.fields);
        clear["how"] = json!("person");
        clear["tag"] = json!(person.tag);
        clear["approvals"] = json!(gate.approvals);
        let said = json!({ "job": job, "person": person.name, "signed_off": Timestamp::now().to_string() });
        let mut sealed = vec![("statement", statement(&said))];
        if let Some(note) = note {
            sealed.push(("note", Value::from(plain(note, 2_000)?)));
        }
        let name = format!("signed-off-{}", view.events.len());
        self.say(&view, &folder, &name, ("job-signed-off", clear, sealed))
            .await
    }

    /// The further check of step 7, by a person who has not reviewed this set.
    pub async fn recheck(&mut self, job: Uuid, reviewer: &str) -> Result<Said, ReviewError> {
        let (view, folder) = self.at(job, "checking again", &["staged"], "staged").await?;
        let _lock = lock(&folder)?;
        let person = Person::at(job, reviewer, &self.secret)?;
        let said = json!({ "job": job, "person": person.name, "rechecked": Timestamp::now().to_string() });
        let clear = json!({ "how": "person", "outputs": view.facts.get("approved"), "tag": person.tag });
        let name = format!("rechecked-{}", view.events.len());
        let sealed = vec![("statement", statement(&said))];
        self.say(&view, &folder, &name, ("outputs-rechecked", clear, sealed))
            .await
    }

    /// The job pauses and keeps its place.
    pub async fn hold(&mut self, job: Uuid, code: &str, text: Option<&str>) -> Result<Said, ReviewError> {
        let (view, folder) = self.at(job, "holding", &[], "open").await?;
        let _lock = lock(&folder)?;
        let clear = json!({ "code": word(code, "hold")? });
        let sealed = match text {
            Some(text) => vec![("text", Value::from(plain(text, 2_000)?))],
            None => Vec::new(),
        };
        let name = format!("review-held-{}", view.events.len());
        self.say(&view, &folder, &name, ("job-held", clear, sealed)).await
    }

    /// The job goes on.
    pub async fn resume(&mut self, job: Uuid) -> Result<Said, ReviewError> {
        let (view, folder) = self.at(job, "resuming", &["on-hold"], "on hold").await?;
        let _lock = lock(&folder)?;
        let name = format!("review-resumed-{}", view.events.len());
        self.say(&view, &folder, &name, ("job-resumed", json!({}), Vec::new()))
            .await
    }

    /// The job is to stop: relay or runner, whoever has it, ends it and says so.
    pub async fn cancel(&mut self, job: Uuid, text: Option<&str>) -> Result<(), ReviewError> {
        let text = text.map(|text| plain(text, 2_000)).transpose()?;
        let wish = Cancellation { cause: None, text };
        Ok(self.client.cancel(job, &wish).await?)
    }

    /// A job in one of these states, or in any, with its folder.
    async fn at(
        &self,
        job: Uuid,
        what: &'static str,
        states: &[&str],
        needs: &'static str,
    ) -> Result<(JobView, JobFolder), ReviewError> {
        let view = self.client.job(job).await?;
        if !states.is_empty() && !states.contains(&view.state.as_str()) {
            return Err(ReviewError::State {
                state: view.state,
                what,
                needs,
            });
        }
        let folder = self.folder(job);
        folder.make("")?;
        Ok((view, folder))
    }

    async fn say(
        &mut self,
        view: &JobView,
        folder: &JobFolder,
        name: &str,
        (kind, clear, sealed): (&str, Value, Vec<(&str, Value)>),
    ) -> Result<Said, ReviewError> {
        let before: Option<Said> = folder.read_json(&format!("events/{name}.said.json"))?;
        if before.is_some_and(|said| !view.events.iter().any(|event| event.leaf == said.leaf)) {
            // The hub refused it, and the relay set it aside.
            self.voice.unsay(folder, name)?;
        }
        let draft = Draft {
            stream: Stream::Job(view.id),
            kind,
            clear,
            sealed,
        };
        Ok(self.voice.say(folder, name, &draft).await?)
    }
}

/// The set that waits for a decision.
pub(super) fn current(view: &JobView, folder: &JobFolder) -> Result<OutputSet, ReviewError> {
    let number = view.facts.get("set").and_then(Value::as_u64).unwrap_or(0);
    let set = OutputSet::read(folder, u32::try_from(number).unwrap_or(0))?;
    let is_current =
        |set: &OutputSet| view.facts.get("outputs").and_then(Value::as_str) == Some(&set.commitment);
    set.filter(is_current).ok_or(ReviewError::NoOutputs(view.id))
}

/// The files that are meant, each of which must still be what was weighed.
fn chosen(folder: &JobFolder, set: &OutputSet, only: &[String]) -> Result<Vec<String>, ReviewError> {
    let mut files: Vec<String> = if only.is_empty() {
        set.files.iter().map(|file| file.path.clone()).collect()
    } else {
        only.to_vec()
    };
    files.sort_unstable();
    files.dedup();
    for name in &files {
        weighed(folder, set, name)?;
    }
    Ok(files)
}

/// A person's statement, as it is sealed for the issuer alone.
fn statement(said: &Value) -> Value {
    Value::from(said.to_string())
}

fn plain(text: &str, limit: usize) -> Result<String, ReviewError> {
    let is_plain = |c: char| !c.is_control() || c == '\n';
    let fits = (1..=limit).contains(&text.chars().count()) && text.chars().all(is_plain);
    fits.then(|| text.to_owned()).ok_or(ReviewError::Text(limit))
}

/// A word of one of the rule table's lists.
fn word<'a>(given: &'a str, list: &str) -> Result<&'a str, ReviewError> {
    let known = Table::v1().codes().find(|(name, _)| *name == list);
    let words: Vec<&str> = known
        .into_iter()
        .flat_map(|(_, words)| words)
        .map(String::as_str)
        .collect();
    if words.contains(&given) {
        return Ok(given);
    }
    Err(ReviewError::Word(given.to_owned(), words.join(", ")))
}

/// Keeps a second decision on the same job out.
fn lock(folder: &JobFolder) -> Result<File, ReviewError> {
    let path = folder.file("review.lock");
    let file = File::create(&path).map_err(|error| SpoolError::Io(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ReviewError::Busy),
        Err(TryLockError::Error(error)) => Err(SpoolError::Io(path, error).into()),
    }
}
