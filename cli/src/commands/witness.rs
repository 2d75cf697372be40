//! `daybook witness`.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_agent::client::Client;
use daybook_agent::witness::{self, Beginning, Outbound, Witness, create_key};
use daybook_core::note::Note;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::output;
use super::serve::Ends;
use crate::args::{WitnessArgs, WitnessCommand, WitnessFollowArgs, WitnessServeArgs};

pub(super) async fn run(command: WitnessCommand) -> Result<ExitCode> {
    match command {
        WitnessCommand::New { dir, name } => {
            let key = create_key(&dir, &name)?;
            output::line(&key.to_string());
            Ok(ExitCode::SUCCESS)
        }
        WitnessCommand::Begin(args) => {
            ensure!(
                args.first_contact.is_some(),
                "say how the record begins: --first-contact none, or --first-contact FILE"
            );
            let witness = open(&args)?;
            output::line(&witness.key().to_string());
            Ok(ExitCode::SUCCESS)
        }
        WitnessCommand::Serve(args) => serve(args).await,
        WitnessCommand::Follow(args) => follow(args).await,
    }
}

fn open(args: &WitnessArgs) -> Result<Witness> {
    let mut beginnings = BTreeMap::new();
    if let Some(first) = &args.first_contact {
        let beginning = if first == "none" {
            Beginning::Never
        } else {
            let bytes = fs::read(first).with_context(|| format!("cannot read {first}"))?;
            Beginning::With(Note::parse(&bytes).with_context(|| format!("{first} is not a checkpoint"))?)
        };
        for key in &args.log_keys {
            beginnings.insert(key.name().to_string(), beginning.clone());
        }
    }
    Ok(Witness::open(&args.dir, &args.log_keys, &beginnings)?)
}

async fn serve(args: WitnessServeArgs) -> Result<ExitCode> {
    let mut ends = Ends::listen()?;
    let witness = Arc::new(open(&args.witness)?);
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    info!(%address, key = %witness.key(), "Listening on {address} and cosigning as {}", witness.key());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(daybook_api::serve(
        listener,
        witness::router(witness),
        stop.clone(),
    ));
    ends.next().await;
    stop.cancel();
    serving.await.context("the server")?;
    Ok(ExitCode::SUCCESS)
}

async fn follow(args: WitnessFollowArgs) -> Result<ExitCode> {
    let mut ends = Ends::listen()?;
    let witness = open(&args.witness)?;
    let [log] = args.witness.log_keys.as_slice() else {
        anyhow::bail!("a hub has one log: name one --log-key");
    };
    let mut outbound = Outbound::new(Client::new(&args.hub)?, log.clone());
    loop {
        match outbound.step(&witness).await {
            Ok(Some(size)) => info!(size, "Cosigned the tree of {size} entries"),
            Ok(None) => {}
            Err(error) if args.once => return Err(error),
            Err(error) => error!(error = error.as_ref() as &dyn std::error::Error, "Not cosigned"),
        }
        if args.once {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(args.every.max(1))) => {}
            () = ends.next() => return Ok(ExitCode::SUCCESS),
        }
    }
}
