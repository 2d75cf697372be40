//! About this record: how far the log has come, who has signed it, and what a proof means.

use askama::Template;
use axum::extract::State;
use daybook_core::event::Event;

use super::{Shown, show};
use crate::frame::Frame;
use crate::model::checkpoint::{Witness, witnesses};
use crate::site::Site;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    page: Frame,
    /// Entries that the newest checkpoint covers; none before the first.
    size: Option<u64>,
    /// When the last of them was made, by its author's clock.
    newest_at: Option<i64>,
    witnesses: Vec<Witness>,
    checkpoint: String,
}

/// The page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit) -> Shown {
    let released = site.published.latest();
    let covered = released.as_ref().map(|released| released.head.size);
    let last = match covered.and_then(|size| size.checked_sub(1)) {
        Some(index) => site.reader.entry(index).await?,
        None => None,
    };
    let event = last.and_then(|entry| Event::parse(&entry.event).ok());
    let frame = Frame::new(&site, &visit, "record", visit.language.say("record.title"))
        .described(visit.language.say("record.lead"));
    show(&Record {
        size: covered,
        newest_at: event.map(|event| event.claims().iat),
        witnesses: released
            .as_ref()
            .map(|released| witnesses(released, &site.log_key))
            .unwrap_or_default(),
        checkpoint: released
            .map(|released| released.note.to_string())
            .unwrap_or_default(),
        page: frame,
    })
}
