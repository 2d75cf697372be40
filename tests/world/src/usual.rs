//! The usual event of each type: what its author would say in a world that goes well.

use daybook_core::id::{Actor, Stream, TreRole};
use daybook_core::key::SecretKey;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Cast, Draft, World, bytes, digest, id};

impl World {
    /// Drafts the usual event of a type, as far as the log allows: about the world's own project, workflow and things of
    /// `wessex`, and about [`World::job`].
    ///
    /// # Panics
    /// If there is no such type.
    pub fn usual(&self, kind: &str) -> Draft {
        let rule = self.table.rule(kind).unwrap_or_else(|| panic!("no type {kind}"));
        match rule.stream.as_str() {
            "federation" | "erasure" => self.usual_of_operator(kind),
            "log" | "register" => self.usual_of_hub(kind),
            "tre" | "dataset" | "approval" => self.usual_of_tre(kind),
            "workflow" | "project" => self.usual_of_registrar(kind),
            "submission" => self.usual_of_member(kind),
            _ => self.usual_of_job(kind),
        }
    }

    fn usual_of_operator(&self, kind: &str) -> Draft {
        let root = self
            .key(&Cast::tre("cornwall", TreRole::Root))
            .public()
            .thumbprint();
        let log_key = SecretKey::from_seed(&bytes("log key"));
        let data = match kind {
            "log-opened" => {
                json!({
                    "clerk": self.keys_of(&Actor::Clerk), "log_key": log_key.public().to_x(),
                    "operator": self.keys_of(&Actor::Operator),
                })
            }
            "policy-adopted" => json!({ "rules": 1, "table": self.table.to_value() }),
            "tre-invited" => json!({ "root": root.to_base64url(), "tre": "cornwall" }),
            "tre-suspended" => json!({ "reason": "incident", "tre": "mercia" }),
            "tre-reinstated" => json!({ "tre": "mercia" }),
            "role-granted" => json!({
                "id": "second", "keys": self.keys_of(&"registrar/second".parse().expect("an actor")), "role": "registrar",
            }),
            "role-ended" => json!({ "id": "main", "role": "auditor", "suspect_from": 3 }),
            "role-doubts-settled" => self.settled(&self.cast.auditor),
            "log-key-rotated" => json!({
                "key": self.key(&Actor::Clerk).public().to_x(), "reason": "planned", "root": digest("root"), "size": 7,
            }),
            "time-corrected" => json!({}),
            "log-closed" => json!({ "reason": "completed" }),
            _ => {
                let stream = Stream::Erasure(id("erasure"));
                let fields = json!([{ "digests": [digest("opening")], "event": digest("event") }]);
                let data = json!({ "fields": fields, "reason": "request", "tre": "wessex" });
                return Draft::new(&Actor::Operator, &stream, kind, data);
            }
        };
        Draft::new(&Actor::Operator, &Stream::Federation, kind, data)
    }

    /// The fields of an event that says what a key signed while it was in doubt.
    fn settled(&self, actor: &Actor) -> Value {
        let kid = self.key(actor).public().thumbprint().to_base64url();
        json!({ "affirmed": [digest("meant")], "disowned": [], "kid": kid, "rest": "disowned" })
    }

    /// `role-granted` for the world's registrar or auditor (both called main) or editor.
    pub fn grant(&self, role: &str) -> Draft {
        let actor = match role {
            "registrar" => self.cast.registrar.clone(),
            "auditor" => self.cast.auditor.clone(),
            _ => Actor::Editor,
        };
        let data = json!({ "keys": self.keys_of(&actor), "role": role });
        let draft = Draft::new(&Actor::Operator, &Stream::Federation, "role-granted", data);
        if role == "editor" {
            draft
        } else {
            draft.with("id", "main".into())
        }
    }

