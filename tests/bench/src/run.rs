//! The scenarios, one after another, each with what it cost.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use daybook_core::id::Stream;
use daybook_world::World;

use crate::hub::{Place, Running};
use crate::lives::{Lives, federation};
use crate::load::{Append, Outcome, Plan, Reads, Report};
use crate::usage::{Usage, peak_memory};

/// Events of a life at most.
pub(crate) const LONGEST_LIFE: usize = 18;

/// A scenario and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) name: String,
    /// Entries in the log before.
    pub(crate) entries: usize,
    /// What the loader saw.
    pub(crate) report: Report,
    /// What the three parties used meanwhile.
    pub(crate) used: Usage,
}

impl Row {
    /// Events a second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of events that were counted one by one"
    )]
    pub(crate) fn rate(&self) -> f64 {
        self.report.append.events as f64 / self.report.append.seconds.max(f64::MIN_POSITIVE)
    }
}

/// A hub under measurement, and the events that it has not been sent yet.
pub(crate) struct Bench {
    folder: PathBuf,
    world: World,
    place: Place,
    hub: Option<Running>,
    /// Entries in the log, but for those of the hub's own clerk.
    pub(crate) entries: usize,
    files: usize,
    /// Ids of jobs that are in the log.
    jobs: Vec<String>,
    /// Ids of the jobs in each file, in the order of their lives.
    signed: BTreeMap<PathBuf, Vec<String>>,
    /// The most memory that a hub held.
    memory: u64,
}

impl Bench {
    /// Founds a federation in an empty folder and starts its hub.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let world = federation(now.try_into()?);
        let place = Place::found(folder, &world).await?;
        let hub = Running::start(&place, None)?;
        Ok(Self {
            folder: folder.to_owned(),
            entries: world.entries().len(),
            world,
            place,
            hub: Some(hub),
            files: 0,
            jobs: Vec::new(),
            signed: BTreeMap::new(),
            memory: 0,
        })
    }

    /// The hub again, with another limit on what one transaction takes.
    pub(crate) fn restart(&mut self, max_batch: Option<usize>) -> Result<()> {
        self.end_hub()?;
        self.hub = Some(Running::start(&self.place, max_batch)?);
        Ok(())
    }

    fn end_hub(&mut self) -> Result<()> {
        if let Some(hub) = self.hub.take() {
            self.memory = self.memory.max(peak_memory(hub.pid())?);
            hub.stop()?;
        }
        Ok(())
    }

    fn hub(&self) -> Result<&Running> {
        self.hub.as_ref().context("the hub has ended")
    }

    /// Lets the server tidy up what was filled in at once, as it does by itself from time to time where a log grows slowly.
    pub(crate) async fn tidy(&self) -> Result<()> {
        let database = self.place.database().await?;
        let client = daybook_store::open(&database.config(), "daybook bench").await?;
        client.batch_execute("VACUUM (ANALYZE)").await?;
        drop(client);
        database.stop().await
    }

    /// Where the hub listens.
    pub(crate) fn address(&self) -> Result<String> {
        Ok(self.hub()?.address.clone())
    }

    /// The hub's configuration.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.place.config_path()
    }

    /// Ends the hub and answers with the most memory that it held.
    pub(crate) fn stop(mut self) -> Result<u64> {
        self.end_hub()?;
        Ok(self.memory)
    }

    /// Signs at least so many events into a file that was never sent.
    pub(crate) fn sign(&mut self, events: usize) -> Result<PathBuf> {
        self.files += 1;
        let path = self.folder.join(format!("events-{}", self.files));
        let mut lives = Lives::new(&self.world, &format!("file {}", self.files));
        let jobs = write_lives(&mut lives, events, &path)?;
        self.signed.insert(path.clone(), jobs);
        Ok(path)
    }

    /// Carries out a plan and measures all three parties meanwhile.
    pub(crate) fn measure(&mut self, name: &str, plan: &Plan) -> Result<Row> {
        let mut loader = Loader::start(plan)?;
        let postmaster = self.place.postmaster()?;
        let hub = self.hub()?.pid();
        let usage = |loader: &Loader| Usage::now(hub, postmaster, loader.child.id());
        let before = usage(&loader)?;
        let report = loader.work()?;
        let used = usage(&loader)?.since(before);
        loader.end()?;
        check(name, &report.append)?;
        for (reads, outcome) in &report.reads {
            check(reads, outcome)?;
        }
        let row = Row {
            name: name.to_owned(),
            entries: self.entries,
            report,
            used,
        };
        self.entries += row.report.append.events;
        Ok(row)
    }

    /// Appends events that were signed just before, in one of the usual ways.
    pub(crate) fn append(&mut self, name: &str, append: Append) -> Result<Row> {
        let plan = Plan {
            address: self.address()?,
            append: Some(append.clone()),
            ..Plan::default()
        };
        let row = self.measure(name, &plan)?;
        // Lives are begun in order: at least so many that each lane has one, or what was sent divided by the longest.
        let (sent, first) = (row.report.append.events, append.connections * append.batch);
        let begun = if sent < first {
            0
        } else {
            first.max(sent / LONGEST_LIFE)
        };
        let jobs = self.signed.remove(&append.file).unwrap_or_default();
        self.jobs.extend(jobs.into_iter().take(begun));
        fs::remove_file(append.file)?;
        Ok(row)
    }

    /// Writes the paths of one kind of reading into a file, spread over all that is in the log.
    pub(crate) fn paths(&self, kind: &str, count: usize) -> Result<PathBuf> {
        let path = self.folder.join(format!("paths-{kind}"));
        let mut file = BufWriter::new(File::create(&path)?);
        for n in 0..count {
            // A large prime step visits everything without an order that a cache could guess.
            let at = n.wrapping_mul(7_919_017);
            let index = at % self.entries;
            match kind {
                "proofs" => writeln!(file, "/v1/events/{index}/proof")?,
                "tiles" => writeln!(
                    file,
                    "/log/tile/0/{}",
                    tile_path(index / 256 % (self.entries / 256).max(1))
                )?,
                _ => {
                    let job = self.jobs.get(at % self.jobs.len().max(1)).context("no job yet")?;
                    writeln!(file, "/v1/jobs/{job}")?;
                }
            }
        }
        file.flush()?;
        Ok(path)
    }

    /// Reading at a rate, over some connections.
    pub(crate) fn reads(&self, kind: &str, rate: f64, most: usize) -> Result<Reads> {
        Ok(Reads {
            file: self.paths(kind, 20_000)?,
            connections: 16,
            rate,
            most,
        })
    }

    /// Fills the log up to a size, in batches, signing the next file while one is sent.
    pub(crate) fn fill(&mut self, entries: usize) -> Result<()> {
        let mut next = None;
        while self.entries < entries {
            let portion = Portion::of(entries - self.entries);
            let file = match next.take() {
                Some(file) => file,
                None => self.sign(portion.to_sign())?,
            };
            let rest = entries.saturating_sub(self.entries + portion.events);
            let (world, number, folder) = (self.world.clone(), self.files + 1, self.folder.clone());
            let (sent, signed) = std::thread::scope(|scope| {
                let signing = scope.spawn(move || -> Result<Option<(PathBuf, Vec<String>)>> {
                    if rest == 0 {
                        return Ok(None);
                    }
                    let path = folder.join(format!("events-{number}"));
                    let mut lives = Lives::new(&world, &format!("file {number}"));
                    let jobs = write_lives(&mut lives, Portion::of(rest).to_sign(), &path)?;
                    Ok(Some((path, jobs)))
                });
                (self.append("filling", portion.append(file)), signing.join())
            });
            ensure!(sent?.report.append.events > 0, "nothing was sent");
            if let Ok(signed) = signed
                && let Some((path, jobs)) = signed?
            {
                self.files += 1;
                self.signed.insert(path.clone(), jobs);
                next = Some(path);
            }
        }
        if let Some(file) = next {
            fs::remove_file(file)?;
        }
        Ok(())
    }
}

