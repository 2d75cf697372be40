//! Signing off: what the TRE has approved stands, and what is asked for is within it.

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::{Stream, Subject, random_id};
use serde_json::{Value, json};

use super::{Next, at_gate, fact, waits};
use crate::link::wire::{JobView, Lapse};
use crate::packet::{Checked, RefusalCode, Refused};
use crate::parameters::Schema;
use crate::relay::Relay;

impl Relay {
    /// checked → signed-off, by an approval that says `standing`, where the TRE's file lets it; otherwise a person does.
    pub(super) async fn sign_off(&self, view: &JobView) -> Result<Next> {
        if let Some(next) = self.refuse(view).await? {
            return Ok(next);
        }
        let gate = self.desk.gate(view.id).await?;
        if let Some(lapse) = &gate.lapsed {
            if !gate.is_fresh {
                // What is not known is no refusal: that would be for good.
                return Ok(waits(
                    "the hub is away; whether the approvals stand is asked again",
                ));
            }
            return self.not_approved(view, lapse).await;
        }
        let checked = match self.checked(view.id).await? {
            Ok(checked) => checked,
            Err(refused) => return self.decide_refusal(view.id, &refused),
        };
        if let Some(refused) = outside(view, &checked) {
            return self.decide_refusal(view.id, &refused);
        }
        let has_schema = match self.check_parameters(view, &gate.approvals, &checked).await? {
            Ok(has_schema) => has_schema,
            Err(refused) => return self.decide_refusal(view.id, &refused),
        };
        let needs_person = self.config.sign_off.require_schema && !has_schema;
        if needs_person || !self.is_standing(view).await? {
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

    /// Holds the parameters against the schemas that the approvals of project and workflow name; answers whether there was one.
    ///
    /// The name of a schema is sealed, and a hub that hides it shows an approval as if it had none: `require_schema` is for
    /// whoever does not want to depend on that.
    async fn check_parameters(
        &self,
        view: &JobView,
        approvals: &[String],
        checked: &Checked,
    ) -> Result<Result<bool, Refused>> {
        let mut has_schema = false;
        for leaf in approvals
            .iter()
            .take(2)
            .filter_map(|leaf| Hash::from_base64url(leaf))
        {
            let entry = self
                .client
                .entry_of(&leaf)
                .await?
                .context("the hub shows no approval of that hash")?;
            let event = Event::parse(&entry.event)?;
            ensure!(
                *event.leaf() == leaf,
                "the hub shows another approval than stands in the log"
            );
            let Some(digest) = self.opened(entry.index, &event, "parameters").await? else {
                continue;
            };
            let digest = digest
                .as_str()
                .and_then(Hash::from_base64url)
                .context("the schema's name is no digest")?;
            let folder = self.config.sign_off.schemas.as_deref().with_context(|| {
                format!(
                    "job {} needs the schema {digest}, and the configuration names no `sign_off.schemas`",
                    view.id
                )
            })?;
            if let Err(refused) = Schema::find(folder, &digest)?.check(checked) {
                return Ok(Err(refused));
            }
            has_schema = true;
        }
        Ok(Ok(has_schema))
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
