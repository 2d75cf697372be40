//! How fast clients and authors may go, and how much may be open.

mod address;
mod bucket;
mod counts;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use daybook_core::id::Actor;

pub use self::address::{Network, NetworkError};
use self::address::{client, key};
use self::bucket::Buckets;
pub use self::bucket::Rate;
use self::counts::Counts;
pub(crate) use self::counts::{OneOpen, TooMany};

/// Addresses that are remembered at once; some megabytes.
const MAX_ADDRESSES: usize = 65_536;
/// Actors that are remembered at once.
const MAX_ACTORS: usize = 16_384;

/// What a hub takes. The defaults are generous: they stop floods, not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests from one address (one /64 of IPv6).
    pub per_address: Rate,
    /// Events, and requests with a token, of one actor.
    pub per_actor: Rate,
    /// Networks whose requests are counted for nobody. By default this machine.
    pub unlimited: Vec<Network>,
    /// Reverse proxies: what they say in `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Connections open at once.
    pub max_connections: usize,
    /// The same from one address; 0 is no limit. Proxies that are trusted have none.
    pub connections_per_address: usize,
    /// Streams and questions that wait, of one address at once; 0 is no limit.
    pub waiting_per_address: usize,
}

impl Default for Limits {
    /// 200 requests a second and 2,000 at once from an address, 500 events a second and 5,000 at once of an actor, 1,536
    /// connections, 256 of them and 64 that wait from one address, and none but their number for this machine itself.
    fn default() -> Self {
        Self {
            per_address: Rate::new(200, 2_000),
            per_actor: Rate::new(500, 5_000),
            unlimited: Network::this_machine(),
            trusted_proxies: Vec::new(),
            max_connections: 1_536,
            connections_per_address: 256,
            waiting_per_address: 64,
        }
    }
}

/// Keeps everybody to the limits, in bounded memory.
#[derive(Debug)]
pub(crate) struct Pacer {
    limits: Limits,
    addresses: Buckets<u128>,
    actors: Buckets<Actor>,
    waiting: Arc<Counts>,
}

/// Keeps each address to so many connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    open: Arc<Counts>,
    free: Arc<[Network]>,
}

impl Crowd {
    pub(crate) fn new(limits: &Limits) -> Self {
        // All who come through a proxy come from its address.
        let free = limits.unlimited.iter().chain(&limits.trusted_proxies);
        Self {
            open: Counts::new(limits.connections_per_address),
            free: free.copied().collect(),
        }
    }

    /// One more connection. What is not limited is not counted.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Option<OneOpen>, TooMany> {
        if self.free.iter().any(|network| network.contains(address)) {
            return Ok(None);
        }
        self.open.enter(key(address)).map(Some)
    }
}

impl Pacer {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            addresses: Buckets::new(limits.per_address, MAX_ADDRESSES),
            actors: Buckets::new(limits.per_actor, MAX_ACTORS),
            waiting: Counts::new(limits.waiting_per_address),
            limits,
        }
    }

    /// Who asks: the other end of the connection, or whom a trusted proxy names.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        client(peer.ip(), headers, &self.limits.trusted_proxies)
    }

    /// Counts a request from an address; how long to wait where there were too many.
    pub(crate) fn request_from(&self, address: IpAddr) -> Result<(), Duration> {
        if self.is_free(address) {
            return Ok(());
        }
        self.addresses.take(&key(address))
    }

    /// Counts one more that waits. What is not limited is not counted.
    pub(crate) fn waits(&self, address: IpAddr) -> Result<Option<OneOpen>, TooMany> {
        if self.is_free(address) {
            return Ok(None);
        }
        self.waiting.enter(key(address)).map(Some)
    }

    fn is_free(&self, address: IpAddr) -> bool {
        self.limits
            .unlimited
            .iter()
            .any(|network| network.contains(address))
    }

    /// Counts an event or a request of an actor that has shown who it is.
    pub(crate) fn act_of(&self, actor: &Actor) -> Result<(), Duration> {
        self.actors.take(actor)
    }

    /// Counts one of those no more.
    pub(crate) fn no_act_of(&self, actor: &Actor) {
        self.actors.give_back(actor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(limits: Limits) -> Pacer {
        Pacer::new(limits)
    }

    #[test]
    fn one_ipv6_network_is_one_client_and_two_are_two() {
        let pacer = pacer(Limits {
            per_address: Rate::new(1, 2),
            ..Limits::default()
        });
        let ask = |text: &str| pacer.request_from(text.parse().unwrap());
        assert!(ask("2001:db8:0:1::1").is_ok());
        assert!(ask("2001:db8:0:1:ffff::2").is_ok());
        assert!(ask("2001:db8:0:1:1:2:3:4").is_err());
        assert!(ask("2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn this_machine_is_unlimited_until_somebody_says_otherwise() {
        let tight = Limits {
            per_address: Rate::new(1, 1),
            ..Limits::default()
        };
        let free = pacer(tight.clone());
        let bound = pacer(Limits {
            unlimited: Vec::new(),
            ..tight
        });
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        for _ in 0..10 {
            free.request_from(here).unwrap();
        }
        bound.request_from(here).unwrap();
        bound.request_from(here).unwrap_err();
    }
}
