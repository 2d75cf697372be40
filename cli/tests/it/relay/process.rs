//! The relay as a process.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use crate::bin::{Listening, Site, daybook, terminate};

/// The relay as a process. It is killed when this value goes.
pub(crate) struct RelayProcess {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl RelayProcess {
    /// Starts it; what it printed, where it ends instead of listening.
    pub(crate) fn start(site: &Site) -> Result<Self, String> {
        let mut command = daybook();
        command.args(["relay", "--config"]).arg(site.path("relay.toml"));
        Self::listen(command)
    }

    fn listen(command: Command) -> Result<Self, String> {
        let Listening { child, log, .. } = Listening::start(command)?;
        Ok(Self { child, log })
    }

    /// Starts it with a small file system of its own under its spool; nothing where that cannot be had.
    pub(crate) fn start_on_small_disk(site: &Site) -> Option<Self> {
        let spool = site.text("relay");
        std::fs::create_dir_all(&spool).unwrap();
        let mount = format!("mount -t tmpfs -o size=3m tmpfs {spool}");
        let probe = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &mount])
            .output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            return None;
        }
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("{mount} && exec \"$0\" relay --config \"$1\""));
        command.arg(daybook().get_program()).arg(site.path("relay.toml"));
        Some(Self::listen(command).unwrap())
    }

    /// A file in the spool as the process sees it.
    fn inside(&self, spool: &str) -> std::path::PathBuf {
        format!("/proc/{}/root{spool}/filling", self.child.id()).into()
    }

    /// Leaves no room on the small disk.
    pub(crate) fn fill_disk(&self, site: &Site) {
        let mut file = std::fs::File::create(self.inside(&site.text("relay"))).unwrap();
        let block = [0; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    pub(crate) fn empty_disk(&self, site: &Site) {
        std::fs::remove_file(self.inside(&site.text("relay"))).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and answers whether it ended well.
    pub(crate) fn terminate(mut self) -> bool {
        terminate(&mut self.child)
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
