//! A hub with a founded federation, and everybody's access keys.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use daybook_api::{App, Following, PacketLimits, PacketStore, ProblemKind};
use daybook_core::access::AccessToken;
use daybook_core::cose::ReceiptSigner;
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::{Actor, TreRole};
use daybook_core::key::{KeyUse, SecretKey, possession_bytes};
use daybook_core::sealed::Opening;
use daybook_core::{Hash, base64url};
use daybook_store::append::Candidate;
use daybook_store::{Store, StoreError, initialise};
use daybook_testkit::{TestDb, founded_world, identity, options, signer, travelling};
use daybook_world::{Cast, Draft, ORIGIN, World, bytes, id};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::{Client, Config};
use tower::ServiceExt as _;

use crate::s3::S3;

/// Bytes of a packet at most, in these tests.
pub(crate) const MAX_PACKET: u64 = 64 * 1024;

/// The folder in which packets end up, one way or another.
const PACKETS: &str = "packets of this hub";

/// A hub, its router, and the world whose events it takes.
pub(crate) struct Hub {
    pub(crate) world: World,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) app: App,
    /// The server of the bucket, where packets are in one.
    pub(crate) s3: Option<S3>,
    db: TestDb,
    folder: TempDir,
}

/// Where a hub keeps its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    Folder,
    Bucket,
}

/// A signed event with the openings that travel beside it.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) event: Event,
    pub(crate) openings: Vec<Opening>,
}

/// What the hub answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The key with which an actor shows who it is.
pub(crate) fn access_key(actor: &Actor) -> SecretKey {
    SecretKey::from_seed(&access_seed(actor))
}

/// What that key is made from.
pub(crate) fn access_seed(actor: &Actor) -> [u8; 32] {
    bytes(&format!("access key of {actor}"))
}

/// What registers a key, with the proof that the actor holds it.
pub(crate) fn key_entry(actor: &Actor, usage: KeyUse, key: &SecretKey) -> Value {
    let public = key.public();
    let proof = key.sign(&possession_bytes(ORIGIN, actor, usage, &public));
    json!({ "proof": base64url::encode(&proof), "use": usage.as_str(), "x": public.to_x() })
}

/// The actor's keys for events and for access.
pub(crate) fn both_keys(world: &World, actor: &Actor) -> Value {
    let event = key_entry(actor, KeyUse::Event, &world.key(actor));
    json!([event, key_entry(actor, KeyUse::Access, &access_key(actor))])
}

pub(crate) fn relay(tre: &str) -> Actor {
    Cast::tre(tre, TreRole::Relay)
}

/// A member of the world's project who has an access key.
pub(crate) fn insider(world: &World) -> Actor {
    Cast::member_of(world.cast.project, id("insider"))
}

/// A member of the other project, with an access key.
pub(crate) fn outsider(world: &World) -> Actor {
    Cast::member_of(world.cast.other_project, id("outsider"))
}

/// The founded world, in which everybody but the operator, the clerk and the roots has an access key besides.
fn enrolled_world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let enrol = || {
        let mut world = founded_world();
        let (registrar, auditor) = (world.cast.registrar.clone(), world.cast.auditor.clone());
        for (role, actor) in [
            ("registrar", registrar.clone()),
            ("auditor", auditor),
            ("editor", Actor::Editor),
        ] {
            let keys = json!([key_entry(&actor, KeyUse::Access, &access_key(&actor))]);
            let draft = world.grant(role).with("keys", keys);
            world.say(&draft);
        }
        for tre in Cast::TRES {
            for role in [TreRole::Relay, TreRole::Runner, TreRole::Review] {
                let (root, actor) = (Cast::tre(tre, TreRole::Root), Cast::tre(tre, role));
                let keys = json!([key_entry(&actor, KeyUse::Access, &access_key(&actor))]);
                let data = json!({ "keys": keys, "role": role.as_str() });
                world.say(&Draft::new(&root, &root.home(), "key-added", data));
            }
        }
        for actor in [insider(&world), outsider(&world)] {
            let Actor::Member { member, .. } = &actor else {
                unreachable!("they are members")
            };
            let data = json!({ "keys": both_keys(&world, &actor), "member": member });
            world.say(&Draft::new(&registrar, &actor.home(), "member-added", data));
        }
        world
    };
    WORLD.get_or_init(enrol).clone()
}

