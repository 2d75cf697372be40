//! The door: what is checked before an event waits for the sequencer, and needs no lock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use daybook_core::Hash;
use daybook_core::constitution;
use daybook_core::event::{Event, Seen};
use daybook_core::id::Actor;
use daybook_core::key::PublicKey;
use tracing::error;

use super::gate::Counted;
use super::{AppendError, Candidate, Gate, MAX_AHEAD};
use crate::meter::{Meter, Step};
use crate::publish::Published;
use crate::read::Reader;

/// Keys kept in memory. They never change.
const MAX_CACHED_KEYS: usize = 65_536;
/// Published roots kept in memory. They never change either.
const MAX_CACHED_ROOTS: usize = 4_096;

/// What is known at the door. Cheap to clone.
#[derive(Clone)]
pub(super) struct Door {
    reader: Reader,
    published: Published,
    keys: Arc<Mutex<Kept<Hash, Signer>>>,
    roots: Arc<Mutex<Kept<u64, Hash>>>,
    gate: Gate,
    meter: Arc<Meter>,
}

/// What never changes and is kept, until it is too much; then all is forgotten.
struct Kept<K, V> {
    most: usize,
    values: HashMap<K, V>,
}

/// A key that verifies, and whose events it counts among.
///
/// The author in an event is only what the event says: whose key it is was proved. Of a key that is not registered yet
/// nothing is known, so that its events count as nobody's.
#[derive(Clone)]
pub(super) struct Signer {
    key: PublicKey,
    actor: Option<Actor>,
}

/// Keys that the events of a batch register, for those that come after them in it.
///
/// A thumbprint is its key's own digest, so that nobody can put another key under it; whether the key may sign is judged
/// under the lock.
pub(super) type Learned = HashMap<Hash, Signer>;

impl Door {
    pub(super) fn new(reader: Reader, published: Published) -> Self {
        Self {
            reader,
            published,
            keys: Arc::new(Mutex::new(Kept::new(MAX_CACHED_KEYS))),
            roots: Arc::new(Mutex::new(Kept::new(MAX_CACHED_ROOTS))),
            gate: Gate::default(),
            meter: Arc::default(),
        }
    }

    /// The same, with a gate that keeps authors to a pace, and a meter that counts.
    pub(super) fn watched(self, gate: Gate, meter: Meter) -> Self {
        let meter = Arc::new(meter);
        Self { gate, meter, ..self }
    }

    /// Checks one event, on the caller's own task: handing 50 µs to another thread costs more than it gains.
    pub(super) async fn check(&self, event: &Event, now: i64) -> Result<Counted, AppendError> {
        let mut laps = self.meter.laps();
        let checked = self.check_new(event, now).await;
        laps.end(Step::Verify);
        let refusal = match checked {
            Ok(counted) => return Ok(counted),
            Err(refusal) => refusal,
        };
        // A clock that was set back, say, takes nothing from an event that stands in the log.
        if may_stand(&refusal) && self.reader.index_of_leaf(event.leaf()).await?.is_some() {
            return Ok(Counted::default());
        }
        Err(refusal)
    }

    async fn check_new(&self, event: &Event, now: i64) -> Result<Counted, AppendError> {
        check_clock(event, now)?;
        let kid = event.kid();
        let signer = match kept(&self.keys, kid) {
            Some(signer) => Some(signer),
            None => self.fetch_keys(&[*kid]).await?.remove(kid),
        };
        let signer = match signer {
            Some(signer) => signer,
            // The events that found a home carry the key that signs them.
            None => registered_by(event)?
                .remove(kid)
                .ok_or(AppendError::UnknownKey(*kid))?,
        };
        event.verify(&signer.key)?;
        let mut counted = self.pass(&signer)?;
        let Some(seen) = event.claims().seen else {
            return Ok(counted);
        };
        let root = match self.root(seen.size) {
            Some(root) => Some(root),
            None => self.fetch_roots(&[seen.size]).await?.remove(&seen.size),
        };
        check_seen(seen, root, event).inspect_err(|_| counted.keep())?;
        Ok(counted)
    }

