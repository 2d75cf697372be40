//! TLS to clients, by rustls: TLS 1.2 or later, HTTP/1.1, one certificate that can be changed while the hub runs.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use daybook_store::certificate as x509;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::Patience;
use super::patient::Patient;

/// How long before its end a certificate is worth a warning.
pub const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// Bytes of a plain request that are read before it is refused.
const PLAIN: usize = 8 * 1024;

/// What whoever speaks plain HTTP here is told; a problem document of the general type (RFC 9457, section 4.2.1).
const ONLY_HTTPS: &str = concat!(
    r#"{"type":"about:blank","title":"Bad Request","status":400,"#,
    r#""detail":"This port speaks HTTPS only. Begin the address with https://."}"#,
);

/// A certificate that cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file that is missing, not to be read, or holds something else.
    #[error("`{key}` {path}: {reason}")]
    File {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The two files do not belong together.
    #[error("the key in `tls_key` {key} is not the key of the certificate in `tls_cert` {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// It is over.
    #[error("the certificate in `tls_cert` {path} ended at {at}; put a new one there")]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it ended.
        at: Timestamp,
    },
    /// rustls refuses it.
    #[error("the certificate in `tls_cert` {path} cannot be served")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// What a file was when it was read: enough to notice another one in its place.
type Print = Option<(u64, u64, i64, i64)>;

/// A certificate that is served, and the files that it comes from.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    served: Arc<Served>,
    acceptor: TlsAcceptor,
    prints: Mutex<[Print; 2]>,
}

/// The certificate of the next handshake.
#[derive(Debug)]
struct Served(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Tls {
    /// Reads a certificate with its chain, and its key, both in PEM form. Refuses what no client would take.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let prints = [print(certificate), print(key)];
        let served = Arc::new(Served(RwLock::new(read(certificate, key)?)));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Refused {
                path: certificate.to_owned(),
                source,
            })?
            .with_no_client_auth()
            .with_cert_resolver(served.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            served,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            prints: Mutex::new(prints),
        })
    }

    /// Reads the files again. Open connections stay as they are; where the new files are no good, the old certificate
    /// stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let prints = [print(&self.certificate), print(&self.key)];
        *self.prints.lock().unwrap_or_else(PoisonError::into_inner) = prints;
        let new = read(&self.certificate, &self.key)?;
        *self.served.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Reads the files again if others stand in their place; whether they did. What failed is not tried a second time.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = [print(&self.certificate), print(&self.key)];
        if *self.prints.lock().unwrap_or_else(PoisonError::into_inner) == now {
            return Ok(false);
        }
        self.reload().map(|()| true)
    }

    /// When the certificate in use ends.
    pub fn ends(&self) -> Option<Timestamp> {
        let served = self.served.0.read().unwrap_or_else(PoisonError::into_inner);
        served
            .end_entity_cert()
            .ok()
            .and_then(|first| x509::not_after(first))
    }

    /// Takes a connection under TLS, or ends it: within the patience for a header, since a handshake comes before one.
    pub(super) async fn accept(&self, stream: TcpStream, patience: Patience) -> Option<TlsStream<Patient>> {
        let handshake = async {
            let mut first = [0];
            if stream.peek(&mut first).await.ok()? == 0 {
                return None;
            }
            if first != [HANDSHAKE] {
                refuse_plain(stream).await;
                return None;
            }
            match self.acceptor.accept(Patient::new(stream, patience.answer)).await {
                Ok(stream) => Some(stream),
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, "A TLS handshake failed");
                    None
                }
            }
        };
        tokio::time::timeout(patience.header, handshake)
            .await
            .ok()
            .flatten()
    }
}

/// Tells a client that speaks plain HTTP what to do. Best effort: whoever speaks something else is not answered.
async fn refuse_plain(mut stream: TcpStream) {
    let mut request = vec![0; PLAIN];
    let Ok(read) = stream.read(&mut request).await else {
        return;
    };
    if !request
        .get(..read)
        .and_then(<[u8]>::first)
        .is_some_and(u8::is_ascii_uppercase)
    {
        return;
    }
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{ONLY_HTTPS}",
        ONLY_HTTPS.len()
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Closing while something is unread would reset the connection before the answer is read.
        while stream.read(&mut request).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    drop(told.await);
}

/// What identifies the file now; `None` where there is none.
fn print(path: &Path) -> Print {
    let of = |found: Metadata| (found.ino(), found.len(), found.mtime(), found.mtime_nsec());
    fs::metadata(path).ok().map(of)
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let file = |key: &'static str, path: &Path, reason: String| TlsError::File {
        key,
        path: path.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file("tls_cert", certificate, x509::reason(&error)))?;
    let Some(first) = chain.first() else {
        return Err(file(
            "tls_cert",
            certificate,
            "it holds no certificate in PEM form".to_owned(),
        ));
    };
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| file("tls_key", key, x509::reason(&error)))?;
    let now = Timestamp::now();
    if let Some(at) = x509::not_after(first) {
        if at < now {
            let path = certificate.to_owned();
            return Err(TlsError::Expired { path, at });
        }
        if at.duration_since(now) < SOON {
            warn!(
                "The certificate in {} ends at {at}; renew it",
                certificate.display()
            );
        }
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, secret, &provider)
        .map(Arc::new)
        .map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
            source => TlsError::Refused {
                path: certificate.to_owned(),
                source,
            },
        })
}

#[cfg(test)]
mod tests;
