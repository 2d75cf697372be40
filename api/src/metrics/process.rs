//! What the process itself uses, as Linux tells it. Where it tells nothing, the numbers stay at zero.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};

#[derive(Default)]
pub(super) struct Process {
    memory: Gauge,
    open_files: Gauge,
    most_files: Gauge,
    threads: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

impl Process {
    pub(super) fn register(&self, registry: &mut Registry) {
        let process = registry.sub_registry_with_prefix("process");
        process.register_with_unit(
            "resident_memory",
            "Memory in use",
            Unit::Bytes,
            self.memory.clone(),
        );
        process.register("open_fds", "Open files and connections", self.open_files.clone());
        process.register(
            "max_fds",
            "Files and connections that may be open",
            self.most_files.clone(),
        );
        process.register("threads", "Threads", self.threads.clone());
        process.register_with_unit("cpu", "Time on processors", Unit::Seconds, self.cpu.clone());
    }

    pub(super) fn look(&self) {
        let page = i64::try_from(rustix::param::page_size()).unwrap_or(4_096);
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        self.memory.set(field(&statm, 1).saturating_mul(page));
        let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(files).unwrap_or(i64::MAX));
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        self.most_files.set(i64::try_from(most).unwrap_or(i64::MAX));
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The second field is a name in brackets that may hold spaces; counted from behind it, user time is the 12th.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        self.threads.set(field(rest, 17));
        let ticks = field(rest, 11).saturating_add(field(rest, 12));
        let ticks = u32::try_from(ticks).map_or(0.0, f64::from);
        let rate = u32::try_from(rustix::param::clock_ticks_per_second()).map_or(100.0, f64::from);
        let more = ticks / rate - self.cpu.get();
        if more > 0.0 {
            self.cpu.inc_by(more);
        }
    }
}

fn field(text: &str, place: usize) -> i64 {
    text.split_whitespace()
        .nth(place)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something_of_everything() {
        let process = Process::default();
        // A tick is ten milliseconds.
        let begin = std::time::Instant::now();
        while process.cpu.get() <= 0.0 {
            assert!(
                begin.elapsed().as_secs() < 60,
                "no time on a processor after a minute of work"
            );
            process.look();
        }
        assert!(process.memory.get() > 1024 * 1024);
        assert!(process.open_files.get() >= 3 && process.open_files.get() <= process.most_files.get());
        assert!(process.threads.get() >= 1);
    }
}
