//! The private PostgreSQL cluster that Daybook runs for itself when no `DATABASE_URL` is given.
//!
//! # In scope
//! Finding the server's programs, `initdb`, starting, adopting and stopping one server per data folder.
//!
//! # Out of scope
//! What is in the database (migrations do that), and reading the environment: callers pass what they found there.
//!
//! # Invariants
//! - One server per data folder. Whoever holds `cluster.lock` starts and stops it; others use what is running.
//! - No TCP. The only door is a socket in a folder that nobody but the server's account (and root) can enter.
//! - The server outlives a Ctrl-C (it has its own process group) and never its owner: the kernel sends it SIGINT,
//!   PostgreSQL's fast shutdown, when the thread that started it ends, so after `kill -9` too.
//! - `<data folder>/pg` is either absent or a complete cluster: `initdb` works in `pg.new`, which is then renamed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

mod account;
mod endpoint;
mod error;
mod init;
mod lock;
mod look;
mod memory;
mod postmaster;
mod programs;
mod server;
mod socket;

pub use error::ClusterError;
pub use look::Look;
pub use programs::ProgramSearch;

use account::Account;
use endpoint::Endpoint;
use lock::OwnerLock;
use postmaster::Running;
use server::Server;

/// A port only names the socket's file here, `.s.PGSQL.5432`; nothing listens on TCP.
const PORT: u16 = 5432;
/// The bounded pause between two questions whether the server answers yet.
const POLL: Duration = Duration::from_millis(20);
/// The pause between two questions whether an adopted server still answers.
const LOOK: Duration = Duration::from_secs(1);
/// How long a fast shutdown may take, its checkpoint included.
const STOP: Duration = Duration::from_mins(1);

/// Where the cluster lives and how it is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Daybook's data folder; the server's own files are in `pg` below it, its messages in `pg.log`.
    pub data_dir: PathBuf,
    /// Where to put the socket's folder, normally `$XDG_RUNTIME_DIR`. Without it (or where it would make the path too
    /// long for a socket): `/run` for root, else `/tmp`.
    pub runtime_dir: Option<PathBuf>,
    /// Where to look for PostgreSQL's programs.
    pub programs: ProgramSearch,
    /// `false` trades every guarantee after a power cut for speed: tests only.
    pub fsync: bool,
    /// MiB of memory that the server keeps pages in (`shared_buffers`).
    pub shared_buffers_mib: u64,
    /// How long to wait for a server that is alive but does not answer yet; long, since it may be in crash recovery.
    pub start_within: Duration,
}

impl Config {
    /// A durable cluster in a folder, with programs where Debian puts them.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            runtime_dir: None,
            programs: ProgramSearch::default(),
            fsync: true,
            shared_buffers_mib: memory::shared_buffers_mib(),
            start_within: Duration::from_mins(5),
        }
    }
}

/// The data folder when the user names none: `/var/lib/daybook` for root, else `$XDG_DATA_HOME/daybook` or
/// `~/.local/share/daybook`; `None` when an ordinary user has neither variable.
///
/// Root's is not below root's home, because the server runs as another user, who cannot enter a home of mode 0700.
/// A relative `$XDG_DATA_HOME` is ignored, as the XDG base directory specification asks.
pub fn default_data_dir(is_root: bool, xdg_data_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/daybook"));
    }
    let share = xdg_data_home
        .filter(|path| path.is_absolute())
        .map(Path::to_path_buf);
    share
        .or_else(|| home.map(|home| home.join(".local/share")))
        .map(|share| share.join("daybook"))
}

/// The folders of one cluster; all absolute and without symbolic links.
#[derive(Clone, Debug)]
struct Layout {
    data_dir: PathBuf,
    pg: PathBuf,
    log: PathBuf,
}

/// A PostgreSQL server that answers, for as long as this value lives.
///
/// Dropping it asks the server to stop without waiting; [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    endpoint: Endpoint,
    log: PathBuf,
    /// `None` when the server belongs to somebody else and was adopted.
    server: Option<Server>,
    lock: Option<OwnerLock>,
}

impl Cluster {
    /// Starts the folder's server, making the cluster first if there is none, or adopts one that already runs.
    ///
    /// When another process owns the folder, waits until that one's server answers and uses it; [`Cluster::stop`] then
    /// leaves it running. What a killed owner left behind is shut down first, or its end awaited.
    pub async fn start(config: Config) -> Result<Self, ClusterError> {
        let deadline = Instant::now() + config.start_within;
        let data_dir = config.data_dir.clone();
        let (layout, account) = blocking(move || account::prepare_folder(&data_dir)).await?;
        loop {
            if let Some(lock) = OwnerLock::try_take(&layout.data_dir)? {
                return Self::own(&config, layout, account, lock, deadline).await;
            }
            if let Some(running) = postmaster::find(&layout.pg)?
                && running.endpoint.answers().await
            {
                tracing::debug!(pid = running.pid, "adopted the server of another process");
                return Ok(Self {
                    endpoint: running.endpoint,
                    log: layout.log,
                    server: None,
                    lock: None,
                });
            }
            pause(deadline).await.ok_or_else(|| ClusterError::OwnerSilent {
                data_dir: layout.data_dir.clone(),
                owner: lock::owner_of(&layout.data_dir),
            })?;
        }
    }

