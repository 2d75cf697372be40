//! `daybook keys`.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use daybook_core::cose::ReceiptSigner;
use daybook_core::id::{Actor, Stream, TreRole};
use daybook_core::note::NoteSigner;
use daybook_core::{base64url, constitution};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{event, output};
use crate::args::{DelegateArgs, KeysCommand};
use daybook_agent::author::Draft;
use daybook_agent::keyfile::{self, Keys};

pub(super) fn run(command: KeysCommand) -> Result<ExitCode> {
    match command {
        KeysCommand::New { actor, out } => {
            let keys = Keys::create(&out, &actor)?;
            output::line(&format!("{} for {}", out.display(), keys.actor));
            show(&keys, None);
        }
        KeysCommand::Log { origin, out } => {
            let name = origin
                .parse()
                .with_context(|| format!("the origin {origin:?} cannot name a log"))?;
            let signer = NoteSigner::from_seed(name, &keyfile::create_seed(&out)?)?;
            let x = base64url::encode(signer.verifier().public_key());
            output::line(&format!("verifier key  {}", signer.verifier()));
            output::line(&format!("x             {x}"));
        }
        KeysCommand::Cose { out } => {
            let signer = ReceiptSigner::from_seed(&keyfile::create_seed(&out)?)?;
            output::line(&format!("kid           {}", base64url::encode(signer.kid())));
            output::line(&format!("x             {}", signer.public().to_x()));
        }
        KeysCommand::Show { file, origin } => show(&Keys::read(&file)?, origin.as_deref()),
        KeysCommand::Delegate(args) => delegate(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What `keys show --origin` prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    actor: String,
    keys: Value,
}

/// Signs `key-added` and prints it for `event append`.
fn delegate(args: &DelegateArgs) -> Result<()> {
    let root = Keys::read(&args.root)?;
    let Actor::Tre(tre, TreRole::Root) = &root.actor else {
        bail!(
            "{} holds keys of {}; only the root of a TRE lends keys",
            args.root.display(),
            root.actor
        );
    };
    let registration: Registration = serde_json::from_str(&event::read(&args.keys)?).with_context(|| {
        format!(
            "{} is not what `daybook keys show FILE --origin LOG` prints",
            args.keys.display()
        )
    })?;
    let lent = Actor::Tre(tre.clone(), args.role);
    ensure!(
        registration.actor == lent.to_string(),
        "{} holds keys of {}, and they were to be lent to {lent}",
        args.keys.display(),
        registration.actor
    );
    let draft = Draft {
        stream: Stream::Tre(tre.clone()),
        kind: "key-added",
        clear: json!({ "role": args.role.as_str(), "keys": registration.keys }),
        sealed: Vec::new(),
    };
    let origin = args.log_key.name().as_str();
    let signed = event::sign_offline(&root, origin, &draft, &event::read_place(&args.place)?)?;
    // Whoever takes the event asks the same: better to hear it where the root key is.
    constitution::registrations(&signed.event)
        .with_context(|| format!("the keys in {} cannot be lent for {origin}", args.keys.display()))?;
    event::print(&signed);
    Ok(())
}

fn show(keys: &Keys, origin: Option<&str>) {
    if let Some(origin) = origin {
        let registration = json!({ "actor": keys.actor.to_string(), "keys": keys.registration(origin) });
        return output::line(&registration.to_string());
    }
    output::line(&format!("  event   {}", keys.event.public().thumbprint()));
    if let Some(access) = &keys.access {
        output::line(&format!("  access  {}", access.public().thumbprint()));
    }
}
