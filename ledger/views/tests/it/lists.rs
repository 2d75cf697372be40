//! Lists: filters, pages, and waiting for a tree size.

use daybook_store::project::MAX_FOLD;
use daybook_views::{DatasetFilter, Job, JobFilter, Listed, Long, MAX_LIMIT, Page, ViewError};
use daybook_world::Cast;
use uuid::Uuid;

use crate::support::{Log, everything, until};

type Keeps = Box<dyn Fn(&Job) -> bool>;

fn ids(listed: &Listed<Job>) -> Vec<Uuid> {
    listed.rows.iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn each_filter_of_jobs_keeps_exactly_its_own() {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    let cast = &everything().cast;
    let all = Page {
        limit: MAX_LIMIT,
        ..Page::default()
    };
    let every = views.jobs(&JobFilter::default(), &all).await.unwrap().rows;
    let first = every[0].clone();
    let dataset = Cast::dataset("wessex", 0);
    let none = JobFilter::default;
    let mut cases: Vec<(JobFilter, Keeps)> = vec![
        (
            JobFilter {
                project: Some(cast.project),
                ..none()
            },
            Box::new(|job| job.project == everything().cast.project),
        ),
        (
            JobFilter {
                project: Some(cast.other_project),
                ..none()
            },
            Box::new(|_| false),
        ),
        (
            JobFilter {
                tre: Some("mercia".to_owned()),
                ..none()
            },
            Box::new(|job| job.tre == "mercia"),
        ),
        (
            JobFilter {
                member: Some(cast.member),
                ..none()
            },
            Box::new(|job| job.member == everything().cast.member),
        ),
        (
            JobFilter {
                workflow: Some(cast.workflow),
                ..none()
            },
            Box::new(|job| job.workflow == everything().cast.workflow),
        ),
        (
            JobFilter {
                dataset: Some(dataset),
                ..none()
            },
            Box::new(move |job| job.datasets.contains(&dataset)),
        ),
        (
            JobFilter {
                submission: Some(first.submission),
                ..none()
            },
            Box::new(move |job| job.submission == first.submission),
        ),
        (
            JobFilter {
                tre: Some("wessex".to_owned()),
                state: Some("released".to_owned()),
                dataset: Some(dataset),
                ..none()
            },
            Box::new(move |job| {
                job.tre == "wessex" && job.state == "released" && job.datasets.contains(&dataset)
            }),
        ),
    ];
    for state in daybook_rules::Table::v1().states("job") {
        let filter = JobFilter {
            state: Some(state.clone()),
            ..none()
        };
        cases.push((filter, Box::new(move |job| job.state == *state)));
    }
    for (filter, keeps) in cases {
        let expected: Vec<Uuid> = every.iter().filter(|job| keeps(job)).map(|job| job.id).collect();
        assert_eq!(
            ids(&views.jobs(&filter, &all).await.unwrap()),
            expected,
            "{filter:?}"
        );
    }
    projector.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_while_new_jobs_arrive() {
    let mut log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    let all = Page {
        limit: MAX_LIMIT,
        ..Page::default()
    };
    let expected = ids(&views.jobs(&JobFilter::default(), &all).await.unwrap());
    let mut found = Vec::new();
    let mut page = Page {
        limit: 2,
        ..Page::default()
    };
    let later = daybook_testkit::founded_world();
    assert!(later.entries().len() < everything().entries().len());
    loop {
        let listed = views.jobs(&JobFilter::default(), &page).await.unwrap();
        assert!(listed.rows.len() <= 2 && (listed.rows.len() == 2 || !listed.has_more));
        found.extend(ids(&listed));
        page.after = listed.rows.last().map(Job::place);
        if !listed.has_more {
            break;
        }
        if found.len() == 4 {
            // The newest comes first: what is appended now is not in the pages that follow.
            append_a_job(&mut log).await;
            log.until_folded(&projector).await;
        }
    }
    assert_eq!(found, expected);
    let now = views.jobs(&JobFilter::default(), &all).await.unwrap();
    assert_eq!((now.rows.len(), now.as_of), (expected.len() + 1, log.size));
    projector.stop().await;
}

/// A submission as the last entry, made of the first one with other ids.
async fn append_a_job(log: &mut Log) {
    let mut world = daybook_testkit::founded_world();
    world.now += 1;
    let draft = world.submission(daybook_world::id("one more"), &["wessex"]);
    let event = world.sign(&draft);
    log.append(&[event]).await;
}

#[tokio::test]
async fn queue_is_what_nobody_has_collected_the_oldest_first() {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    for tre in ["wessex", "mercia", "cornwall"] {
        let mut expected: Vec<Job> = views
            .jobs(
                &JobFilter {
                    tre: Some(tre.to_owned()),
                    ..JobFilter::default()
                },
                &Page {
                    limit: 200,
                    ..Page::default()
                },
            )
            .await
            .unwrap()
            .rows;
        expected.retain(|job| job.state == "submitted");
        expected.reverse();
        let queue = views.queue(tre, &Page::default()).await.unwrap();
        assert_eq!(queue.rows, expected, "{tre}");
        if let [first, .., last] = &expected[..] {
            let page = Page {
                after: Some(first.place()),
                limit: 200,
                at_least: None,
            };
            assert_eq!(views.queue(tre, &page).await.unwrap().rows.last(), Some(last));
        }
    }
    projector.stop().await;
}

#[tokio::test]
async fn limits_are_kept_and_ends_are_told() {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    let count = views
        .jobs(
            &JobFilter::default(),
            &Page {
                limit: 0,
                ..Page::default()
            },
        )
        .await
        .unwrap();
    assert_eq!((count.rows.len(), count.has_more), (1, true));
    let many = views
        .jobs(
            &JobFilter::default(),
            &Page {
                limit: u16::MAX,
                ..Page::default()
            },
        )
        .await
        .unwrap();
    assert!(many.rows.len() > 1 && !many.has_more);
    let nobody = JobFilter {
        tre: Some("nowhere".to_owned()),
        ..JobFilter::default()
    };
    let none = views.jobs(&nobody, &Page::default()).await.unwrap();
    assert_eq!((none.rows.len(), none.has_more, none.as_of), (0, false, log.size));
    let job = many.rows[0].clone();
    assert_eq!(views.job(job.id, None).await.unwrap().row, Some(job));
    assert_eq!(views.job(Uuid::nil(), None).await.unwrap().row, None);
    projector.stop().await;
}

#[tokio::test]
async fn asking_for_a_tree_that_is_not_there_is_a_mistake() {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    let page = |size| Page {
        at_least: Some(size),
        ..Page::default()
    };
    assert_eq!(
        views
            .jobs(&JobFilter::default(), &page(log.size))
            .await
            .unwrap()
            .as_of,
        log.size
    );
    let error = views
        .jobs(&JobFilter::default(), &page(log.size + 1))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ViewError::Ahead { wanted, head } if (wanted, head) == (log.size + 1, log.size)),
        "{error:?}"
    );
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_waits_until_the_view_has_followed() {
    let entries = everything().entries();
    let mut log = Log::with(&entries[..30]).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    // Holds the cursors as another hub would that folds.
    let blocker = crate::support::connect(&log.db).await;
    blocker
        .batch_execute("BEGIN; SELECT * FROM view_cursors FOR UPDATE")
        .await
        .unwrap();
    log.append(&entries[30..]).await;
    let size = log.size;
    let waiting = {
        let views = views.clone();
        tokio::spawn(async move {
            let page = Page {
                at_least: Some(size),
                ..Page::default()
            };
            views.jobs(&JobFilter::default(), &page).await
        })
    };
    let trailing = views.jobs(&JobFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(trailing.as_of, 30, "whoever does not ask to wait does not");
    assert!(!waiting.is_finished());
    blocker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().as_of, size);
    projector.stop().await;
}

#[tokio::test]
async fn view_that_is_not_made_yet_is_behind_and_not_broken() {
    let log = Log::with(&everything().entries()[..3]).await;
    let views = daybook_views::Views::new(
        daybook_store::read::Reader::connect(log.db.config()).unwrap(),
        daybook_store::project::Progress::new(["jobs"]),
    );
    let error = views
        .jobs(&JobFilter::default(), &Page::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ViewError::Behind {
                view: "jobs",
                as_of: 0,
                ..
            }
        ),
        "{error:?}"
    );
    let projector = log.projector(MAX_FOLD).await;
    until("it is made", async || projector.progress().size("jobs") == 3).await;
    assert_eq!(
        views
            .jobs(&JobFilter::default(), &Page::default())
            .await
            .unwrap()
            .as_of,
        3
    );
    projector.stop().await;
}