    async fn own(
        config: &Config,
        layout: Layout,
        account: Account,
        mut lock: OwnerLock,
        deadline: Instant,
    ) -> Result<Self, ClusterError> {
        if let Some(running) = postmaster::find(&layout.pg)? {
            if lock.was_abandoned() {
                // Its owner was killed, so the kernel has sent, or is about to send, SIGINT. Saying it again is
                // harmless; adopting a server that is about to end would not be.
                running.interrupt()?;
                running.ended(deadline).await?;
            } else if let Some(endpoint) = answering(&running, deadline).await? {
                // Somebody started it by hand, with pg_ctl for example: use it, and leave it running.
                return Ok(Self {
                    endpoint,
                    log: layout.log,
                    server: None,
                    lock: Some(lock),
                });
            }
        }
        postmaster::remove_misleading(&layout.pg)?;

        let (blocking_config, blocking_layout) = (config.clone(), layout.clone());
        let (programs, account, socket_dir) = blocking(move || {
            let version = init::version(&blocking_layout.pg)?;
            let account = if version.is_some() {
                account.for_cluster(&blocking_layout.pg)?
            } else {
                account
            };
            account.check_reach(&blocking_layout.data_dir)?;
            let found = programs::find(&blocking_config.programs, version)?;
            init::make_if_missing(&blocking_layout, &found, &account, blocking_config.fsync)?;
            let runtime_dir = blocking_config.runtime_dir.as_deref();
            let socket_dir = socket::make_dir(&blocking_layout.data_dir, runtime_dir, &account)?;
            Ok((found, account, socket_dir))
        })
        .await?;

        let endpoint = Endpoint {
            socket_dir,
            port: PORT,
        };
        lock.mark_owned()?;
        let server = loop {
            let server = Server::spawn(&layout, &endpoint, &programs, &account, config).await?;
            match ready(&server, &endpoint, deadline).await {
                Ok(()) => break server,
                // After a `kill -9` of the server alone, its children need a moment to notice.
                Err(ClusterError::Ended { tail, .. })
                    if tail.contains("pre-existing shared memory block")
                        && pause(deadline).await.is_some() => {}
                Err(problem) => {
                    socket::remove_dir(&endpoint.socket_dir);
                    return Err(problem);
                }
            }
        };
        endpoint.make_log_database().await?;
        Ok(Self {
            endpoint,
            log: layout.log,
            server: Some(server),
            lock: Some(lock),
        })
    }

    /// How to connect: over the socket, as the role `daybook`, to the database `daybook`.
    pub fn pg_config(&self) -> tokio_postgres::Config {
        self.endpoint.log_database()
    }

    /// The same as a connection URL, as `psql` takes it too.
    pub fn url(&self) -> String {
        self.endpoint.url()
    }

    /// Whether the server is somebody else's, so that stopping leaves it running.
    pub fn is_adopted(&self) -> bool {
        self.server.is_none()
    }

    /// The process id of the server; `None` when it was adopted.
    pub fn server_pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// The file with the server's messages.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Waits until the server has ended, for whatever reason; when it was adopted, until it answers no more.
    pub async fn ended(&self) {
        match &self.server {
            Some(server) => _ = server.ended().await,
            // It is not this process's child, so that nothing but asking tells.
            None => {
                while self.endpoint.answers().await {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Stops the server by a fast shutdown and waits until it has ended, at most a minute.
    ///
    /// Open connections are ended and their transactions rolled back, so call it after the last batch. An adopted
    /// server keeps running.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        let Some(server) = self.server.take() else {
            return Ok(());
        };
        server.interrupt();
        if tokio::time::timeout(STOP, server.ended()).await.is_err() {
            return Err(ClusterError::StillRunning {
                pid: server.pid(),
                waited: STOP,
                log: self.log.clone(),
            });
        }
        if let Some(lock) = &mut self.lock {
            lock.unmark()?;
        }
        socket::remove_dir(&self.endpoint.socket_dir);
        Ok(())
    }
}

/// Waits until the server answers, has ended (an error with its last words) or the time is over.
async fn ready(server: &Server, endpoint: &Endpoint, deadline: Instant) -> Result<(), ClusterError> {
    loop {
        let answers = tokio::select! {
            status = server.ended() => return Err(server.last_words(status)),
            answers = endpoint.answers() => answers,
        };
        if answers {
            return Ok(());
        }
        if pause(deadline).await.is_none() {
            server.interrupt();
            return Err(server.too_slow());
        }
    }
}

/// Waits until a server that is not ours answers; `None` when it ends instead.
async fn answering(running: &Running, deadline: Instant) -> Result<Option<Endpoint>, ClusterError> {
    loop {
        if running.endpoint.answers().await {
            return Ok(Some(running.endpoint.clone()));
        }
        if running.has_ended() {
            return Ok(None);
        }
        pause(deadline)
            .await
            .ok_or(ClusterError::Unresponsive { pid: running.pid })?;
    }
}

/// One bounded pause of polling; `None` when the time is over.
async fn pause(deadline: Instant) -> Option<()> {
    (Instant::now() < deadline).then_some(())?;
    tokio::time::sleep(POLL).await;
    Some(())
}

/// Runs file work off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static,
) -> Result<T, ClusterError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ClusterError::RuntimeGone)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_folder_of_root_is_not_below_its_home() {
        let home = Path::new("/srv/me");
        assert_eq!(
            default_data_dir(true, None, Some(home)),
            Some("/var/lib/daybook".into())
        );
        assert_eq!(
            default_data_dir(false, None, Some(home)),
            Some("/srv/me/.local/share/daybook".into())
        );
        assert_eq!(
            default_data_dir(false, Some(Path::new("/x")), Some(home)),
            Some("/x/daybook".into())
        );
        assert_eq!(default_data_dir(false, Some(Path::new("x")), None), None);
    }
}
