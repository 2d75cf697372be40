//! About this record: how far the log has come, who has signed it, and what a proof means.

use askama::Template;
use axum::extract::State;
use daybook_core::event::Event;
use jiff::Timestamp;

use super::{Shown, posted};
use crate::frame::{Frame, Number};
use crate::model::checkpoint::{Standing, standings};
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
    witnesses: Vec<Standing>,
    /// Entries of the largest tree that enough of them have cosigned.
    witnessed: Option<u64>,
    now: i64,
    checkpoint: String,
}

impl Record {
    /// How long ago a witness signed.
    fn ago(&self, at: impl Number) -> String {
        self.page.span((self.now - at.whole()).max(0) / 60)
    }

    fn has_independent(&self) -> bool {
        self.witnesses.iter().any(|one| one.is_independent)
    }
}

/// The page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit) -> Shown {
    let released = site.newest();
    let covered = released.as_ref().map(|released| released.head.size);
    let last = match covered.and_then(|size| size.checked_sub(1)) {
        Some(index) => site.reader.entry(index).await?,
        None => None,
    };
    let event = last.and_then(|entry| Event::parse(&entry.event).ok());
    let frame = Frame::new(&site, &visit, "record", visit.language.say("record.title"))
        .described(visit.language.say("record.lead"))
        .with_post("describedby", "/v1/witnesses", "application/json")
        .with_post("item", "/log/checkpoint", "text/plain")
        .of_page_type("AboutPage");
    let watch = site.watch.as_ref();
    let page = Record {
        size: covered,
        newest_at: event.map(|event| event.claims().iat),
        witnesses: watch.map(standings).unwrap_or_default(),
        witnessed: watch
            .and_then(|watch| watch.witnesses.witnessed())
            .map(|released| released.head.size),
        now: Timestamp::now().as_second(),
        checkpoint: released
            .map(|released| released.note.to_string())
            .unwrap_or_default(),
        page: frame,
    };
    posted(&page, &page.page)
}
