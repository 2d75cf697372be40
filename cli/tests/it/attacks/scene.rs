//! The hub that is attacked: one for all tests that run at a time, with a witness from outside and one in the TRE's relay.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use daybook_agent::author::{Author, sign_at};
use daybook_agent::client::{Client, ClientError, Follower, Receipt};
use daybook_agent::keyfile::Keys;
use daybook_core::event::{Claims, Event};
use daybook_core::id::Stream;
use daybook_core::tree::decode_bundle;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::bin::{run, stderr, stdout};
use crate::relay::federation::{Federation, draft, until};
use crate::witnesses::{Witnessing, new_witness, serve_witness};

pub(crate) const ORIGIN: &str = "it.example/log";

/// The hub, what is in its log, and who may write there.
pub(crate) struct Scene {
    federation: Mutex<Federation>,
    pub(crate) url: String,
    pub(crate) log_key: String,
    /// A job that was signed off and waits for the runner.
    pub(crate) job: Uuid,
    /// A job that the TRE has refused.
    pub(crate) refused: Uuid,
    root: PathBuf,
    _outside: Witnessing,
    runtime: Runtime,
}

static SHARED: Mutex<Weak<Scene>> = Mutex::new(Weak::new());

/// The scene of all tests that run now. The last one that ends takes it down.
pub(crate) fn shared() -> Arc<Scene> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let scene = Arc::new(Scene::found());
        *shared = Arc::downgrade(&scene);
        scene
    })
}

impl Scene {
    fn found() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut federation = runtime.block_on(Federation::new());
        let site = &federation.site;
        let log_key = federation.log_key.to_string();
        let folder = site.path("outside");
        let outside_key = new_witness(&folder, "outside.example/witness");
        let outside = serve_witness(&folder, &log_key, &["--first-contact", "none"]).unwrap();
        let relay_key = new_witness(&site.path("witness"), "tre-wessex.example/witness");
        let policy = format!(
            "log {log_key}\nwitness outside {outside_key} {}\nwitness wessex {relay_key}\nquorum outside\n",
            outside.url
        );
        std::fs::write(site.path("log.policy"), policy).unwrap();
        let config = site.path("daybook.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let table = format!("[witnesses]\npolicy = \"{}\"\n", site.text("log.policy"));
        std::fs::write(&config, text + &table).unwrap();
        begin(&site.text("witness"), &log_key);
        federation.configure(
            "[retrieve]",
            &format!(
                "[witness]\ndir = \"{}\"\nevery = \"1 second\"\n[retrieve]",
                federation.site.text("witness")
            ),
        );
        assert!(federation.hub.take().unwrap().terminate());
        federation.start_hub();
        let (job, refused) = runtime.block_on(async {
            let relay = federation.relay();
            let job = federation.submit().await;
            federation.until_state(job, "signed-off").await;
            let refused = federation.submit_nothing().await;
            federation.until_state(refused, "refused").await;
            let after = daybook_agent::random::now();
            until("the relay has proofs of all that it said", async || {
                let (_, status) = federation.command(&["status", "--json"]);
                let status: Value = serde_json::from_str(status.trim()).ok()?;
                let is_done = status["unsent"] == 0 && status["unproved"] == 0;
                (is_done && status["at"].as_i64()? > after).then_some(())
            })
            .await;
            assert!(relay.terminate());
            (job, refused)
        });
        Self {
            url: federation.client.base().to_owned(),
            root: federation.site.path(""),
            federation: Mutex::new(federation),
            log_key,
            job,
            refused,
            _outside: outside,
            runtime,
        }
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Everybody who writes; whoever appends something holds this, so that no two do at once.
    pub(crate) fn federation(&self) -> MutexGuard<'_, Federation> {
        self.federation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The true entries that are published now.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.block_on(async {
            let get = async |path: &str| {
                let answer = reqwest::get(format!("{}/log/{path}", self.url)).await.unwrap();
                answer.error_for_status().unwrap().bytes().await.unwrap()
            };
            let note = get("checkpoint").await;
            let text = String::from_utf8(note.to_vec()).unwrap();
            let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
            assert!(size < 256, "these tests read one bundle");
            let bundle = get(&format!("tile/entries/000.p/{size}")).await;
            let entries = decode_bundle(&bundle).unwrap().into_iter();
            entries
                .map(|entry| String::from_utf8(entry.to_vec()).unwrap())
                .collect()
        })
    }

    /// Somebody with keys, who speaks to a hub at an address.
    pub(crate) fn author(&self, keys: Keys, url: &str) -> Author {
        let client = Client::new(url).unwrap();
        let follower = Follower::new(client.clone(), ORIGIN, self.log_key.parse().unwrap());
        Author::new(keys, client, follower)
    }

    /// The keys of one of the TRE's services.
    pub(crate) fn keys(&self, role: &str) -> Keys {
        Keys::read(&self.path(&format!("keys/tre-wessex-{role}.json"))).unwrap()
    }

    /// An event at the end of a stream as the hub has it, changed before it is signed.
    pub(crate) fn sign(
        &self,
        keys: &Keys,
        (stream, kind, clear): (&str, &'static str, Value),
        change: impl FnOnce(&mut Claims),
    ) -> Event {
        self.block_on(async {
            let client = Client::new(&self.url).unwrap();
            let mut follower = Follower::new(client.clone(), ORIGIN, self.log_key.parse().unwrap());
            let stream: Stream = stream.parse().unwrap();
            let place = client.place(&stream).await.unwrap();
            let seen = follower.advance().await.unwrap();
            let draft = draft(stream, kind, clear, vec![]);
            let signed = sign_at(
                keys,
                ORIGIN,
                &draft,
                &place,
                Some(seen),
                daybook_agent::random::now(),
            );
            let mut claims = signed.unwrap().event.claims().clone();
            change(&mut claims);
            Event::sign(&claims, &keys.event).unwrap()
        })
    }

    /// Waits until an entry is covered by a checkpoint that anybody can read.
    pub(crate) fn until_published(&self, receipt: &Receipt) {
        let index = usize::try_from(receipt.index).unwrap();
        let begin = std::time::Instant::now();
        while self.entries().len() <= index {
            assert!(begin.elapsed().as_secs() < 60, "entry {index} is not published");
        }
    }

    /// Posts an event.
    pub(crate) fn post(&self, event: &Event) -> Result<Receipt, ClientError> {
        let client = Client::new(&self.url).unwrap();
        self.block_on(client.append(event, &[], true))
    }
}

