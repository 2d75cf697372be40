//! The loader: a process of its own that sends what was signed beforehand, and measures the answers.
//!
//! With a rate it is an open loop: each request has a time at which it is due, whatever the answers before it took, and
//! its latency counts from that time. A hub that stalls therefore shows in every request that should have been sent
//! meanwhile ("coordinated omission" hides them). Without a rate each connection sends as fast as it is answered.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::alarm::Alarm;
use crate::wire::{Connection, get, post};

/// What to send, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The hub.
    pub(crate) address: String,
    /// What to append; nothing where there is none.
    pub(crate) append: Option<Append>,
    /// What to read meanwhile, by name.
    pub(crate) reads: BTreeMap<String, Reads>,
}

/// Appending.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Append {
    /// A file of request bodies, one a line, lives parted by empty lines.
    pub(crate) file: PathBuf,
    /// Connections. A life stays on one, each event after the answer to the one before.
    pub(crate) connections: usize,
    /// Events in a request; each of another life.
    pub(crate) batch: usize,
    /// Events a second; as fast as answers come where there is none.
    pub(crate) rate: Option<f64>,
    /// Whether to wait until the event is published.
    pub(crate) wait: bool,
    /// Events at most.
    pub(crate) most: usize,
}

/// Reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reads {
    /// A file of paths, one a line; used again from the start when all were asked.
    pub(crate) file: PathBuf,
    /// Connections.
    pub(crate) connections: usize,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Requests, where nothing is appended meanwhile; else until that ends.
    pub(crate) most: usize,
}

/// What came of one kind of request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Requests that were answered.
    pub(crate) requests: usize,
    /// Events in them.
    pub(crate) events: usize,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Latencies in microseconds: of the median, of 95 and 99 in 100, of the slowest.
    pub(crate) p50: u64,
    /// See `p50`.
    pub(crate) p95: u64,
    /// See `p50`.
    pub(crate) p99: u64,
    /// See `p50`.
    pub(crate) most: u64,
    /// How many requests had which status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// The first answer that was no success.
    pub(crate) failure: Option<String>,
}

/// What came of a plan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Of appending.
    pub(crate) append: Outcome,
    /// Of reading.
    pub(crate) reads: BTreeMap<String, Outcome>,
}

/// Reads a plan from standard input, makes ready, waits for a line, works, and writes a report.
pub(crate) fn run() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let plan: Plan = serde_json::from_str(&line)?;
    // One thread: a loader that takes both processors would measure itself.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(work(&plan))?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    // Held open until whoever measures this process has read what it used.
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(())
}

async fn work(plan: &Plan) -> Result<Report> {
    let (ended, end) = watch::channel(false);
    let mut lanes = Vec::new();
    if let Some(append) = &plan.append {
        for requests in append_lanes(append)? {
            let connection = Connection::open(&plan.address).await?;
            lanes.push((connection, requests));
        }
    }
    let mut readers = Vec::new();
    for (name, reads) in &plan.reads {
        let paths = fs::read_to_string(&reads.file)?;
        let requests: Vec<Vec<u8>> = paths.lines().map(get).collect();
        for n in 0..reads.connections {
            let connection = Connection::open(&plan.address).await?;
            // Each its own part: what one has asked for is kept for the others.
            let own = requests
                .iter()
                .skip(n % requests.len())
                .step_by(reads.connections);
            readers.push((name.clone(), n, reads.clone(), own.cloned().collect(), connection));
        }
    }
    writeln!(std::io::stdout(), "ready")?;
    std::io::stdin().lock().read_line(&mut String::new())?;

    let alarm = Alarm::start()?;
    let start = Instant::now();
    let mut appends = JoinSet::new();
    let count = lanes.len();
    for (n, (connection, requests)) in lanes.into_iter().enumerate() {
        let append = plan.append.clone().context("lanes without a plan")?;
        let batch = f64::from(u32::try_from(append.batch)?);
        let pace = Pace::new(start, append.rate.map(|rate| rate / batch), n, count);
        appends.spawn(append_lane(connection, requests, pace, append.batch));
    }
    let appends_until = async move {
        let mut all = Tally::default();
        while let Some(tally) = appends.join_next().await {
            all.add(tally??);
        }
        Ok::<_, anyhow::Error>(all)
    };
    let mut reading = JoinSet::new();
    for (name, n, reads, requests, connection) in readers {
        let pace = Pace::new(start, Some(reads.rate), n, reads.connections).exact(&alarm);
        let end = plan.append.is_some().then(|| end.clone());
        let most = reads.most / reads.connections.max(1);
        reading.spawn(async move {
            read_lane(connection, requests, pace, most, end)
                .await
                .map(|tally| (name, tally))
        });
    }
    let appended = appends_until.await?;
    ended.send_replace(true);
    let mut read: BTreeMap<String, Tally> = BTreeMap::new();
    while let Some(tally) = reading.join_next().await {
        let (name, tally) = tally??;
        read.entry(name).or_default().add(tally);
    }
    Ok(Report {
        append: appended.outcome(start),
        reads: read
            .into_iter()
            .map(|(name, tally)| (name, tally.outcome(start)))
            .collect(),
    })
}