    fn usual_of_hub(&self, kind: &str) -> Draft {
        let size = self.entries().len();
        let root = self.root(size).to_base64url();
        let log = |data: Value| Draft::new(&Actor::Clerk, &Stream::Log, kind, data);
        let register =
            |data: Value| Draft::new(&Actor::Editor, &Stream::Register(self.cast.project), kind, data);
        let state = self.state_of(&format!("register/{}", self.cast.project));
        let version = state.get("version").and_then(Value::as_i64).unwrap_or(0);
        let project = self.state_of(&format!("project/{}", self.cast.project));
        match kind {
            "time-marked" => log(json!({})),
            "checkpoint-anchored" => {
                let signature = daybook_core::base64url::encode(&[7; 64]);
                let cosigned = json!([{ "id": "0a1b2c3d", "key": digest("witness"), "signature": signature, "time": self.now }]);
                log(json!({ "cosignatures": cosigned, "root": root, "signature": signature, "size": size }))
            }
            "heads-committed" => {
                let heads = self.heads();
                log(json!({ "heads": heads.root().to_base64url(), "size": size, "streams": heads.streams() }))
            }
            "register-published" => {
                register(json!({ "cause": project.get("version"), "openings": [], "version": version + 1 }))
            }
            "register-held" => register(json!({ "code": "screen" })),
            "register-deferred" => {
                let fresh = Stream::Register(id("a fresh project"));
                register(json!({ "code": "commercial", "tre": "wessex", "until": self.now + 30 * 86_400 }))
                    .on(&fresh)
            }
            _ => register(json!({ "code": "request" })),
        }
    }

    fn usual_of_tre(&self, kind: &str) -> Draft {
        let tre = "wessex";
        let (root, relay) = (Cast::tre(tre, TreRole::Root), Cast::tre(tre, TreRole::Relay));
        let dataset = Stream::Dataset(Cast::dataset(tre, 0));
        let fresh = Stream::Dataset(id("a fresh dataset"));
        let home = root.home();
        match kind {
            "tre-joined" => Draft::new(&root, &home, kind, json!({ "keys": self.keys_of(&root) })),
            "tre-amended" => Draft::new(&Cast::tre(tre, TreRole::Review), &home, kind, json!({})),
            "key-added" => {
                let mut later = self.clone();
                later.renew_key(&relay);
                let data = json!({ "keys": later.keys_of(&relay), "role": "relay" });
                Draft::new(&root, &home, kind, data)
            }
            "key-revoked" => {
                let ended = self.key(&relay).public().thumbprint().to_base64url();
                Draft::new(
                    &root,
                    &home,
                    kind,
                    json!({ "kid": ended, "reason": "lost", "suspect_from": 3 }),
                )
            }
            "key-doubts-settled" => Draft::new(&root, &home, kind, self.settled(&relay)),
            "tre-reported" => {
                let data = json!({
                    "acknowledged": 9, "journal": digest("journal"), "made": 10, "runs": 2, "waiting": 1,
                });
                Draft::new(&relay, &home, kind, data)
            }
            "dataset-registered" => Draft::new(&relay, &fresh, kind, json!({})),
            "dataset-amended" => Draft::new(&relay, &dataset, kind, json!({})),
            "dataset-withdrawn" => Draft::new(&relay, &dataset, kind, json!({ "reason": "consent" })),
            "approval-granted" => self.approval(tre, "project"),
            _ => {
                let draft = self.approval(tre, "project");
                Draft::new(
                    &draft.actor,
                    &draft.stream,
                    kind,
                    json!({ "reason": "controller" }),
                )
            }
        }
    }

