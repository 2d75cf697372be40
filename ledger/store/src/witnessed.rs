//! What witnesses say of the checkpoints: kept beside them, added to the notes that are served, waited for.
//!
//! Asking is not done here, for that needs a network. Publication never waits for a witness: a cosignature that comes late
//! is added to the checkpoint that it is of, and checkpoints that have any are kept for ever.

mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use daybook_core::note::{Note, NoteSignature};
use daybook_core::trust::TrustPolicy;
use deadpool_postgres::Pool;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::rows::checkpoint;
use crate::StoreError;
use crate::calm::Calm;
use crate::log::TreeHead;
use crate::publish::{Published, Released};

/// How often it is looked what other hubs have heard.
const LOOK: Duration = Duration::from_secs(1);

/// A cosignature was not taken.
#[derive(Debug, Error)]
pub enum CosignatureError {
    /// No witness of the policy.
    #[error("no witness of this log's policy has that name and key id")]
    Stranger,
    /// Not over that checkpoint.
    #[error("the cosignature is not that witness's over a checkpoint that this log published")]
    DoesNotHold,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How one witness stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The largest tree that it has cosigned; 0 before the first.
    pub size: u64,
    /// When it last cosigned, by its own clock, in seconds since 1970; `None` before the first time.
    pub time: Option<u64>,
    /// Why it did not cosign when it was asked last.
    pub trouble: Option<String>,
}

/// The newest checkpoints with cosignatures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Newest {
    /// With any cosignature.
    cosigned: Option<Released>,
    /// With the quorum's.
    witnessed: Option<Released>,
}

/// The witnesses of a log. Cheap to clone.
#[derive(Clone)]
pub struct Witnesses {
    pool: Pool,
    policy: Arc<TrustPolicy>,
    published: Published,
    newest: watch::Receiver<Newest>,
    /// How each witness of the policy stood when that was looked at last, by its verifier key.
    standings: watch::Receiver<BTreeMap<String, Standing>>,
    /// Says that a cosignature was recorded here.
    recorded: Arc<Notify>,
}

/// Keeps [`Witnesses`] informed of what this hub and others record.
pub struct Gatherer {
    witnesses: Witnesses,
    newest: watch::Sender<Newest>,
    standings: watch::Sender<BTreeMap<String, Standing>>,
}

impl Witnesses {
    /// `policy` is this log's own: its logs are the one log, its witnesses those that are asked and believed.
    pub(crate) fn new(pool: Pool, policy: TrustPolicy, published: Published) -> (Self, Gatherer) {
        let (sender, newest) = watch::channel(Newest::default());
        let (stands, standings) = watch::channel(BTreeMap::new());
        let witnesses = Self {
            pool,
            policy: policy.into(),
            published,
            newest,
            standings,
            recorded: Arc::default(),
        };
        let gatherer = Gatherer {
            witnesses: witnesses.clone(),
            newest: sender,
            standings: stands,
        };
        (witnesses, gatherer)
    }

    /// The policy by which checkpoints count as witnessed.
    pub fn policy(&self) -> &TrustPolicy {
        &self.policy
    }

    /// The newest published checkpoint.
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// The checkpoint with the cosignatures that it has so far.
    pub fn decorated(&self, released: Released) -> Released {
        let newest = self.newest.borrow();
        [&newest.cosigned, &newest.witnessed]
            .into_iter()
            .flatten()
            .find(|cosigned| cosigned.head == released.head)
            .cloned()
            .unwrap_or(released)
    }

    /// The newest checkpoint that any witness has cosigned, as far as this hub has heard.
    pub fn cosigned(&self) -> Option<Released> {
        self.newest.borrow().cosigned.clone()
    }

    /// The newest checkpoint that the quorum has cosigned.
    pub fn witnessed(&self) -> Option<Released> {
        self.newest.borrow().witnessed.clone()
    }

    /// Waits until a checkpoint with the quorum's cosignatures covers `size` entries; `None` when the hub shuts down.
    pub async fn covering(&self, size: u64) -> Option<Released> {
        let mut newest = self.newest.clone();
        let covers = |newest: &Newest| {
            let witnessed = newest.witnessed.as_ref();
            witnessed.is_some_and(|released| released.head.size >= size)
        };
        let newest = newest.wait_for(covers).await.ok()?;
        newest.witnessed.clone()
    }

    /// Takes the turn to ask a witness, if no hub on this database has had it within a second, and answers with the
    /// largest size that it has cosigned.
    pub async fn take_turn(&self, witness: &str) -> Result<Option<u64>, StoreError> {
        let client = self.pool.get().await?;
        if rows::take_turn(&client, witness).await? {
            Ok(Some(rows::standing(&client, witness).await?.size))
        } else {
            Ok(None)
        }
    }

