//! Where the database is, as `DATABASE_URL` says it.
//!
//! The driver knows `sslmode` in three of libpq's forms and no certificates. So libpq's own words for TLS are taken out of
//! the text here, and the driver reads the rest.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::text::{self, Param};
use super::tls::{Connector, Files, Verify};

/// The text says no address that can be used.
#[derive(Debug, Error)]
pub enum AddressError {
    /// The driver does not understand it.
    #[error("not a PostgreSQL connection string")]
    Text(#[source] tokio_postgres::Error),
    /// A quote or an escape that does not end.
    #[error("not a PostgreSQL connection string: {0}")]
    Form(&'static str),
    /// An `sslmode` that protects nobody, or is none.
    #[error(
        "sslmode={0} is not taken: it must be verify-full, verify-ca, require, or disable (a mode that only prefers TLS can be talked out of it)"
    )]
    Mode(String),
    /// A file of TLS.
    #[error("{param} {path}: {reason}")]
    File {
        /// The parameter that names it.
        param: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The roots that the system trusts cannot be read.
    #[error(
        "the system's root certificates cannot be read ({0}); install ca-certificates, or name a file with sslrootcert"
    )]
    NoRoots(String),
    /// A certificate cannot be compared with a name that is not known.
    #[error(
        "{0} has no name to compare a certificate with: give `host`, and `hostaddr` beside it if you must, or say sslmode=verify-ca"
    )]
    NoName(IpAddr),
    /// rustls refuses the settings.
    #[error("TLS to PostgreSQL cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A log is written, so a server that only reads is of no use.
    #[error("target_session_attrs must be read-write or any: a hub writes")]
    ReadOnly,
}

/// How to reach a database: its hosts, in the order in which they are tried, the role, and how the way there is protected.
///
/// From text by [`str::parse`]; from the driver's own [`Config`] without TLS.
#[derive(Clone, Debug)]
pub struct Address {
    config: Config,
    tls: Option<Connector>,
}

impl Address {
    /// The driver's view of it, of all hosts at once.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the way to every host stays on this machine.
    pub fn is_here(&self) -> bool {
        is_here(&self.config)
    }

    /// The certificates that are checked on the way; `None` where nothing is encrypted.
    pub fn verification(&self) -> Option<Verify> {
        self.tls.as_ref().map(Connector::verify)
    }

    pub(super) fn connector(&self) -> Option<&Connector> {
        self.tls.as_ref()
    }

    /// One configuration for each host, so that each has its own time.
    pub(super) fn each(&self) -> Vec<Config> {
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let count = hosts.len().max(addresses.len());
        let fits = |length: usize| length <= 1 || length == count;
        if count == 0
            || ![hosts.len(), addresses.len(), self.config.get_ports().len()]
                .into_iter()
                .all(fits)
        {
            // The driver says what is wrong with it.
            return vec![self.config.clone()];
        }
        (0..count)
            .map(|at| self.only(hosts.get(at), addresses.get(at), at))
            .collect()
    }

    fn only(&self, host: Option<&Host>, address: Option<&IpAddr>, at: usize) -> Config {
        let all = &self.config;
        let mut one = Config::new();
        match host {
            Some(Host::Tcp(name)) => _ = one.host(name),
            Some(Host::Unix(path)) => _ = one.host_path(path),
            None => {}
        }
        if let Some(address) = address {
            one.hostaddr(*address);
        }
        if let Some(port) = all.get_ports().get(at).or_else(|| all.get_ports().first()) {
            one.port(*port);
        }
        let is_socket = matches!(host, Some(Host::Unix(_)));
        let mode = if is_socket {
            SslMode::Disable
        } else {
            all.get_ssl_mode()
        };
        one.ssl_mode(mode)
            .ssl_negotiation(all.get_ssl_negotiation())
            .channel_binding(all.get_channel_binding())
            .target_session_attrs(all.get_target_session_attrs());
        if let Some(user) = all.get_user() {
            one.user(user);
        }
        if let Some(dbname) = all.get_dbname() {
            one.dbname(dbname);
        }
        if let Some(options) = all.get_options() {
            one.options(options);
        }
        if let Some(password) = all.get_password() {
            one.password(password);
        }
        one
    }
}

impl From<Config> for Address {
    fn from(config: Config) -> Self {
        Self { config, tls: None }
    }
}

impl From<&Config> for Address {
    fn from(config: &Config) -> Self {
        config.clone().into()
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads a URL (`postgresql://…`) or words (`host=… dbname=…`), and the files that it names.
    ///
    /// Without `sslmode`: no TLS to this machine (a socket, `localhost`, a loopback address) unless a root is named, and
    /// `verify-full` to any other.
    /// Several hosts mean one of them is the primary, and that one is looked for at each connection.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (rest, params) = text::split(text, &["sslmode", "sslrootcert", "sslcert", "sslkey"])?;
        let mut config: Config = rest.parse().map_err(AddressError::Text)?;
        match config.get_target_session_attrs() {
            TargetSessionAttrs::ReadOnly => return Err(AddressError::ReadOnly),
            _ if config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 => {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            _ => {}
        }
        let files = Files {
            root: path(&params, "sslrootcert"),
            certificate: path(&params, "sslcert"),
            key: path(&params, "sslkey"),
        };
        let mode = value(&params, "sslmode");
        let verify = match mode {
            Some("disable") => None,
            None if files.root.is_none() && is_here(&config) => None,
            // As libpq has it: whoever names a root means it.
            Some("require") if files.root.is_none() => Some(Verify::Nothing),
            Some("require" | "verify-ca") => Some(Verify::Issuer),
            None | Some("verify-full") => Some(Verify::Name),
            Some(other) => return Err(AddressError::Mode(other.to_owned())),
        };
        let Some(verify) = verify else {
            config.ssl_mode(SslMode::Disable);
            return Ok(Self { config, tls: None });
        };
        if let (Verify::Name, [], Some(address)) =
            (verify, config.get_hosts(), config.get_hostaddrs().first())
        {
            return Err(AddressError::NoName(*address));
        }
        config.ssl_mode(SslMode::Require);
        let tls = Some(Connector::new(verify, &files)?);
        Ok(Self { config, tls })
    }
}

fn value<'a>(params: &'a [Param], name: &str) -> Option<&'a str> {
    params
        .iter()
        .rfind(|param| param.name == name && !param.value.is_empty())
        .map(|param| param.value.as_str())
}

fn path(params: &[Param], name: &str) -> Option<PathBuf> {
    value(params, name).map(PathBuf::from)
}

/// Whether the way to every host stays on this machine.
fn is_here(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    })
}

#[cfg(test)]
mod tests;
