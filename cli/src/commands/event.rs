//! `daybook event`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use daybook_core::event::Event;
use daybook_core::sealed::Opening;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::output;
use crate::args::{EventCommand, RemoteArgs, SignArgs};
use daybook_agent::author::{Author, Draft, Place, Signed, sign_at};
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;
use daybook_agent::random;

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
        EventCommand::Place { hub, stream } => {
            let place = Client::new(&hub)?.place(&stream).await?;
            output::line(&serde_json::to_string(&place)?);
        }
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
    let draft = Draft {
        stream: args.stream,
        kind: &args.kind,
        clear,
        sealed,
    };
    let signed = match &args.place {
        Some(place) => {
            let origin = args.remote.log_key.name().as_str();
            sign_offline(&Keys::read(&args.key)?, origin, &draft, &read_place(place)?)?
        }
        None => author(&args.remote, &args.key)?.sign(&draft).await?,
    };
    print(&signed);
    Ok(())
}

/// Signs without asking anybody, for those who need not say what they have seen of the log.
pub(super) fn sign_offline(keys: &Keys, origin: &str, draft: &Draft<'_>, place: &Place) -> Result<Signed> {
    ensure!(
        !keys.actor.is_service(),
        "{} is a service: its events state what it has seen of the log, so it signs with the hub in reach",
        keys.actor
    );
    sign_at(keys, origin, draft, place, None, random::now())
}

/// Reads what `event place` printed.
pub(super) fn read_place(path: &Path) -> Result<Place> {
    serde_json::from_str(&read(path)?)
        .with_context(|| format!("{} is not what `daybook event place` prints", path.display()))
}

/// Prints an event with its openings, as `event append` reads it.
pub(super) fn print(signed: &Signed) {
    let texts = |openings: &[Opening]| openings.iter().map(|o| o.as_str().to_owned()).collect::<Vec<_>>();
    let file = json!({
        "event": signed.event.as_str(), "openings": texts(&signed.openings), "kept": texts(&signed.kept),
    });
    output::line(&file.to_string());
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

pub(super) fn read(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
