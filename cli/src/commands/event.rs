//! `daybook event`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use daybook_core::event::Event;
use daybook_core::sealed::Opening;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::output;
use crate::args::{EventCommand, RemoteArgs, SignArgs};
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;

/// What `event sign` prints and `event append` reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedFile {
    event: String,
    #[serde(default)]
    openings: Vec<String>,
    #[serde(default, rename = "kept")]
    _kept: Vec<String>,
}

pub(super) async fn run(command: EventCommand) -> Result<ExitCode> {
    match command {
        EventCommand::Sign(args) => sign(*args).await?,
        EventCommand::Append { hub, file } => {
            let file: SignedFile =
                serde_json::from_str(&read(&file)?).context("this is not what `event sign` prints")?;
            let event = Event::parse(&file.event).context("the event")?;
            let openings: Result<Vec<_>, _> = file.openings.iter().map(|text| Opening::parse(text)).collect();
            let receipt = Client::new(&hub)?
                .append(&event, &openings.context("an opening")?, true)
                .await?;
            output::line(&format!(
                "appended at index {} (leaf hash {})",
                receipt.index, receipt.leaf_hash
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn sign(args: SignArgs) -> Result<()> {
    let clear: Value = serde_json::from_str(&args.data).context("--data is not JSON")?;
    let sealed: Map<String, Value> =
        serde_json::from_str(&args.sealed).context("--sealed is not a JSON object")?;
    let sealed = sealed
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let mut author = author(&args.remote, &args.key)?;
    let signed = author
        .sign(&Draft {
            stream: args.stream,
            kind: &args.kind,
            clear,
            sealed,
        })
        .await?;
    let texts = |openings: &[Opening]| openings.iter().map(|o| o.as_str().to_owned()).collect::<Vec<_>>();
    let file = json!({
        "event": signed.event.as_str(), "openings": texts(&signed.openings), "kept": texts(&signed.kept),
    });
    output::line(&file.to_string());
    Ok(())
}

/// An actor at work on a remote hub.
pub(super) fn author(remote: &RemoteArgs, key: &Path) -> Result<Author> {
    let client = Client::new(&remote.hub)?;
    let follower = Follower::new(
        client.clone(),
        remote.log_key.name().as_str(),
        remote.log_key.clone(),
    );
    Ok(Author::new(Keys::read(key)?, client, follower))
}

fn read(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