    /// `approval-granted` by a TRE for the world's project, workflow or member, for a year.
    pub fn approval(&self, tre: &str, subject: &str) -> Draft {
        let project = self.state_of(&format!("project/{}", self.cast.project));
        let workflow = self.state_of(&format!("workflow/{}", self.cast.workflow));
        let member = self.cast.member.to_string();
        let (of, cause) = match subject {
            "project" => (self.cast.project, project.get("version")),
            "workflow" => (self.cast.workflow, workflow.get("version")),
            _ => (
                self.cast.member,
                project.get("members").and_then(|members| members.get(&member)),
            ),
        };
        let stream = format!("approval/{tre}/{subject}/{of}")
            .parse()
            .expect("a stream's name");
        let data = json!({ "body": "access-committee", "cause": cause, "until": self.now + 365 * 86_400 });
        let draft = Draft::new(
            &Cast::tre(tre, TreRole::Review),
            &stream,
            "approval-granted",
            data,
        );
        match subject {
            "project" => draft.with("datasets", json!([Cast::dataset(tre, 0), Cast::dataset(tre, 1)])),
            "workflow" => draft
                .with("sign_off", "person".into())
                .with("egress", "reviewed".into()),
            _ => draft.with("project", self.cast.project.to_string().into()),
        }
    }

    fn usual_of_registrar(&self, kind: &str) -> Draft {
        let registrar = &self.cast.registrar;
        let project = Stream::Project(self.cast.project);
        let say = |stream: &Stream, data: Value| Draft::new(registrar, stream, kind, data);
        let until = self.now + 1_000 * 86_400;
        let stranger = Cast::member_of(self.cast.project, id("newcomer"));
        match kind {
            "workflow-registered" => say(
                &Stream::Workflow(id("a fresh workflow")),
                json!({ "digest": digest("w") }),
            ),
            "workflow-withdrawn" => say(
                &Stream::Workflow(self.cast.workflow),
                json!({ "reason": "security" }),
            ),
            "project-registered" => say(&Stream::Project(id("a fresh project")), json!({ "until": until })),
            "project-amended" => say(&project, json!({ "material": true, "until": until })),
            "member-added" => {
                let data = json!({ "keys": self.keys_of(&stranger), "member": id("newcomer").to_string() });
                say(&project, data)
            }
            "member-removed" => say(
                &project,
                json!({ "member": self.cast.colleague.to_string(), "reason": "left", "suspect_from": 3 }),
            ),
            "member-doubts-settled" => {
                let colleague = Cast::member_of(self.cast.project, self.cast.colleague);
                say(&project, self.settled(&colleague))
            }
            "output-linked" => say(&project, json!({ "kind": "paper" })),
            _ => say(&project, json!({ "reason": "completed" })),
        }
    }

    fn usual_of_member(&self, kind: &str) -> Draft {
        let researcher = self.cast.researcher();
        let job = self.job.unwrap_or_else(|| id("no job"));
        let state = self.job_state(job);
        if kind == "job-submitted" {
            let submission = id(&format!("submission {}", self.entries().len()));
            return self.submission(submission, &["wessex"]);
        }
        let submission = state
            .get("submission")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let submission: Uuid = submission.parse().unwrap_or_else(|_| id("no submission"));
        let cause = |member: &str| {
            state
                .get(member)
                .cloned()
                .unwrap_or_else(|| digest("cause").into())
        };
        let data = match kind {
            "changes-answered" => json!({ "cause": cause("changes"), "job": job.to_string() }),
            "cancellation-requested" => json!({ "job": job.to_string(), "reason": "mistake" }),
            _ => json!({ "cause": cause("released"), "job": job.to_string() }),
        };
        Draft::new(&researcher, &Stream::Submission(submission), kind, data)
    }

    /// `job-submitted` by the researcher, to these TREs, on the first dataset of each.
    pub fn submission(&self, submission: Uuid, tres: &[&str]) -> Draft {
        let jobs: serde_json::Map<String, Value> = tres
            .iter()
            .map(|tre| {
                let job = id(&format!("job of {submission} at {tre}"));
                let part = json!({ "datasets": [Cast::dataset(tre, 0)], "job": job });
                ((*tre).to_owned(), part)
            })
            .collect();
        let packet = id(&format!("packet of {submission}"));
        let data = json!({ "jobs": jobs, "packet": packet, "workflow": self.cast.workflow });
        Draft::new(
            &self.cast.researcher(),
            &Stream::Submission(submission),
            "job-submitted",
            data,
        )
    }
}
