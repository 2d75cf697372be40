//! After the end: what the team gets where nothing is released, and what is removed when its time is over.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::release::step;
use super::{Next, waits};
use crate::link::wire::JobView;
use crate::packet::{Outcome, result_bag};
use crate::random;
use crate::relay::{PACKET, RESULT, Relay};

/// How long an ended job is shown over the link after all of it is proved, in seconds.
const SHOWN: i64 = 3600;

impl Relay {
    /// Offers a packet without outputs, waits for proofs, and lets results expire.
    pub(super) async fn end(&self, view: &JobView) -> Result<Next> {
        let can_offer = matches!(
            view.state.as_str(),
            "refused" | "withheld" | "cancelled" | "abandoned"
        );
        if can_offer && !view.facts.contains_key("results") && view.packet.is_some() {
            // A packet that could not be read has nothing that could go back.
            if let Ok(checked) = self.checked(view.id).await? {
                let made = async || {
                    let outcome = outcome(view)?;
                    Ok(result_bag(
                        &checked.bag,
                        &checked.request,
                        &self.review(view)?,
                        &outcome,
                    ))
                };
                let Some(packet) = self.result_packet(view, None, made).await? else {
                    return Ok(Next::Again);
                };
                let sealed = vec![("packet_digest", packet.file.sha256.into())];
                let clear = json!({ "packet": packet.packet });
                self.say_sealed(view.id, "packet-offered", clear, sealed).await?;
                return Ok(Next::Again);
            }
        }
        if !view.events.iter().all(|event| event.is_proved) {
            return Ok(waits("the log proves that it holds every event"));
        }
        self.settle(view)?;
        self.expire(view).await
    }

    /// Removes what only takes room, and shows the job over the link for a while longer.
    fn settle(&self, view: &JobView) -> Result<()> {
        let folder = self.desk.folder(view.id);
        folder.remove_folder("outputs")?;
        folder.remove(RESULT)?;
        self.forget_checked(view.id);
        let ended = view
            .events
            .last()
            .and_then(|event| self.desk.time_of(view.id, &event.kind))
            .unwrap_or(0);
        if ended.saturating_add(SHOWN) > random::now() {
            return Ok(());
        }
        Ok(self.desk.note(view.id, |notes| {
            notes.settled.get_or_insert_with(random::now);
            Ok(())
        })?)
    }

    async fn expire(&self, view: &JobView) -> Result<Next> {
        let kind = if view.facts.contains_key("released") {
            "job-released"
        } else {
            "packet-offered"
        };
        let has_results = view.facts.contains_key("results");
        let from = if has_results {
            kind
        } else {
            view.events.last().map_or("", |event| event.kind.as_str())
        };
        let since = self.desk.time_of(view.id, from).unwrap_or(0);
        if since.saturating_add(self.config.keep_results.seconds()) > random::now() {
            return Ok(waits("nothing; it has its end"));
        }
        if has_results && !view.facts.contains_key("expired") {
            self.say(view.id, "results-expired", Value::Object(Map::new()))
                .await?;
            return Ok(Next::Again);
        }
        self.desk.folder(view.id).remove(PACKET)?;
        self.desk.archive(view.id)?;
        Ok(waits("nothing; it has its end"))
    }
}

/// How the job ended, for the packet that says so.
fn outcome(view: &JobView) -> Result<Outcome> {
    let number = |name: &str| view.facts.get(name).and_then(Value::as_u64).unwrap_or(0);
    Ok(match view.state.as_str() {
        "withheld" => Outcome::Withheld { disclosure: step()? },
        "cancelled" => Outcome::Cancelled {
            began: view.facts.get("began") == Some(&Value::Bool(true)),
        },
        "abandoned" => Outcome::Abandoned {
            attempts: u32::try_from(number("attempts")).unwrap_or(u32::MAX),
            code: view
                .facts
                .get("failure")
                .and_then(Value::as_str)
                .map(str::to_owned),
        },
        _ => Outcome::Refused,
    })
}