/// Prepares a database with every entry of [`enrolled_world`].
async fn found(config: Config) -> Result<(), StoreError> {
    daybook_testkit::found(config.clone()).await?;
    let folder = tempfile::tempdir().unwrap();
    let store = open(config, folder.path()).await;
    let (founded, world) = (founded_world(), enrolled_world());
    for event in &world.entries()[founded.entries().len()..] {
        let openings = travelling(world.table(), &event.claims().kind, world.openings(event));
        let candidate = Candidate {
            event: event.clone(),
            openings,
        };
        store
            .appender
            .append(candidate, event.claims().iat)
            .await
            .unwrap();
    }
    store.close().await;
    Ok(())
}

async fn open(config: Config, folder: &Path) -> Store {
    let mut options = options(config, &folder.join("guard"));
    // A copy of a template comes without the guard of its original.
    options.trust_database = true;
    Store::open(options).await.unwrap()
}

/// The hub's clock, which is the tests' own.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A token for one request, as it should be.
pub(crate) fn token(actor: &Actor, method: &Method, path: &str) -> AccessToken {
    AccessToken {
        aud: ORIGIN.to_owned(),
        iat: now(),
        exp: now() + 60,
        iss: actor.clone(),
        method: method.to_string(),
        path: path.to_owned(),
    }
}

impl Hub {
    /// A hub whose federation works: see [`enrolled_world`].
    pub(crate) async fn new() -> Self {
        Self::start(TestDb::migrated(found).await, enrolled_world()).await
    }

    /// The same, with packets in that place and within those limits.
    pub(crate) async fn keeping(keeping: Keeping, limits: PacketLimits) -> Self {
        let mut hub = Self::new().await;
        let folder = hub.folder.path().join(PACKETS);
        let store = match keeping {
            Keeping::Folder => PacketStore::folder(&folder).unwrap(),
            Keeping::Bucket => {
                let s3 = hub.s3.insert(S3::start(&folder).await);
                PacketStore::bucket(Arc::new(s3.bucket()), "of/this-hub")
            }
        };
        hub.app = App::new(
            ORIGIN,
            &signer().verifier().to_string(),
            &hub.store,
            store,
            limits,
        );
        hub.router = daybook_api::router(hub.app.clone());
        hub
    }

    /// A hub whose log has a name and no entry.
    pub(crate) async fn empty() -> Self {
        let db = TestDb::new().await;
        let client = daybook_store::open(&db.config(), "daybook tests").await.unwrap();
        initialise(&client, &identity()).await.unwrap();
        Self::start(db, World::new()).await
    }

