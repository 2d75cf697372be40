//! Who plays: the operator, a registrar, the editor, two TREs, and a researcher on one project.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use daybook_core::base64url;
use daybook_core::id::{Actor, Slug, Stream, Subject, TreRole};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::Stage;
use super::timeline::Timeline;
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::Receipt;
use daybook_agent::keyfile::Keys;
use daybook_agent::packet::Named;
use daybook_agent::{packet, random};
use daybook_study as study;

const DAY: i64 = 86_400;
/// How often the demo asks whether the project is on the register, and how long it waits in between.
const REGISTER_LOOKS: u32 = 100;
const REGISTER_LOOK: Duration = Duration::from_millis(200);
/// The plain name under which the packet asks for data; each TRE maps it to a dataset of its own.
pub(super) const DATASET_NAME: &str = "#emergency-admissions";

/// One TRE.
pub(super) struct Tre {
    pub(super) slug: Slug,
    pub(super) name: &'static str,
    /// Smallest count that its rule set lets out.
    pub(super) smallest_count: u64,
    pub(super) rows: usize,
    pub(super) dataset: Uuid,
    /// The thumbprint of its root key, as it is published.
    pub(super) root: String,
    /// The keys that the root has lent.
    pub(super) relay: Keys,
    pub(super) runner: Keys,
    /// Says what its committees decide.
    pub(super) review: Author,
}

/// Everybody, and what they registered.
pub(super) struct Cast {
    pub(super) tres: Vec<Tre>,
    pub(super) member: Author,
    pub(super) workflow: Uuid,
}

/// The workflow's versioned name.
pub(super) fn workflow_name() -> Named {
    Named::new(
        "https://workflows.example/asthma-admissions?version=1",
        "Emergency asthma admissions",
    )
}

/// An event that somebody tells about.
pub(super) struct Told<'a> {
    pub(super) who: &'a str,
    pub(super) what: &'a str,
    pub(super) stream: Stream,
    pub(super) kind: &'a str,
    pub(super) clear: Value,
    pub(super) sealed: Vec<(&'a str, Value)>,
}

/// Signs and sends an event, and tells about it.
pub(super) async fn tell(author: &mut Author, timeline: &Timeline, told: Told<'_>) -> Result<Receipt> {
    let draft = Draft {
        stream: told.stream,
        kind: told.kind,
        clear: told.clear,
        sealed: told.sealed,
    };
    let receipt = author.say(&draft).await?;
    timeline.event(told.who, told.what, told.kind, receipt.index);
    Ok(receipt)
}

impl Cast {
    /// Registers everybody and everything that a job rests on.
    pub(super) async fn assemble(stage: &Stage, timeline: &Timeline) -> Result<Self> {
        let mut operator = stage.operator()?;
        let mut registrar = stage.actor(&Actor::Registrar("main".parse()?))?;
        grant(
            &mut operator,
            &registrar,
            stage,
            timeline,
            json!({ "role": "registrar", "id": "main" }),
        )
        .await?;

        let mut tres = Vec::new();
        for (slug, name, smallest_count, rows) in
            [("wessex", "Wessex", 5, 6000), ("mercia", "Mercia", 10, 2500)]
        {
            tres.push(
                join(
                    &mut operator,
                    stage,
                    timeline,
                    (slug.parse()?, name, smallest_count, rows),
                )
                .await?,
            );
        }

        let (project, workflow, member_id) = (random::id()?, random::id()?, random::id()?);
        let (version, workflow_version, member, member_version) = register(
            &mut registrar,
            stage,
            timeline,
            (project, workflow, member_id),
            workflow_digest()?,
        )
        .await?;

        for (at, tre) in tres.iter_mut().enumerate() {
            let subjects = [
                (Subject::Project, project, version.as_str()),
                (Subject::Workflow, workflow, workflow_version.as_str()),
                (Subject::Member, member_id, member_version.as_str()),
            ];
            approve(tre, timeline, project, &subjects).await?;
            if at == 0 {
                await_register(stage, timeline, project).await?;
            }
        }
        Ok(Self {
            tres,
            member,
            workflow,
        })
    }
}

