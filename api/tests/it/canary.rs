//! A canary in every text field of every event type: nobody hears it but those who may.

mod ear;

use std::collections::{BTreeMap, BTreeSet};

use self::ear::{CRY, canary, listen, looks};
use axum::body::Body;
use axum::http::Method;
use daybook_core::id::{Actor, Stream, Subject, TreRole};
use daybook_core::sealed::ReaderClass;
use daybook_rules::{SealedKind, Table};
use daybook_world::{Cast, Draft, Ending, digest, id, sample};
use serde_json::{Value, json};

use crate::hub::{Answer, Hub, both_keys, insider, outsider, relay, sha256};

/// One canary that was planted.
struct Planted {
    text: String,
    what: String,
    class: ReaderClass,
    issuer: String,
    parties: Vec<String>,
}

impl Planted {
    /// Who may hear it, by the words of the design: classes, and until the register publishes, the `public` ones are for
    /// TREs, parties, registrars, the editor and auditors.
    fn may_hear(&self, caller: &Actor) -> bool {
        let organisation = caller.organisation().to_string();
        let is_party = self.parties.contains(&organisation);
        let role = caller.to_string();
        let is = |name: &str| role.starts_with(name);
        let own = self.issuer == organisation;
        match self.class {
            ReaderClass::IssuerOnly => false,
            ReaderClass::Auditor => own || is("auditor"),
            ReaderClass::Parties => own || is_party,
            ReaderClass::PublicFrom => {
                own || is_party || is("auditor") || is("registrar") || is("hub/editor")
            }
            ReaderClass::Public => {
                own || is_party || is("auditor") || is("registrar") || is("hub/editor") || is("tre/")
            }
        }
    }
}

/// A hub and everything that was planted in it.
struct Cage {
    hub: Hub,
    planted: BTreeMap<String, Planted>,
    kinds: BTreeSet<String>,
}

impl Cage {
    /// Says a draft with a canary in every sealed text field.
    async fn say(&mut self, draft: Draft) {
        let kind = draft.kind.clone();
        let rule = Table::v1().rule(&kind).unwrap();
        let index = self.hub.world.entries().len();
        let mut draft = draft;
        for (field, sealed) in &rule.sealed {
            let text = canary(index, field);
            let value: Value = match &sealed.kind {
                SealedKind::Text(_) => text.as_str().into(),
                SealedKind::Texts(..) => json!([text]),
                SealedKind::Url(_) => format!("https://example.org/{text}").into(),
                other => sample(other, &kind),
            };
            let has_text = value.to_string().contains(&text);
            draft = draft.seal(field, value);
            if has_text {
                let (issuer, parties) = (draft.actor.organisation().to_string(), parties(&draft));
                let what = format!("{field} of {kind} at {index}");
                let planted = Planted {
                    text: text.clone(),
                    what,
                    class: sealed.class,
                    issuer,
                    parties,
                };
                self.planted.insert(text, planted);
            }
        }
        self.hub.say(&draft).await;
        self.kinds.insert(kind);
    }

    async fn usual(&mut self, kinds: &[&str]) {
        for kind in kinds {
            let draft = self.hub.world.usual(kind);
            self.say(draft).await;
        }
    }