/// The requests of each connection.
fn append_lanes(append: &Append) -> Result<Vec<Vec<Vec<u8>>>> {
    let text = fs::read_to_string(&append.file)?;
    let lives: Vec<Vec<&str>> = text
        .split("\n\n")
        .map(|life| life.lines().collect())
        .filter(|life: &Vec<&str>| !life.is_empty())
        .collect();
    let mut lanes = vec![Vec::new(); append.connections];
    let query = if append.wait { "?wait=published" } else { "" };
    let share = append.most / append.connections;
    for (n, lane) in lanes.iter_mut().enumerate() {
        let own = lives.iter().skip(n).step_by(append.connections);
        if append.batch == 1 {
            lane.extend(
                own.flatten()
                    .take(share)
                    .map(|body| post(&format!("/v1/events{query}"), body)),
            );
        } else {
            lane.extend(
                abreast(own, append.batch)
                    .take(share / append.batch)
                    .map(|events| {
                        post(
                            &format!("/v1/event-batches{query}"),
                            &format!("{{\"events\":[{}]}}", events.join(",")),
                        )
                    }),
            );
        }
    }
    Ok(lanes)
}

/// Batches in which each event is of another life; a life that ends makes room for the next.
fn abreast<'a>(
    mut lives: impl Iterator<Item = &'a Vec<&'a str>>,
    width: usize,
) -> impl Iterator<Item = Vec<&'a str>> {
    let mut open: Vec<std::slice::Iter<'a, &'a str>> = Vec::new();
    std::iter::from_fn(move || {
        let mut batch = Vec::with_capacity(width);
        open.resize_with(width, Default::default);
        for life in &mut open {
            let next = life.next().or_else(|| {
                *life = lives.next()?.iter();
                life.next()
            });
            batch.push(*next?);
        }
        Some(batch)
    })
}

/// When each request of one connection is due.
struct Pace {
    start: Instant,
    every: Option<Duration>,
    lane: u32,
    lanes: u32,
    sent: u32,
    alarm: Option<Alarm>,
}

impl Pace {
    fn new(start: Instant, rate: Option<f64>, lane: usize, lanes: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            start,
            every: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            lane: number(lane),
            lanes: number(lanes),
            sent: 0,
            alarm: None,
        }
    }

    /// Where answers take no longer than the runtime's timers are late. It costs the loader too much where thousands wait.
    fn exact(mut self, alarm: &Alarm) -> Self {
        self.alarm = Some(alarm.clone());
        self
    }

    /// When the next request is due, whatever became of those before it; none where there is no rate.
    fn due(&mut self) -> Option<Instant> {
        let turn = self.sent * self.lanes + self.lane;
        self.sent += 1;
        Some(self.start + self.every? * turn)
    }

    /// Waits until the next request is due, and says when that was.
    async fn next(&mut self) -> Result<Instant> {
        let Some(due) = self.due() else {
            return Ok(Instant::now());
        };
        match &self.alarm {
            Some(alarm) => alarm.at(due).await?,
            None => sleep_until(due.into()).await,
        }
        Ok(due)
    }
}

/// Answers as they come.
#[derive(Default)]
struct Tally {
    events: usize,
    latencies: Vec<u64>,
    last: Option<Instant>,
    statuses: BTreeMap<u16, usize>,
    failure: Option<String>,
}

