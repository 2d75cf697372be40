//! How much of the machine's memory a private server takes for itself.

use std::fs;
use std::path::Path;

/// MiB below which a server is not given less, and above which it is not given more unless somebody says so.
const LEAST: u64 = 128;
const MOST: u64 = 2048;

/// MiB of shared buffers that fit this machine: an eighth of what this process may use, from 128 to 2,048.
///
/// The indexes over entries are met at random. With PostgreSQL's own 128 MiB they have outgrown it at a million entries.
pub(super) fn shared_buffers_mib() -> u64 {
    let machine = rustix::system::sysinfo();
    let total = u128::from(machine.totalram) * u128::from(machine.mem_unit);
    let total = u64::try_from(total >> 20).unwrap_or(u64::MAX);
    share(limit_of_group().map_or(total, |limit| limit.min(total)))
}

fn share(memory_mib: u64) -> u64 {
    (memory_mib / 8).clamp(LEAST, MOST)
}

/// MiB that the control group of this process may use; `None` where there is no such limit.
fn limit_of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut group = Path::new("/sys/fs/cgroup").join(path_of(&groups)?);
    let mut least = None;
    // A limit of a group above holds too.
    while group.starts_with("/sys/fs/cgroup") {
        let limit = fs::read_to_string(group.join("memory.max")).ok();
        let limit: Option<u64> = limit.and_then(|text| text.trim().parse().ok());
        least = least.into_iter().chain(limit).min();
        group.pop();
    }
    least.map(|bytes| bytes >> 20)
}

/// The path of the second version's group in `/proc/self/cgroup`, relative to where groups are mounted.
fn path_of(groups: &str) -> Option<&str> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_within_bounds_is_taken() {
        assert_eq!(share(512), LEAST);
        assert_eq!(share(8192), 1024);
        assert_eq!(share(1 << 20), MOST);
        assert!((LEAST..=MOST).contains(&shared_buffers_mib()));
    }

    #[test]
    fn only_the_second_versions_group_is_read() {
        assert_eq!(path_of("1:memory:/old\n0::/user.slice/a\n"), Some("user.slice/a"));
        assert_eq!(path_of("1:memory:/old\n"), None);
    }
}
