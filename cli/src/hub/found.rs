//! Founding a log: keys, database, and the three events with which every log begins.

use anyhow::{Context as _, Result};
use daybook_core::event::{Claims, Event};
use daybook_core::id::{Actor, Stream};
use daybook_core::note::VerifierKey;
use daybook_core::sealed::{Opening, digest_list};
use daybook_core::{Hash, base64url};
use daybook_rules::Table;
use daybook_store::append::Candidate;
use daybook_store::{Identity, Store};
use serde_json::{Value, json};

use super::{
    CLERK_FILE, Consent, Database, EDITOR_FILE, LOG_KEY_FILE, OPERATOR_FILE, known, log_signer, open_store,
};
use crate::config::{Config, Secrets};
use daybook_agent::keyfile::{self, Keys};
use daybook_agent::random;

/// What was founded.
pub struct Founding {
    /// What verifies the log's checkpoints. It goes to everybody who is to check the log, by another road than the hub.
    pub log_key: VerifierKey,
    /// The rule table in force.
    pub table: Hash,
}

/// Makes keys and database, names the log and appends `log-opened`, `policy-adopted` and the editor's `role-granted`, dated
/// `at`, in seconds since 1970: now, but for a log that is to be filled with what never happened.
///
/// Whatever is there already is kept, so that a founding that broke off can be run again.
pub async fn found(config: &Config, secrets: &Secrets, name: &str, at: i64) -> Result<Founding> {
    make_keys(config, secrets)?;
    let database = Database::start(config, secrets).await?;
    let founded = found_on(config, secrets, (name, at), &database).await;
    database.stop().await?;
    founded
}

async fn found_on(
    config: &Config,
    secrets: &Secrets,
    named: (&str, i64),
    database: &Database,
) -> Result<Founding> {
    daybook_store::migrate(&database.config()).await?;
    let signer = log_signer(config, secrets)?;
    let log_key = signer.verifier().clone();
    let client = daybook_store::open(&database.config(), "daybook init").await?;
    let identity = Identity {
        origin: config.origin.clone(),
        log_key: log_key.clone(),
    };
    daybook_store::initialise(&client, &identity).await?;
    drop(client);
    let store = open_store(config, database, signer, Consent::default(), None).await?;
    let appended = open_log(config, named, &log_key, &store).await;
    store.close().await;
    appended?;
    known::remember(&config.data_dir, database).await;
    Ok(Founding {
        log_key,
        table: Table::v1().hash(),
    })
}

fn make_keys(config: &Config, secrets: &Secrets) -> Result<()> {
    let log_key = config.key_dir.join(LOG_KEY_FILE);
    if secrets.log_key.is_none() && !log_key.exists() {
        keyfile::create_seed(&log_key)?;
    }
    for (file, actor) in [
        (OPERATOR_FILE, Actor::Operator),
        (CLERK_FILE, Actor::Clerk),
        (EDITOR_FILE, Actor::Editor),
    ] {
        let path = config.key_dir.join(file);
        if !path.exists() {
            Keys::create(&path, &actor)?;
        }
    }
    Ok(())
}

async fn open_log(
    config: &Config,
    (name, at): (&str, i64),
    log_key: &VerifierKey,
    store: &Store,
) -> Result<()> {
    let operator = Keys::read(&config.key_dir.join(OPERATOR_FILE))?;
    let clerk = Keys::read(&config.key_dir.join(CLERK_FILE))?;
    let head = store.reader.stream_head(&Stream::Federation.to_string()).await?;
    let (mut seq, mut prev) = head.map_or((0, None), |head| (head.seq, head.leaf));
    if seq == 0 {
        let opening = Opening::new(random::bytes()?, "name", name.into())?;
        let digests = Table::v1()
            .rule("log-opened")
            .context("the rules know no `log-opened`")?
            .digests;
        let decoys: Result<Vec<[u8; 32]>> = (1..digests).map(|_| random::bytes()).collect();
        let data = json!({
            "_sd": digest_list(std::slice::from_ref(&opening), &decoys?),
            "clerk": clerk.registration(&config.origin),
            "log_key": base64url::encode(log_key.public_key()),
            "operator": operator.registration(&config.origin),
        });
        let leaf = append(
            config,
            store,
            &operator,
            (1, None, at),
            "log-opened",
            data,
            vec![opening],
        )
        .await?;
        (seq, prev) = (1, Some(leaf));
    }
    if seq == 1 {
        let data = json!({ "rules": 1, "table": Table::v1().to_value() });
        let place = (2, prev, at);
        let leaf = append(
            config,
            store,
            &operator,
            place,
            "policy-adopted",
            data,
            Vec::new(),
        )
        .await?;
        (seq, prev) = (2, Some(leaf));
    }
    if seq == 2 {
        let editor = Keys::read(&config.key_dir.join(EDITOR_FILE))?;
        let digests = Table::v1().rule("role-granted").map_or(0, |rule| rule.digests);
        let decoys: Result<Vec<[u8; 32]>> = (0..digests).map(|_| random::bytes()).collect();
        let data = json!({
            "_sd": digest_list(&[], &decoys?),
            "keys": editor.registration(&config.origin),
            "role": "editor",
        });
        append(
            config,
            store,
            &operator,
            (3, prev, at),
            "role-granted",
            data,
            Vec::new(),
        )
        .await?;
    }
    Ok(())
}

async fn append(
    config: &Config,
    store: &Store,
    operator: &Keys,
    (seq, prev, at): (u64, Option<Hash>, i64),
    kind: &str,
    data: Value,
    openings: Vec<Opening>,
) -> Result<Hash> {
    let claims = Claims {
        aud: config.origin.clone(),
        data: data.as_object().cloned().unwrap_or_default(),
        iat: at,
        iss: Actor::Operator,
        jti: random::id()?,
        prev,
        seen: None,
        seq,
        sub: Stream::Federation,
        kind: kind.to_owned(),
        version: 1,
    };
    let event = Event::sign(&claims, &operator.event)?;
    let receipt = store.appender.append(Candidate { event, openings }, at).await;
    Ok(receipt.with_context(|| format!("{kind} was not appended"))?.leaf)
}
