//! `daybook event`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::note::VerifierKey;
use daybook_core::sealed::Opening;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::verify::{Proved, Verdict, verify_proof};
use super::{NOT_READY, output};
use crate::args::{EventCommand, RemoteArgs, SignArgs};
use daybook_agent::author::{Author, Draft, Place, Signed, sign_at};
use daybook_agent::client::{Client, Follower, Receipt};
use daybook_agent::keyfile::Keys;
use daybook_agent::random;

/// How often a proof is asked for that was not there when the event was taken.
const PROOF_ATTEMPTS: u32 = 20;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

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
        EventCommand::Append { remote, file } => return append(&remote, &file).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends an event, and believes that the log holds it only by a proof under the log's key.
async fn append(remote: &RemoteArgs, file: &Path) -> Result<ExitCode> {
    let file: SignedFile =
        serde_json::from_str(&read(file)?).context("this is not what `event sign` prints")?;
    let event = Event::parse(&file.event).context("the event")?;
    let (aud, log) = (&event.claims().aud, remote.log_key.name().as_str());
    ensure!(
        aud == log,
        "the event is signed for the log {aud}, and the verifier key is of {log}: nothing was sent"
    );
    let openings: Result<Vec<_>, _> = file.openings.iter().map(|text| Opening::parse(text)).collect();
    let client = Client::new(&remote.hub)?;
    let receipt = client
        .append(&event, &openings.context("an opening")?, true)
        .await?;
    let Some(proof) = proof_of(&client, &receipt).await? else {
        output::line(&format!(
            "the hub says that it stands at index {}, and no checkpoint covers that yet: run the same again to have it proved",
            receipt.index
        ));
        return Ok(ExitCode::from(NOT_READY));
    };
    let proved = prove(&event, &receipt, &proof, &remote.log_key).context(
        "the hub's receipt does not hold, so do not take the event to be in the log. Keep the event, and what the hub says, and tell the log's operator",
    )?;
    output::line(&format!(
        "appended at index {} (leaf hash {})",
        receipt.index, receipt.leaf_hash
    ));
    output::line(&format!(
        "holds: entry {} of {}, in a tree of {} entries, by the verifier key that you named",
        receipt.index, proved.log, proved.size
    ));
    Ok(ExitCode::SUCCESS)
}

/// The proof that came with a receipt, or the one that the hub has once a checkpoint covers the entry.
async fn proof_of(client: &Client, receipt: &Receipt) -> Result<Option<String>> {
    if let Some(proof) = &receipt.proof {
        return Ok(Some(proof.clone()));
    }
    for _ in 0..PROOF_ATTEMPTS {
        match client.proof(receipt.index).await {
            Err(error) if error.is("not-published") => tokio::time::sleep(PAUSE).await,
            outcome => return Ok(Some(outcome?)),
        }
    }
    Ok(None)
}

/// Holds a receipt and its proof against the event that was sent.
fn prove(event: &Event, receipt: &Receipt, proof: &str, log_key: &VerifierKey) -> Result<Proved> {
    let leaf = event.leaf();
    ensure!(
        Hash::from_base64url(&receipt.leaf_hash).as_ref() == Some(leaf),
        "it is for the leaf hash {}, and the event has {leaf}",
        receipt.leaf_hash
    );
    let Verdict { index, outcome } = verify_proof(proof, leaf, log_key)?;
    ensure!(
        index == receipt.index,
        "it names index {}, and its proof is for {index}",
        receipt.index
    );
    Ok(outcome?)
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
