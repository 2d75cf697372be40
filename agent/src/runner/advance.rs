//! A job's next step, by the state that its events give.

use serde_json::{Value, json};

use super::rules::FileRules;
use super::work::Runner;
use super::{Outcome, OutputSet, RunnerError};
use crate::link::LinkError;
use crate::link::wire::JobView;
use crate::spool::JobFolder;

impl Runner {
    /// Takes a job a step further, if it is the runner's turn. `is_held`: the TRE begins nothing now.
    pub(super) async fn advance(&mut self, view: &JobView, is_held: bool) -> Result<(), RunnerError> {
        let was_here = view.events.iter().any(|event| event.kind == "job-admitted");
        if view.cancellation.is_some() && was_here {
            return self.cancel(view).await;
        }
        match view.state.as_str() {
            "signed-off" if !is_held => self.take(view).await,
            "admitted" => self.attempt(view, is_held).await,
            "failed" => self.after_failure(view, is_held).await,
            "running" => self.follow(view).await,
            "ran" => {
                let attempt = number(view, "attempts");
                self.assess(view, attempt).await
            }
            "changes-requested" => self.answer(view).await,
            "cleared" => self.release(view).await,
            _ => Ok(()),
        }
    }

    /// Says that a set of outputs was weighed.
    async fn assess(&mut self, view: &JobView, attempt: u32) -> Result<(), RunnerError> {
        if !self.lease(view.id).await? {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        let set = weigh(&folder, view, attempt, &self.config.rules)?;
        if !self.is_due(set.at) {
            return Ok(());
        }
        let (passed, flagged) = set.counts();
        let verdict = if set.findings.is_empty() { "pass" } else { "review" };
        let mut clear = json!({
            "set": set.set, "outputs": set.commitment, "ruleset": set.ruleset, "workflow": view.facts.get("workflow"),
        });
        if set.people != FileRules::default().people {
            clear["reviews"] = json!(set.people);
        }
        let sealed = vec![
            ("verdict", Value::from(verdict)),
            ("passed", Value::from(passed)),
            ("flagged", Value::from(flagged)),
        ];
        self.say(
            view,
            &format!("assessed-{}", set.set),
            "outputs-assessed",
            clear,
            sealed,
        )
        .await
    }

    /// The team has answered what the checkers asked: the same outputs go before them again, under a commitment of their own.
    async fn answer(&mut self, view: &JobView) -> Result<(), RunnerError> {
        let asked = text(view, "changes");
        if view
            .answer
            .as_ref()
            .is_none_or(|answer| Some(answer.cause.as_str()) != asked)
        {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        let before = OutputSet::read(&folder, number(view, "set"))?;
        let before = before.ok_or(RunnerError::Lost(view.id, "the set that was asked about"))?;
        self.assess(view, before.attempt).await
    }

    /// Puts the job on hold where what it rests on does not stand; answers whether it does.
    pub(super) async fn passes(
        &mut self,
        view: &JobView,
    ) -> Result<Option<crate::link::wire::Gate>, RunnerError> {
        let gate = self.client.gate(view.id).await?;
        let Some(lapse) = &gate.lapsed else {
            return Ok(Some(gate));
        };
        if !gate.is_fresh {
            // The relay could not ask the hub: nothing is begun, and nothing said that may not be so.
            return Ok(None);
        }
        // Each hold is an event of its own: its name must not be that of an earlier one.
        let name = format!("held-{}", view.events.len());
        let sealed = vec![("text", Value::from(lapse.text.clone()))];
        self.say(view, &name, "job-held", json!({ "code": lapse.code }), sealed)
            .await?;
        Ok(None)
    }
}

/// The next set of a job, weighed once.
pub(super) fn weigh(
    folder: &JobFolder,
    view: &JobView,
    attempt: u32,
    rules: &FileRules,
) -> Result<OutputSet, RunnerError> {
    let outcome = Outcome::read(folder, attempt)?;
    let outcome = outcome.ok_or(RunnerError::Lost(view.id, "how the run ended"))?;
    OutputSet::weigh(folder, (number(view, "set") + 1, attempt), &outcome, rules)
}

/// A number among what the job's events have set; 0 where none has.
pub(super) fn number(view: &JobView, name: &str) -> u32 {
    let value = view.facts.get(name).and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A text among what the job's events have set.
pub(super) fn text<'a>(view: &'a JobView, name: &str) -> Option<&'a str> {
    view.facts.get(name).and_then(Value::as_str)
}

/// Whether the rules refuse because an approval has lapsed since the gate was asked.
pub(super) fn has_lapsed(error: &RunnerError) -> bool {
    matches!(error, RunnerError::Link(LinkError::Problem(problem)) if problem.status == 422)
}
