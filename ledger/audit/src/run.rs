//! An audit from the checkpoint to the report.

use std::path::PathBuf;
use std::sync::Arc;

use daybook_core::base64url;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_core::tree::{
    TileId, Tiles, consistency_proof, decode_tile, tiles_for_consistency, verify_consistency,
};
use daybook_core::trust::{Believed, TrustError, TrustPolicy};
use daybook_store::audit::scratch::Table;
use daybook_store::audit::states;
use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::bundle::{self, FULL};
use crate::finding::{Finding, Kind, Report};
use crate::piece::{self, Checked, Keys};
use crate::replay::Replay;
use crate::source::{Source, SourceError};
use crate::state::{State, StateError};
use crate::{views, vouch};

/// Bundles that are fetched and checked at once.
const WIDTH: usize = 8;

/// An audit could not be brought to its end. What it had found until then is kept, and the next one goes on from there.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The log cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file of roots.
    #[error("the file of roots in the state folder")]
    Roots(#[source] std::io::Error),
    /// The policy must say which log.
    #[error("the policy must name one log, by one key or several")]
    OneLog,
    /// A fault of ours.
    #[error("a part of the audit has ended by a fault of this program")]
    Broken,
}

impl From<daybook_store::audit::AuditError> for AuditError {
    fn from(error: daybook_store::audit::AuditError) -> Self {
        Self::State(error.into())
    }
}

/// How a log is audited.
pub struct Options {
    /// Where it is read from.
    pub source: Source,
    /// Whose signatures make a checkpoint one to believe; taken from somewhere that the hub cannot change.
    pub policy: TrustPolicy,
    /// The folder in which the audit keeps what it must know to go on.
    pub state: PathBuf,
    /// The root keys of TREs, as they publish them.
    pub anchors: vouch::Anchors,
    /// Notes of others that the log must continue, such as a witness's or another auditor's.
    pub others: Vec<Note>,
    /// Compare the hub's lists with what follows from the entries.
    pub lists: bool,
    /// The auditor's clock, in seconds since 1970.
    pub now: i64,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that are done.
    pub done: u64,
    /// Entries that there are.
    pub of: u64,
}

/// An audit.
pub struct Audit {
    options: Options,
    policy: Arc<TrustPolicy>,
}

impl Audit {
    /// Prepares one; nothing is read yet.
    pub fn new(options: Options) -> Result<Self, AuditError> {
        // Several keys of one log are fine, as while one takes over from the other.
        let mut names = options.policy.logs().iter().map(|log| log.key.name());
        let first = names.next().ok_or(AuditError::OneLog)?;
        if names.any(|name| name != first) {
            return Err(AuditError::OneLog);
        }
        let policy = Arc::new(options.policy.clone());
        Ok(Self { options, policy })
    }

    /// Reads what is new, checks it, and answers with all that was ever found.
    pub async fn run(&self, progress: &watch::Sender<Progress>) -> Result<Report, AuditError> {
        let origin = self
            .policy
            .logs()
            .first()
            .map(|log| log.key.name().to_string())
            .unwrap_or_default();
        let mut state = State::open(&self.options.state, &origin)?;
        state.kept.report.log = origin;
        state.kept.report.new_entries = 0;
        // What is only of the day is found anew each time.
        let report = &mut state.kept.report;
        report.compared = 0;
        let of_today = |kind: Kind| TODAY.contains(&kind);
        report.findings.retain(|finding| !of_today(finding.kind));
        report.counts.retain(|kind, _| !of_today(*kind));
        let Some((note, checkpoint)) = self.checkpoint(&mut state).await? else {
            state.commit()?;
            return Ok(state.kept.report);
        };
        let mut replay = Replay::new(state, self.policy.clone())?;
        if Self::continues(&mut replay, &note, &checkpoint)? {
            replay = self.read(replay, checkpoint.size(), progress).await?;
            self.compare_root(&mut replay, &note, &checkpoint).await?;
            replay.commit()?;
            self.end(&mut replay, &checkpoint).await?;
        }
        replay.commit()?;
        Ok(replay.state.kept.report)
    }

