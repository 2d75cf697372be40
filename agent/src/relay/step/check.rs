//! Checking: the packet against its profile, the requester against the log.

use std::sync::{Arc, PoisonError};

use anyhow::{Context as _, Result};
use daybook_core::id::{Stream, random_id};
use serde_json::json;
use uuid::Uuid;

use super::{Next, fact};
use crate::link::wire::JobView;
use crate::packet::{self, Checked, RefusalCode, Refused};
use crate::relay::{PACKET, Relay};

impl Relay {
    /// collected → checked.
    pub(super) async fn check(&self, view: &JobView) -> Result<Next> {
        if let Some(next) = self.refuse(view).await? {
            return Ok(next);
        }
        let checked = match self.checked(view.id).await? {
            Ok(checked) => checked,
            Err(refused) => return self.decide_refusal(view.id, &refused),
        };
        if let Err(refused) = self.check_requester(view, &checked).await? {
            return self.decide_refusal(view.id, &refused);
        }
        let warnings = checked.warnings();
        let sealed = if warnings.is_empty() {
            Vec::new()
        } else {
            vec![("warnings", warnings.into())]
        };
        let clear = json!({ "profile": checked.profile() });
        self.say_sealed(view.id, "job-checked", clear, sealed).await?;
        Ok(Next::Again)
    }

    /// The packet, taken apart; once for each process.
    pub(in crate::relay) async fn checked(&self, job: Uuid) -> Result<Result<Arc<Checked>, Refused>> {
        let known = self
            .checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&job)
            .cloned();
        if let Some(known) = known {
            return Ok(Ok(known));
        }
        let bytes = self
            .desk
            .folder(job)
            .read(PACKET)?
            .context("the packet is gone from the spool")?;
        let limits = self.config.limits();
        let checked = tokio::task::spawn_blocking(move || packet::check(&bytes, &limits)).await?;
        Ok(checked.map(|checked| {
            let checked = Arc::new(checked);
            self.checked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(job, checked.clone());
            checked
        }))
    }

    /// The requester is who signed the submission, and a member now; the packet is the one of this submission.
    async fn check_requester(&self, view: &JobView, checked: &Checked) -> Result<Result<(), Refused>> {
        let submission = self.desk.submission(view.id)?;
        let claims = submission.claims();
        if checked.bag.external_identifier.to_string() != fact(view, "submission") {
            let text = "The packet's External-Identifier is not the id of the submission that names it.";
            return Ok(Err(Refused::new(RefusalCode::Packet, text)));
        }
        let home = claims.iss.home();
        let mut standing = self.desk.standing().lock().await;
        let refreshed = standing.refresh(std::slice::from_ref(&home)).await;
        if standing.state(&home).is_none() {
            refreshed.context("who is a member of the project cannot be asked")?;
        }
        let key = standing.event_key(&claims.iss, submission.kid());
        let is_theirs = key.is_some_and(|key| submission.verify(&key).is_ok());
        let is_of_project = home == Stream::Project(random_id(fact(view, "project"))?);
        if is_theirs && is_of_project {
            return Ok(Ok(()));
        }
        let text = "The submission is not signed by a key that a member of the project has now. Ask the registrar, and submit again.";
        Ok(Err(Refused::new(RefusalCode::Requester, text)))
    }
}
