//! A hub as a process, with all that a job of one TRE rests on, and the TRE's relay as another process.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use daybook::commands::submit_packet;
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, ClientError, Follower};
use daybook_agent::keyfile::Keys;
use daybook_agent::link::{LinkClient, LinkServer, Voice};
use daybook_agent::packet::{Bag, Limits, Named, Project, Requester};
use daybook_agent::random;
use daybook_agent::spool::Spool;
use daybook_core::base64url;
use daybook_core::id::{Actor, Slug, Stream, Subject};
use daybook_core::note::VerifierKey;
use daybook_study::{self as study, Params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::door::Door;
use super::process::RelayProcess;
use crate::bin::{Serving, Site, stderr, stdout};

const ORIGIN: &str = "it.example/log";
const LINK: &str = "wessex-link";
const DAY: i64 = 86_400;
/// Nothing here takes longer unless it hangs: whole runs, and the longest pauses of a relay, are far shorter.
const LIMIT: Duration = Duration::from_mins(5);

/// The types of a job's events from the queue to its results, where nothing goes wrong.
pub(crate) const WHOLE_LIFE: [&str; 12] = [
    "job-collected",
    "job-checked",
    "workflow-retrieved",
    "job-signed-off",
    "job-admitted",
    "run-started",
    "run-completed",
    "outputs-assessed",
    "disclosure-approved",
    "outputs-moved",
    "outputs-rechecked",
    "job-released",
];

/// Asks again and again until the answer is there.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begin.elapsed() < LIMIT, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything that there is before a job.
pub(crate) struct Federation {
    pub(crate) site: Site,
    pub(crate) hub: Option<Serving>,
    /// The relay's way to the hub; everybody else has another.
    pub(crate) door: Door,
    pub(crate) client: Client,
    pub(crate) log_key: VerifierKey,
    pub(crate) registrar: Author,
    pub(crate) member: Author,
    /// The TRE's review service at the hub, for approvals.
    pub(crate) review: Author,
    pub(crate) operator: Box<Author>,
    /// The TRE's root, which is offline where TREs are real.
    pub(crate) tre_root: Box<Author>,
    pub(crate) root: String,
    pub(crate) project: Uuid,
    pub(crate) workflow: Uuid,
    pub(crate) member_id: Uuid,
    pub(crate) dataset: Uuid,
    relay: daybook_core::key::PublicKey,
    /// Where the relay's link listens.
    pub(crate) link: String,
    surroundings: Surroundings,
}

/// A port that is free now, and below those that connections get by themselves: none of theirs takes it before it is used.
/// No two calls in this process get the same.
fn free_port() -> u16 {
    static GIVEN_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = 10_000 + u16::from_be_bytes(random::bytes().unwrap()) % 20_000;
        let is_new = GIVEN_OUT.lock().unwrap().insert(port);
        if is_new && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn draft(
    stream: Stream,
    kind: &'static str,
    clear: Value,
    sealed: Vec<(&'static str, Value)>,
) -> Draft<'static> {
    Draft {
        stream,
        kind,
        clear,
        sealed,
    }
}

fn public(keys: &Keys) -> Value {
    json!({ "access": keys.access.as_ref().unwrap().public().to_x(), "event": keys.event.public().to_x() })
}

/// Says something at the hub; answers with its leaf hash.
async fn tell(
    author: &mut Author,
    stream: Stream,
    kind: &'static str,
    clear: Value,
    sealed: Vec<(&'static str, Value)>,
) -> String {
    author
        .say(&draft(stream, kind, clear, sealed))
        .await
        .unwrap()
        .leaf_hash
}

/// The TRE joins, lends its keys and has a dataset.
async fn join(operator: &mut Author, root: &mut Author, lent: &[Keys; 3], dataset: Uuid) {
    let stream = Stream::Tre("wessex".parse().unwrap());
    let thumbprint = root.keys.event.public().thumbprint().to_base64url();
    let clear = json!({ "root": thumbprint, "tre": "wessex" });
    tell(operator, Stream::Federation, "tre-invited", clear, vec![]).await;
    let clear = json!({ "keys": root.keys.registration(ORIGIN) });
    tell(
        root,
        stream.clone(),
        "tre-joined",
        clear,
        vec![("name", "Wessex".into())],
    )
    .await;
    for keys in lent {
        let clear = json!({ "keys": keys.registration(ORIGIN), "role": keys.actor.role() });
        tell(root, stream.clone(), "key-added", clear, vec![]).await;
    }
    let sealed = vec![
        ("title", "Admissions".into()),
        ("controller", "Wessex Hospitals".into()),
    ];
    tell(
        root,
        Stream::Dataset(dataset),
        "dataset-registered",
        json!({}),
        sealed,
    )
    .await;
}

async fn register_workflow(registrar: &mut Author, workflow: Uuid) -> String {
    let bag = Federation::request();
    let request = daybook_agent::packet::read_request(&bag).unwrap().request;
    let digest = base64url::encode(&study::workflow_digest(&bag, &request).unwrap());
    let sealed = vec![
        ("title", "Admissions".into()),
        (
            "permalink",
            "https://workflows.example/asthma-admissions?version=1".into(),
        ),
        ("version", "1".into()),
    ];
    let clear = json!({ "digest": digest });
    tell(
        registrar,
        Stream::Workflow(workflow),
        "workflow-registered",
        clear,
        sealed,
    )
    .await
}

async fn register_project(registrar: &mut Author, project: Uuid) -> String {
    let sealed = vec![
        ("title", "Asthma".into()),
        ("lay_summary", "We count.".into()),
        ("public_benefit", "Care.".into()),
        ("organisations", json!(["University"])),
        ("commercial", "none".into()),
    ];
    let clear = json!({ "until": random::now() + 365 * DAY });
    tell(
        registrar,
        Stream::Project(project),
        "project-registered",
        clear,
        sealed,
    )
    .await
}

/// Where the programs listen.
pub(crate) struct Surroundings {
    /// The words before the hub's program, such as `ip netns exec hub`; none for a plain process.
    pub(crate) within: Vec<String>,
    /// Where the hub listens.
    pub(crate) listen: String,
    /// The hub's address for everybody but the relay.
    pub(crate) url: String,
    /// Where the relay's link listens.
    pub(crate) link: String,
}

impl Surroundings {
    /// All on this machine's own address.
    fn here() -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        Self {
            within: Vec::new(),
            url: format!("http://{listen}"),
            listen,
            link: format!("127.0.0.1:{}", free_port()),
        }
    }
}

impl Federation {
    /// Founds everything; every approval stands, and that of the workflow signs off by itself.
    pub(crate) async fn new() -> Self {
        Self::within(Surroundings::here()).await
    }

    /// The same with the programs elsewhere.
    pub(crate) async fn within(surroundings: Surroundings) -> Self {
        Box::pin(Self::found(surroundings)).await
    }

    async fn found(surroundings: Surroundings) -> Self {
        let site = Site::new();
        let config = site.path("daybook.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let limits = "[limits]\nrequests_per_second = 0\nevents_per_second = 0\n";
        let text = text.replace("127.0.0.1:0", &surroundings.listen) + limits;
        std::fs::write(&config, text).unwrap();
        let log_key: VerifierKey = site.init().parse().unwrap();
        let hub = Serving::start_within(&surroundings.within, &config).unwrap();
        let client = Client::new(&surroundings.url).unwrap();
        let author = |keys: Keys| {
            let follower = Follower::new(client.clone(), ORIGIN, log_key.clone());
            Author::new(keys, client.clone(), follower)
        };
        let fresh = |actor: &str| author(Keys::fresh(actor.parse().unwrap()).unwrap());
        let kept = |actor: &str| {
            let path = site.path(&format!("keys/{}.json", actor.replace('/', "-")));
            Keys::create(&path, &actor.parse().unwrap()).unwrap()
        };
        let [project, workflow, member_id, dataset] = [(); 4].map(|()| random::id().unwrap());
        let mut operator = author(Keys::read(&site.path("keys/operator.json")).unwrap());
        let (mut registrar, mut editor) = (fresh("registrar/main"), fresh("hub/editor"));
        let mut root = fresh("tre/wessex/root");
        let member = Actor::Member {
            project,
            member: member_id,
        };
        let member = author(Keys::create(&site.path("keys/member.json"), &member).unwrap());
        let lent = ["relay", "runner", "review"].map(|role| kept(&format!("tre/wessex/{role}")));

        let keys = registrar.keys.registration(ORIGIN);
        let clear = json!({ "id": "main", "keys": keys, "role": "registrar" });
        tell(&mut operator, Stream::Federation, "role-granted", clear, vec![]).await;
        let clear = json!({ "keys": editor.keys.registration(ORIGIN), "role": "editor" });
        tell(&mut operator, Stream::Federation, "role-granted", clear, vec![]).await;
        join(&mut operator, &mut root, &lent, dataset).await;
        let workflow_version = register_workflow(&mut registrar, workflow).await;
        let version = register_project(&mut registrar, project).await;
        let clear = json!({ "keys": member.keys.registration(ORIGIN), "member": member_id });
        let sealed = vec![("name", "Ada".into())];
        let member_version = tell(
            &mut registrar,
            Stream::Project(project),
            "member-added",
            clear,
            sealed,
        )
        .await;
        let clear = json!({ "cause": version, "openings": [], "version": 1 });
        let page = vec![("page", version.clone().into())];
        tell(
            &mut editor,
            Stream::Register(project),
            "register-published",
            clear,
            page,
        )
        .await;

        let [relay, runner, reviewer] = lent;
        let mut federation = Self {
            client: client.clone(),
            log_key: log_key.clone(),
            registrar,
            member,
            review: author(Keys::read(&site.path("keys/tre-wessex-review.json")).unwrap()),
            root: root.keys.event.public().thumbprint().to_base64url(),
            operator: operator.into(),
            tre_root: root.into(),
            project,
            workflow,
            member_id,
            dataset,
            relay: relay.access.as_ref().unwrap().public(),
            link: surroundings.link.clone(),
            surroundings,
            door: Door::before(client.base().trim_start_matches("http://").to_owned()).await,
            hub: Some(hub),
            site,
        };
        federation.write_config(&public(&runner), &public(&reviewer));
        for (subject, id, version) in [
            (Subject::Project, project, version),
            (Subject::Workflow, workflow, workflow_version),
            (Subject::Member, member_id, member_version),
        ] {
            federation.approve(subject, id, &version).await;
        }
        federation
    }

    pub(crate) async fn approve(&mut self, subject: Subject, id: Uuid, version: &str) {
        let mut clear =
            json!({ "body": "access-committee", "cause": version, "until": random::now() + 100 * DAY });
        match subject {
            Subject::Project => clear["datasets"] = json!([self.dataset]),
            Subject::Workflow => {
                (clear["sign_off"], clear["egress"]) = ("standing".into(), "reviewed".into());
            }
            Subject::Member => clear["project"] = json!(self.project),
        }
        let stream = Stream::Approval("wessex".parse().unwrap(), subject, id);
        let sealed = vec![("decided_by", "A committee".into())];
        self.review
            .say(&draft(stream, "approval-granted", clear, sealed))
            .await
            .unwrap();
    }

    /// Approves a workflow until a time that will be over soon, and gives that time.
    pub(crate) async fn approve_for_a_moment(&mut self, workflow: Uuid) -> i64 {
        let version = self.version(&Stream::Workflow(workflow)).await;
        let stream = Stream::Approval("wessex".parse().unwrap(), Subject::Workflow, workflow);
        let mut seconds = 1;
        loop {
            let until = random::now() + seconds;
            let clear = json!({
                "body": "access-committee", "cause": version, "egress": "reviewed", "sign_off": "standing", "until": until,
            });
            let sealed = vec![("decided_by", "A committee".into())];
            let granted = draft(stream.clone(), "approval-granted", clear, sealed);
            let Err(error) = self.review.say(&granted).await else {
                return until;
            };
            let refused = error.downcast_ref::<ClientError>();
            // It was over before it was signed.
            assert!(refused.is_some_and(|error| error.is("not-ahead")), "{error:#}");
            seconds += 1;
        }
    }

    /// The leaf hash of the first event of a stream, which is what was approved.
    pub(crate) async fn version(&self, stream: &Stream) -> String {
        self.client.entries(&stream.to_string(), None).await.unwrap()[0]
            .leaf_hash
            .clone()
    }

    pub(crate) async fn withdraw(&mut self, subject: Subject, id: Uuid) {
        let stream = Stream::Approval("wessex".parse().unwrap(), subject, id);
        let clear = json!({ "reason": "other" });
        self.review
            .say(&draft(stream, "approval-withdrawn", clear, vec![]))
            .await
            .unwrap();
    }

    fn write_config(&self, runner: &Value, review: &Value) {
        let url = self.door.url();
        let (spool, key) = (
            self.site.text("relay"),
            self.site.text("keys/tre-wessex-relay.json"),
        );
        let text = format!(
            "tre = \"wessex\"\nhub = \"{url}\"\nlog_key = \"{}\"\nroot = \"{}\"\nkeys = \"{key}\"\nspool = \"{spool}\"\n\
             mode = \"live\"\nwatch = \"1 second\"\npacket_patience = \"1 second\"\n\
             [retrieve]\nstore = \"{}\"\n[link]\nlisten = \"{}\"\nname = \"{LINK}\"\n\
             [link.runner]\naccess = {}\nevent = {}\n[link.review]\naccess = {}\nevent = {}\n\
             [sign_off]\nstanding = true\n\
             [about]\nname = \"Wessex (fictional)\"\nurl = \"https://wessex.example/\"\n\
             policy = {{ url = \"https://wessex.example/agreement\", name = \"Agreement\" }}\n\
             licence = {{ url = \"https://spdx.org/licenses/CC-BY-4.0\", name = \"CC BY 4.0\" }}\n",
            self.log_key,
            self.root,
            self.site.text("store"),
            self.link,
            runner["access"],
            runner["event"],
            review["access"],
            review["event"],
        );
        std::fs::write(self.site.path("relay.toml"), text).unwrap();
    }

    /// The table by which others in the controlled zone find the relay.
    pub(crate) fn relay_table(&self) -> String {
        format!(
            "[relay]\nurl = \"http://{}\"\nname = \"{LINK}\"\naccess = \"{}\"\n",
            self.link,
            self.relay.to_x()
        )
    }

    /// Changes a line of `relay.toml`.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let path = self.site.path("relay.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// A request for this project's data, as bytes.
    pub(crate) fn request() -> Bag {
        study::request_bag(&params(random::id().unwrap()))
    }

    /// Submits a request to the TRE.
    pub(crate) async fn submit(&mut self) -> Uuid {
        let bytes = Self::request().to_zip().unwrap();
        self.submit_bytes(bytes).await
    }

    pub(crate) async fn submit_bytes(&mut self, bytes: Vec<u8>) -> Uuid {
        let to: [(Slug, Vec<Uuid>); 1] = [("wessex".parse().unwrap(), vec![self.dataset])];
        let submitted = submit_packet(&mut self.member, ORIGIN, bytes, self.workflow, &to)
            .await
            .unwrap();
        submitted.jobs[0].1
    }

    /// Submits bytes under an id, without looking at them.
    pub(crate) async fn submit_wrongly(&mut self, bytes: Vec<u8>, submission: Uuid) -> Uuid {
        let packet = random::id().unwrap();
        let digest = daybook_core::Hash::of(&bytes).to_base64url();
        self.client
            .put_packet(&self.member.keys, ORIGIN, packet, bytes)
            .await
            .unwrap();
        self.submit_packet(submission, packet, digest).await
    }

    /// Submits a packet that is not there.
    pub(crate) async fn submit_nothing(&mut self) -> Uuid {
        let digest = daybook_core::Hash::of(b"").to_base64url();
        self.submit_packet(random::id().unwrap(), random::id().unwrap(), digest)
            .await
    }

    async fn submit_packet(&mut self, submission: Uuid, packet: Uuid, digest: String) -> Uuid {
        // A submission is made once; its id is another where the bag's was used before.
        let used = self
            .client
            .stream_head(&format!("submission/{submission}"))
            .await
            .unwrap()
            .seq
            > 0;
        let submission = if used { random::id().unwrap() } else { submission };
        let job = random::id().unwrap();
        let jobs = json!({ "wessex": { "datasets": [self.dataset], "job": job } });
        let clear = json!({ "jobs": jobs, "packet": packet, "workflow": self.workflow });
        let sealed = vec![("packet_digest", digest.into())];
        let submitted = draft(Stream::Submission(submission), "job-submitted", clear, sealed);
        self.member.say(&submitted).await.unwrap();
        job
    }

    /// The last event of a kind of a job.
    pub(crate) async fn last_of(&self, job: Uuid, kind: &str) -> daybook_core::event::Event {
        let entries = self.client.entries(&format!("job/{job}"), None).await.unwrap();
        let events = entries
            .iter()
            .map(|entry| daybook_core::event::Event::parse(&entry.event).unwrap());
        events.rev().find(|event| event.claims().kind == kind).unwrap()
    }

    /// The files of a job at the relay that hold a text, unpacked or not.
    pub(crate) fn grep_relay(&self, text: &str, job: Uuid) -> Vec<String> {
        let folder = self.site.path(&format!("relay/live/jobs/{job}"));
        let output = std::process::Command::new("grep")
            .args(["-ral", text])
            .arg(folder)
            .output()
            .unwrap();
        stdout(&output).lines().map(str::to_owned).collect()
    }

    pub(crate) fn relay(&self) -> RelayProcess {
        RelayProcess::start(&self.site).unwrap()
    }

    /// The link, called as one of the TRE's services.
    pub(crate) fn link(&self, role: &str) -> LinkClient {
        let keys = Keys::read(&self.site.path(&format!("keys/tre-wessex-{role}.json"))).unwrap();
        let server = LinkServer {
            url: format!("http://{}", self.link),
            name: LINK.to_owned(),
            key: self.relay.clone(),
        };
        LinkClient::new(server, Arc::new(keys), None).unwrap()
    }

    /// A service with its voice and a spool of its own.
    pub(crate) fn service(&self, role: &str) -> Service {
        let client = self.link(role);
        let spool = Spool::open(&self.site.path(role)).unwrap();
        let voice = Voice::new(
            client.clone(),
            self.log_key.clone(),
            spool.folder().join("checkpoint"),
            1,
        )
        .unwrap();
        Service { client, spool, voice }
    }

    /// The hub's word for a job's state.
    pub(crate) async fn state(&self, job: Uuid) -> Option<String> {
        let body: Value = self.client.get(&format!("/v1/jobs/{job}")).await.ok()?;
        Some(body["state"].as_str()?.to_owned())
    }

    pub(crate) async fn until_state(&self, job: Uuid, state: &str) {
        until(&format!("job is {state}"), async || {
            (self.state(job).await? == state).then_some(())
        })
        .await;
    }

    /// The types of a job's events at the hub, in order.
    pub(crate) async fn kinds(&self, job: Uuid) -> Vec<String> {
        let entries = self.client.entries(&format!("job/{job}"), None).await.unwrap();
        let event = |text: &str| daybook_core::event::Event::parse(text).unwrap();
        entries
            .iter()
            .map(|entry| event(&entry.event).claims().kind.clone())
            .collect()
    }

    /// What the TRE's opening of a job's last event of a kind says.
    pub(crate) async fn opened(&self, job: Uuid, kind: &str, name: &str) -> Option<Value> {
        let entries = self.client.entries(&format!("job/{job}"), None).await.unwrap();
        let event = |text: &str| daybook_core::event::Event::parse(text).unwrap();
        let entry = entries
            .iter()
            .rev()
            .find(|entry| event(&entry.event).claims().kind == kind)?;
        let answer = self
            .client
            .openings(Some((&self.review.keys, ORIGIN)), entry.index)
            .await
            .unwrap();
        let found = answer["openings"]
            .as_array()?
            .iter()
            .find(|opening| opening["name"] == name)?
            .clone();
        let opening = daybook_core::sealed::Opening::parse(found["opening"].as_str()?).unwrap();
        Some(opening.value().clone())
    }

    /// What the team collects, once there is something.
    pub(crate) async fn results(&self, job: Uuid) -> Bag {
        let path = format!("/v1/jobs/{job}");
        let packet = until("there is a packet to collect", async || {
            let body: Value = self.client.get(&path).await.ok()?;
            Some(body["results"].as_str()?.to_owned())
        })
        .await;
        let bytes = self
            .client
            .get_packet(&self.member.keys, ORIGIN, &packet)
            .await
            .unwrap();
        Bag::from_zip(&bytes, &Limits::default()).unwrap()
    }

    pub(crate) fn kill_hub(&mut self) {
        self.hub.take().unwrap().kill();
    }

    pub(crate) fn start_hub(&mut self) {
        let config = self.site.path("daybook.toml");
        self.hub = Some(Serving::start_within(&self.surroundings.within, &config).unwrap());
    }

    /// Waits until the relay's status says something; it is written every two seconds.
    pub(crate) async fn until_status(&self, says: &str) -> String {
        let ask = async || {
            let (_, text) = self.command(&["status"]);
            text.contains(says).then_some(text)
        };
        until(&format!("the status says {says:?}"), ask).await
    }

    /// Runs `daybook relay` with a command.
    pub(crate) fn command(&self, args: &[&str]) -> (bool, String) {
        let config = self.site.text("relay.toml");
        let output = crate::bin::run(&[&["relay", "--config", &config], args].concat());
        (output.status.success(), stdout(&output) + &stderr(&output))
    }
}

/// One of the services of the controlled zone, as this test plays it.
pub(crate) struct Service {
    pub(crate) client: LinkClient,
    pub(crate) spool: Spool,
    pub(crate) voice: Voice,
}

impl Service {
    pub(crate) async fn say(
        &mut self,
        job: Uuid,
        kind: &'static str,
        clear: Value,
        sealed: Vec<(&'static str, Value)>,
    ) {
        let draft = draft(Stream::Job(job), kind, clear, sealed);
        self.voice.say(&self.spool.job(job), kind, &draft).await.unwrap();
    }

    pub(crate) async fn until_state(&self, job: Uuid, state: &str) {
        let ask = async || {
            let view = self.client.job(job).await.ok()?;
            (view.state == state).then_some(())
        };
        until(&format!("the relay has the job {state}"), ask).await;
    }
}

pub(crate) fn params(submission: Uuid) -> Params {
    let named = |id: &str, name: &str| Named::new(id, name);
    Params {
        submission,
        run: random::id().unwrap(),
        made: "2026-11-02T09:30:00Z".parse().unwrap(),
        requester: Requester {
            person: named("https://orcid.example/0000-0000-0000-0000", "Ada Example"),
            affiliation: Some(named("https://university.example/", "University")),
        },
        project: Project {
            project: named("#project-asthma", "Asthma"),
            local_ids: Vec::new(),
            funding: Vec::new(),
            members: vec![named("https://university.example/", "University")],
        },
        workflow: named(
            "https://workflows.example/asthma-admissions?version=1",
            "Admissions",
        ),
        distribution: "https://workflows.example/asthma-admissions.crate.zip?version=1".to_owned(),
        dataset: named("#emergency-admissions", "Admissions"),
        threshold: 5,
    }
}