async fn grant(
    operator: &mut Author,
    grantee: &Author,
    stage: &Stage,
    timeline: &Timeline,
    mut clear: Value,
) -> Result<()> {
    clear["keys"] = grantee.keys.registration(stage.origin());
    let what = format!("makes {} known", grantee.keys.actor);
    let stream = Stream::Federation;
    let told = Told {
        who: "Operator",
        what: &what,
        stream,
        kind: "role-granted",
        clear,
        sealed: Vec::new(),
    };
    tell(operator, timeline, told).await?;
    Ok(())
}

async fn join(
    operator: &mut Author,
    stage: &Stage,
    timeline: &Timeline,
    (slug, name, smallest_count, rows): (Slug, &'static str, u64, usize),
) -> Result<Tre> {
    let actor = |role| stage.actor(&Actor::Tre(slug.clone(), role));
    let mut root = actor(TreRole::Root)?;
    let runner = actor(TreRole::Runner)?.keys;
    let review = actor(TreRole::Review)?;
    let relay = actor(TreRole::Relay)?.keys;

    let thumbprint = root.keys.event.public().thumbprint().to_base64url();
    let clear = json!({ "tre": slug.as_str(), "root": thumbprint });
    let what = format!("invites {name} by the thumbprint of its root key");
    let stream = Stream::Federation;
    let told = Told {
        who: "Operator",
        what: &what,
        stream,
        kind: "tre-invited",
        clear,
        sealed: Vec::new(),
    };
    tell(operator, timeline, told).await?;

    let stream = Stream::Tre(slug.clone());
    let clear = json!({ "keys": root.keys.registration(stage.origin()) });
    let sealed = vec![
        ("name", format!("{name} Trusted Research Environment").into()),
        (
            "organisation",
            format!("{name} Health Partnership (fictional)").into(),
        ),
        ("contact", format!("research-data@{slug}.example").into()),
        (
            "accreditation",
            json!(["Accredited under the Digital Economy Act (fictional)"]),
        ),
        ("tiers", json!(["De-identified records"])),
    ];
    let what = "joins, signed by its own root key";
    let told = Told {
        who: name,
        what,
        stream: stream.clone(),
        kind: "tre-joined",
        clear,
        sealed,
    };
    tell(&mut root, timeline, told).await?;
    for (lent, role) in [(&relay, "relay"), (&runner, "runner"), (&review.keys, "review")] {
        let clear = json!({ "role": role, "keys": lent.registration(stage.origin()) });
        let what = format!("lends keys to its {role}");
        let stream = stream.clone();
        tell(
            &mut root,
            timeline,
            Told {
                who: name,
                what: &what,
                stream,
                kind: "key-added",
                clear,
                sealed: Vec::new(),
            },
        )
        .await?;
    }

    let dataset = random::id()?;
    let sealed = vec![
        ("title", format!("Emergency hospital admissions, {name}").into()),
        ("controller", format!("{name} Hospitals (fictional)").into()),
        ("kind_of", "hospital admissions".into()),
        ("description", "One line for each emergency stay in hospital: the month, the age in ten-year bands, and the cause. No names, addresses or exact dates.".into()),
    ];
    let told = Told {
        who: name,
        what: "registers a dataset",
        stream: Stream::Dataset(dataset),
        kind: "dataset-registered",
        clear: json!({}),
        sealed,
    };
    tell(&mut root, timeline, told).await?;
    Ok(Tre {
        slug,
        name,
        smallest_count,
        rows,
        dataset,
        root: thumbprint,
        relay,
        runner,
        review,
    })
}

/// Registers workflow, project and member; answers with the leaf hashes that TREs approve.
async fn register(
    registrar: &mut Author,
    stage: &Stage,
    timeline: &Timeline,
    (project, workflow, member_id): (Uuid, Uuid, Uuid),
    digest: [u8; 32],
) -> Result<(String, String, Author, String)> {
    let who = "Registrar";
    let workflow_version = tell(
        registrar,
        timeline,
        Told {
            who,
            what: "registers a workflow by its digest",
            stream: Stream::Workflow(workflow),
            kind: "workflow-registered",
            clear: json!({ "digest": base64url::encode(&digest) }),
            sealed: vec![
                ("title", workflow_name().name.into()),
                ("permalink", workflow_name().id.into()),
                ("version", "1".into()),
            ],
        },
    )
    .await?;
    let version = tell(
        registrar,
        timeline,
        Told {
            who,
            what: "registers a project",
            stream: Stream::Project(project),
            kind: "project-registered",
            clear: json!({ "until": random::now() + 365 * DAY }),
            sealed: vec![
                ("title", "Asthma emergencies by age".into()),
                ("line", "Which ages are taken to hospital with an asthma attack, and whether that is changing.".into()),
                ("lang", "en".into()),
                (
                    "lay_summary",
                    "Asthma attacks that end in hospital can often be prevented. We count how many people of each age are \
                     taken to hospital with one, year by year.\n\nWe do not look at single people. We only see numbers for \
                     whole age groups, and small numbers are left out."
                        .into(),
                ),
                (
                    "public_benefit",
                    "Clinics can see which age groups are not getting the right care before it becomes an emergency, and \
                     put their efforts there."
                        .into(),
                ),
                ("organisations", json!(["University of Wessex (fictional)"])),
                ("funders", json!(["The Breathing Fund (fictional)"])),
                ("sector", "academic".into()),
                ("keywords", json!(["asthma", "emergency care"])),
                ("contact", "The asthma study, research-data@wessex.example".into()),
                ("commercial", "none".into()),
            ],
        },
    )
    .await?;
    let member = stage.actor(&Actor::Member {
        project,
        member: member_id,
    })?;
    let member_version = tell(
        registrar,
        timeline,
        Told {
            who,
            what: "adds a researcher under a random id",
            stream: Stream::Project(project),
            kind: "member-added",
            clear: json!({ "member": member_id, "keys": member.keys.registration(stage.origin()) }),
            sealed: vec![("name", "Ada Example".into())],
        },
    )
    .await?;
    Ok((
        version.leaf_hash,
        workflow_version.leaf_hash,
        member,
        member_version.leaf_hash,
    ))
}

async fn approve(
    tre: &mut Tre,
    timeline: &Timeline,
    project: Uuid,
    subjects: &[(Subject, Uuid, &str)],
) -> Result<()> {
    for (subject, id, version) in subjects {
        let mut clear =
            json!({ "cause": version, "body": "access-committee", "until": random::now() + 180 * DAY });
        match subject {
            Subject::Project => clear["datasets"] = json!([tre.dataset]),
            Subject::Workflow => {
                clear["sign_off"] = "standing".into();
                clear["egress"] = "reviewed".into();
            }
            Subject::Member => clear["project"] = json!(project),
        }
        let what = format!("approves exactly this {}", subject.as_str());
        let told = Told {
            who: tre.name,
            what: &what,
            stream: Stream::Approval(tre.slug.clone(), *subject, *id),
            kind: "approval-granted",
            clear,
            sealed: vec![("decided_by", format!("{} Data Access Committee", tre.name).into())],
        };
        tell(&mut tre.review, timeline, told).await?;
    }
    Ok(())
}

/// The hub's editor puts a project on the register by itself, at its first approval. Nothing runs before.
async fn await_register(stage: &Stage, timeline: &Timeline, project: Uuid) -> Result<()> {
    for _ in 0..REGISTER_LOOKS {
        // The list trails the log by a moment: a project may not be in it yet.
        let found: Value = match stage.client.get(&format!("/v1/projects/{project}")).await {
            Err(error) if !error.is("not-found") => return Err(error.into()),
            answer => answer.unwrap_or_default(),
        };
        if found["register"]["state"] == "published" {
            timeline.note(&format!(
                "the hub's editor has put the project on the register: {}/projects/{project}",
                stage.client.base()
            ));
            return Ok(());
        }
        tokio::time::sleep(REGISTER_LOOK).await;
    }
    bail!("the hub's editor did not put the project on the register")
}

/// The digest of the shipped workflow, taken from a packet as a TRE would take it.
fn workflow_digest() -> Result<[u8; 32]> {
    let params = super::job::params(random::id()?)?;
    let bag = study::request_bag(&params);
    let request = packet::read_request(&bag)?.request;
    study::workflow_digest(&bag, &request).context("the shipped packet holds no workflow")
}
