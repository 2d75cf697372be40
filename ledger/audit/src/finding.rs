//! What an audit finds: kinds with a severity each, and how much of it is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Findings that are kept in full; the others are counted.
pub const MAX_FINDINGS: usize = 200;
/// Characters of words that are kept.
const MAX_WORDS: usize = 600;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Notice,
    /// Something that should have happened has not, or looks odd.
    Warning,
    /// Something does not follow from the rules, or is not as it is shown.
    Error,
    /// Somebody holds a proof that the log's key, or a witness, has lied: nothing of it is to be believed before a person
    /// has looked.
    Alarm,
}

impl Severity {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Alarm => "alarm",
        }
    }
}

macro_rules! kinds {
    ($($name:ident $slug:literal $severity:ident $about:literal;)*) => {
        /// What kind of finding it is. The set only grows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "each variant's sentence says what it is")]
        pub enum Kind { $($name),* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire.
            pub fn slug(self) -> &'static str { match self { $(Self::$name => $slug),* } }

            /// How bad it is.
            pub fn severity(self) -> Severity { match self { $(Self::$name => Severity::$severity),* } }

            /// What it means, in one sentence.
            pub fn about(self) -> &'static str { match self { $(Self::$name => $about),* } }
        }
    };
}

kinds! {
    CheckpointUnbelieved "checkpoint-unbelieved" Alarm "The checkpoint is not one that the policy believes.";
    LogWentBack "log-went-back" Alarm "The log shows fewer entries than it has shown before.";
    LogForked "log-forked" Alarm "The log shows another tree than it has shown before.";
    RootDiffers "root-differs" Alarm "The entries that are served do not give the root that the log has signed.";
    SeenUnknown "seen-unknown" Alarm "An author was shown a tree that is not this log's.";
    AnchorForged "anchor-forged" Alarm "An anchored checkpoint is not the log's, or not as its signatures say.";
    TreRootDiffers "tre-root-differs" Alarm "A TRE's root key is not the one that the TRE vouches for, or has changed.";
    AcknowledgedMissing "acknowledged-missing" Alarm "A TRE says that the hub has acknowledged more events than the log holds.";
    EntryMissing "entry-missing" Error "The log does not serve what its checkpoint covers.";
    EntryMalformed "entry-malformed" Error "An entry is not an event of the one form.";
    SignatureWrong "signature-wrong" Error "The key that an entry names has not signed it.";
    NotAllowed "not-allowed" Error "The rules in force do not allow an entry where it stands.";
    TileDiffers "tile-differs" Error "A tile is not what the entries give.";
    HeadsDiffer "heads-differ" Error "The heads that the clerk committed are not those of the entries.";
    ViewDiffers "view-differs" Error "What the hub publishes is not what follows from the entries.";
    LogKeyDiffers "log-key-differs" Error "The checkpoint is signed by another key than the log itself names.";
    CheckpointStale "checkpoint-stale" Warning "The newest time in the log is long ago.";
    QuorumAway "quorum-away" Warning "Fewer witnesses have cosigned than the policy asks for.";
    CancellationOpen "cancellation-open" Warning "A cancellation that was asked for is not confirmed.";
    ApprovalLapsed "approval-lapsed" Warning "A job runs on under an approval that has ended.";
    WithdrawalLate "withdrawal-late" Warning "An approval's withdrawal came into the log after what jobs did under the approval later than its date.";
    TreSilent "tre-silent" Warning "A TRE has said nothing for long while a job waits for it.";
    ReportGap "report-gap" Warning "A TRE's own counts leave a gap that has stood for days, or come no more.";
    ReleasedByRuleAlone "released-by-rule-alone" Notice "Results were released that no person has looked at.";
    OneReviewer "one-reviewer" Warning "One person reviewed where the rules' own number is more.";
    RulesChangedMidReview "rules-changed-mid-review" Warning "The rule table changed while outputs were under review.";
    ClockSkew "clock-skew" Warning "An author dates its events ahead of the log's own clock, or back in its own stream.";
    Late "late" Notice "An author's events come into the log long after they are dated.";
    InDoubt "in-doubt" Warning "A key ended under suspicion, and its owner has not said what holds of what it signed.";
    Pinned "pinned" Notice "A key is taken as it was first seen; compare it with what its owner publishes.";
    NotCompared "not-compared" Notice "Something could not be compared.";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub kind: Kind,
    /// The entry, where it is about one.
    pub index: Option<u64>,
    /// What is particular about it.
    pub words: String,
}