    async fn found() -> Self {
        let hub = Hub::empty().await;
        let mut cage = Self {
            hub,
            planted: BTreeMap::new(),
            kinds: BTreeSet::new(),
        };
        let (operator, clerk) = (Actor::Operator, Actor::Clerk);
        let keys = [&operator, &clerk].map(|actor| both_keys(&cage.hub.world, actor));
        let log_key = cage.hub.world.usual("log-opened").data["log_key"].clone();
        let data = json!({ "clerk": keys[1], "log_key": log_key, "operator": keys[0] });
        cage.say(Draft::new(&operator, &Stream::Federation, "log-opened", data))
            .await;
        cage.usual(&["policy-adopted"]).await;
        for (role, actor) in [
            ("registrar", cage.hub.world.cast.registrar.clone()),
            ("auditor", cage.hub.world.cast.auditor.clone()),
            ("editor", Actor::Editor),
        ] {
            let draft = cage
                .hub
                .world
                .grant(role)
                .with("keys", both_keys(&cage.hub.world, &actor));
            cage.say(draft).await;
        }
        for tre in Cast::TRES {
            cage.join(tre).await;
        }
        let world = &cage.hub.world;
        let (registrar, until) = (world.cast.registrar.clone(), world.now + 1_000 * 86_400);
        let workflow = Stream::Workflow(world.cast.workflow);
        let data = json!({ "digest": digest("workflow") });
        cage.say(Draft::new(&registrar, &workflow, "workflow-registered", data))
            .await;
        let members = {
            let world = &cage.hub.world;
            [world.cast.researcher(), insider(world), outsider(world)]
        };
        for project in [cage.hub.world.cast.other_project, cage.hub.world.cast.project] {
            let stream = Stream::Project(project);
            cage.say(Draft::new(
                &registrar,
                &stream,
                "project-registered",
                json!({ "until": until }),
            ))
            .await;
            for actor in members.iter().filter(|member| member.home() == stream) {
                let Actor::Member { member, .. } = actor else {
                    unreachable!("they are members")
                };
                let data = json!({ "keys": both_keys(&cage.hub.world, actor), "member": member });
                cage.say(Draft::new(&registrar, &stream, "member-added", data))
                    .await;
            }
        }
        for subject in ["member", "workflow", "project"] {
            let draft = cage.hub.world.approval("wessex", subject);
            cage.say(draft).await;
        }
        cage.usual(&[
            "register-held",
            "register-published",
            "project-registered",
            "register-deferred",
        ])
        .await;
        cage
    }

    async fn join(&mut self, tre: &str) {
        let root = Cast::tre(tre, TreRole::Root);
        let thumbprint = self.hub.world.key(&root).public().thumbprint().to_base64url();
        let data = json!({ "root": thumbprint, "tre": tre });
        self.say(Draft::new(
            &Actor::Operator,
            &Stream::Federation,
            "tre-invited",
            data,
        ))
        .await;
        let keys = json!({ "keys": both_keys(&self.hub.world, &root) });
        self.say(Draft::new(&root, &root.home(), "tre-joined", keys))
            .await;
        for role in [TreRole::Relay, TreRole::Runner, TreRole::Review] {
            let keys = both_keys(&self.hub.world, &Cast::tre(tre, role));
            let data = json!({ "keys": keys, "role": role.as_str() });
            self.say(Draft::new(&root, &root.home(), "key-added", data)).await;
        }
        for n in 0..2 {
            let stream = Stream::Dataset(Cast::dataset(tre, n));
            self.say(Draft::new(&relay(tre), &stream, "dataset-registered", json!({})))
                .await;
        }
    }

    /// Leads a job to each end, with its packet.
    async fn run_jobs(&mut self) {
        for ending in Ending::ALL {
            let submission = id(&format!("submission {}", self.hub.world.entries().len()));
            let draft = self.hub.world.submission(submission, &["wessex"]);
            self.say(draft).await;
            self.hub.world.job = Some(id(&format!("job of {submission} at wessex")));
            for kind in ending.steps() {
                let mut draft = self.hub.world.usual(kind);
                if ending == Ending::ReleasedInPart && kind == "disclosure-approved" {
                    draft = draft
                        .with("extent", "part".into())
                        .with("outputs", digest("the approved part").into());
                }
                self.say(draft).await;
            }
            if ending == Ending::Withheld {
                self.usual(&["packet-offered"]).await;
            }
        }
    }

    fn kid(&self, actor: &Actor) -> serde_json::Value {
        self.hub
            .world
            .key(actor)
            .public()
            .thumbprint()
            .to_base64url()
            .into()
    }

