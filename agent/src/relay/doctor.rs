//! `daybook relay doctor`: whether a relay can run here.

use std::time::Duration;

use anyhow::Error;
use daybook_core::id::Actor;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Config, Identity, Mode, Status, WitnessTable};
use crate::client::{Client, Follower};
use crate::doctor::{Finding, clock, space};
use crate::link::Tls;
use crate::random;
use crate::witness::WitnessError;

/// How long the hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at keys, clock, hub, log, link and disk; changes nothing.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mode = match config.mode() {
        Mode::Live => "live: events and results leave",
        Mode::Shadow => "in the shadow: nothing leaves (`daybook relay go-live` changes that)",
    };
    let mut findings = vec![
        Finding::ok(
            "configuration",
            format!("is that of the relay of {}, {mode}", config.tre),
        ),
        space(&config.spool),
    ];
    findings.push(link(config).await);
    match config.identity() {
        Ok(identity) => {
            findings.push(Finding::ok(
                "keys",
                format!("are those of {}", identity.keys.actor),
            ));
            findings.extend(config.witness.as_ref().map(|table| witness(table, &identity)));
            findings.extend(hub(config, &identity).await);
        }
        Err(error) => findings.push(Finding::error("keys", &error)),
    }
    findings
}

async fn link(config: &Config) -> Finding {
    if let Some(Err(error)) = config.link.tls.as_ref().map(Tls::read) {
        return Finding::error("link", &error);
    }
    let address = config.link.listen;
    let runs = Status::read(config)
        .ok()
        .flatten()
        .is_some_and(|status| status.is_running());
    match TcpListener::bind(address).await {
        Ok(_) => Finding::ok("link", format!("{address} is free")),
        Err(_) if runs => Finding::ok("link", format!("a relay with this spool listens on {address}")),
        Err(error) => {
            let says = format!("{address} cannot be listened on: {error}");
            Finding::fail(
                "link",
                says,
                "choose another `link.listen`, or end what listens there",
            )
        }
    }
}

/// Whether the witness has its key and its record.
fn witness(table: &WitnessTable, identity: &Identity) -> Finding {
    match super::witness::open(&table.dir, identity) {
        Ok(witness) => Finding::ok("witness", format!("cosigns as {}", witness.key())),
        Err(error) if matches!(error.downcast_ref(), Some(WitnessError::InUse(_))) => Finding::ok(
            "witness",
            format!("{} is in use by a relay that runs", table.dir.display()),
        ),
        Err(error) => Finding::fail(
            "witness",
            format!("{error:#}"),
            "make a key (`daybook witness new`), and say once how its record begins (`daybook witness begin`)",
        ),
    }
}

async fn hub(config: &Config, identity: &Identity) -> Vec<Finding> {
    let examined = tokio::time::timeout(PATIENCE, reach(config, identity)).await;
    match examined {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![Finding::fail(
            "hub",
            format!("{error:#}"),
            "check `hub`, `proxy` and the firewall",
        )],
        Err(_) => {
            let says = format!("{} does not answer within {} s", config.hub, PATIENCE.as_secs());
            vec![Finding::fail(
                "hub",
                says,
                "check `hub`, `proxy` and the firewall: the relay only calls out",
            )]
        }
    }
}

async fn reach(config: &Config, identity: &Identity) -> Result<Vec<Finding>, Error> {
    let client = Client::through(&config.hub, config.proxy.as_deref())?;
    let mut findings = Vec::new();
    if let Some(theirs) = client.clock().await? {
        findings.push(clock("the hub's", theirs, random::now()));
    }
    findings.push(Finding::ok("hub", format!("{} answers", config.hub)));
    let mut follower = Follower::new(client.clone(), identity.origin(), identity.log.clone());
    match follower.advance().await {
        Ok(seen) => {
            let says = format!(
                "{} has {} entries, signed by the key of the configuration",
                identity.origin(),
                seen.size
            );
            findings.push(Finding::ok("log", says));
        }
        Err(error) => findings.push(Finding::fail("log", format!("{error:#}"), "check `log_key`")),
    }
    let peers = [identity.runner.as_ref(), identity.review.as_ref()];
    let own = (&identity.keys.actor, identity.keys.event.public());
    let others = peers
        .into_iter()
        .flatten()
        .map(|peer| (&peer.actor, peer.event.clone()));
    for (actor, key) in std::iter::once(own).chain(others) {
        let kid = key.thumbprint().to_base64url();
        findings.push(registered(&client, actor, &kid).await?);
    }
    Ok(findings)
}

/// Whether a key is known to the log as that actor's.
async fn registered(client: &Client, actor: &Actor, kid: &str) -> Result<Finding, Error> {
    let answer: Value = client.get(&format!("/v1/keys?actor={actor}")).await?;
    let keys = answer
        .get("keys")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let is_known = keys
        .iter()
        .any(|key| key.get("kid").and_then(Value::as_str) == Some(kid));
    Ok(if is_known {
        Finding::ok("registration", format!("the log knows the key of {actor}"))
    } else {
        let says = format!("the log knows no key {kid} of {actor}");
        Finding::fail(
            "registration",
            says,
            "let the TRE's root lend it: `daybook keys delegate`",
        )
    })
}
