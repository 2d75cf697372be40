//! A TRE's two zones in one process: a desk with a link before it, and whoever calls. There is no hub.

use std::path::PathBuf;
use std::sync::Arc;

use daybook_agent::author::Draft;
use daybook_agent::client::Client;
use daybook_agent::keyfile::Keys;
use daybook_agent::link::{LinkClient, LinkServer, Peer, Server, Tls, Voice};
use daybook_agent::random;
use daybook_agent::relay::{Collected, Desk, Identity};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::{Claims, Event};
use daybook_core::id::{Actor, Stream};
use daybook_core::note::{Note, NoteSigner, VerifierKey};
use daybook_core::sealed::digest_list;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "zone.example/log";
pub(crate) const LINK: &str = "link.wessex";

/// The zones.
pub(crate) struct Zone {
    pub(crate) folder: TempDir,
    pub(crate) desk: Arc<Desk>,
    pub(crate) runner: LinkClient,
    pub(crate) review: LinkClient,
    pub(crate) url: String,
    /// What a job rests on: project, workflow, member, datasets.
    pub(crate) gate: Value,
    relay: Arc<Keys>,
    stop: CancellationToken,
}

fn keys(actor: &str) -> Arc<Keys> {
    Arc::new(Keys::fresh(actor.parse().unwrap()).unwrap())
}

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[9; 32]).unwrap()
}

pub(crate) fn log_key() -> VerifierKey {
    signer().verifier().clone()
}

/// A checkpoint of a log with one entry, as the relay would have fetched it.
fn checkpoint() -> String {
    let checkpoint = Checkpoint::new(ORIGIN, 1, Hash::leaf(b"first")).unwrap();
    let mut note = Note::new(checkpoint.to_string()).unwrap();
    signer().sign(&mut note).unwrap();
    note.to_string()
}

fn peer(keys: &Keys) -> Peer {
    Peer {
        actor: keys.actor.clone(),
        access: keys.access.as_ref().unwrap().public(),
        event: keys.event.public(),
    }
}

impl Zone {
    pub(crate) async fn new() -> Self {
        Self::with_tls(None).await
    }

    /// The same with a certificate before the link.
    pub(crate) async fn with_tls(tls: Option<Tls>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let folder = tempfile::tempdir().unwrap();
        let (relay, runner, review) = (
            keys("tre/wessex/relay"),
            keys("tre/wessex/runner"),
            keys("tre/wessex/review"),
        );
        let spool = folder.path().join("relay");
        std::fs::create_dir(&spool).unwrap();
        std::fs::write(spool.join("checkpoint"), checkpoint()).unwrap();
        let identity = Identity {
            tre: "wessex".parse().unwrap(),
            log: log_key(),
            root: None,
            keys: relay.clone(),
            is_shadow: false,
            runner: Some(peer(&runner)),
            review: Some(peer(&review)),
        };
        // Nobody listens there: the hub is away.
        let hub = Client::new("http://127.0.0.1:9").unwrap();
        let desk = Arc::new(Desk::open(&spool, identity, hub).unwrap());
        let any = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(desk.clone(), any, LINK, 1 << 20, tls).await.unwrap();
        let url = format!("{scheme}://{}", server.address().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        let client = |keys: Arc<Keys>| Self::client_at(&url, &relay, keys);
        let ids: Vec<Uuid> = (0..4).map(|_| random::id().unwrap()).collect();
        let gate = json!({ "project": ids[0], "workflow": ids[1], "member": ids[2], "datasets": [ids[3]] });
        Self {
            runner: client(runner),
            review: client(review),
            folder,
            desk,
            url,
            gate,
            relay,
            stop,
        }
    }

    fn client_at(url: &str, relay: &Keys, keys: Arc<Keys>) -> LinkClient {
        let server = LinkServer {
            url: url.to_owned(),
            name: LINK.to_owned(),
            key: relay.access.as_ref().unwrap().public(),
        };
        LinkClient::new(server, keys, None).unwrap()
    }

    /// The link, called with other keys.
    pub(crate) fn client(&self, keys: Arc<Keys>) -> LinkClient {
        Self::client_at(&self.url, &self.relay, keys)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn voice(&self, client: &LinkClient) -> Voice {
        let file = client.keys().actor.to_string().replace('/', "-");
        Voice::new(client.clone(), log_key(), self.path(&file), 1).unwrap()
    }

    /// The gate's fields with some more.
    pub(crate) fn at_gate(&self, more: &Value) -> Value {
        let mut clear = self.gate.clone();
        clear
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        clear
    }

    /// A job in the TRE's queue.
    pub(crate) fn begin(&self) -> Uuid {
        let (job, submission) = (random::id().unwrap(), random::id().unwrap());
        let id = |name: &str| self.gate[name].as_str().unwrap().parse::<Uuid>().unwrap();
        let member = Keys::fresh(Actor::Member {
            project: id("project"),
            member: id("member"),
        })
        .unwrap();
        let jobs = json!({ "wessex": { "datasets": self.gate["datasets"], "job": job } });
        let mut data =
            json!({ "jobs": jobs, "packet": random::id().unwrap(), "workflow": self.gate["workflow"] });
        data["_sd"] = digest_list(&[], &[[1; 32], [2; 32], [3; 32], [4; 32]]);
        let claims = Claims {
            aud: ORIGIN.to_owned(),
            data: data.as_object().unwrap().clone(),
            iat: random::now(),
            iss: member.actor.clone(),
            jti: random::id().unwrap(),
            prev: None,
            seen: None,
            seq: 1,
            sub: Stream::Submission(submission),
            kind: "job-submitted".to_owned(),
            version: 1,
        };
        let entry = Event::sign(&claims, &member.event).unwrap();
        let collected = Collected {
            job,
            entry: entry.as_str().to_owned(),
            index: 1,
            found: random::now(),
        };
        self.desk.begin(&collected).unwrap();
        job
    }

    /// The relay says something of a job.
    pub(crate) async fn relay_says(&self, job: Uuid, kind: &str, clear: Value) -> Event {
        let draft = Draft {
            stream: Stream::Job(job),
            kind,
            clear,
            sealed: Vec::new(),
        };
        self.desk.say(&draft).await.unwrap()
    }

    /// A job that is signed off and waits for the runner.
    pub(crate) async fn signed_off(&self) -> Uuid {
        let job = self.begin();
        let view = self.desk.view(job).unwrap();
        let clear = json!({ "cause": view.facts["cause"], "submission": view.facts["submission"] });
        self.relay_says(job, "job-collected", clear).await;
        self.relay_says(job, "job-checked", json!({ "profile": "five-safes-0.4" }))
            .await;
        let digest = Hash::of(b"workflow").to_base64url();
        let clear = json!({ "digest": digest, "images": [], "workflow": self.gate["workflow"] });
        self.relay_says(job, "workflow-retrieved", clear).await;
        let approvals: Vec<String> = [1, 2, 3].map(|n: u8| Hash::of(&[n]).to_base64url()).to_vec();
        let clear = self.at_gate(&json!({ "approvals": approvals, "how": "standing" }));
        self.relay_says(job, "job-signed-off", clear).await;
        job
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
