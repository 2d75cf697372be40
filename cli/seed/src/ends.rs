//! How jobs end, and how often.

use crate::chance::turn;
use crate::time::{DAY, HOUR, MINUTE};

/// The types of the events after `job-submitted`, in their order.
pub(crate) type Life = Vec<&'static str>;

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody takes it up.
    Waiting,
    /// All outputs leave.
    Released,
    /// The same at the second attempt.
    ReleasedLate,
    /// The same after a pause.
    ReleasedHeld,
    /// The same after a question to the team.
    Answered,
    /// A part of the outputs leaves, after a question.
    Part,
    /// Released, and asked back.
    Recalled,
    /// Refused, taken back, and released.
    Overturned,
    /// Withheld by the checkers.
    Withheld,
    /// Withheld after a question.
    Unexplained,
    /// Refused as the packet is not as it should be.
    RefusedAtOnce,
    /// Refused by people.
    Refused,
    /// Refused although it was signed off.
    RefusedAtStart,
    /// The team has thought better of it.
    CancelledEarly,
    /// Cancelled while it ran.
    CancelledRunning,
    /// Given up.
    Abandoned,
    /// It stands in a state, a place in [`STOPS`], when the seed ends.
    Stops(usize),
    /// The least that a refusal takes.
    ShortRefused,
}

/// How fifty jobs of a country end, and how many of them. Some plain releases become refusals or are withheld, as the TRE is
/// strict.
const COUNTRY: [(End, usize); 15] = [
    (End::Released, 19),
    (End::ReleasedLate, 2),
    (End::ReleasedHeld, 2),
    (End::Answered, 3),
    (End::Part, 4),
    (End::Recalled, 1),
    (End::Overturned, 1),
    (End::Withheld, 5),
    (End::Unexplained, 1),
    (End::RefusedAtOnce, 2),
    (End::Refused, 4),
    (End::RefusedAtStart, 1),
    (End::CancelledEarly, 2),
    (End::CancelledRunning, 1),
    (End::Abandoned, 2),
];

/// How twenty jobs end of which most wait or were refused, since those cost the fewest entries.
const SHORT: [(End, usize); 5] = [
    (End::Waiting, 10),
    (End::ShortRefused, 7),
    (End::Released, 1),
    (End::Withheld, 1),
    (End::Abandoned, 1),
];

/// States in which a job may stand, by the steps that lead there.
pub(crate) const STOPS: [&str; 13] = [
    "submitted",
    "running",
    "assessed",
    "checked",
    "signed-off",
    "changes-requested",
    "admitted",
    "on-hold",
    "collected",
    "ran",
    "cleared",
    "staged",
    "failed",
];

impl End {
    /// How the `n`th job of a country ends.
    pub(crate) fn of_country(n: usize) -> Self {
        // A step that has no divisor in common with fifty comes to each end once in fifty.
        among(&COUNTRY, n * 23 % 50)
    }

    /// How the `n`th job ends where jobs are to take few entries.
    pub(crate) fn of_few_entries(n: usize) -> Self {
        among(&SHORT, n * 7 % 20)
    }

