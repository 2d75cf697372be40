//! What cannot be understood stops a view, and nothing is skipped.

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_core::base64url;
use daybook_core::event::Event;
use daybook_store::project::{
    AnyRows, Entry, Fold, FoldError, MAX_FOLD, Progress, Projector, Rows, Start, View,
};
use daybook_store::rows;
use daybook_views::{JobFilter, Page};

use crate::support::{Log, everything, until};

async fn stopped(progress: &Progress, views: usize) -> BTreeMap<&'static str, String> {
    until("views have stopped", async || progress.stopped().len() == views).await;
    progress.stopped()
}

/// The text of an event after a change of its payload.
fn changed(event: &Event, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let parts: Vec<&str> = event.as_str().split('.').collect();
    let mut payload = serde_json::from_slice(&base64url::decode(parts[1]).unwrap()).unwrap();
    change(&mut payload);
    let payload = base64url::encode(payload.to_string().as_bytes());
    [parts[0], &payload, parts[2]].join(".")
}

/// Folds a log whose 60th entry has another text, and answers why views stopped.
async fn with_bad(text: &str) -> BTreeMap<&'static str, String> {
    let entries = everything().entries();
    let mut log = Log::with(&entries[..60]).await;
    log.append_raw(&entries[60..61], &[text]).await;
    log.append(&entries[61..]).await;
    let projector = log.projector(MAX_FOLD).await;
    let progress = projector.progress();
    let reasons = stopped(&progress, daybook_views::all().len()).await;
    assert!(
        progress.sizes().values().all(|size| *size == 60),
        "all that comes before is folded"
    );
    let views = log.views(&projector);
    assert_eq!(
        views
            .jobs(&JobFilter::default(), &Page::default())
            .await
            .unwrap()
            .as_of,
        60
    );
    projector.stop().await;
    reasons
}

#[tokio::test]
async fn unknown_type_stops_every_view_and_says_so() {
    let entry = &everything().entries()[60];
    let reasons = with_bad(&changed(entry, |payload| payload["type"] = "job-praised".into())).await;
    let reason =
        "entry 60 has the type job-praised in version 1, which this program does not know; update it";
    assert!(reasons.values().all(|found| found == reason), "{reasons:?}");
}

#[tokio::test]
async fn unknown_version_of_a_type_stops_every_view() {
    let entry = &everything().entries()[60];
    let reasons = with_bad(&changed(entry, |payload| payload["v"] = 2.into())).await;
    assert!(reasons["jobs"].contains("in version 2"), "{reasons:?}");
}

#[tokio::test]
async fn entry_that_is_no_event_stops_every_view() {
    let reasons = with_bad("not an event").await;
    assert_eq!(reasons["keys"], "entry 60 is no event that this program can read");
}

#[tokio::test]
async fn rule_table_with_other_effects_stops_every_view() {
    let entry = everything()
        .entries()
        .iter()
        .find(|event| event.claims().kind == "policy-adopted")
        .unwrap();
    let text = changed(entry, |payload| {
        payload["data"]["table"]["events"]["job-refused"]["to"] = "withheld".into();
    });
    let reasons = with_bad(&text).await;
    assert!(reasons["jobs"].contains("job-refused has effects"), "{reasons:?}");
}

#[tokio::test]
async fn gap_in_the_log_stops_every_view() {
    let entries = everything().entries();
    let mut log = Log::with(&entries[..10]).await;
    log.size = 11;
    log.append(&entries[11..20]).await;
    let projector = log.projector(MAX_FOLD).await;
    let reasons = stopped(&projector.progress(), daybook_views::all().len()).await;
    assert_eq!(reasons["jobs"], "entry 10 is missing in the log");
    projector.stop().await;
}

rows! {
    /// An entry.
    pub struct Seen in "seen", fill 100, indexes [] {
        key {
            /// Index of the entry.
            entry: u64,
        }
        /// Its type.
        kind: String,
    }
}

/// A view that cannot fold one type, or that writes what the database refuses.
struct Picky(&'static str);

#[derive(Default)]
struct PickyFold {
    hates: &'static str,
    seen: Rows<Seen>,
}

impl View for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [&'static daybook_store::project::Table] {
        &[<Seen as daybook_store::project::Row>::TABLE]
    }

    fn begin(&self) -> Box<dyn Fold> {
        let (hates, seen) = (self.0, Rows::default());
        Box::new(PickyFold { hates, seen })
    }
}

impl Fold for PickyFold {
    fn want(&mut self, _: &Entry) -> Result<(), FoldError> {
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if entry.kind == self.hates {
            return Err(entry.missing("seen"));
        }
        let kind = if self.hates == "nul" && entry.index == 30 {
            "\0".to_owned()
        } else {
            entry.kind.clone()
        };
        let entry = entry.index;
        self.seen.put(Seen { entry, kind });
        Ok(())
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.seen]
    }
}

async fn beside_a_picky_one(hates: &'static str) -> (BTreeMap<&'static str, String>, u64) {
    let log = Log::with(everything().entries()).await;
    let mut views: Vec<Arc<dyn View>> = daybook_views::all().to_vec();
    views.push(Arc::new(Picky(hates)));
    let projector = Projector::start(Start {
        views: views.into(),
        ..log.start(MAX_FOLD)
    });
    let projector = projector.await.unwrap();
    let progress = projector.progress();
    let reasons = stopped(&progress, 1).await;
    until("the others have followed", async || {
        let sizes = progress.sizes();
        sizes
            .iter()
            .all(|(view, size)| *view == "picky" || *size == log.size)
    })
    .await;
    let stays = progress.size("picky");
    projector.stop().await;
    log.check().await;
    (reasons, stays)
}

#[tokio::test]
async fn view_that_cannot_fold_an_entry_stops_alone_and_just_before_it() {
    let (reasons, stays) = beside_a_picky_one("dataset-registered").await;
    let first = everything()
        .entries()
        .iter()
        .position(|event| event.claims().kind == "dataset-registered")
        .unwrap();
    assert_eq!(stays, first as u64);
    assert_eq!(
        reasons["picky"],
        format!("entry {first} speaks of a row of seen that no earlier entry has made")
    );
}

#[tokio::test]
async fn view_whose_rows_the_database_refuses_stops_alone() {
    let (reasons, stays) = beside_a_picky_one("nul").await;
    assert!(reasons["picky"].contains("invalid byte sequence"), "{reasons:?}");
    assert!(stays <= 30);
}

#[tokio::test]
async fn other_tables_under_the_same_version_are_refused() {
    let log = Log::with(&everything().entries()[..3]).await;
    log.fold().await.stop().await;
    log.owner
        .batch_execute("UPDATE view_cursors SET shape = sha256('another') WHERE view = 'jobs'")
        .await
        .unwrap();
    let Err(error) = Projector::start(log.start(MAX_FOLD)).await else {
        panic!("it started");
    };
    assert!(error.to_string().contains("the view jobs_v1"), "{error}");
}
