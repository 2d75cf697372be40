//! What the configuration says of the sandbox, and whether this machine can do it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Sandbox, SandboxError, User, Wall};

/// The table `[sandbox]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// What isolates a run.
    pub isolation: Isolation,
    /// What keeps it from the network.
    pub network: Network,
    /// Who runs engines where the runner is root.
    pub user: String,
    /// Files and folders that engines need besides the system's and their own; runs can read them.
    pub readable: Vec<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            isolation: Isolation::default(),
            network: Network::default(),
            user: "nobody".to_owned(),
            readable: Vec::new(),
        }
    }
}

/// What isolates a run from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Namespaces made by bubblewrap.
    #[default]
    Bubblewrap,
    /// Nothing but a process group: the zone's own wall does the rest. A process that leaves its group outlives the run.
    None,
}

/// What keeps a run from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network namespace with nothing in it but its own loopback.
    #[default]
    Namespace,
    /// The zone's own wall; the sandbox leaves the network as it is.
    Open,
}

impl Sandbox {
    /// Prepares what the configuration asks for; [`Sandbox::check`] then tries it.
    ///
    /// # Errors
    /// [`SandboxError`], which says what to do.
    pub fn new(config: &SandboxConfig) -> Result<Self, SandboxError> {
        if config.isolation == Isolation::None && config.network != Network::Open {
            return Err(SandboxError::OpenNetwork);
        }
        let wall = match config.isolation {
            Isolation::None => None,
            Isolation::Bubblewrap => Some(Wall {
                bubblewrap: find("bwrap", "bubblewrap")?,
                network: config.network,
                user: user(&config.user)?,
            }),
        };
        let there = |path: &PathBuf| {
            path.canonicalize()
                .map_err(|_| SandboxError::NotReadable(path.clone()))
        };
        config
            .readable
            .iter()
            .try_for_each(|path| there(path).map(drop))?;
        Ok(Self {
            wall,
            prlimit: find("prlimit", "util-linux")?,
            setpriv: find("setpriv", "util-linux")?,
            readable: config.readable.clone(),
        })
    }
}

impl Sandbox {
    /// The strongest that works on this machine, for a demonstration or a test: bubblewrap, or else no wall at all.
    ///
    /// # Errors
    /// [`SandboxError`] where not even the programs for the weaker one are there.
    pub async fn strongest() -> Result<Self, SandboxError> {
        if let Ok(sandbox) = Self::new(&SandboxConfig::default())
            && sandbox.check().await.is_ok()
        {
            return Ok(sandbox);
        }
        Self::new(&SandboxConfig {
            isolation: Isolation::None,
            network: Network::Open,
            ..SandboxConfig::default()
        })
    }
}

/// The user to become; nobody where the runner is not root, for then it cannot become anybody.
fn user(name: &str) -> Result<Option<User>, SandboxError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let unknown = || SandboxError::NoUser(name.to_owned());
    let users = std::fs::read_to_string("/etc/passwd").map_err(|_| unknown())?;
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let mut fields = line.ok_or_else(unknown)?.split(':').skip(1).map(str::parse);
    let (Some(Ok(uid)), Some(Ok(gid))) = (fields.next(), fields.next()) else {
        return Err(unknown());
    };
    if uid == 0 {
        return Err(SandboxError::RootUser(name.to_owned()));
    }
    Ok(Some(User { uid, gid }))
}

/// A program on the `PATH`, or where Debian puts it.
pub(in crate::engine) fn find(program: &'static str, package: &'static str) -> Result<PathBuf, SandboxError> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let is_program = |file: &PathBuf| {
        file.metadata()
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin"), PathBuf::from("/bin")])
        .filter(|folder| Path::is_absolute(folder))
        .map(|folder| folder.join(program))
        .find(is_program)
        .ok_or(SandboxError::NoProgram { program, package })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SandboxConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_sandbox_that_cannot_take_the_network_away_must_say_so() {
        let error = Sandbox::new(&parse("isolation = \"none\"")).unwrap_err();
        assert!(error.to_string().contains("network = \"open\""), "{error}");
        let open = Sandbox::new(&parse("isolation = \"none\"\nnetwork = \"open\"")).unwrap();
        assert!(!open.is_isolated() && !open.is_offline());
    }

    #[test]
    fn root_is_no_user_for_engines() {
        let config = parse("user = \"root\"");
        let made = Sandbox::new(&config);
        if rustix::process::geteuid().is_root() {
            assert!(matches!(made, Err(SandboxError::RootUser(_))), "{made:?}");
        }
        assert!(matches!(
            Sandbox::new(&parse("readable = [\"/no/such/place\"]")),
            Err(SandboxError::NotReadable(_) | SandboxError::NoProgram { .. })
        ));
    }
}
