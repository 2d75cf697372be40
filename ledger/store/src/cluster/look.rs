//! Looking at a data folder without changing it.

use std::path::PathBuf;

use super::account::Account;
use super::{ClusterError, Config, init, postmaster, programs};

/// What a private cluster would start with, or runs with.
#[derive(Debug)]
pub struct Look {
    /// PostgreSQL's programs.
    pub programs: PathBuf,
    /// How to reach the folder's server, if it runs.
    pub running: Option<tokio_postgres::Config>,
}

impl super::Cluster {
    /// Whether the folder's server runs, or could be started; the errors are those of [`Cluster::start`](Self::start).
    pub fn look(config: &Config) -> Result<Look, ClusterError> {
        let absolute =
            std::path::absolute(&config.data_dir).map_err(ClusterError::file("find", &config.data_dir))?;
        // A server's working folder, by which it is known, has no symbolic link in its path.
        let data_dir = absolute.canonicalize().unwrap_or(absolute);
        let pg = data_dir.join("pg");
        let version = init::version(&pg)?;
        let account = Account::choose()?;
        let account = if version.is_some() {
            account.for_cluster(&pg)?
        } else {
            account
        };
        account.check_reach(&data_dir)?;
        let programs = programs::find(&config.programs, version)?.bin;
        let running = postmaster::find(&pg)?.map(|running| running.endpoint.log_database());
        Ok(Look { programs, running })
    }
}
