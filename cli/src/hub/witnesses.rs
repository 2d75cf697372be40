//! The hub's side of witnessing: it asks each witness of the policy that has an address for its cosignature.
//!
//! At most once a second each, at once after a pause, and never in the way of publication: a witness that is slow or away
//! gets its next question about the newest checkpoint then. What it says is verified and kept by the store.

mod ask;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_api::Witnessing;
use daybook_core::note::VerifierKey;
use daybook_core::trust::TrustPolicy;
use daybook_store::log::TreeHead;
use daybook_store::{Store, health::Health, read::Reader, witnessed::Witnesses};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::ask::{Asked, Door};

/// How long nobody is asked again after a turn was not free, or a witness failed once.
const PAUSE: Duration = Duration::from_millis(1_050);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long a start waits for what witnesses hold.
const START: Duration = Duration::from_secs(5);

/// The table `[witnesses]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// A file in the form of C2SP's tlog-policy. Witnesses with an address are asked; the others bring what they say.
    pub policy: Option<PathBuf>,
    /// Names in the policy of witnesses from outside of the federation.
    #[serde(default)]
    pub independent: Vec<String>,
    /// Serve no checkpoint before the quorum has cosigned it.
    #[serde(default)]
    pub publish_waits: bool,
}

impl WitnessConfig {
    /// The policy for a log of these keys, the first of which signs first; `None` where none is configured.
    pub(crate) fn policy(&self, log_keys: &[VerifierKey]) -> Result<Option<TrustPolicy>> {
        let Some(path) = &self.policy else {
            ensure!(
                !self.publish_waits && self.independent.is_empty(),
                "[witnesses] says what needs a `policy`, and names none"
            );
            return Ok(None);
        };
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let policy = TrustPolicy::parse(&text).with_context(|| format!("in {}", path.display()))?;
        for name in &self.independent {
            ensure!(
                policy.witnesses().iter().any(|witness| witness.name() == *name),
                "[witnesses] calls {name:?} independent, and {} names no such witness",
                path.display()
            );
        }
        for log in policy.logs() {
            ensure!(
                log_keys.contains(&log.key),
                "{} names the log {}, and this hub does not sign with that key",
                path.display(),
                log.key
            );
        }
        let same = policy.witnesses().iter().find(|one| {
            log_keys
                .iter()
                .any(|key| key.public_key() == one.key.public_key())
        });
        ensure!(
            same.is_none(),
            "a witness of {} has the log's own key: it would vouch for itself",
            path.display()
        );
        let signs_first = log_keys.first().context("a log has a key")?;
        Ok(Some(policy.for_log(signs_first.clone())))
    }

    fn check_worth(&self, policy: &TrustPolicy) {
        if policy.asks_for_witnesses() && policy.split_needs() == 0 {
            warn!(
                "The quorum of witnesses is so small that two checkpoints that disagree can both meet it without any witness lying; ask for more than half"
            );
        }
        if self.independent.is_empty() {
            warn!("No witness is from outside of the federation, and the site says so");
        }
    }
}

/// What witnesses hold of this log under its own key, asked before anything is signed; those that do not answer in time
/// are passed over, with a word.
pub(super) async fn held(policy: &TrustPolicy) -> Vec<TreeHead> {
    let mut asking = JoinSet::new();
    for (name, door) in doors(policy) {
        asking.spawn(async move { (name, tokio::time::timeout(START, door.held()).await) });
    }
    let mut held = Vec::new();
    while let Some(answer) = asking.join_next().await {
        match answer {
            Ok((_, Ok(Ok(there)))) => held.extend(there),
            Ok((name, Ok(Err(error)))) => warn!(
                error = error.as_ref() as &dyn std::error::Error,
                "What the witness {name} holds could not be asked for before the start"
            ),
            Ok((name, Err(_))) => warn!("The witness {name} did not say in time what it holds"),
            Err(_) => {}
        }
    }
    held
}

fn doors(policy: &TrustPolicy) -> BTreeMap<String, Door> {
    let log = policy.logs().first().map(|log| log.key.clone());
    let asked = policy.witnesses().iter().filter_map(|witness| {
        let door = Door::new(witness.url()?, witness.key.clone(), log.clone()?);
        match door {
            Ok(door) => Some((witness.name().into_owned(), door)),
            Err(error) => {
                error!(
                    error = error.as_ref() as &dyn std::error::Error,
                    "The witness {} cannot be asked",
                    witness.name()
                );
                None
            }
        }
    });
    asked.collect()
}