impl Tally {
    fn note(&mut self, due: Instant, status: u16, events: usize) {
        let now = Instant::now();
        self.events += events;
        self.latencies
            .push(u64::try_from(now.duration_since(due).as_micros()).unwrap_or(u64::MAX));
        self.last = Some(now);
        *self.statuses.entry(status).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.latencies.extend(other.latencies);
        self.last = self.last.max(other.last);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.failure = self.failure.take().or(other.failure);
    }

    fn outcome(mut self, start: Instant) -> Outcome {
        self.latencies.sort_unstable();
        let at = |hundredths: usize| {
            let place = (self.latencies.len() * hundredths).div_ceil(100);
            self.latencies
                .get(place.saturating_sub(1))
                .copied()
                .unwrap_or_default()
        };
        Outcome {
            requests: self.latencies.len(),
            events: self.events,
            seconds: self
                .last
                .map_or(0.0, |last| last.duration_since(start).as_secs_f64()),
            p50: at(50),
            p95: at(95),
            p99: at(99),
            most: at(100),
            statuses: self.statuses,
            failure: self.failure,
        }
    }
}

async fn append_lane(
    mut connection: Connection,
    requests: Vec<Vec<u8>>,
    mut pace: Pace,
    batch: usize,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for request in &requests {
        let due = pace.next().await?;
        let answer = connection.ask(request).await?;
        let taken = if batch == 1 {
            usize::from(answer.status == 201)
        } else {
            occurrences(answer.body, br#""status":201"#)
        };
        if taken < batch && tally.failure.is_none() {
            let body = String::from_utf8_lossy(answer.body);
            tally.failure = Some(body.chars().take(500).collect());
        }
        tally.note(due, answer.status, taken);
    }
    Ok(tally)
}

/// How often something that begins with a quotation mark stands in an answer.
fn occurrences(text: &[u8], of: &[u8]) -> usize {
    let rest = of.strip_prefix(b"\"").unwrap_or(of);
    text.split(|byte| *byte == b'"')
        .zip(0_usize..)
        .scan(0_usize, |at, (part, n)| {
            let start = *at;
            *at += part.len() + 1;
            Some((start, n))
        })
        .filter(|(start, n)| *n > 0 && text.get(*start..).is_some_and(|here| here.starts_with(rest)))
        .count()
}

async fn read_lane(
    mut connection: Connection,
    requests: Vec<Vec<u8>>,
    mut pace: Pace,
    most: usize,
    end: Option<watch::Receiver<bool>>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for request in requests.iter().cycle() {
        let due = pace.next().await?;
        let is_over = end
            .as_ref()
            .map_or(tally.latencies.len() >= most, |end| *end.borrow());
        if is_over {
            break;
        }
        let answer = connection.ask(request).await?;
        if answer.status != 200 && tally.failure.is_none() {
            tally.failure = Some(String::from_utf8_lossy(answer.body).into_owned());
        }
        tally.note(due, answer.status, 0);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_one_event_of_each_life_in_its_order() {
        let lives = [vec!["a1", "a2", "a3"], vec!["b1"], vec!["c1", "c2"]];
        let batches: Vec<_> = abreast(lives.iter(), 2).collect();
        assert_eq!(batches, [vec!["a1", "b1"], vec!["a2", "c1"], vec!["a3", "c2"]]);
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_latencies() {
        let mut tally = Tally {
            latencies: (1..=200).rev().collect(),
            ..Tally::default()
        };
        let mut other = Tally::default();
        other.latencies.push(1_000);
        tally.add(other);
        let outcome = tally.outcome(Instant::now());
        assert_eq!((outcome.p50, outcome.p99, outcome.most), (101, 199, 1_000));
    }

    #[test]
    fn a_request_is_due_at_its_time_and_not_after_the_answer_before() {
        let start = Instant::now();
        let mut pace = Pace::new(start, Some(10.0), 1, 2);
        let due: Vec<_> = (0..3).filter_map(|_| Some(pace.due()? - start)).collect();
        assert_eq!(due, [100, 300, 500].map(Duration::from_millis));
        assert_eq!(Pace::new(start, None, 0, 1).due(), None);
    }
}