    async fn start(db: TestDb, world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(PACKETS)).unwrap();
        Self::begin(db, folder, world).await
    }

    /// The same hub after an orderly end.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            world,
            store,
            db,
            folder,
            ..
        } = self;
        store.close().await;
        Self::begin(db, folder, world).await
    }

    /// Another instance on the same database.
    pub(crate) async fn second(&self) -> Store {
        let guard = self.folder.path().join("second");
        std::fs::create_dir(&guard).unwrap();
        open(self.db.config(), &guard).await
    }

    /// Lets everybody follow within other limits.
    pub(crate) fn follow_within(&mut self, limits: Following) {
        self.router = daybook_api::router(self.app.clone().following(&self.store, limits));
    }

    async fn begin(db: TestDb, folder: TempDir, world: World) -> Self {
        let store = open(db.config(), folder.path()).await;
        let packets = folder.path().join(PACKETS);
        let packets = PacketStore::folder(&packets).unwrap();
        let log_key = signer().verifier().to_string();
        let app = App::new(ORIGIN, &log_key, &store, packets, PacketLimits::usual(MAX_PACKET));
        let app = app.with_receipts(ReceiptSigner::from_seed(&bytes("cose.key")).unwrap());
        let router = daybook_api::router(app.clone());
        Self {
            world,
            store,
            router,
            app,
            s3: None,
            db,
            folder,
        }
    }

    /// The witnesses of the hub.
    pub(crate) fn app_witnesses(&self) -> daybook_store::witnessed::Witnesses {
        self.app.witnesses().unwrap()
    }

    /// A connection as the database's owner, who may do what no hub may.
    pub(crate) async fn owner(&self) -> Client {
        daybook_store::open(&self.db.config(), "daybook tests")
            .await
            .unwrap()
    }

    /// As the owner, in whose transaction nothing can be published until it ends.
    pub(crate) async fn unpublishing(&self) -> Client {
        let owner = self.owner().await;
        owner
            .batch_execute("BEGIN; SELECT * FROM publication FOR UPDATE")
            .await
            .unwrap();
        owner
    }

    /// How to reach the database.
    pub(crate) fn database(&self) -> Config {
        self.db.config()
    }

    /// The names of all files of the packet store, and of all folders in it that hold nothing.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.folder.path().join(PACKETS)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !is_note_of_s3(&path) {
                    names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        names.sort();
        names
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        };
        if !answer.status.is_success() {
            answer.check_problem(&path);
        }
        crate::openapi::check(&method, &path, &answer);
        answer
    }

    /// Sends a request of an actor, or of the public.
    pub(crate) async fn call(&self, method: Method, uri: &str, caller: Option<&Actor>, body: Body) -> Answer {
        let path = uri.split('?').next().unwrap();
        let mut request = Request::builder().method(&method).uri(uri);
        if let Some(actor) = caller {
            let token = token(actor, &method, path).sign(&access_key(actor));
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.call(Method::GET, uri, None, Body::empty()).await
    }

    pub(crate) async fn get_as(&self, caller: &Actor, uri: &str) -> Answer {
        self.call(Method::GET, uri, Some(caller), Body::empty()).await
    }

    /// What an author would sign now, and its openings. Services have seen what was published last.
    pub(crate) async fn claims(&mut self, draft: &Draft) -> (Claims, Vec<Opening>) {
        let (mut claims, openings) = self.world.claims(draft);
        if claims.seen.is_some() {
            let released = self.store.published.clone().covering(1).await.unwrap();
            claims.seen = Some(Seen {
                root: released.head.root,
                size: released.head.size,
            });
        }
        let openings = travelling(self.world.table(), &draft.kind, openings);
        (claims, openings)
    }

    /// Signs a draft as the next event of its stream.
    pub(crate) async fn sign(&mut self, draft: &Draft) -> Signed {
        self.sign_changed(draft, |_| {}).await
    }

    /// Signs a draft after a change of its claims, with its author's key.
    pub(crate) async fn sign_changed(&mut self, draft: &Draft, change: impl FnOnce(&mut Claims)) -> Signed {
        let (mut claims, openings) = self.claims(draft).await;
        change(&mut claims);
        let event = Event::sign(&claims, &self.world.key(&draft.actor)).unwrap();
        Signed { event, openings }
    }

    /// Offers an event.
    pub(crate) async fn offer(&self, signed: &Signed) -> Answer {
        self.post("/v1/events", &append_body(signed)).await
    }

    pub(crate) async fn post(&self, uri: &str, body: &Value) -> Answer {
        self.post_text(uri, body.to_string()).await
    }

    pub(crate) async fn post_text(&self, uri: &str, body: String) -> Answer {
        let request = Request::post(uri).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Signs and appends a draft, at the hub as in the world.
    pub(crate) async fn say(&mut self, draft: &Draft) -> (Signed, Value) {
        let signed = self.sign(draft).await;
        let answer = self.offer(&signed).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{}: {}",
            draft.kind,
            answer.text()
        );
        self.world.append(&signed.event).unwrap();
        (signed, answer.json())
    }

    /// Appends the usual events of these types, about the world's job.
    pub(crate) async fn steps(&mut self, kinds: &[&str]) {
        for kind in kinds {
            let draft = self.world.usual(kind);
            self.say(&draft).await;
        }
    }

    /// Everything that an append changes, in a form that can be compared.
    pub(crate) async fn content(&self) -> Vec<String> {
        let owner = self.owner().await;
        let mut content = Vec::new();
        for table in [
            "log_head",
            "entries",
            "stream_heads",
            "keys",
            "openings",
            "actor_seen",
        ] {
            let sql = format!(
                "SELECT '{table}' || md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM {table} AS t"
            );
            content.push(owner.query_one(&sql, &[]).await.unwrap().get(0));
        }
        content
    }

    /// Offers an event that must be refused, checks that nothing was appended, and answers with the problem.
    pub(crate) async fn refusal(&self, signed: &Signed) -> Answer {
        self.refusal_of(&append_body(signed)).await
    }

    /// The same for any body.
    pub(crate) async fn refusal_of(&self, body: &Value) -> Answer {
        let before = self.content().await;
        let answer = self.post("/v1/events", body).await;
        assert!(!answer.status.is_success(), "accepted: {}", answer.text());
        assert_eq!(self.content().await, before, "a refused event changed something");
        answer
    }
}

