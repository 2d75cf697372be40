//! The site over the seed: three years of a country that does not exist.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use daybook_core::event::Seen;
use daybook_core::id::Actor;
use daybook_seed::{Ground, Plan, Said, Seed};
use daybook_store::append::Candidate;
use daybook_testkit::TestLog;
use daybook_world::{ORIGIN, figures, stops, year};

use crate::support::{TestSite, between, figures_of};

/// "Now" of the seed.
const UNTIL: i64 = 1_795_000_000;

/// A log that was founded three years ago and holds the seed, in the store as in the world.
async fn seeded(plan: Plan) -> TestLog {
    let mut log = TestLog::empty().await;
    log.world.now = plan.begins();
    for kind in ["log-opened", "policy-adopted"] {
        let draft = log.world.usual(kind);
        log.say(&draft).await;
    }
    let draft = log.world.grant("editor");
    let editor = log.say(&draft).await.0.event;
    let size = log.world.entries().len();
    let size = u64::try_from(size).unwrap();
    let released = log.store.published.clone().covering(size).await.unwrap();
    let ground = Ground {
        origin: ORIGIN.to_owned(),
        secret: [3; 32],
        operator: log.world.key(&Actor::Operator),
        clerk: log.world.key(&Actor::Clerk),
        editor: log.world.key(&Actor::Editor),
        federation: (editor.claims().seq, *editor.leaf()),
        seen: Seen {
            root: released.head.root,
            size: released.head.size,
        },
    };
    let said: Vec<Said> = Seed::new(plan, ground).unwrap().map(Result::unwrap).collect();
    let mut batch = log.store.appender.batch(plan.until);
    for some in said.chunks(64) {
        for one in some {
            log.world.append(&one.event).unwrap();
        }
        let candidates = some.iter().cloned().map(|one| Candidate {
            event: one.event,
            openings: one.openings,
        });
        for offered in batch.offer(candidates.collect()).await {
            offered.answer().await.unwrap();
        }
    }
    log
}

#[tokio::test]
async fn pages_tell_of_three_years_and_their_numbers_are_those_of_the_entries() {
    let site = TestSite::over(seeded(Plan::of(120, UNTIL)).await, |_, site| site).await;
    site.settle().await;
    let mut projects = BTreeSet::new();
    let mut next = Some("/projects".to_owned());
    while let Some(path) = next {
        let page = site.page(&path).await;
        projects.extend(
            between(&page, "href=\"/projects/", "\"")
                .into_iter()
                .map(str::to_owned),
        );
        let pages = between(&page, "<nav class=\"pages\"", "</nav>");
        next = pages
            .first()
            .and_then(|nav| {
                nav.split_once("rel=\"next\" href=\"")
                    .map(|(_, rest)| rest.split('"').next())
            })
            .flatten()
            .map(|path| path.replace("&amp;", "&"));
    }
    let ids: Vec<&String> = projects.iter().filter(|id| id.len() == 36).collect();
    assert!(ids.len() >= 20, "{projects:?}");
    for id in ids {
        let page = site.page(&format!("/projects/{id}")).await;
        assert!(page.contains("(fictional)"), "{id}");
        site.page(&format!("/projects/{id}/history")).await;
    }
    for path in [
        "/",
        "/jobs",
        "/datasets",
        "/workflows",
        "/organisations",
        "/record",
        "/data",
        "/feed.atom",
    ] {
        assert_ne!(
            site.ask(path).await.0,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{path}"
        );
    }
    let entries = site.log.world.entries();
    for (tre, path) in [
        ("", "/numbers".to_owned()),
        ("erewhon", "/tres/erewhon".to_owned()),
    ] {
        let told = figures_of(&site.page(&path).await);
        let (volumes, _) = figures(entries, tre);
        let years: BTreeSet<i64> = volumes.keys().map(|(year, _)| *year).collect();
        assert!(years.len() >= 3 && years.contains(&year(UNTIL)), "{years:?}");
        let all = volumes.iter().filter(|((_, what), _)| what != "recalled");
        for ((year, what), count) in all {
            let said = &told[&format!("{year}.{what}")];
            let expected = if *count < 5 {
                "fewer than 5".to_owned()
            } else {
                count.to_string()
            };
            assert_eq!(*said, expected, "{tre} {year} {what}");
        }
        assert!(!stops(entries, tre).is_empty());
    }
}
