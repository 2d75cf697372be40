//! Why an event, or an opening, is refused. The texts name the field and the limit and say what would be right.

use daybook_core::Hash;
use daybook_core::constitution::Breach;
use daybook_core::id::Stream;
use thiserror::Error;

/// An event may not follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant's text says what it and its members are")]
pub enum Refusal {
    #[error("the event breaks the log's constitution")]
    Breach(#[from] Breach),
    #[error("no rule table is in force yet: the second event of a log is `policy-adopted`")]
    NoTable,
    #[error("the rule table in force is {adopted}, and the event was judged by {given}")]
    OtherTable { adopted: String, given: Hash },
    #[error("the log is closed")]
    Closed,
    #[error("the rules know no event type {kind:?}")]
    UnknownType { kind: String },
    #[error("{kind} stands in a stream of the kind {expected}, not {found}")]
    WrongStream {
        kind: String,
        found: &'static str,
        expected: String,
    },
    #[error("{kind} has version {expected} in `v`, not {found}")]
    WrongVersion { kind: String, found: u16, expected: u16 },
    #[error("{kind} is signed by {allowed}, not by the role {role}")]
    NotYourRole {
        kind: String,
        role: &'static str,
        allowed: String,
    },
    #[error("{kind} does not follow: {stream} is in the state {state:?}, and must be in one of: {allowed}")]
    WrongState {
        kind: String,
        stream: Stream,
        state: String,
        allowed: String,
    },
    #[error("{kind} has no clear field {name:?}{}", if *.is_sealed { ": it must be sealed" } else { "" })]
    FieldUnknown {
        kind: String,
        name: String,
        is_sealed: bool,
    },
    #[error("the field {name:?} is missing: it is {expected}")]
    FieldMissing { name: String, expected: String },
    #[error("the field {name:?} must be {expected}")]
    FieldInvalid { name: String, expected: String },
    #[error("{kind} has exactly {expected} digests in `_sd` (decoys fill up), not {found}")]
    DigestCount {
        kind: String,
        found: usize,
        expected: usize,
    },
    #[error("{field:?} must equal what {of}: {expected}")]
    NotEqual {
        field: String,
        of: String,
        expected: String,
    },
    #[error("the field {field:?} must be {expected}, the next number")]
    NotNext { field: String, expected: i64 },
    #[error("the field {field:?} is at most {most} (limit {limit:?})")]
    OverLimit { field: String, limit: String, most: i64 },
    #[error("{what:?} never goes back: it was {before}")]
    Backwards { what: String, before: i64 },
    #[error("{field:?} names {value:?}, which is not among the stream's {member:?}")]
    NotKnown {
        field: String,
        value: String,
        member: String,
    },
    #[error("{field:?} names {value:?}, which already is among the stream's {member:?}")]
    Known {
        field: String,
        value: String,
        member: String,
    },
    #[error("the stream's state has no {member:?} yet; the event that brings it must come first")]
    NotYet { member: String },
    #[error("the stream's state already has {member:?}; this happens once")]
    Already { member: String },
    #[error(
        "{field:?} names a person whose tag already stands in {member:?} of this job; another person must do this"
    )]
    SamePerson { field: String, member: String },
    #[error("the field {field:?} must be after `iat`, by at most {days} days")]
    NotAhead { field: String, days: i64 },
    #[error("{stream} is in the state {state:?}, and must be in one of: {allowed}")]
    OtherState {
        stream: Stream,
        state: String,
        allowed: String,
    },
    #[error("{stream} does not belong to {organisation}")]
    NotYours { stream: Stream, organisation: String },
    #[error(
        "{stream} has ended: it was until {until}, and `iat` or the log's newest time mark is not before that"
    )]
    Expired { stream: Stream, until: i64 },
    #[error(
        "an embargo runs until {until}; publishing can begin then, or after another `register-deferred` that ends earlier"
    )]
    TooEarly { until: i64 },
    #[error("the TRE {tre} is suspended")]
    Suspended { tre: String },
    #[error(
        "the TRE's approval of the {subject} does not stand: {why}; hold the job with the code approval-lapsed"
    )]
    ApprovalLapsed {
        subject: &'static str,
        why: &'static str,
    },
    #[error("an approval of a {subject} {} the field {field:?}", if *.wanted { "needs" } else { "does not have" })]
    ApprovalField {
        subject: &'static str,
        field: &'static str,
        wanted: bool,
    },
    #[error(
        "{field:?} says that no person looks, and the approval of the workflow in force does not say `standing` in {member:?}"
    )]
    NotStanding {
        field: &'static str,
        member: &'static str,
    },
    #[error("the project has neither a register entry nor a running embargo, and so runs nothing")]
    NotRegistered,
    #[error("`began` must be true: a run of this job was logged")]
    RunBegan,
    #[error("`outputs` must {} the commitment that was assessed, as `extent` is `{}`",
        if *.is_all { "equal" } else { "differ from" }, if *.is_all { "all" } else { "part" })]
    Extent { is_all: bool },
    #[error("another `until` is a material change: `material` must be true")]
    MaterialEnd,
    #[error("`how` is `person` exactly if the role review signs, and exactly then there is a `tag`")]
    NotByPerson,
    #[error("{found} people reviewed this set, and {needed} must: one tag for each in `tags`")]
    TooFewReviews { found: i64, needed: i64 },
    #[error("`id` is there for a registrar and an auditor, and for no other role")]
    RoleName,
    #[error("{stream} exists already; make a fresh random id for each job")]
    JobTaken { stream: Stream },
    #[error("an opening that came with the event")]
    Opening(#[from] OpeningRefusal),
}