/// What the server of the bucket writes beside objects for itself.
fn is_note_of_s3(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with(".bucket-")
}

/// The body that offers an event.
pub(crate) fn append_body(signed: &Signed) -> Value {
    let openings: Vec<&str> = signed.openings.iter().map(Opening::as_str).collect();
    json!({ "event": signed.event.as_str(), "openings": openings })
}

/// The digest of a packet, as the query states it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Hash::of(bytes).to_base64url()
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem document.
    #[track_caller]
    pub(crate) fn problem(&self) -> Value {
        assert!(!self.status.is_success(), "{} {}", self.status, self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The last part of the problem's type.
    #[track_caller]
    pub(crate) fn slug(&self) -> String {
        let problem = self.problem();
        let kind = problem["type"].as_str().unwrap();
        kind.strip_prefix("/problems/").unwrap().to_owned()
    }

    /// The code of a refusal by the rules.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.problem()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Every answer that is not a success is a problem of the closed set, and says nothing of what is inside the hub.
    fn check_problem(&self, path: &str) {
        if self.body.is_empty() {
            // The answer to a HEAD.
            return;
        }
        let text = self.text();
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{path}: {text}"
        );
        assert_eq!(self.header("cache-control"), "no-store", "{path}: {text}");
        let slug = self.slug();
        let kind = ProblemKind::ALL.iter().find(|kind| kind.slug() == slug);
        let kind = kind.unwrap_or_else(|| panic!("{slug} is not in the set"));
        let problem = self.problem();
        assert_eq!(self.status, kind.status());
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["title"], kind.title());
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.chars().count() > 10, "{detail:?} says nothing");
        let lower = text.to_lowercase();
        let internals = [
            "select ",
            "insert ",
            "postgres",
            "sql",
            "::",
            "/tmp",
            ".rs",
            "struct",
            "tokio",
            "deadpool",
            "axum",
            "panic",
            "object_store",
            "rust",
            "log_head",
            "stream_heads",
            "u64",
            "usize",
            "packets of this hub",
        ];
        for word in internals {
            assert!(
                !lower.contains(word) || path.contains(word),
                "{path}: {word:?} in {text}"
            );
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(self.header("retry-after"), "1");
        }
        if self.status == StatusCode::UNAUTHORIZED {
            assert_eq!(self.header("www-authenticate"), "Bearer");
        }
    }
}
