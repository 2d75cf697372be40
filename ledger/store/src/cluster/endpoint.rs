//! How to reach a server: over its socket, without a password.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::{Config, NoTls};

use super::ClusterError;

/// The role that `initdb` creates and everybody connects as.
pub(super) const ROLE: &str = "daybook";
/// The database that holds the log.
const DATABASE: &str = "daybook";
/// The database that `initdb` always makes.
const FIRST_DATABASE: &str = "postgres";
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a server's socket is.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
}

impl Endpoint {
    pub(super) fn log_database(&self) -> Config {
        self.database(DATABASE)
    }

    pub(super) fn url(&self) -> String {
        format!(
            "postgresql://{ROLE}@{}:{}/{DATABASE}",
            percent_encoded(&self.socket_dir),
            self.port
        )
    }

    fn database(&self, name: &str) -> Config {
        let mut config = Config::new();
        config
            .host_path(&self.socket_dir)
            .port(self.port)
            .user(ROLE)
            .dbname(name)
            .connect_timeout(CONNECT);
        config
    }

    /// Whether the server takes connections now.
    pub(super) async fn answers(&self) -> bool {
        let attempt = self.database(FIRST_DATABASE);
        matches!(
            tokio::time::timeout(CONNECT, attempt.connect(NoTls)).await,
            Ok(Ok(_))
        )
    }

    /// Creates the log's database unless it is there.
    pub(super) async fn make_log_database(&self) -> Result<(), ClusterError> {
        let attempt = self.database(FIRST_DATABASE);
        let (client, connection) = attempt.connect(NoTls).await.map_err(ClusterError::Database)?;
        let work = async {
            let known = client
                .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE])
                .await?;
            if known.is_none() {
                client
                    .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
                    .await?;
            }
            drop(client);
            Ok(())
        };
        let (done, _) = tokio::join!(work, connection);
        done.map_err(ClusterError::Database)
    }
}

fn percent_encoded(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_names_the_same_socket_as_the_configuration() {
        let endpoint = Endpoint {
            socket_dir: "/tmp/day book-é".into(),
            port: 5432,
        };
        let parsed: Config = endpoint.url().parse().unwrap();
        let expected = endpoint.log_database();
        assert_eq!(parsed.get_hosts(), expected.get_hosts());
        assert_eq!(parsed.get_ports(), expected.get_ports());
        assert_eq!(parsed.get_user(), expected.get_user());
        assert_eq!(parsed.get_dbname(), expected.get_dbname());
    }
}
