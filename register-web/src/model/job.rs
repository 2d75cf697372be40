//! A job in the public's words.

use daybook_rules::words::Turn;
use daybook_views::Job;
use uuid::Uuid;

use super::names::Names;
use crate::words::Language;

/// A job as lists show it.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: Uuid,
    pub(crate) tre: String,
    pub(crate) tre_name: String,
    /// One of the few words of all jobs.
    pub(crate) word: String,
    /// What it means, in plain sentences.
    pub(crate) sentence: String,
    /// Whose turn it is: team, tre or nobody.
    pub(crate) turn: &'static str,
    /// A mark beside the word, so that no colour has to be seen.
    pub(crate) tone: &'static str,
    /// When it was submitted.
    pub(crate) at: i64,
    /// When something was said about it last.
    pub(crate) latest_at: i64,
}

impl JobRow {
    pub(crate) fn all(jobs: &[Job], names: &Names, language: Language) -> Vec<Self> {
        jobs.iter().map(|job| Self::of(job, names, language)).collect()
    }

    pub(crate) fn of(job: &Job, names: &Names, language: Language) -> Self {
        let tre_name = names.tre(&job.tre);
        let public = job.public_in(language.tongue(), &tre_name);
        Self {
            id: job.id,
            tre: job.tre.clone(),
            tone: tone(&job.state),
            word: public.word,
            sentence: public.sentence,
            turn: match public.turn {
                Turn::Team => "team",
                Turn::Tre => "tre",
                Turn::Nobody => "nobody",
            },
            tre_name,
            at: job.at,
            latest_at: job.latest_at,
        }
    }
}

/// How a state looks: waiting, going on, done, or stopped.
fn tone(state: &str) -> &'static str {
    match state {
        "released" => "done",
        "refused" | "withheld" | "cancelled" | "abandoned" => "stopped",
        "recalled" | "on-hold" | "changes-requested" => "asks",
        "submitted" => "waits",
        _ => "goes",
    }
}
