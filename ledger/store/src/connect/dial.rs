//! Making one connection: each host in turn, each within its own time.
//!
//! The driver's own time-out ends with the TCP connection. The kernel of a machine whose server has frozen still makes
//! those, so that a failover to the next host would never happen.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Connect;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls, Socket};
use tracing::{info, warn};

use super::address::Address;
use super::tls::Connector;

/// How long a host may take until it has let the role in.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where another host can be asked.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(2);

/// Why no host can be used.
pub(super) enum DialError {
    /// What the last that said something said.
    Refused(Error),
    /// None said anything in this time.
    Silent(Duration),
}

/// Makes connections to one address, as one application.
pub(super) struct Dialer {
    hosts: Vec<Config>,
    tls: Option<Connector>,
    news: Option<Arc<Notify>>,
}

impl Dialer {
    pub(super) fn new(address: &Address, application: &str) -> Self {
        let mut hosts = address.each();
        for host in &mut hosts {
            with_timeouts(host).application_name(application);
        }
        Self {
            hosts,
            tls: address.connector().cloned(),
            news: None,
        }
    }

    /// Every NOTIFY that the connection hears is passed on.
    pub(super) fn hearing(self, news: Arc<Notify>) -> Self {
        let news = Some(news);
        Self { news, ..self }
    }

    /// How long [`Dialer::dial`] takes at most.
    pub(super) fn patience(&self) -> Duration {
        let count = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.each().saturating_mul(count)
    }

    pub(super) fn has_choice(&self) -> bool {
        self.hosts.len() > 1
    }

    fn each(&self) -> Duration {
        if self.has_choice() {
            PATIENCE_WITH_OTHERS
        } else {
            PATIENCE
        }
    }

    /// The first host that can be used; names are resolved anew each time.
    pub(super) async fn dial(&self) -> Result<(Client, JoinHandle<()>), DialError> {
        let mut last = DialError::Silent(self.patience());
        for host in &self.hosts {
            let attempt = async {
                match &self.tls {
                    None => connected(host, NoTls, self.news.clone()).await,
                    Some(tls) => connected(host, tls.clone(), self.news.clone()).await,
                }
            };
            match tokio::time::timeout(self.each(), attempt).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = DialError::Refused(error),
                Err(_) => {}
            }
        }
        Err(last)
    }
}

impl Connect for Dialer {
    /// Ends by the pool's own time-out where every host is silent.
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        async {
            match self.dial().await {
                Ok(connection) => Ok(connection),
                Err(DialError::Refused(error)) => Err(error),
                Err(DialError::Silent(_)) => std::future::pending().await,
            }
        }
        .boxed()
    }
}

async fn connected<T>(
    host: &Config,
    tls: T,
    news: Option<Arc<Notify>>,
) -> Result<(Client, JoinHandle<()>), Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = host.connect(tls).await?;
    let driver = tokio::spawn(async move {
        let ended = loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(_))) => {
                    if let Some(news) = &news {
                        news.notify_one();
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        match ended {
            None => {}
            Some(error) if error.code() == Some(&SqlState::ADMIN_SHUTDOWN) => {
                info!("The database server ended a connection, as an administrator told it or it shuts down");
            }
            Some(error) => {
                let says = error.as_db_error().map(DbError::message);
                let says = says.map_or_else(|| error.to_string(), ToOwned::to_owned);
                warn!(error = %says, "A database connection ended");
            }
        }
    });
    Ok((client, driver))
}

/// Time-outs of the connection itself, so that a vanished server is noticed.
fn with_timeouts(config: &mut Config) -> &mut Config {
    config
        .connect_timeout(Duration::from_secs(5))
        .tcp_user_timeout(Duration::from_secs(10))
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(5))
        .keepalives_interval(Duration::from_secs(2))
        .keepalives_retries(3)
}