impl Finding {
    /// A finding about the log as a whole; long words are cut.
    pub fn new(kind: Kind, words: impl fmt::Display) -> Self {
        let words = words.to_string();
        let words = match words.char_indices().nth(MAX_WORDS) {
            Some((at, _)) => format!("{}…", &words[..at]),
            None => words,
        };
        Self {
            severity: kind.severity(),
            kind,
            index: None,
            words,
        }
    }

    /// The same about an entry.
    pub fn at(kind: Kind, index: u64, words: impl fmt::Display) -> Self {
        Self {
            index: Some(index),
            ..Self::new(kind, words)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity.as_str(), self.kind)?;
        if let Some(index) = self.index {
            write!(f, ", entry {index}")?;
        }
        write!(f, ": {}", self.words)
    }
}

/// What an audit looked at and found, from the log's first entry on, however many runs it took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The log.
    pub log: String,
    /// Entries that were checked, all runs together.
    pub entries: u64,
    /// Of these, in this run.
    pub new_entries: u64,
    /// Root over them, base64.
    pub root: String,
    /// Streams whose states were folded.
    pub streams: u64,
    /// Witnesses of the policy that have cosigned the newest checkpoint.
    pub witnesses: Vec<String>,
    /// Checkpoints in the log that were verified with their cosignatures.
    pub anchors: u64,
    /// Commitments to the streams' heads that were recomputed.
    pub heads: u64,
    /// Rows of the hub's lists that were compared.
    pub compared: u64,
    /// Entries that ask for the erasure of openings.
    pub erasures: u64,
    /// The first findings, the newest entries last.
    pub findings: Vec<Finding>,
    /// How many there are of each kind.
    pub counts: BTreeMap<Kind, u64>,
}

impl Report {
    /// The worst that was found.
    pub fn worst(&self) -> Option<Severity> {
        self.counts.keys().map(|kind| kind.severity()).max()
    }

    /// Whether nothing was found that is an error or worse.
    pub fn holds(&self) -> bool {
        self.worst().is_none_or(|worst| worst < Severity::Error)
    }

    /// Takes up a finding: kept in full while there is room, and counted. Bad ones push out what is less so.
    pub fn add(&mut self, finding: Finding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
            return;
        }
        let weakest = (0..self.findings.len())
            .rev()
            .min_by_key(|at| self.findings[*at].severity);
        if let Some(at) = weakest.filter(|at| self.findings[*at].severity < finding.severity) {
            self.findings.remove(at);
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_log_holds_while_nothing_is_an_error() {
        let mut report = Report::default();
        assert!(report.holds());
        report.add(Finding::new(Kind::Late, "a"));
        report.add(Finding::new(Kind::ClockSkew, "b"));
        assert!(report.holds());
        report.add(Finding::at(Kind::NotAllowed, 7, "c"));
        assert!(!report.holds());
        assert_eq!(report.worst(), Some(Severity::Error));
        assert_eq!(report.findings[2].to_string(), "error not-allowed, entry 7: c");
    }

    #[test]
    fn an_alarm_is_told_however_many_notices_came_before() {
        let mut report = Report::default();
        for index in 0..1_000 {
            report.add(Finding::at(Kind::Late, index, "late"));
        }
        report.add(Finding::new(Kind::LogForked, "forked"));
        assert_eq!(report.findings.len(), MAX_FINDINGS);
        assert_eq!(
            report.findings.last().map(|finding| finding.kind),
            Some(Kind::LogForked)
        );
        assert_eq!(
            (report.counts[&Kind::Late], report.counts[&Kind::LogForked]),
            (1_000, 1)
        );
    }

    #[test]
    fn each_kind_has_a_name_of_its_own_which_json_uses() {
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.slug());
        }
    }
}
