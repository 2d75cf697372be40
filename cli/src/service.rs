//! What systemd is told about the process (`sd_notify(3)`): datagrams to the socket that `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::warn;

/// How often a message that must arrive is tried, and how long after one attempt comes the next.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Says that the hub takes connections.
pub(crate) async fn ready() {
    tell("READY=1").await;
}

/// Says that the hub is ending.
pub(crate) async fn stopping() {
    tell("STOPPING=1").await;
}

/// Says again and again that the runtime still turns, as often as `WATCHDOG_USEC` asks. Not whether the database answers: a
/// restart would not mend that.
pub(crate) fn keep_watchdog() {
    let limit = env::var("WATCHDOG_USEC").unwrap_or_default();
    let Some(period) = watchdog_period(&limit) else {
        return;
    };
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(period);
        loop {
            tick.tick().await;
            try_tell("WATCHDOG=1");
        }
    });
}

/// Half of what systemd waits, as it recommends.
fn watchdog_period(microseconds: &str) -> Option<Duration> {
    let limit = Duration::from_micros(microseconds.parse().ok()?);
    Some(limit / 2).filter(|period| !period.is_zero())
}

/// Tells what must arrive, if the receiver takes it within some seconds.
async fn tell(state: &str) {
    for _ in 0..ATTEMPTS {
        if try_tell(state) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    warn!("systemd takes no message; it was not told {state}");
}

/// Whether there is nothing more to do: it was told, or cannot be.
fn try_tell(state: &str) -> bool {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else {
        return true;
    };
    match send(&socket, state) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
        Err(error) => warn!(%error, "systemd could not be told {state}"),
        Ok(()) => {}
    }
    true
}

/// Never waits: where the receiver takes nothing, this would hold up a thread that serves requests.
///
/// A name that begins with an at sign is in Linux's abstract namespace and not in the file system.
fn send(socket: &OsString, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_socket_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("@daybook-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).unwrap();
        for (listener, socket) in [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&abstract_address).unwrap(), name.into()),
        ] {
            send(&socket, "READY=1").unwrap();
            let mut said = [0; 16];
            let length = listener.recv(&mut said).unwrap();
            assert_eq!(&said[..length], b"READY=1");
        }
    }

    #[test]
    fn receiver_that_takes_nothing_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let socket = path.into_os_string();
        let full = (0..100_000).find_map(|_| send(&socket, "WATCHDOG=1").err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn watchdog_is_told_twice_as_often_as_it_asks() {
        assert_eq!(watchdog_period("3000000"), Some(Duration::from_millis(1500)));
        assert_eq!(watchdog_period("0"), None);
        assert_eq!(watchdog_period("soon"), None);
    }
}