/// An opening does not belong to its event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant's text says what it and its members are")]
pub enum OpeningRefusal {
    #[error("the digest of the opening of {name:?} is not in the event's `_sd`")]
    NotInEvent { name: String },
    #[error("{kind} has no sealed field {name:?}")]
    Unknown { kind: String, name: String },
    #[error("two openings of {name:?}")]
    Twice { name: String },
    #[error("the opening of {name:?} is for its issuer alone and must not be sent")]
    IssuerOnly { name: String },
    #[error("the sealed field {name:?} must be {expected}")]
    Invalid { name: String, expected: String },
    #[error("the opening of {name:?} is missing: it is {expected}")]
    Missing { name: String, expected: String },
}

impl Refusal {
    /// Every answer of [`Self::code`].
    pub const CODES: &'static [&'static str] = &[
        "already-happened",
        "already-known",
        "approval-field",
        "approval-lapsed",
        "bad-field",
        "bad-key",
        "bad-possession",
        "digest-count",
        "expired",
        "extent-mismatch",
        "field-invalid",
        "field-missing",
        "field-unknown",
        "job-taken",
        "key-known",
        "key-unknown",
        "last-key",
        "log-closed",
        "material-end",
        "no-table",
        "not-ahead",
        "not-by-person",
        "not-equal",
        "not-invited",
        "not-known",
        "not-next",
        "not-next-number",
        "not-opened",
        "not-registered",
        "not-standing",
        "not-yet",
        "not-your-key",
        "not-your-role",
        "not-your-stream",
        "not-yours",
        "opening-invalid",
        "opening-issuer-only",
        "opening-missing",
        "opening-not-in-event",
        "opening-twice",
        "opening-unknown",
        "other-log",
        "other-state",
        "other-table",
        "over-limit",
        "role-name",
        "root-only",
        "run-began",
        "same-person",
        "seen-missing",
        "seen-went-back",
        "too-early",
        "too-few-reviews",
        "tre-suspended",
        "unknown-type",
        "went-back",
        "wrong-state",
        "wrong-stream",
        "wrong-version",
    ];

    /// A stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Breach(breach) => breach_code(breach),
            Self::NoTable => "no-table",
            Self::OtherTable { .. } => "other-table",
            Self::Closed => "log-closed",
            Self::UnknownType { .. } => "unknown-type",
            Self::WrongStream { .. } => "wrong-stream",
            Self::WrongVersion { .. } => "wrong-version",
            Self::NotYourRole { .. } => "not-your-role",
            Self::WrongState { .. } => "wrong-state",
            Self::FieldUnknown { .. } => "field-unknown",
            Self::FieldMissing { .. } => "field-missing",
            Self::FieldInvalid { .. } => "field-invalid",
            Self::DigestCount { .. } => "digest-count",
            Self::NotEqual { .. } => "not-equal",
            Self::NotNext { .. } => "not-next-number",
            Self::OverLimit { .. } => "over-limit",
            Self::Backwards { .. } => "went-back",
            Self::NotKnown { .. } => "not-known",
            Self::Known { .. } => "already-known",
            Self::NotYet { .. } => "not-yet",
            Self::Already { .. } => "already-happened",
            Self::SamePerson { .. } => "same-person",
            Self::NotAhead { .. } => "not-ahead",
            Self::OtherState { .. } => "other-state",
            Self::NotYours { .. } => "not-yours",
            Self::Expired { .. } => "expired",
            Self::TooEarly { .. } => "too-early",
            Self::Suspended { .. } => "tre-suspended",
            Self::ApprovalLapsed { .. } => "approval-lapsed",
            Self::ApprovalField { .. } => "approval-field",
            Self::NotStanding { .. } => "not-standing",
            Self::NotRegistered => "not-registered",
            Self::RunBegan => "run-began",
            Self::Extent { .. } => "extent-mismatch",
            Self::MaterialEnd => "material-end",
            Self::NotByPerson => "not-by-person",
            Self::TooFewReviews { .. } => "too-few-reviews",
            Self::RoleName => "role-name",
            Self::JobTaken { .. } => "job-taken",
            Self::Opening(opening) => opening.code(),
        }
    }
}

impl OpeningRefusal {
    /// A stable name for machines, one of [`Refusal::CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInEvent { .. } => "opening-not-in-event",
            Self::Unknown { .. } => "opening-unknown",
            Self::Twice { .. } => "opening-twice",
            Self::IssuerOnly { .. } => "opening-issuer-only",
            Self::Invalid { .. } => "opening-invalid",
            Self::Missing { .. } => "opening-missing",
        }
    }
}

fn breach_code(breach: &Breach) -> &'static str {
    match breach {
        Breach::OtherLog { .. } => "other-log",
        Breach::NotYourStream { .. } => "not-your-stream",
        Breach::NotNext { .. } => "not-next",
        Breach::NotYourKey { .. } => "not-your-key",
        Breach::SeenMissing(_) => "seen-missing",
        Breach::SeenWentBack { .. } => "seen-went-back",
        Breach::KeyKnown(_) => "key-known",
        Breach::NoSuchKey(_) => "key-unknown",
        Breach::LastKey(_) => "last-key",
        Breach::Possession { .. } => "bad-possession",
        Breach::Key(_) => "bad-key",
        Breach::NotInvited(_) => "not-invited",
        Breach::RootOnly(_) => "root-only",
        Breach::Field(_) => "bad-field",
        Breach::Opening => "not-opened",
    }
}