#[tokio::test]
async fn answer_is_never_older_than_what_was_asked_for() {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    projector.stop().await;
    // A crash of the database takes back what it had not written down yet.
    let back = "UPDATE view_cursors SET size = size - 1 WHERE view = 'jobs'";
    log.owner.batch_execute(back).await.unwrap();
    let page = Page {
        at_least: Some(log.size),
        ..Page::default()
    };
    let error = views.jobs(&JobFilter::default(), &page).await.unwrap_err();
    assert!(
        matches!(error, ViewError::Behind { view: "jobs", as_of, wanted } if (as_of, wanted) == (log.size - 1, log.size)),
        "{error:?}"
    );
}

#[tokio::test]
async fn portions_begin_after_every_so_many_rows_and_together_are_the_list() {
    let log = Log::with(everything().entries()).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    let all = Page {
        limit: MAX_LIMIT,
        ..Page::default()
    };
    let datasets = views
        .datasets(&DatasetFilter::default(), &all)
        .await
        .unwrap()
        .rows;
    assert!(datasets.len() >= 4, "{}", datasets.len());
    let rows = 3;
    let portions = views.portions(Long::Datasets, rows).await.unwrap();
    assert_eq!(portions.len(), datasets.len().div_ceil(usize::from(rows)));
    let mut found = Vec::new();
    for after in portions {
        let page = Page {
            after,
            limit: rows,
            at_least: None,
        };
        found.extend(
            views
                .datasets(&DatasetFilter::default(), &page)
                .await
                .unwrap()
                .rows,
        );
    }
    assert_eq!(found, datasets);
    // More than there is, and nothing at all.
    assert_eq!(views.portions(Long::Workflows, 1_000).await.unwrap(), [None]);
    projector.stop().await;
    let log = Log::with(&everything().entries()[..3]).await;
    let projector = log.fold().await;
    let views = log.views(&projector);
    for list in [Long::Projects, Long::Datasets, Long::Workflows] {
        assert_eq!(views.portions(list, 2).await.unwrap(), [], "{list:?}");
    }
    assert_eq!(
        views.organisation_portions(2).await.unwrap(),
        Vec::<Option<String>>::new()
    );
    projector.stop().await;
}