/// What is sent at once to fill a log.
#[derive(Clone, Copy)]
struct Portion {
    events: usize,
    connections: usize,
    batch: usize,
}

impl Portion {
    /// Events of a file.
    const MOST: usize = 120_000;

    /// A part of what is missing. What does not make some whole batches is sent singly.
    fn of(missing: usize) -> Self {
        let events = missing.min(Self::MOST);
        match events {
            0..20_000 => Self {
                events,
                connections: events.min(64),
                batch: 1,
            },
            _ => Self {
                events: events / 2_048 * 2_048,
                connections: 8,
                batch: 256,
            },
        }
    }

    /// Events of the file, since a life that is under way is left behind at the end.
    fn to_sign(self) -> usize {
        self.events + LONGEST_LIFE * self.connections * self.batch
    }

    fn append(self, file: PathBuf) -> Append {
        Append {
            file,
            connections: self.connections,
            batch: self.batch,
            rate: None,
            wait: false,
            most: self.events,
        }
    }
}

/// The last part of a tile's path (C2SP tlog-tiles): groups of three digits, all but the last with an `x`.
fn tile_path(n: usize) -> String {
    let mut path = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

pub(crate) fn check(name: &str, outcome: &Outcome) -> Result<()> {
    ensure!(
        outcome.failure.is_none(),
        "{name}: {:?}, first: {}",
        outcome.statuses,
        outcome.failure.as_deref().unwrap_or_default()
    );
    Ok(())
}

/// Writes lives of at least so many events; answers with their jobs.
fn write_lives(lives: &mut Lives<'_>, events: usize, path: &Path) -> Result<Vec<String>> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut jobs) = (0, Vec::new());
    while written < events {
        let life = lives.sign()?;
        for signed in &life {
            writeln!(file, "{}", signed.body())?;
            if let Stream::Job(id) = &signed.event.claims().sub
                && signed.event.claims().seq == 1
            {
                jobs.push(id.to_string());
            }
        }
        writeln!(file)?;
        written += life.len();
    }
    file.flush()?;
    Ok(jobs)
}

/// The loader's process.
pub(crate) struct Loader {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Loader {
    /// Starts it and waits until it is ready to begin.
    pub(crate) fn start(plan: &Plan) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("load")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("the loader has no input")?;
        let output = BufReader::new(child.stdout.take().context("the loader has no output")?);
        writeln!(input, "{}", serde_json::to_string(plan)?)?;
        let mut loader = Self { child, input, output };
        loader.line()?;
        Ok(loader)
    }

    pub(crate) fn work(&mut self) -> Result<Report> {
        writeln!(self.input, "go")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the loader ended");
        Ok(line)
    }

    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.input);
        self.child.wait()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_named_as_c2sp_does() {
        assert_eq!(tile_path(7), "007");
        assert_eq!(tile_path(1_234_067), "x001/x234/067");
    }
}