/// Says that a witness's record of the log begins with nothing.
pub(crate) fn begin(folder: &str, log_key: &str) {
    let args = [
        "witness",
        "begin",
        "--dir",
        folder,
        "--log-key",
        log_key,
        "--first-contact",
        "none",
    ];
    let begun = run(&args);
    assert!(begun.status.success(), "{}", stderr(&begun));
}

/// An auditor with a state of its own.
pub(crate) struct Auditor {
    state: TempDir,
    log_key: String,
}

/// What an auditor says.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
}

impl Auditor {
    pub(crate) fn new(scene: &Scene) -> Self {
        Self {
            state: tempfile::tempdir().unwrap(),
            log_key: scene.log_key.clone(),
        }
    }

    /// Runs `daybook audit` on an address.
    pub(crate) fn audit(&self, url: &str, more: &[&str]) -> Verdict {
        let state = self.state.path().to_str().unwrap();
        let base = [
            "audit",
            url,
            "--log-key",
            &self.log_key,
            "--state",
            state,
            "--json",
        ];
        Verdict::of(&run(&[&base[..], more].concat()))
    }
}

impl Verdict {
    fn of(output: &Output) -> Self {
        let report = serde_json::from_slice(&output.stdout);
        Self {
            code: output.status.code(),
            report: report.unwrap_or_else(|_| panic!("{}{}", stdout(output), stderr(output))),
        }
    }

    /// What somebody finds who takes whose signatures are enough from a file.
    pub(crate) fn by_policy(url: &str, policy: &Path) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (state, policy) = (state.path().to_str().unwrap(), policy.to_str().unwrap());
        let args = [
            "audit",
            url,
            "--policy",
            policy,
            "--state",
            state,
            "--json",
            "--no-lists",
        ];
        Self::of(&run(&args))
    }

    /// Whether something of a kind was found.
    pub(crate) fn says(&self, kind: &str) -> bool {
        self.report["counts"].get(kind).is_some()
    }

    /// The log does not hold, and that is why.
    #[track_caller]
    pub(crate) fn finds(&self, kind: &str) {
        assert!(self.code == Some(1) && self.says(kind), "{kind}: {self:#?}");
    }

    #[track_caller]
    pub(crate) fn holds(&self) {
        assert_eq!(self.code, Some(0), "{self:#?}");
    }
}