/// Starts to ask, and answers with what the API serves.
pub(super) fn start(
    config: &WitnessConfig,
    policy: TrustPolicy,
    store: &Store,
    stop: &CancellationToken,
) -> (Witnessing, JoinSet<()>) {
    config.check_worth(&policy);
    let doors = doors(&policy);
    let (witnesses, gatherer) = store.witnesses(policy);
    let mut tasks = JoinSet::new();
    tasks.spawn(gatherer.run(stop.clone()));
    for (name, door) in doors {
        let asking = Asking {
            name,
            key: door.witness().to_string(),
            door,
            witnesses: witnesses.clone(),
            reader: store.reader.clone(),
            health: store.health.clone(),
            asked: 0,
        };
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = asking.run() => {}
                () = stop.cancelled() => {}
            }
        });
    }
    let witnessing = Witnessing {
        witnesses,
        independent: config.independent.clone().into(),
        waits: config.publish_waits,
    };
    (witnessing, tasks)
}

/// One witness, and the loop that asks it.
struct Asking {
    name: String,
    key: String,
    door: Door,
    witnesses: Witnesses,
    reader: Reader,
    health: Health,
    /// The size of the last checkpoint that it cosigned for this hub.
    asked: u64,
}

impl Asking {
    async fn run(mut self) {
        let mut failures = 0_u32;
        let mut published = self.witnesses.published().clone();
        while published.covering(self.asked + 1).await.is_some() {
            match self.turn().await {
                Ok(true) => {
                    if failures > 0 {
                        info!("The witness {} cosigns again", self.name);
                    }
                    failures = 0;
                }
                // Another hub has had the turn.
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    if failures == 0 {
                        warn!(
                            error = error.as_ref() as &dyn std::error::Error,
                            "The witness {} does not cosign; publication goes on, and it is asked again",
                            self.name
                        );
                    }
                    let trouble = format!("{error:#}");
                    // Only told to people: it is said again at the next failure.
                    drop(self.witnesses.note_trouble(&self.key, Some(&trouble)).await);
                    tokio::time::sleep((PAUSE * 2_u32.pow(failures.min(6))).min(LONGEST_PAUSE)).await;
                    failures += 1;
                }
            }
        }
    }

    /// Asks about the newest checkpoint that another witness has cosigned, or else the newest of all: a quorum is of one
    /// checkpoint, and on a busy log each witness would cosign another.
    ///
    /// `false` where another hub has had the turn within the second.
    async fn turn(&mut self) -> Result<bool> {
        let Some(cosigned) = self.witnesses.take_turn(&self.key).await? else {
            return Ok(false);
        };
        let Some(newest) = self.witnesses.published().latest() else {
            return Ok(false);
        };
        let others = self.witnesses.cosigned();
        let others = others.filter(|released| released.head.size > cosigned);
        let mut released = others.unwrap_or_else(|| newest.clone());
        if cosigned >= released.head.size {
            self.asked = cosigned;
            return Ok(true);
        }
        let mut old = cosigned;
        // Once more where the witness says that it has cosigned another size, which another hub or road brought to it.
        for attempt in 0..2 {
            let proof = self.reader.consistency(old, released.head.size).await?;
            match self.door.ask(old, proof.unwrap_or_default(), &released).await? {
                Asked::Cosigned(line) => {
                    self.witnesses.record(released.head.size, &line).await?;
                    self.witnesses.note_trouble(&self.key, None).await?;
                    self.asked = released.head.size;
                    return Ok(true);
                }
                Asked::Conflict(size) if attempt == 0 && size <= newest.head.size => {
                    old = size;
                    if size > released.head.size {
                        released = newest.clone();
                    }
                }
                Asked::Conflict(size) => {
                    self.compare().await?;
                    anyhow::bail!(
                        "it says that it has cosigned a tree of {size} entries, and this log has published {}",
                        released.head.size
                    );
                }
                Asked::Inconsistent(words) => {
                    self.compare().await?;
                    anyhow::bail!("it says that this log contradicts what it cosigned before: {words}");
                }
            }
        }
        anyhow::bail!("it says each time that it has cosigned another size")
    }

    /// Looks at what the witness holds. Only a note under this log's own key can stop the hub: a bare number could come from
    /// anybody.
    async fn compare(&self) -> Result<()> {
        let Some(held) = self.door.held().await? else {
            return Ok(());
        };
        // Another hub may have published more than this one has heard of.
        let size = self.reader.published_size().await?;
        let ours = if held.size <= size {
            Some(self.reader.root(held.size).await?)
        } else {
            None
        };
        if ours != Some(held.root) {
            let reason = format!(
                "the witness {} holds a checkpoint over {} entries under this log's own key that this database does not continue",
                self.name, held.size
            );
            error!("{reason}");
            self.health.stop(reason);
        }
        Ok(())
    }
}