    /// Notes why a witness did not cosign, or that it did.
    pub async fn note_trouble(&self, witness: &str, trouble: Option<&str>) -> Result<(), StoreError> {
        rows::note_trouble(&self.pool.get().await?, witness, trouble).await
    }

    /// How each witness of the policy stood a second ago at most, by its verifier key; asks nobody.
    pub fn standings(&self) -> BTreeMap<String, Standing> {
        self.standings.borrow().clone()
    }

    /// How a witness of the policy stands.
    pub async fn standing(&self, witness: &str) -> Result<Standing, StoreError> {
        rows::standing(&self.pool.get().await?, witness).await
    }

    /// Keeps a cosignature of the published checkpoint of a size, after verifying it.
    pub async fn record(&self, size: u64, line: &NoteSignature) -> Result<(), CosignatureError> {
        let mut known = self.policy.witnesses().iter();
        let witness = known.find(|witness| witness.key.is_claimed_by(line));
        let witness = witness.ok_or(CosignatureError::Stranger)?;
        let client = self.pool.get().await.map_err(StoreError::from)?;
        let released = rows::checkpoint(&client, size).await?;
        let note = released.and_then(|released| Note::parse(released.note.as_bytes()).ok());
        let time = note.and_then(|note| witness.key.time_of(note.text(), line));
        let time = time.ok_or(CosignatureError::DoesNotHold)?;
        rows::insert(
            &client,
            size,
            &witness.key.to_string(),
            time,
            line.to_string().trim_end(),
        )
        .await?;
        self.recorded.notify_one();
        Ok(())
    }

    /// A checkpoint that was published, with every cosignature that is kept of it; `None` where none of that size was.
    pub async fn checkpoint(&self, size: u64) -> Result<Option<Released>, StoreError> {
        let client = self.pool.get().await?;
        let Some(released) = rows::checkpoint(&client, size).await? else {
            return Ok(None);
        };
        let lines = rows::lines(&client, size).await?;
        Ok(Some(self.with_lines(released.head, &released.note, &lines)))
    }

    /// Adds lines in the order of the policy, those of its witnesses alone.
    fn with_lines(&self, head: TreeHead, note: &str, lines: &[(String, String)]) -> Released {
        let mut text = note.to_owned();
        for witness in self.policy.witnesses() {
            let key = witness.key.to_string();
            if let Some((_, line)) = lines.iter().find(|(witness, _)| *witness == key) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Released {
            head,
            note: text.into(),
        }
    }
}

impl Gatherer {
    /// Gathers until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let calm = Calm::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = self.witnesses.recorded.notified() => {}
                () = stop.cancelled() => return,
            }
            match self.gather().await {
                Ok(()) => calm.forget(),
                Err(error) => {
                    if let Some(unsaid) = calm.may_say() {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            unsaid,
                            "The cosignatures of the checkpoints could not be read; trying again"
                        );
                    }
                }
            }
        }
    }

    async fn gather(&self) -> Result<(), StoreError> {
        let witnesses = &self.witnesses;
        let known = witnesses.witnessed().map_or(0, |released| released.head.size);
        let client = witnesses.pool.get().await?;
        let mut found = Newest::default();
        for (released, lines) in rows::cosigned_from(&client, known).await? {
            let released = witnesses.with_lines(released.head, &released.note, &lines);
            let note = Note::parse(released.note.as_bytes());
            if note.is_ok_and(|note| witnesses.policy.open(&note).is_ok()) && found.witnessed.is_none() {
                found.witnessed = Some(released.clone());
            }
            found.cosigned.get_or_insert(released);
        }
        let mut standings = BTreeMap::new();
        for witness in witnesses.policy.witnesses() {
            let key = witness.key.to_string();
            let standing = rows::standing(&client, &key).await?;
            standings.insert(key, standing);
        }
        self.standings.send_replace(standings);
        self.newest.send_if_modified(|newest| {
            let before = newest.clone();
            // Neither ever goes back between answers.
            for (old, new) in [
                (&mut newest.cosigned, found.cosigned),
                (&mut newest.witnessed, found.witnessed),
            ] {
                let size = |released: &Option<Released>| released.as_ref().map_or(0, |one| one.head.size);
                if size(&new) >= size(old) && new.is_some() {
                    *old = new;
                }
            }
            *newest != before
        });
        Ok(())
    }
}