    /// Checks a part of a batch on the blocking pool. What is asked of the database is asked for all of it at once.
    pub(super) async fn check_all(
        &self,
        candidates: Vec<Candidate>,
        learned: &mut Learned,
        now: i64,
    ) -> Result<Vec<Result<(Candidate, Counted), AppendError>>, AppendError> {
        let events = || candidates.iter().map(|candidate| &candidate.event);
        self.learn_keys(events().map(|event| *event.kid()), learned)
            .await?;
        let sizes = events().filter_map(|event| event.claims().seen.map(|seen| seen.size));
        let roots = self.roots(sizes).await?;

        let (mut known, door, meter) = (std::mem::take(learned), self.clone(), self.meter.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let check = |candidate: Candidate| {
                let mut laps = meter.laps();
                let outcome = check_known(&candidate.event, &mut known, &roots, now)
                    .and_then(|signer| door.pass(&signer));
                laps.end(Step::Verify);
                (candidate, outcome)
            };
            let checked: Vec<_> = candidates.into_iter().map(check).collect();
            (checked, known)
        });
        // It ends early only with the program.
        let (checked, known) = checked
            .await
            .map_err(|_| AppendError::Stopped("it is shutting down".to_owned()))?;
        *learned = known;
        self.let_repeats_pass(checked).await
    }

    fn pass(&self, signer: &Signer) -> Result<Counted, AppendError> {
        let passed = signer.actor.as_ref().map(|actor| self.gate.pass(actor));
        passed.unwrap_or_else(|| Ok(Counted::default()))
    }

    async fn learn_keys(
        &self,
        kids: impl Iterator<Item = Hash>,
        learned: &mut Learned,
    ) -> Result<(), AppendError> {
        let mut missing = HashSet::new();
        for kid in kids {
            if learned.contains_key(&kid) {
                continue;
            }
            match kept(&self.keys, &kid) {
                Some(key) => drop(learned.insert(kid, key)),
                None => drop(missing.insert(kid)),
            }
        }
        let missing: Vec<Hash> = missing.into_iter().collect();
        learned.extend(self.fetch_keys(&missing).await?);
        Ok(())
    }

    async fn roots(&self, sizes: impl Iterator<Item = u64>) -> Result<HashMap<u64, Hash>, AppendError> {
        let (mut known, mut missing) = (HashMap::new(), Vec::new());
        for size in sizes.collect::<HashSet<u64>>() {
            match self.root(size) {
                Some(root) => drop(known.insert(size, root)),
                None => missing.push(size),
            }
        }
        known.extend(self.fetch_roots(&missing).await?);
        Ok(known)
    }

    /// The same as for one event: what stands in the log passes, whatever a clock says now.
    async fn let_repeats_pass(
        &self,
        checked: Vec<(Candidate, Result<Counted, AppendError>)>,
    ) -> Result<Vec<Result<(Candidate, Counted), AppendError>>, AppendError> {
        let doubtful: Vec<Hash> = checked
            .iter()
            .filter(|(_, outcome)| outcome.as_ref().is_err_and(may_stand))
            .map(|(candidate, _)| *candidate.event.leaf())
            .collect();
        let stand = if doubtful.is_empty() {
            Vec::new()
        } else {
            self.reader.known_leaves(&doubtful).await?
        };
        let pass = |(candidate, outcome): (Candidate, Result<Counted, AppendError>)| match outcome {
            Err(refusal) if !(may_stand(&refusal) && stand.contains(candidate.event.leaf())) => Err(refusal),
            outcome => Ok((candidate, outcome.unwrap_or_default())),
        };
        Ok(checked.into_iter().map(pass).collect())
    }

    /// The root that was published for a size, as far as it is in memory.
    fn root(&self, size: u64) -> Option<Hash> {
        let latest = self.published.latest().map(|latest| latest.head);
        match latest {
            Some(head) if head.size == size => Some(head.root),
            _ => kept(&self.roots, &size),
        }
    }

    async fn fetch_keys(&self, kids: &[Hash]) -> Result<Learned, AppendError> {
        if kids.is_empty() {
            return Ok(Learned::new());
        }
        let found = self.reader.keys_of(kids).await?;
        let signer = |(kid, (key, actor))| {
            let actor = Some(actor);
            (kid, Signer { key, actor })
        };
        let found: Learned = found.into_iter().map(signer).collect();
        keep(&self.keys, &found);
        Ok(found)
    }

    async fn fetch_roots(&self, sizes: &[u64]) -> Result<HashMap<u64, Hash>, AppendError> {
        if sizes.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.reader.checkpoint_roots(sizes).await?;
        keep(&self.roots, &found);
        Ok(found)
    }
}

