//! Figures of jobs, worked out from the entries: each job by itself, from all that was said about it.

use std::collections::BTreeMap;

use daybook_core::event::{Claims, Event};
use daybook_core::id::{Stream, random_id};

/// How often something happened, by year and what; and how long stages took, by year and stage: steps of minutes with how
/// many jobs took as long, the shortest first.
pub type Figures = (
    BTreeMap<(i64, String), i64>,
    BTreeMap<(i64, String), Vec<(i64, i64)>>,
);

/// The figures of one TRE, or of all where it is empty.
pub fn figures(entries: &[Event], tre: &str) -> Figures {
    let mut volumes: BTreeMap<(i64, String), i64> = BTreeMap::new();
    let mut spans: BTreeMap<(i64, String), BTreeMap<i64, i64>> = BTreeMap::new();
    let mut count = |at: i64, what: &str| *volumes.entry((year(at), what.to_owned())).or_default() += 1;
    let mut span = |stage: &str, from: Option<i64>, to: Option<i64>| {
        if let (Some(from), Some(to)) = (from, to) {
            let steps = spans.entry((year(to), stage.to_owned())).or_default();
            *steps.entry(two_digits((to - from).max(0) / 60)).or_default() += 1;
        }
    };
    for (submitted, job) in jobs(entries, tre) {
        count(submitted, "submitted");
        let own: Vec<&Claims> = entries
            .iter()
            .map(Event::claims)
            .filter(|claims| claims.sub == job)
            .collect();
        let times = |kinds: &[&str]| -> Vec<i64> {
            let found = own.iter().filter(|claims| kinds.contains(&claims.kind.as_str()));
            found.map(|claims| claims.iat).collect()
        };
        let first = |kinds: &[&str]| times(kinds).first().copied();
        for (what, kind, most) in [
            ("started", "run-started", 1),
            ("released", "job-released", 1),
            ("withheld", "disclosure-refused", usize::MAX),
            ("refused", "job-refused", usize::MAX),
            ("cancelled", "job-cancelled", usize::MAX),
            ("abandoned", "job-abandoned", usize::MAX),
            ("recalled", "release-recalled", usize::MAX),
        ] {
            for at in times(&[kind]).into_iter().take(most) {
                count(at, what);
            }
        }
        let signed_off = first(&["job-signed-off"]);
        span("decide", Some(submitted), signed_off);
        span("start", signed_off, first(&["run-started"]));
        let decided = first(&["disclosure-approved", "disclosure-refused"]);
        span("check", first(&["outputs-assessed"]), decided);
        span("whole", Some(submitted), first(&["job-released"]));
        let mut began = None;
        for claims in &own {
            match claims.kind.as_str() {
                "run-started" => began = Some(claims.iat),
                "run-completed" => span("run", began, Some(claims.iat)),
                _ => {}
            }
        }
    }
    let spans = spans
        .into_iter()
        .map(|(key, steps)| (key, steps.into_iter().collect()));
    (volumes, spans.collect())
}

/// How often nothing came of a job of one TRE, or of all, by year and family of reasons: told by what was said last before.
pub fn stops(entries: &[Event], tre: &str) -> BTreeMap<(i64, String), i64> {
    let mut stops = BTreeMap::new();
    for (_, job) in jobs(entries, tre) {
        let own: Vec<&Claims> = entries
            .iter()
            .map(Event::claims)
            .filter(|claims| claims.sub == job)
            .collect();
        for (at, claims) in own.iter().enumerate() {
            let before = || own[..at].iter().rev();
            let said = |kind: &str| {
                before()
                    .take_while(|one| one.kind != "decision-overturned")
                    .any(|one| one.kind == kind)
            };
            let family = match claims.kind.as_str() {
                "job-refused" if said("job-signed-off") => "start",
                "job-refused" if said("job-checked") => "decision",
                "job-refused" => "request",
                "disclosure-refused" => "results",
                "job-abandoned" => {
                    let failed = before().find(|one| one.kind == "run-failed");
                    match failed.and_then(|one| one.data["code"].as_str()) {
                        Some("host-lost" | "memory-limit" | "time-limit") => "capacity",
                        Some("input-missing") => "data",
                        Some("tool-error") => "analysis",
                        _ => "stopped",
                    }
                }
                _ => continue,
            };
            *stops.entry((year(claims.iat), family.to_owned())).or_default() += 1;
        }
    }
    stops
}

/// The jobs at a TRE, or at all: when each was submitted, and its stream.
fn jobs(entries: &[Event], tre: &str) -> Vec<(i64, Stream)> {
    let submissions = entries
        .iter()
        .map(Event::claims)
        .filter(|claims| claims.kind == "job-submitted");
    let mut all = Vec::new();
    for claims in submissions {
        let jobs = claims.data.get("jobs").and_then(|jobs| jobs.as_object());
        for (at, job) in jobs.into_iter().flatten() {
            let id = job.get("job").and_then(|id| random_id(id.as_str()?).ok());
            if let (Some(id), true) = (id, tre.is_empty() || tre == at) {
                all.push((claims.iat, Stream::Job(id)));
            }
        }
    }
    all
}

fn two_digits(minutes: i64) -> i64 {
    let mut unit = 1;
    while minutes / unit >= 100 {
        unit *= 10;
    }
    minutes / unit * unit
}

/// The year of a time after 1970, in Coordinated Universal Time.
pub fn year(at: i64) -> i64 {
    let mut days = at / 86_400;
    for year in 1970.. {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = if is_leap { 366 } else { 365 };
        if days < length {
            return year;
        }
        days -= length;
    }
    1970
}
