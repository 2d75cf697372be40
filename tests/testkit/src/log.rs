//! An open log on a database of its own, with a world that signs its events.

use std::path::Path;
use std::sync::OnceLock;

use daybook_core::event::{Event, Seen};
use daybook_core::note::NoteSigner;
use daybook_core::sealed::{Opening, ReaderClass};
use daybook_rules::Table;
use daybook_store::append::{AppendError, Candidate, Receipt};
use daybook_store::{Identity, Options, Store, initialise, migrate};
use daybook_world::{Draft, ORIGIN, World, digest, id};
use serde_json::json;
use tempfile::TempDir;
use tokio_postgres::{Client, Config};

use crate::TestDb;

/// A store that is open, and the world whose events it takes.
pub struct TestLog {
    /// The store.
    pub store: Store,
    /// Its actors, and the log as it should be.
    pub world: World,
    /// The database.
    pub db: TestDb,
    folder: TempDir,
}

/// What signs the checkpoints of every log of the tests.
///
/// # Panics
/// Never: the name and the seed are good.
pub fn signer() -> NoteSigner {
    let name = ORIGIN.parse().expect("a key's name");
    NoteSigner::from_seed(name, &daybook_world::bytes("log key")).expect("a log key")
}

/// Name and key of every log of the tests.
pub fn identity() -> Identity {
    let log_key = signer().verifier().clone();
    Identity {
        origin: ORIGIN.to_owned(),
        log_key,
    }
}

/// How the tests open a log: a server that forgets in a crash of the machine will do.
pub fn options(config: Config, guard_path: &Path) -> Options {
    Options {
        config: config.into(),
        origin: ORIGIN.to_owned(),
        signer: signer(),
        guard_path: guard_path.to_owned(),
        trust_database: false,
        held_elsewhere: Vec::new(),
        require_durability: false,
    }
}

/// A founded federation: see [`World::founded`]. Made once per process.
pub fn founded_world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::founded).clone()
}

/// Those of an event's openings that may travel to a hub.
pub fn travelling(table: &Table, kind: &str, openings: Vec<Opening>) -> Vec<Opening> {
    let stays = |opening: &Opening| {
        let field = table.rule(kind).and_then(|rule| rule.sealed.get(opening.name()));
        field.is_some_and(|field| field.class == ReaderClass::IssuerOnly)
    };
    openings.into_iter().filter(|opening| !stays(opening)).collect()
}

/// Prepares a database: schema, identity, and every entry of [`founded_world`], taken in by a store.
///
/// # Panics
/// When the store refuses one.
pub async fn found(config: Config) -> Result<(), daybook_store::StoreError> {
    migrate(&config).await?;
    initialise(
        &daybook_store::open(&config, "daybook testkit").await?,
        &identity(),
    )
    .await?;
    let guard = tempfile::tempdir().expect("a folder");
    let store = Store::open(options(config, &guard.path().join("guard")))
        .await
        .expect("a store");
    let world = founded_world();
    for (index, event) in (0..).zip(world.entries()) {
        if event.claims().seen.is_some() {
            store
                .published
                .clone()
                .covering(index)
                .await
                .expect("a publisher");
        }
        let openings = travelling(world.table(), &event.claims().kind, world.openings(event));
        let candidate = Candidate {
            event: event.clone(),
            openings,
        };
        let receipt = store.appender.append(candidate, event.claims().iat).await;
        let receipt = receipt.unwrap_or_else(|error| panic!("{} is refused: {error:?}", event.claims().kind));
        assert_eq!(receipt.index, index);
    }
    store.close().await;
    Ok(())
}

impl TestLog {
    /// A log with a name and no entry.
    ///
    /// # Panics
    /// When it cannot be opened, as every function here that meets what cannot be.
    pub async fn empty() -> Self {
        let db = TestDb::new().await;
        let client = daybook_store::open(&db.config(), "daybook testkit")
            .await
            .expect("a connection");
        initialise(&client, &identity()).await.expect("a name");
        Self::open(db, World::new()).await
    }

    /// A log in which a federation works already: see [`World::founded`].
    pub async fn founded() -> Self {
        Self::open(TestDb::migrated(found).await, founded_world()).await
    }

    async fn open(db: TestDb, world: World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = options(db.config(), &folder.path().join("guard"));
        // A copy of a template comes without the guard of its original.
        options.trust_database = true;
        let store = Store::open(options).await.expect("a store");
        Self {
            store,
            world,
            db,
            folder,
        }
    }

    /// A folder for guards.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How this log was opened, but for trust in the database.
    pub fn options(&self) -> Options {
        options(self.db.config(), &self.folder.path().join("guard"))
    }

    /// A connection as the database's owner, who may do what no hub may.
    ///
    /// # Panics
    /// When there is none.
    pub async fn owner(&self) -> Client {
        daybook_store::open(&self.db.config(), "daybook testkit")
            .await
            .expect("a connection")
    }

    /// Signs a draft as the next event of its stream; services have seen what was published last.
    ///
    /// # Panics
    /// When the draft has no good form.
    pub async fn sign(&mut self, draft: &Draft) -> Candidate {
        let (mut claims, openings) = self.world.claims(draft);
        if claims.seen.is_some() {
            let released = self
                .store
                .published
                .clone()
                .covering(1)
                .await
                .expect("a publisher");
            claims.seen = Some(Seen {
                root: released.head.root,
                size: released.head.size,
            });
        }
        let event = Event::sign(&claims, &self.world.key(&draft.actor)).expect("a well-formed event");
        let openings = travelling(self.world.table(), &draft.kind, openings);
        Candidate { event, openings }
    }

    /// Offers an event to the store, at its own time.
    pub async fn offer(&self, candidate: &Candidate) -> Result<Receipt, AppendError> {
        self.store
            .appender
            .append(candidate.clone(), candidate.event.claims().iat)
            .await
    }

    /// Signs and appends a draft, in the store as in the world.
    ///
    /// # Panics
    /// When the store refuses it, or the world does.
    pub async fn say(&mut self, draft: &Draft) -> (Candidate, Receipt) {
        let candidate = self.sign(draft).await;
        let receipt = self.offer(&candidate).await;
        let receipt = receipt.unwrap_or_else(|error| panic!("{} is refused: {error:?}", draft.kind));
        self.world
            .append(&candidate.event)
            .expect("the world agrees with the store");
        (candidate, receipt)
    }

    /// Events that depend on nothing but the founding: workflows that the registrar registers, called `name 0` and on.
    pub async fn workflows(&mut self, name: &str, count: usize) -> Vec<Candidate> {
        let mut signed = Vec::with_capacity(count);
        for n in 0..count {
            let draft = workflow(&self.world, &format!("{name} {n}"));
            signed.push(self.sign(&draft).await);
        }
        signed
    }
}

/// A workflow that the world's registrar registers: an event that depends on nothing but the founding.
pub fn workflow(world: &World, name: &str) -> Draft {
    let stream = daybook_core::id::Stream::Workflow(id(name));
    Draft::new(
        &world.cast.registrar,
        &stream,
        "workflow-registered",
        json!({ "digest": digest(name) }),
    )
}