/// One event of a batch, when all that the database knows of it has been read.
fn check_known(
    event: &Event,
    learned: &mut Learned,
    roots: &HashMap<u64, Hash>,
    now: i64,
) -> Result<Signer, AppendError> {
    check_clock(event, now)?;
    // Whether they hold is judged later: here they only tell which key verifies a signature.
    for (kid, signer) in registered_by(event).unwrap_or_default() {
        learned.entry(kid).or_insert(signer);
    }
    let kid = event.kid();
    let signer = learned.get(kid).ok_or(AppendError::UnknownKey(*kid))?;
    event.verify(&signer.key)?;
    if let Some(seen) = event.claims().seen {
        check_seen(seen, roots.get(&seen.size).copied(), event)?;
    }
    Ok(signer.clone())
}

fn check_seen(seen: Seen, published: Option<Hash>, event: &Event) -> Result<(), AppendError> {
    if published == Some(seen.root) {
        return Ok(());
    }
    // The event is signed: its author has been shown another tree, or a forged one.
    let (actor, size) = (event.claims().iss.to_string(), seen.size);
    error!(
        actor,
        size, "{actor} has seen a tree of size {size} that this hub did not publish"
    );
    Err(AppendError::SeenUnknown(seen.size))
}

impl<K, V> Kept<K, V> {
    fn new(most: usize) -> Self {
        Self {
            most,
            values: HashMap::new(),
        }
    }
}

fn kept<K: Eq + std::hash::Hash, V: Clone>(kept: &Mutex<Kept<K, V>>, name: &K) -> Option<V> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.values.get(name).cloned()
}

fn keep<K: Copy + Eq + std::hash::Hash, V: Clone>(kept: &Mutex<Kept<K, V>>, found: &HashMap<K, V>) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.values.len() + found.len() > kept.most {
        kept.values.clear();
    }
    kept.values
        .extend(found.iter().map(|(name, value)| (*name, value.clone())));
}

fn check_clock(event: &Event, now: i64) -> Result<(), AppendError> {
    let ahead = event.claims().iat - now;
    if ahead > MAX_AHEAD {
        return Err(AppendError::Ahead { ahead });
    }
    Ok(())
}

fn registered_by(event: &Event) -> Result<Learned, AppendError> {
    let new = constitution::registrations(event)?;
    let signer = |new: constitution::Registration| {
        let (key, actor) = (new.key, None);
        (new.kid, Signer { key, actor })
    };
    Ok(new.into_iter().map(signer).collect())
}

/// Whether a refusal is one that an event in the log may meet when its bytes come again.
fn may_stand(refusal: &AppendError) -> bool {
    matches!(refusal, AppendError::Ahead { .. } | AppendError::SeenUnknown(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let numbers = Mutex::new(Kept::new(3));
        keep(&numbers, &HashMap::from([(1, 'a'), (2, 'b')]));
        assert_eq!((kept(&numbers, &1), kept(&numbers, &3)), (Some('a'), None));
        keep(&numbers, &HashMap::from([(3, 'c'), (4, 'd')]));
        assert_eq!((kept(&numbers, &1), kept(&numbers, &4)), (None, Some('d')));
        assert!(numbers.lock().unwrap().values.len() <= 3);
    }
}
