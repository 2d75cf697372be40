//! The table `[limits]` of the configuration.

use daybook_api::{Limits, Network, Rate};
use serde::Deserialize;

/// What a hub takes of whom. Each key may be missing; 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitTable {
    /// Requests a second from one address.
    pub requests_per_second: u32,
    /// Requests at once from one address.
    pub requests_burst: u32,
    /// Events, and requests with a token, a second of one actor.
    pub events_per_second: u32,
    /// The same at once.
    pub events_burst: u32,
    /// Networks that may ask as often as they like.
    pub unlimited: Vec<Net>,
    /// Connections open at once.
    pub max_connections: usize,
    /// The same from one address.
    pub connections_per_address: usize,
    /// Streams and questions that wait, of one address at once.
    pub waiting_per_address: usize,
    /// MiB that must be free where data and guard lie, for the hub to call itself ready.
    pub keep_free_mib: u64,
}

/// A network as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Net(pub Network);

impl TryFrom<String> for Net {
    type Error = daybook_api::NetworkError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl Default for LimitTable {
    fn default() -> Self {
        Self {
            requests_per_second: 200,
            requests_burst: 2_000,
            events_per_second: 500,
            events_burst: 5_000,
            unlimited: Network::this_machine().into_iter().map(Net).collect(),
            max_connections: 1_536,
            connections_per_address: 256,
            waiting_per_address: 64,
            keep_free_mib: 256,
        }
    }
}

impl LimitTable {
    /// The same, as the hub takes it.
    pub fn limits(&self, trusted_proxies: &[Net]) -> Limits {
        let networks = |nets: &[Net]| nets.iter().map(|net| net.0).collect();
        Limits {
            per_address: Rate::new(self.requests_per_second, self.requests_burst),
            per_actor: Rate::new(self.events_per_second, self.events_burst),
            unlimited: networks(&self.unlimited),
            trusted_proxies: networks(trusted_proxies),
            max_connections: self.max_connections,
            connections_per_address: self.connections_per_address,
            waiting_per_address: self.waiting_per_address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_table_the_limits_are_the_usual_ones() {
        assert_eq!(LimitTable::default().limits(&[]), Limits::default());
        let empty: LimitTable = toml::from_str("").unwrap();
        assert_eq!(empty, LimitTable::default());
    }

    #[test]
    fn networks_are_read_and_a_wrong_one_is_named() {
        let table: LimitTable = toml::from_str("unlimited = [\"10.0.0.0/8\"]").unwrap();
        let limits = table.limits(&[Net("192.0.2.1".parse().unwrap())]);
        assert_eq!(limits.unlimited, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(limits.trusted_proxies, ["192.0.2.1/32".parse().unwrap()]);
        let wrong = toml::from_str::<LimitTable>("unlimited = [\"10.0.0.0/99\"]").unwrap_err();
        assert!(wrong.to_string().contains("10.0.0.0/99"), "{wrong}");
    }
}