    /// Every way in which things end, the log last.
    async fn wind_up(&mut self) {
        let rest = [
            "time-marked",
            "time-corrected",
            "checkpoint-anchored",
            "heads-committed",
            "tre-amended",
            "tre-reported",
            "dataset-amended",
            "dataset-withdrawn",
            "workflow-withdrawn",
            "output-linked",
            "project-amended",
            "tre-suspended",
            "tre-reinstated",
            "approval-withdrawn",
            "register-withdrawn",
            "project-closed",
            "fields-erased",
            "log-key-rotated",
        ];
        self.usual(&rest).await;
        let root = Cast::tre("mercia", TreRole::Root);
        let kid = self.kid(&Cast::tre("mercia", TreRole::Runner));
        let revoked = json!({ "kid": kid, "reason": "lost", "suspect_from": 3 });
        self.say(Draft::new(&root, &root.home(), "key-revoked", revoked))
            .await;
        let settled = self.hub.world.usual("key-doubts-settled").by(&root);
        self.say(settled.on(&root.home()).with("kid", kid)).await;
        let second = "registrar/second".parse().unwrap();
        let keys = both_keys(&self.hub.world, &second);
        let granted = self.hub.world.usual("role-granted").with("keys", keys);
        self.say(granted).await;
        let ended = self
            .hub
            .world
            .usual("role-ended")
            .with("id", "second".into())
            .with("role", "registrar".into());
        self.say(ended).await;
        let settled = self.hub.world.usual("role-doubts-settled");
        let kid = self.kid(&second);
        self.say(settled.with("kid", kid)).await;
        let project = self.hub.world.cast.project;
        let member = self.hub.world.cast.member.to_string();
        let registrar = self.hub.world.cast.registrar.clone();
        let removed = json!({ "member": member, "reason": "left", "suspect_from": 3 });
        self.say(Draft::new(
            &registrar,
            &Stream::Project(project),
            "member-removed",
            removed,
        ))
        .await;
        let settled = self.hub.world.usual("member-doubts-settled");
        let kid = self.kid(&self.hub.world.cast.researcher());
        self.say(settled.with("kid", kid)).await;
        self.usual(&["log-closed"]).await;
    }
}

/// The organisations that an event concerns, by its stream and clear fields. Every job here is the project's at wessex.
fn parties(draft: &Draft) -> Vec<String> {
    let wessex = "tre/wessex".to_owned();
    match &draft.stream {
        Stream::Project(project) | Stream::Register(project) => vec![format!("project/{project}")],
        Stream::Tre(tre) => vec![format!("tre/{tre}")],
        Stream::Approval(tre, subject, of) => {
            let project = match subject {
                Subject::Project => Some(of.to_string()),
                _ => draft
                    .data
                    .get("project")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            };
            [
                Some(format!("tre/{tre}")),
                project.map(|project| format!("project/{project}")),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        Stream::Job(_) | Stream::Submission(_) => vec![wessex, format!("project/{}", id("project"))],
        _ => Vec::new(),
    }
}

/// The canaries that cry in some bytes.
fn cries<'a>(answer: &Answer, planted: &'a [(String, Vec<String>)], cry: &[String]) -> BTreeSet<&'a str> {
    let text = String::from_utf8_lossy(&answer.body);
    let mut all = format!("{:?} {text}", answer.headers);
    if !cry.iter().any(|look| all.contains(look)) {
        return BTreeSet::new();
    }
    // Whatever is known by name is told by name; a cry that nobody knows would be a fault of the test.
    let heard: BTreeSet<&str> = planted
        .iter()
        .filter(|(_, looks)| looks.iter().any(|look| all.contains(look)))
        .map(|(text, _)| text.as_str())
        .collect();
    all.truncate(300);
    assert!(!heard.is_empty(), "an unknown canary in {all}");
    heard
}

/// Every path of the hub that may be read, without those of openings.
fn public_paths(cage: &Cage) -> Vec<String> {
    let world = &cage.hub.world;
    let size = world.entries().len();
    let mut paths = vec![
        "/".into(),
        "/healthz".into(),
        "/readyz".into(),
        "/log/checkpoint".into(),
        "/log/policy".into(),
        "/v1/keys".into(),
        "/v1/events?limit=500".into(),
        "/v1/events?type=project-registered".into(),
        format!("/v1/rules/{}", world.table().hash()),
        "/v1/tres/wessex/queue".into(),
        "/v1/tres/mercia/queue".into(),
        format!("/v1/events/{size}"),
        "/log/tile/0/999".into(),
        "/v1/events?limit=zz".into(),
        "/v1/jobs/zz".into(),
    ];
    for n in 0..=size / 256 {
        for width in 1..=(size - n * 256).min(256) {
            let partial = if width == 256 {
                String::new()
            } else {
                format!(".p/{width}")
            };
            paths.extend(["0", "entries"].map(|kind| format!("/log/tile/{kind}/00{n}{partial}")));
        }
    }
    for index in 0..size {
        paths.extend(["", "/proof"].map(|part| format!("/v1/events/{index}{part}")));
    }
    for stream in world.states().keys() {
        paths.push(format!("/v1/streams/{stream}/head"));
        match stream {
            Stream::Job(_) => paths.extend(
                ["", "/history"]
                    .map(|part| format!("/v1/{}{part}", stream.to_string().replacen("job", "jobs", 1))),
            ),
            Stream::Submission(submission) => paths.push(format!("/v1/submissions/{submission}")),
            _ => {}
        }
    }
    paths
}

