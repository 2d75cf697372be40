//! What can go wrong with the private cluster, and what to do then.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why the private cluster cannot be had; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server programs of version 15 or later anywhere.
    #[error(
        "no PostgreSQL server programs of version {minimum} or later were found (looked in {looked_in}{older}). \
         Install them, on Debian with `apt install postgresql`, or set DATABASE_URL to use a server of your own",
        older = .older.map(|v| format!("; version {v} is too old")).unwrap_or_default()
    )]
    NoPrograms {
        /// The oldest version that will do.
        minimum: u32,
        /// The places, in the order in which they were tried.
        looked_in: String,
        /// The newest version that was there and too old.
        older: Option<u32>,
    },
    /// The data folder was made by a version that is not installed.
    #[error(
        "the data folder was made by PostgreSQL {wanted}, whose programs are not installed (found: {found}). \
         Install them, on Debian with `apt install postgresql-{wanted}`, or move the data with pg_upgrade"
    )]
    OtherVersion {
        /// The version in the folder's `PG_VERSION`.
        wanted: u32,
        /// The versions that are installed.
        found: String,
    },
    /// `setpriv` is missing.
    #[error("the program `setpriv` was not found. Install it, on Debian with `apt install util-linux`")]
    NoSetpriv,
    /// Started by root, and nobody to run the server as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `daybook` nor `postgres` to run it as. \
         Create one with `useradd --system --no-create-home daybook`, or start Daybook as an ordinary user"
    )]
    NoAccount,
    /// An existing cluster belongs to somebody whom we cannot be.
    #[error(
        "{} belongs to user id {owner}, and PostgreSQL runs only as the owner of its files. \
         Start Daybook as that user, choose another folder (`data_dir`, or --data-dir of the demo), or change the owner with `chown -R`",
        .path.display()
    )]
    WrongOwner {
        /// The cluster's folder.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// A folder above the cluster cannot be entered by the server's user.
    #[error(
        "PostgreSQL would run as user `{user}`, who cannot enter {} (mode {mode:04o}, owned by user id {owner}). \
         Choose a folder that this user can reach, for example /var/lib/daybook (`data_dir`, or --data-dir of the demo), \
         or let others pass with `chmod o+x {}`", .blocking.display(), .blocking.display()
    )]
    Unreachable {
        /// The server's user.
        user: String,
        /// The folder that stops it: the data folder or one of its parents.
        blocking: PathBuf,
        /// That folder's permission bits.
        mode: u32,
        /// That folder's owner.
        owner: u32,
    },
    /// `pg` holds something, and it is no cluster.
    #[error(
        "{} is not empty and is no PostgreSQL cluster (it has no readable PG_VERSION). \
         Choose another folder (`data_dir`, or --data-dir of the demo), or move this one away", .path.display()
    )]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },
    /// The socket's folder is not safe to use.
    #[error(
        "the folder for PostgreSQL's socket, {}, {problem}; somebody else may have put it there. \
         Remove it, or set XDG_RUNTIME_DIR to a folder of your own", .path.display()
    )]
    UnsafeSocketDir {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file or folder could not be read, made or changed.
    #[error("cannot {action} {}: check that it exists and that you may do that, and that the disk is not full", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A program could not be run at all.
    #[error("cannot run {}: check that it is installed completely and that everybody may execute it", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb could not make a cluster in {} ({status}). It said:\n{output}", .path.display())]
    Init {
        /// The half-made folder, which the next start removes.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        output: String,
    },
    /// The server ended before it answered.
    #[error("PostgreSQL ended before it was ready ({status}). The last lines of {}:\n{tail}", .log.display())]
    Ended {
        /// How it ended.
        status: String,
        /// The file with its messages.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// The server lives and does not answer.
    #[error(
        "PostgreSQL did not answer within {waited:?} and was told to stop; if it was in recovery, start again \
         and let it go on. The last lines of {}:\n{tail}", .log.display()
    )]
    TooSlow {
        /// The time that was given.
        waited: Duration,
        /// The file with its messages.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// Another process holds the folder, and no server answers there.
    #[error(
        "{} is in use by another Daybook ({owner}), whose PostgreSQL does not answer. \
         Wait for it, stop it, or choose another folder (`data_dir`, or --data-dir of the demo)", .data_dir.display(),
        owner = .owner.map_or_else(|| "process unknown".to_owned(), |pid| format!("process {pid}"))
    )]
    OwnerSilent {
        /// The data folder.
        data_dir: PathBuf,
        /// The owner's process id.
        owner: Option<u32>,
    },
    /// A server that somebody else started does not answer.
    #[error(
        "PostgreSQL (process {pid}) runs on this data folder, was not started by Daybook and does not answer as role \
         `daybook` on its socket. Stop it with `kill -INT {pid}` and start again"
    )]
    Unresponsive {
        /// The server's process id.
        pid: u32,
    },
    /// A server does not end.
    #[error(
        "PostgreSQL (process {pid}) did not end within {waited:?} of a fast shutdown. See {}; \
         `kill -QUIT {pid}` ends it at once, and it recovers at the next start", .log.display()
    )]
    StillRunning {
        /// The server's process id.
        pid: u32,
        /// The time that was given.
        waited: Duration,
        /// The file with its messages.
        log: PathBuf,
    },
    /// The log's database could not be made.
    #[error("the private PostgreSQL runs, but its database could not be made; see its log file")]
    Database(#[source] tokio_postgres::Error),
    /// The async runtime ended under us.
    #[error("the program is shutting down; start it again")]
    RuntimeGone,
}

impl ClusterError {
    /// Wraps an I/O error with what was tried.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
