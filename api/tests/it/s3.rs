//! A server that speaks S3, with its objects in a folder. It checks signatures, and it can die.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const BUCKET: &str = "packets";
const KEY: (&str, &str) = ("an-access-key-id", "a-secret-access-key");

/// A running server.
pub(crate) struct S3 {
    address: SocketAddr,
    service: S3Service,
    running: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl S3 {
    /// Starts a server whose objects lie below a folder.
    pub(crate) async fn start(folder: &Path) -> Self {
        std::fs::create_dir(folder.join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let s3 = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            service: builder.build(),
            running: Mutex::new(None),
        };
        let listener = TcpListener::bind(s3.address).await.unwrap();
        let address = listener.local_addr().unwrap();
        s3.serve(listener);
        Self { address, ..s3 }
    }

    fn serve(&self, listener: TcpListener) {
        let (stop, service) = (CancellationToken::new(), self.service.clone());
        let stopped = stop.clone();
        let accepting = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                tokio::spawn(stopped.clone().run_until_cancelled_owned(connection));
            }
        };
        let task = tokio::spawn({
            let stop = stop.clone();
            async move {
                stop.run_until_cancelled_owned(accepting).await;
            }
        });
        *self.running.lock().unwrap() = Some((stop, task));
    }

    /// Cuts every connection and takes no more.
    pub(crate) async fn die(&self) {
        let running = self.running.lock().unwrap().take();
        let (stop, task) = running.expect("it runs");
        stop.cancel();
        task.await.unwrap();
    }

    /// Is there again, with what it had.
    pub(crate) async fn rise(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    /// How a hub reaches it; it gives up soon.
    pub(crate) fn bucket(&self) -> AmazonS3 {
        let soon = Duration::from_millis(10);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: soon,
                max_backoff: soon,
                base: 2.0,
            },
            max_retries: 1,
            retry_timeout: Duration::from_secs(5),
        };
        AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_region("us-east-1")
            .with_endpoint(format!("http://{}", self.address))
            .with_access_key_id(KEY.0)
            .with_secret_access_key(KEY.1)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(retry)
            .build()
            .unwrap()
    }
}
