//! The wall around a run: no network, no other processes, no files but those it needs.
//!
//! The wall is bubblewrap's: namespaces for network, processes, mounts, IPC and host name, a root file system that holds
//! nothing but the system's programs and the run's own folders, no capabilities, and a user of its own where the runner is
//! root. All that the run starts lives in one process namespace; when its first process is gone, the kernel has killed
//! every other one, however they were started. That also happens when the runner itself is killed.

mod build;
mod check;
mod config;

use std::path::PathBuf;

pub(super) use config::find;
pub use config::{Isolation, Network, SandboxConfig};

pub(super) use build::Order;

/// Who runs the engine where the runner is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// There is no such wall here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A program is missing.
    #[error("the program `{program}` was not found on the PATH; on Debian: apt install {package}")]
    NoProgram {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// Nothing but the sandbox can take the network away.
    #[error(
        "`isolation = \"none\"` cannot keep a run from the network; where the zone's own wall does that, say `network = \"open\"`"
    )]
    OpenNetwork,
    /// Nobody of that name.
    #[error("there is no user {0:?} in /etc/passwd to run engines as; set `user` in [sandbox]")]
    NoUser(String),
    /// Root would be no wall.
    #[error("the user {0:?} is root; set `user` in [sandbox] to one that owns nothing")]
    RootUser(String),
    /// A path that cannot be shown to a run.
    #[error("`readable` names {}, which is not there", .0.display())]
    NotReadable(PathBuf),
    /// The kernel or another wall does not let it.
    #[error(
        "bubblewrap cannot make namespaces here ({0}); run as root, or allow user namespaces; where the zone's own wall \
         isolates runs, say `isolation = \"none\"` and `network = \"open\"` in [sandbox]"
    )]
    NotAllowed(String),
    /// It did not take the network away.
    #[error("a run inside the sandbox still sees the network interfaces {0}")]
    Leaks(String),
}

/// How engines are run on this machine.
#[derive(Debug, Clone)]
pub struct Sandbox {
    wall: Option<Wall>,
    prlimit: PathBuf,
    setpriv: PathBuf,
    readable: Vec<PathBuf>,
}

/// Bubblewrap, and what it is to do.
#[derive(Debug, Clone)]
struct Wall {
    bubblewrap: PathBuf,
    network: Network,
    user: Option<User>,
}

impl Sandbox {
    /// Whether runs see a file system and processes of their own.
    pub fn is_isolated(&self) -> bool {
        self.wall.is_some()
    }

    /// Whether runs are kept from the network by this sandbox.
    pub fn is_offline(&self) -> bool {
        self.wall
            .as_ref()
            .is_some_and(|wall| wall.network == Network::Namespace)
    }

    pub(super) fn user(&self) -> Option<User> {
        self.wall.as_ref().and_then(|wall| wall.user)
    }
}
