//! `daybook submit`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::id::{Slug, Stream, random_id};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::packet::read_and_check;
use super::{event, output};
use crate::args::SubmitArgs;
use daybook_agent::author::{Author, Draft};
use daybook_agent::packet::{Checked, Limits, check, event_text};
use daybook_agent::random;

/// A submission as the hub took it.
pub struct Submitted {
    /// Its id.
    pub submission: Uuid,
    /// The leaf hash of `job-submitted`.
    pub leaf: String,
    /// The job at each TRE.
    pub jobs: Vec<(Slug, Uuid)>,
}

pub(super) async fn run(args: SubmitArgs) -> Result<ExitCode> {
    let targets: Result<Vec<_>> = args.to.iter().map(|text| target(text)).collect();
    let targets = targets?;
    let (bytes, checked) = match read_and_check(&args.packet)? {
        Ok(good) => good,
        Err(refused) => {
            output::line(&refused.text);
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &checked.warnings() {
        output::line(&format!("warning: {warning}"));
    }
    let mut author = event::author(&args.remote, &args.key)?;
    let origin = args.remote.log_key.name().as_str().to_owned();
    let wish = Wish {
        workflow: args.workflow,
        targets: &targets,
        replaces: args.replaces,
    };
    let submitted = submit_checked(&mut author, &origin, bytes, &checked, &wish).await?;
    output::line(&format!("submission {}", submitted.submission));
    for (tre, job) in &submitted.jobs {
        output::line(&format!("  {tre:<16} job {job}"));
    }
    output::line(&format!(
        "Follow it with `daybook track {} --follow`.",
        submitted.submission
    ));
    Ok(ExitCode::SUCCESS)
}

/// Checks a packet, stores it at the hub and submits it to some TREs.
pub async fn submit_packet(
    author: &mut Author,
    origin: &str,
    bytes: Vec<u8>,
    workflow: Uuid,
    targets: &[(Slug, Vec<Uuid>)],
) -> Result<Submitted> {
    let checked = check(&bytes, &Limits::default())?;
    let wish = Wish {
        workflow,
        targets,
        replaces: None,
    };
    submit_checked(author, origin, bytes, &checked, &wish).await
}

/// What is asked for besides the packet.
struct Wish<'a> {
    workflow: Uuid,
    /// TREs with their datasets.
    targets: &'a [(Slug, Vec<Uuid>)],
    replaces: Option<Uuid>,
}

async fn submit_checked(
    author: &mut Author,
    origin: &str,
    bytes: Vec<u8>,
    checked: &Checked,
    wish: &Wish<'_>,
) -> Result<Submitted> {
    let submission = checked.bag.external_identifier;
    let packet = random::id()?;
    let digest = Hash::of(&bytes).to_base64url();
    author
        .client()
        .put_packet(&author.keys, origin, packet, bytes)
        .await
        .context("the packet could not be stored")?;

    let mut jobs = Vec::new();
    let mut places = Map::new();
    for (tre, datasets) in wish.targets {
        let job = random::id()?;
        places.insert(tre.to_string(), json!({ "job": job, "datasets": datasets }));
        jobs.push((tre.clone(), job));
    }
    let mut sealed = vec![("packet_digest", digest.into())];
    if !checked.request.name.is_empty() {
        sealed.push(("summary", event_text(&checked.request.name, 4_000).into()));
    }
    let mut clear = json!({ "packet": packet, "workflow": wish.workflow, "jobs": places });
    if let Some(replaces) = wish.replaces {
        clear["replaces"] = json!(replaces);
    }
    let draft = Draft {
        stream: Stream::Submission(submission),
        kind: "job-submitted",
        clear,
        sealed,
    };
    let receipt = author.say(&draft).await?;
    Ok(Submitted {
        submission,
        leaf: receipt.leaf_hash,
        jobs,
    })
}

/// Reads `tre=dataset,dataset`.
fn target(text: &str) -> Result<(Slug, Vec<Uuid>)> {
    let (tre, datasets) = text
        .split_once('=')
        .context("--to is a TRE, an equals sign and dataset ids")?;
    let datasets: Result<Vec<_>, _> = datasets.split(',').map(random_id).collect();
    Ok((tre.parse()?, datasets?))
}

/// The value of a member, where it is a string.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
