//! The page of results, as Markdown.

use std::fmt;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::load::Outcome;
use crate::run::Row;
use crate::scenarios::Size;

/// All that was measured.
pub(crate) struct Page {
    commit: String,
    date: String,
    /// Scenarios in their order.
    pub(crate) rows: Vec<Row>,
    /// Raw inserts a second: with all indexes, and with one.
    pub(crate) ceiling: Option<[f64; 2]>,
    /// The most memory that the hub held, in bytes.
    pub(crate) memory: u64,
    /// Where time goes inside an append.
    pub(crate) inside: Option<String>,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(size: &Size) -> Self {
        Self {
            commit: size.commit.clone(),
            date: size.date.clone(),
            rows: Vec::new(),
            ceiling: None,
            memory: 0,
            inside: None,
        }
    }
}

/// One scenario as lines of the table.
pub(crate) fn line(row: &Row) -> String {
    let events = row.report.append.events;
    let each = |used: Duration| {
        if events == 0 {
            "–".to_owned()
        } else {
            format!("{:.0}", used.as_secs_f64() * 1e6 / count(events))
        }
    };
    let (name, entries) = (&row.name, row.entries);
    let latencies = |outcome: &Outcome| format!("{} | {}", millis(outcome.p50), millis(outcome.p99));
    let mut lines = Vec::new();
    if events > 0 {
        let (rate, hub, postgres) = (row.rate(), each(row.used.hub), each(row.used.postgres));
        let (loader, latency) = (each(row.used.loader), latencies(&row.report.append));
        lines.push(format!(
            "| {name} | {entries} | {rate:.0} | {hub} | {postgres} | {loader} | {latency} |"
        ));
    }
    for (kind, reads) in &row.report.reads {
        let (rate, latency) = (
            count(reads.requests) / reads.seconds.max(f64::MIN_POSITIVE),
            latencies(reads),
        );
        lines.push(format!(
            "| {name}: {kind}, {rate:.0} a second | {entries} | | | | | {latency} |"
        ));
    }
    lines.join("\n")
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, commit {}.\n{}\n", self.date, self.commit, machine())?;
        writeln!(
            f,
            "| scenario | entries before | events/s | hub µs | PostgreSQL µs | loader µs | p50 ms | p99 ms |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "{}", line(row))?;
        }
        writeln!(f)?;
        if let Some([indexed, plain]) = self.ceiling {
            writeln!(
                f,
                "Ceiling, the same bytes by `unnest` inserts of 256 and nothing else: {indexed:.0} events/s with the table's four \
                 indexes, {plain:.0} with one.\n"
            )?;
        }
        writeln!(f, "The hub held at most {} MiB.", self.memory / (1024 * 1024))?;
        if let Some(inside) = &self.inside {
            writeln!(f, "\n{inside}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of requests")]
fn count(n: usize) -> f64 {
    n as f64
}

fn millis(micros: u64) -> String {
    format!("{:.1}", Duration::from_micros(micros).as_secs_f64() * 1e3)
}

/// Processor, memory and server.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let value = |text: &str, name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let postgres = Command::new("psql")
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    format!(
        "{cores} × {}, {} of memory, {postgres}; hub, PostgreSQL (its defaults) and loader on this one machine.",
        value(&processors, "model name"),
        value(&memory, "MemTotal")
    )
}
