//! A log in a database, put there without a hub, and what follows it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use daybook_core::event::Event;
use daybook_rules::Table;
use daybook_store::log::TreeHead;
use daybook_store::project::{MAX_FOLD, Projector, Start};
use daybook_store::read::Reader;
use daybook_testkit::TestDb;
use daybook_views::Views;
use daybook_world::{Ending, World};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::Client;

/// Nothing here takes longer unless it hangs.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A federation in which every type of event was said at least once.
pub(crate) fn everything() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut world = World::founded();
        world.steps(&["project-registered", "register-deferred"]);
        world.submit(&["mercia", "wessex"]);
        for ending in Ending::ALL {
            world.run_job("wessex", ending);
        }
        world.run_job("mercia", Ending::Withheld);
        world.steps(&["packet-offered"]);
        for state in ["submitted", "on-hold"] {
            world.submit(&["mercia"]);
            if state == "on-hold" {
                world.steps(&["job-held"]);
            }
        }
        say_the_rest(&mut world);
        world
    })
}

/// The usual event of each type that was not said yet, in an order in which each may follow; the end of the log last.
fn say_the_rest(world: &mut World) {
    let table = Table::v1();
    let late = |kind: &str| match kind {
        "log-closed" => 3,
        "project-closed" => 2,
        "key-revoked" | "member-removed" | "role-ended" => 1,
        _ => 0,
    };
    let mut kinds: Vec<&str> = table.events().map(|(kind, _)| kind).collect();
    kinds.sort_by_key(|kind| late(kind));
    loop {
        let said: Vec<&str> = world
            .entries()
            .iter()
            .map(|event| event.claims().kind.as_str())
            .collect();
        let missing: Vec<&str> = kinds
            .iter()
            .copied()
            .filter(|kind| !said.contains(kind))
            .collect();
        if missing.is_empty() {
            return;
        }
        let may_follow = missing.iter().find(|kind| {
            let mut next = world.clone();
            let draft = next.usual(kind);
            let event = next.sign(&draft);
            next.append(&event).is_ok()
        });
        let kind = may_follow.unwrap_or_else(|| panic!("none of these may follow: {missing:?}"));
        world.steps(&[kind]);
    }
}

/// A database with a log, and a head that tells of it.
pub(crate) struct Log {
    pub(crate) db: TestDb,
    pub(crate) owner: Client,
    pub(crate) head: watch::Sender<TreeHead>,
    pub(crate) size: u64,
}

impl Log {
    pub(crate) async fn new() -> Self {
        Self::of(TestDb::new().await).await
    }

    /// The log of a database that is migrated and empty.
    pub(crate) async fn of(db: TestDb) -> Self {
        let owner = connect(&db).await;
        let root = daybook_core::Hash::empty_root();
        let head = watch::Sender::new(TreeHead { size: 0, root });
        Self {
            db,
            owner,
            head,
            size: 0,
        }
    }

    /// A log with these entries.
    pub(crate) async fn with(entries: &[Event]) -> Self {
        let mut log = Self::new().await;
        log.append(entries).await;
        log
    }

    /// Adds entries, as an append does, in one transaction.
    pub(crate) async fn append(&mut self, entries: &[Event]) {
        let texts: Vec<&str> = entries.iter().map(Event::as_str).collect();
        self.append_raw(entries, &texts).await;
    }

    /// Adds entries with other texts than theirs.
    pub(crate) async fn append_raw(&mut self, entries: &[Event], texts: &[&str]) {
        let insert = "INSERT INTO entries (idx, leaf, stream, seq, iss, jti, type, event)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let insert = self.owner.prepare(insert).await.unwrap();
        let tx = self.owner.transaction().await.unwrap();
        for (event, text) in entries.iter().zip(texts) {
            let claims = event.claims();
            tx.execute(
                &insert,
                &[
                    &i64::try_from(self.size).unwrap(),
                    &event.leaf().as_ref(),
                    &claims.sub.to_string(),
                    &i64::try_from(claims.seq).unwrap(),
                    &claims.iss.to_string(),
                    &claims.jti,
                    &claims.kind,
                    text,
                ],
            )
            .await
            .unwrap();
            self.size += 1;
        }
        let size = i64::try_from(self.size).unwrap();
        tx.execute("UPDATE log_head SET size = $1", &[&size])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.head.send_modify(|head| head.size = self.size);
    }

    /// A projector that folds so many entries in a transaction at most.
    pub(crate) async fn projector(&self, batch: u64) -> Projector {
        Projector::start(self.start(batch)).await.unwrap()
    }

    pub(crate) fn start(&self, batch: u64) -> Start {
        Start {
            address: self.db.config().into(),
            views: daybook_views::all(),
            head: self.head.subscribe(),
            batch,
        }
    }

    /// Folds all that there is.
    pub(crate) async fn fold(&self) -> Projector {
        let projector = self.projector(MAX_FOLD).await;
        self.until_folded(&projector).await;
        projector
    }

    pub(crate) async fn until_folded(&self, projector: &Projector) {
        let progress = projector.progress();
        until("every view has followed", async || {
            assert_eq!(progress.stopped(), BTreeMap::new());
            progress.sizes().values().all(|size| *size == self.size)
        })
        .await;
    }

    pub(crate) fn views(&self, projector: &Projector) -> Views {
        Views::new(Reader::connect(self.db.config()).unwrap(), projector.progress())
    }

    /// Every view is what the log says: filled anew and compared row for row.
    pub(crate) async fn check(&self) {
        for view in daybook_views::all().iter() {
            let (size, difference) =
                daybook_store::project::check(&self.db.config().into(), view.as_ref(), |_, _| {})
                    .await
                    .unwrap();
            assert_eq!(difference, None, "{}", view.name());
            assert_eq!(size, self.size, "{}", view.name());
        }
    }
}

pub(crate) async fn connect(db: &TestDb) -> Client {
    daybook_store::open(db.config(), "daybook test").await.unwrap()
}

/// Asks again and again until the answer is yes.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
