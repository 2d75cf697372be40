//! The way from the relay to the hub, which can be shut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on while it is open. When it shuts, those that are open break.
pub(crate) struct Door {
    address: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
}

impl Door {
    /// A door before an address such as `127.0.0.1:8787`.
    pub(crate) async fn before(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(watch::Sender::new(true));
        let states = is_open.clone();
        tokio::spawn(async move {
            loop {
                let Ok((mut inside, _)) = listener.accept().await else {
                    return;
                };
                let (target, mut state) = (target.clone(), states.subscribe());
                if !*state.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut outside) = TcpStream::connect(target).await else {
                        return;
                    };
                    tokio::select! {
                        _ = state.wait_for(|is_open| !is_open) => {}
                        _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                    }
                });
            }
        });
        Self { address, is_open }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn shut(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }
}