    /// Its steps.
    pub(crate) fn steps(self) -> Life {
        let checked = ["job-collected", "job-checked"];
        let signed = ["workflow-retrieved", "job-signed-off"];
        let signed_off = [&checked[..], &signed[..]].concat();
        let admitted = [&signed_off[..], &["job-admitted"]].concat();
        let started = [&admitted[..], &["run-started"]].concat();
        let failed = ["run-started", "run-failed"];
        let assessed = [&started[..], &["run-completed", "outputs-assessed"]].concat();
        let asked = ["changes-requested", "changes-answered", "outputs-assessed"];
        let left = [
            "disclosure-approved",
            "outputs-moved",
            "outputs-rechecked",
            "job-released",
        ];
        let kept = ["results-received", "results-expired"];
        let released = [&assessed[..], &left[..]].concat();
        let to_the_end = ["job-admitted", "run-started", "run-completed", "outputs-assessed"];
        let parts: &[&[&'static str]] = match self {
            Self::Waiting => &[],
            Self::Released => &[&released, &kept],
            Self::ReleasedLate => &[&admitted, &failed, &to_the_end[1..], &left, &kept],
            Self::ReleasedHeld => &[
                &checked,
                &["job-held", "job-resumed"],
                &signed,
                &to_the_end,
                &left,
                &kept,
            ],
            Self::Answered | Self::Part => &[&assessed, &asked, &left, &kept],
            Self::Recalled => &[&released, &["results-received", "release-recalled"]],
            Self::Overturned => &[
                &checked,
                &["job-refused", "decision-overturned", "job-checked"],
                &signed,
                &to_the_end,
                &left,
                &kept,
            ],
            Self::Withheld => &[&assessed, &["disclosure-refused", "packet-offered"]],
            Self::Unexplained => &[&assessed, &asked, &["disclosure-refused", "packet-offered"]],
            Self::RefusedAtOnce => &[&checked[..1], &["job-refused", "packet-offered"]],
            Self::Refused => &[&checked, &["job-refused", "packet-offered"]],
            Self::ShortRefused => &[&checked, &["job-refused"]],
            Self::RefusedAtStart => &[&signed_off, &["job-refused", "packet-offered"]],
            Self::CancelledEarly => &[
                &checked,
                &["cancellation-requested", "job-cancelled", "packet-offered"],
            ],
            Self::CancelledRunning => &[
                &started,
                &["cancellation-requested", "job-cancelled", "packet-offered"],
            ],
            Self::Abandoned => &[
                &admitted,
                &failed,
                &failed,
                &failed,
                &["job-abandoned", "packet-offered"],
            ],
            Self::Stops(place) => match *turn(&STOPS, place) {
                "submitted" => &[],
                "collected" => &[&checked[..1]],
                "checked" => &[&checked],
                "signed-off" => &[&signed_off],
                "admitted" => &[&admitted],
                "running" => &[&started],
                "failed" => &[&admitted, &failed],
                "ran" => &[&started, &["run-completed"]],
                "assessed" => &[&assessed],
                "changes-requested" => &[&assessed, &asked[..1]],
                "cleared" => &[&assessed, &left[..1]],
                "staged" => &[&assessed, &left[..2]],
                _ => &[&checked, &["job-held"]],
            },
        };
        parts.concat()
    }
}

/// The end that comes at a place, if each stands there as often as it is to come.
fn among(ends: &[(End, usize)], place: usize) -> End {
    let mut left = place;
    for (end, times) in ends {
        if left < *times {
            return *end;
        }
        left -= times;
    }
    End::Waiting
}

/// Whose turn a step is, which says when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A program's in the polling zone.
    Machine,
    /// A program's in the controlled zone, which dates in steps.
    Zone,
    /// That of people at the TRE.
    People,
    /// The team's.
    Team,
}

/// How long a step takes: the median in seconds, and whose turn it is.
pub(crate) fn pace(kind: &str) -> (i64, Pace) {
    match kind {
        "job-collected" => (5 * MINUTE, Pace::Machine),
        "job-checked" => (3 * MINUTE, Pace::Machine),
        "job-signed-off" => (28 * HOUR, Pace::People),
        "job-refused" => (20 * HOUR, Pace::People),
        "job-admitted" => (30 * MINUTE, Pace::Zone),
        "run-started" => (3 * HOUR, Pace::Zone),
        "run-completed" => (95 * MINUTE, Pace::Zone),
        "run-failed" => (50 * MINUTE, Pace::Zone),
        "outputs-assessed" => (15 * MINUTE, Pace::Zone),
        "job-abandoned" => (9 * HOUR, Pace::Zone),
        "disclosure-approved" | "changes-requested" => (38 * HOUR, Pace::People),
        "disclosure-refused" => (44 * HOUR, Pace::People),
        "changes-answered" => (3 * DAY, Pace::Team),
        "results-received" => (20 * HOUR, Pace::Team),
        "cancellation-requested" => (10 * HOUR, Pace::Team),
        "job-cancelled" => (11 * HOUR, Pace::People),
        "job-held" => (4 * HOUR, Pace::People),
        "job-resumed" => (4 * DAY, Pace::People),
        "decision-overturned" => (9 * DAY, Pace::People),
        "release-recalled" => (25 * DAY, Pace::People),
        "results-expired" => (30 * DAY, Pace::Machine),
        _ => (4 * MINUTE, Pace::Machine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_jobs_meet_every_end_of_a_country() {
        for (end, times) in COUNTRY {
            assert_eq!(
                (0..50).filter(|n| End::of_country(*n) == end).count(),
                times,
                "{end:?}"
            );
        }
    }
}