/// Problems that an author of sealed texts meets, who sends what is refused.
async fn provoke(hub: &mut Hub) -> Vec<Answer> {
    let text = canary(0, "name");
    let mut answers = Vec::new();
    let draft = daybook_testkit::workflow(&hub.world, "refused").seal("title", text.clone().into());
    let signed = hub.sign(&draft).await;
    answers.push(hub.offer(&signed).await);
    let mut body = crate::hub::append_body(&signed);
    body["event"] = format!("{}x", signed.event.as_str()).into();
    answers.push(hub.post("/v1/events", &body).await);
    body["event"] = signed.event.as_str().into();
    body["openings"] = json!([format!("{}.", signed.openings[0].as_str())]);
    answers.push(hub.post("/v1/events", &body).await);
    let long = daybook_core::sealed::Opening::new([1; 16], "title", json!([text])).unwrap();
    body["openings"] = json!([long.as_str()]);
    answers.push(hub.post("/v1/events", &body).await);
    let uri = format!("/v1/packets/{}?sha256={}", id("x"), sha256(b"x"));
    answers.push(
        hub.call(Method::PUT, &uri, Some(&Actor::Editor), Body::from(text))
            .await,
    );
    answers
}

#[tokio::test]
async fn a_canary_is_heard_by_those_alone_who_may_read_it() {
    let ear = listen();
    let mut cage = Cage::found().await;
    cage.run_jobs().await;
    cage.wind_up().await;
    let all: BTreeSet<String> = Table::v1().events().map(|(kind, _)| kind.to_owned()).collect();
    assert_eq!(cage.kinds, all, "every type of event has been appended");
    let size = cage.hub.world.entries().len() as u64;
    cage.hub.store.published.clone().covering(size).await.unwrap();

    let cry = looks(CRY);
    let planted: Vec<(String, Vec<String>)> = cage
        .planted
        .keys()
        .map(|text| (text.clone(), looks(text)))
        .collect();
    let hub = &cage.hub;
    let mut callers: Vec<Actor> = vec![insider(&hub.world), outsider(&hub.world), Actor::Editor];
    callers.extend([
        hub.world.cast.registrar.clone(),
        hub.world.cast.auditor.clone(),
        Actor::Operator,
        Actor::Clerk,
    ]);
    for tre in Cast::TRES {
        let roles = [TreRole::Root, TreRole::Relay, TreRole::Runner, TreRole::Review];
        callers.extend(roles.map(|role| Cast::tre(tre, role)));
    }
    for path in public_paths(&cage) {
        for caller in [None, Some(&callers[0])] {
            let answer = hub.call(Method::GET, &path, caller, Body::empty()).await;
            assert_eq!(cries(&answer, &planted, &cry), BTreeSet::new(), "{path}");
        }
    }
    let mut heard: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for index in 0..size {
        let path = format!("/v1/events/{index}/openings");
        let public = hub.get(&path).await;
        assert_eq!(
            cries(&public, &planted, &cry),
            BTreeSet::new(),
            "the public, {path}"
        );
        for caller in &callers {
            let answer = hub.get_as(caller, &path).await;
            heard
                .entry(caller.to_string())
                .or_default()
                .extend(cries(&answer, &planted, &cry));
        }
    }
    for caller in &callers {
        let name = |text: &str| cage.planted[text].what.clone();
        let expected: BTreeSet<String> = cage
            .planted
            .values()
            .filter(|planted| planted.may_hear(caller))
            .map(|planted| name(&planted.text))
            .collect();
        let found: BTreeSet<String> = heard[&caller.to_string()].iter().map(|text| name(text)).collect();
        let (too_much, too_little): (Vec<_>, Vec<_>) = (
            found.difference(&expected).collect(),
            expected.difference(&found).collect(),
        );
        assert!(
            too_much.is_empty() && too_little.is_empty(),
            "{caller} reads {too_much:?} and misses {too_little:?}"
        );
    }
    for answer in provoke(&mut cage.hub).await {
        assert_eq!(
            cries(&answer, &planted, &cry),
            BTreeSet::new(),
            "{}",
            answer.text()
        );
    }
    let heard = ear.0.lock().unwrap();
    assert!(
        heard.lines > 1000,
        "the log was listened to: {} lines",
        heard.lines
    );
    assert_eq!(heard.cries, Vec::<String>::new());
    assert!(planted.len() > 60, "{} canaries", planted.len());
}