    /// The newest checkpoint, if the policy believes it.
    async fn checkpoint(&self, state: &mut State) -> Result<Option<(Note, Checkpoint)>, AuditError> {
        let bytes = self.options.source.checkpoint().await?;
        let report = &mut state.kept.report;
        let note = match Note::parse(&bytes) {
            Ok(note) => note,
            Err(error) => {
                report.add(Finding::new(Kind::CheckpointUnbelieved, error));
                return Ok(None);
            }
        };
        let Believed {
            checkpoint,
            witnesses,
            ..
        } = match self.policy.open_without_quorum(&note) {
            Ok(believed) => believed,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let words = format!("{error}{}", cause.unwrap_or_default());
                report.add(Finding::new(Kind::CheckpointUnbelieved, words));
                return Ok(None);
            }
        };
        report.witnesses = witnesses
            .iter()
            .map(|(witness, _)| witness.name().into_owned())
            .collect();
        if let Err(error @ TrustError::NoQuorum(_)) = self.policy.open(&note) {
            report.add(Finding::new(Kind::QuorumAway, error));
        }
        Ok(Some((note, checkpoint)))
    }

    /// Whether the checkpoint is not behind, or beside, what was verified before.
    fn continues(replay: &mut Replay, note: &Note, checkpoint: &Checkpoint) -> Result<bool, AuditError> {
        let (size, next) = (checkpoint.size(), replay.state.kept.next);
        if size > next {
            return Ok(true);
        }
        let known = replay.state.roots.at(size).map_err(AuditError::Roots)?;
        let before = replay.state.kept.checkpoint.clone().unwrap_or_default();
        let size_before = Note::parse(before.as_bytes())
            .ok()
            .and_then(|note| Checkpoint::parse(note.text()).ok())
            .map_or(0, |before| before.size());
        let (kind, words) = if known != Some(*checkpoint.root()) {
            (
                Kind::LogForked,
                format!(
                    "the checkpoint over {size} entries has another root than the entries that were verified before"
                ),
            )
        } else if size < size_before {
            (
                Kind::LogWentBack,
                format!("it had {size_before} entries and now shows {size}"),
            )
        } else {
            // The entries beyond were read in an audit that did not come to its end.
            return Ok(true);
        };
        let path = replay
            .state
            .keep_evidence(&format!("{kind}-{size}.txt"), &[&before, &note.to_string()])?;
        let words = format!("{words}; both notes are in {}", path.display());
        replay.state.kept.report.add(Finding::new(kind, words));
        Ok(false)
    }

    /// Reads and takes all entries up to a size.
    async fn read(
        &self,
        mut replay: Replay,
        end: u64,
        progress: &watch::Sender<Progress>,
    ) -> Result<Replay, AuditError> {
        let from = replay.state.kept.next;
        progress.send_replace(Progress { done: from, of: end });
        let keys = Keys::default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pieces = stream::iter(from / FULL..end.div_ceil(FULL));
        let checked = pieces
            .map(|n| self.piece(n, from, end, keys.clone()))
            .buffered(WIDTH.max(cores + 1));
        let (forth, mut taken) = mpsc::channel::<Checked>(2);
        let told = progress.clone();
        // The judge works on a thread of its own while the other cores verify what comes next.
        let judging = tokio::task::spawn_blocking(move || {
            while let Some(checked) = taken.blocking_recv() {
                replay.take(checked)?;
                let done = replay.state.kept.next;
                told.send_replace(Progress { done, of: end });
            }
            Ok::<_, AuditError>(replay)
        });
        let feeding = async move {
            let mut checked = std::pin::pin!(checked);
            while let Some(piece) = checked.next().await {
                match piece {
                    Ok(piece) => {
                        if forth.send(piece).await.is_err() {
                            // The judge has stopped, and its answer says why.
                            break;
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, AuditError>(())
        };
        let (fed, judged) = futures::join!(feeding, judging);
        let mut replay = judged.map_err(|_| AuditError::Broken)??;
        match fed {
            Ok(()) => Ok(replay),
            Err(AuditError::Source(error)) if error.is_missing() => {
                let next = replay.state.kept.next;
                replay
                    .state
                    .kept
                    .report
                    .add(Finding::at(Kind::EntryMissing, next, error));
                Ok(replay)
            }
            Err(error) => {
                replay.commit()?;
                Err(error)
            }
        }
    }

    async fn piece(&self, n: u64, from: u64, end: u64, keys: Keys) -> Result<Checked, AuditError> {
        let first = n * FULL;
        let width = bundle::width(n, end);
        let source = &self.options.source;
        let bytes = source.bundle(n, width);
        let (bytes, tile) = if u64::from(width) == FULL {
            let tile = source.full_tile(TileId { level: 0, n });
            let (bytes, tile) = futures::join!(bytes, tile);
            (bytes?, Some(tile?))
        } else {
            (bytes.await?, None)
        };
        let checking = tokio::task::spawn_blocking(move || {
            piece::check(&bytes, first, from, width, tile.as_deref(), &keys)
        });
        let checked = checking.await.map_err(|_| AuditError::Broken)?;
        checked.ok_or_else(|| SourceError::Form(format!("the bundle {n} of {width} entries")).into())
    }

    /// The entries must give the root that was signed, and those of others.
    async fn compare_root(
        &self,
        replay: &mut Replay,
        note: &Note,
        checkpoint: &Checkpoint,
    ) -> Result<(), AuditError> {
        let (size, next) = (checkpoint.size(), replay.state.kept.next);
        let root = replay.root();
        replay.state.kept.report.root = root.to_base64();
        if next < size {
            // Entries are missing, which is told.
            return Ok(());
        }
        if replay.state.roots.at(size).map_err(AuditError::Roots)? != Some(*checkpoint.root()) {
            self.differs(replay, note, checkpoint).await?;
            return Ok(());
        }
        replay.state.kept.checkpoint = Some(note.to_string());
        for other in &self.options.others {
            let believed = self.policy.open_without_quorum(other);
            let words = match &believed {
                Err(error) => Some((
                    Kind::NotCompared,
                    format!("a checkpoint of somebody else is not believed: {error}"),
                )),
                Ok(other) => {
                    let theirs = &other.checkpoint;
                    let ours = replay.state.roots.at(theirs.size()).map_err(AuditError::Roots)?;
                    match ours {
                        Some(ours) if ours == *theirs.root() => None,
                        Some(_) => Some((
                            Kind::LogForked,
                            format!(
                                "somebody else was shown another tree of {} entries",
                                theirs.size()
                            ),
                        )),
                        None => Some((
                            Kind::LogWentBack,
                            format!(
                                "somebody else was shown {} entries, and this log shows {size}",
                                theirs.size()
                            ),
                        )),
                    }
                }
            };
            if let Some((kind, words)) = words {
                let path = replay.state.keep_evidence(
                    &format!("{kind}-{size}.txt"),
                    &[&other.to_string(), &note.to_string()],
                )?;
                let words = format!("{words}; both notes are in {}", path.display());
                replay.state.kept.report.add(Finding::new(kind, words));
            }
        }
        Ok(())
    }

    /// Whether the log has forked below what was verified before, or serves entries that are not those of its tree.
    async fn differs(
        &self,
        replay: &mut Replay,
        note: &Note,
        checkpoint: &Checkpoint,
    ) -> Result<(), AuditError> {
        let before = replay.state.kept.checkpoint.clone().unwrap_or_default();
        let old = Note::parse(before.as_bytes())
            .ok()
            .and_then(|note| Checkpoint::parse(note.text()).ok());
        let mut kind = Kind::RootDiffers;
        if let Some(old) = &old
            && self.is_fork(old, checkpoint).await?
        {
            kind = Kind::LogForked;
        }
        let path = replay.state.keep_evidence(
            &format!("{kind}-{}.txt", checkpoint.size()),
            &[&before, &note.to_string()],
        )?;
        let words = format!(
            "the checkpoint over {} entries is signed with the root {}, and the entries give {}; the note is in {}",
            checkpoint.size(),
            checkpoint.root(),
            replay.root(),
            path.display()
        );
        replay.state.kept.report.add(Finding::new(kind, words));
        Ok(())
    }

    async fn is_fork(&self, old: &Checkpoint, new: &Checkpoint) -> Result<bool, AuditError> {
        let Ok(wanted) = tiles_for_consistency(old.size(), new.size()) else {
            return Ok(true);
        };
        let mut tiles = Tiles::new();
        for (id, width) in wanted {
            match self.options.source.tile(id, width).await {
                Ok(bytes) => {
                    tiles.extend(decode_tile(&bytes).map(|nodes| (id, nodes.into())));
                }
                Err(error) if error.is_missing() => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        let proof = consistency_proof(old.size(), new.size(), &tiles).unwrap_or_default();
        Ok(verify_consistency(old.size(), old.root(), new.size(), new.root(), &proof).is_err())
    }

    /// What is looked at once all entries are taken.
    async fn end(&self, replay: &mut Replay, checkpoint: &Checkpoint) -> Result<(), AuditError> {
        let rules = replay.rules().clone();
        let kept = &mut replay.state.kept;
        let scratch = &replay.state.states.scratch;
        let lookout = std::mem::take(&mut kept.lookout);
        let ended = lookout.end(scratch, &rules, self.options.now, &mut kept.report);
        kept.lookout = lookout;
        ended?;
        let federation = scratch.get(Table::Heads, b"federation")?;
        let federation = federation
            .and_then(|row| states::row(&row)?.state)
            .unwrap_or_default();
        let tres = federation
            .get("tres")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let root = |tre: &Value| Some(tre.get("root")?.as_str()?.to_owned());
        let tres = tres
            .filter_map(|(id, tre)| Some((id.clone(), root(tre)?)))
            .collect();
        vouch::roots(&tres, &self.options.anchors, &mut kept.pins, &mut kept.report);
        let named = federation.get("log_key").and_then(Value::as_str);
        let signs = |x: &str| {
            let mut logs = self.policy.logs().iter();
            logs.any(|log| base64url::encode(log.key.public_key()) == x)
        };
        if let Some(named) = named.filter(|named| !signs(named)) {
            let words = format!(
                "the log says that the key {named} signs its checkpoints, and the policy trusts another"
            );
            kept.report.add(Finding::new(Kind::LogKeyDiffers, words));
        }
        if self.options.lists && kept.next == checkpoint.size() {
            views::compare(&self.options.source, replay).await?;
        }
        Ok(())
    }
}

/// What is found of the present and not of an entry.
const TODAY: [Kind; 11] = [
    Kind::CheckpointStale,
    Kind::QuorumAway,
    Kind::CancellationOpen,
    Kind::ApprovalLapsed,
    Kind::TreSilent,
    Kind::ReportGap,
    Kind::InDoubt,
    Kind::Late,
    Kind::LogKeyDiffers,
    Kind::ViewDiffers,
    Kind::NotCompared,
];
