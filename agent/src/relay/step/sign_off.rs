//! Signing off: what the TRE has approved stands, and what is asked for is within it.

use anyhow::Result;
use daybook_core::id::{Stream, Subject, random_id};
use serde_json::{Value, json};

use super::{Next, at_gate, fact, waits};
use crate::link::wire::{JobView, Lapse};
use crate::packet::{Checked, RefusalCode, Refused};
use crate::relay::Relay;

impl Relay {
    /// checked → signed-off, by an approval that says `standing`, where the TRE's file lets it; otherwise a person does.
    pub(super) async fn sign_off(&self, view: &JobView) -> Result<Next> {
        if let Some(next) = self.refuse(view).await? {
            return Ok(next);
        }
        let gate = self.desk.gate(view.id).await?;
        if let Some(lapse) = &gate.lapsed {
            return self.not_approved(view, lapse).await;
        }
        let checked = match self.checked(view.id).await? {
            Ok(checked) => checked,
            Err(refused) => return self.decide_refusal(view.id, &refused),
        };
        if let Some(refused) = outside(view, &checked) {
            return self.decide_refusal(view.id, &refused);
        }
        if !self.is_standing(view).await? {
            return Ok(waits(
                "a person of the TRE signs it off: `daybook review sign-off`",
            ));
        }
        let clear = at_gate(view, json!({ "how": "standing", "approvals": gate.approvals }));
        match self.say(view.id, "job-signed-off", clear).await {
            Ok(_) => Ok(Next::Again),
            Err(error) => match error.refusal() {
                Some(refusal) => self.not_approved(view, &Lapse::from(refusal)).await,
                None => Err(error.into()),
            },
        }
    }

    async fn is_standing(&self, view: &JobView) -> Result<bool> {
        let workflow = random_id(fact(view, "workflow"))?;
        let approval = Stream::Approval(self.config.tre.clone(), Subject::Workflow, workflow);
        let standing = self.desk.standing().lock().await;
        Ok(self.config.sign_off.standing && standing.text(&approval, "sign_off") == "standing")
    }

    /// What is not approved is refused; what keeps the TRE from running anything is waited for.
    async fn not_approved(&self, view: &JobView, lapse: &Lapse) -> Result<Next> {
        let code = match lapse.code.as_str() {
            "suspended" => {
                self.hold(view.id, "suspended", &lapse.text).await?;
                return Ok(Next::Again);
            }
            "dataset-withdrawn" => RefusalCode::Dataset,
            _ => RefusalCode::Approval,
        };
        let text = format!("The TRE has not approved this, or not any more: {}.", lapse.text);
        self.decide_refusal(view.id, &Refused::new(code, &text))
    }
}

/// A dataset that the packet names by its registered id, and that the submission does not name for this TRE.
///
/// A dataset under any other name is looked up by the runner, in the TRE's own map, which has the registered id.
fn outside(view: &JobView, checked: &Checked) -> Option<Refused> {
    let allowed = view.facts.get("datasets").and_then(Value::as_array)?;
    let id_of = |name: &str| random_id(name.strip_prefix("urn:uuid:").unwrap_or(name)).ok();
    let other = checked.request.datasets().find(|name| {
        id_of(name).is_some_and(|id| {
            !allowed
                .iter()
                .any(|known| known.as_str() == Some(id.to_string().as_str()))
        })
    })?;
    let text =
        format!("The packet asks for the dataset {other}, which the submission does not name for this TRE.");
    Some(Refused::new(RefusalCode::Dataset, &text))
}
