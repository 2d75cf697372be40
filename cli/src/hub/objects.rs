//! Which packet store by configuration: a folder of this machine, or a bucket that speaks S3.

use std::env;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_api::{PacketLimits, PacketStore};
use daybook_store::packets::Quota;
use futures::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ClientOptions, ObjectStore as _, RetryConfig};
use serde::Deserialize;

use crate::config::Config;

/// How long the bucket may take for one request, and for all attempts at it: less than anybody waits for the hub.
const REQUEST: Duration = Duration::from_secs(20);
const ATTEMPTS: Duration = Duration::from_secs(25);

/// The table `[packets]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketConfig {
    /// `s3://bucket` or `s3://bucket/prefix`; without it a folder in `data_dir`.
    pub store: Option<String>,
    /// The address of a server that speaks S3; without it, Amazon's in `region`.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; us-east-1 where none.
    pub region: Option<String>,
    /// The bucket stands in the path of an address and not in its host name.
    #[serde(default)]
    pub path_style: bool,
    /// Bytes that one actor may have stored that no job names.
    pub quota_bytes: Option<u64>,
    /// Packets that one actor may have stored that no job names.
    pub quota_packets: Option<u64>,
    /// Days for which a packet is kept that no job names.
    pub keep_unnamed_days: Option<u32>,
    /// Days for which a request is kept after its jobs have ended; 0 is for ever.
    pub keep_request_days: Option<u32>,
    /// Days for which results are kept after their job has ended; 0 is for ever.
    pub keep_result_days: Option<u32>,
}

/// What opens the bucket. It stands in no file and is shown to nobody.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    id: Option<String>,
    secret: Option<String>,
    token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// Reads the variables that every tool for S3 reads.
    pub(super) fn from_environment() -> Self {
        let read = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            id: read("AWS_ACCESS_KEY_ID"),
            secret: read("AWS_SECRET_ACCESS_KEY"),
            token: read("AWS_SESSION_TOKEN"),
        }
    }
}

impl PacketConfig {
    /// The limits that it sets around a largest packet, and the usual ones for the rest.
    pub(crate) fn limits(&self, max_bytes: u64) -> PacketLimits {
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        let kept = |set: Option<u32>, usual| match set {
            None => usual,
            Some(0) => None,
            Some(set) => Some(days(set)),
        };
        let usual = PacketLimits::usual(max_bytes);
        PacketLimits {
            max_bytes,
            quota: Quota {
                bytes: self.quota_bytes.unwrap_or(usual.quota.bytes),
                packets: self.quota_packets.unwrap_or(usual.quota.packets),
            },
            keep_unnamed: self.keep_unnamed_days.map_or(usual.keep_unnamed, days),
            keep_requests: kept(self.keep_request_days, usual.keep_requests),
            keep_results: kept(self.keep_result_days, usual.keep_results),
        }
    }

    /// Refuses what contradicts itself.
    pub(crate) fn check(&self, max_packet_bytes: u64) -> Result<()> {
        let of_s3 = self.endpoint.is_some() || self.region.is_some() || self.path_style;
        ensure!(
            self.store.is_some() || !of_s3,
            "`endpoint`, `region` and `path_style` of [packets] are for a bucket: set `store` too, or leave them out"
        );
        if let Some(store) = &self.store {
            bucket_and_prefix(store)?;
        }
        ensure!(
            self.keep_unnamed_days != Some(0),
            "`keep_unnamed_days` is 0, which would remove a packet before any job can name it; set at least 1"
        );
        ensure!(
            self.quota_bytes.is_none_or(|quota| quota >= max_packet_bytes),
            "`quota_bytes` is below `max_packet_bytes`, so that the largest packet could never be sent"
        );
        ensure!(
            self.quota_packets != Some(0),
            "`quota_packets` is 0, so that no packet could ever be sent"
        );
        Ok(())
    }
}

/// Opens the packet store of a configuration.
pub(super) fn packet_store(config: &Config, credentials: &Credentials) -> Result<PacketStore> {
    match &config.packets.store {
        None => folder(&config.data_dir),
        Some(store) => {
            let (_, prefix) = bucket_and_prefix(store)?;
            Ok(PacketStore::bucket(
                Arc::new(bucket(&config.packets, store, credentials)?),
                prefix,
            ))
        }
    }
}

/// Asks the bucket of a configuration for the first thing in it: whether it is there, and lets us in.
pub(crate) async fn reach_packets(config: &Config) -> Result<()> {
    let Some(store) = &config.packets.store else {
        return Ok(());
    };
    let bucket = bucket(&config.packets, store, &Credentials::from_environment())?;
    let (_, prefix) = bucket_and_prefix(store)?;
    let prefix = object_store::path::Path::from(prefix);
    bucket.list(Some(&prefix)).next().await.transpose()?;
    Ok(())
}

/// A folder for packets, which nobody else on the machine may enter.
fn folder(data_dir: &Path) -> Result<PacketStore> {
    let folder = data_dir.join("hub");
    let made = fs::create_dir_all(&folder)
        .and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)));
    made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(PacketStore::folder(&folder)?)
}

fn bucket(config: &PacketConfig, store: &str, credentials: &Credentials) -> Result<AmazonS3> {
    let (bucket, _) = bucket_and_prefix(store)?;
    // Without both, the library would ask the machine's cloud for some, at an address that may be anybody's.
    let missing =
        "packets are in a bucket, and the environment has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    let id = credentials.id.as_ref().context(missing)?;
    let secret = credentials.secret.as_ref().context(missing)?;
    let endpoint = config.endpoint.as_deref();
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client = ClientOptions::new()
        .with_timeout(REQUEST)
        .with_allow_http(is_plain);
    let retries = RetryConfig {
        max_retries: 3,
        retry_timeout: ATTEMPTS,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(config.region.as_deref().unwrap_or("us-east-1"))
        .with_access_key_id(id)
        .with_secret_access_key(secret)
        .with_virtual_hosted_style_request(!config.path_style)
        .with_client_options(client)
        .with_retry(retries);
    if let Some(token) = &credentials.token {
        builder = builder.with_token(token);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder
        .build()
        .with_context(|| format!("the packet store {store} cannot be used"))
}

/// The parts of `s3://bucket/prefix`.
fn bucket_and_prefix(store: &str) -> Result<(&str, &str)> {
    let rest = store.strip_prefix("s3://");
    let rest = rest.with_context(|| format!("the packet store {store:?} is not `s3://bucket/prefix`"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    ensure!(
        (3..=63).contains(&bucket.len()) && bucket.bytes().all(is_name),
        "{bucket:?} is no name of a bucket: 3 to 63 of a-z, 0-9, hyphen and full stop"
    );
    let is_path = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'/');
    let has_gap = prefix
        .trim_end_matches('/')
        .split('/')
        .any(|part| matches!(part, "." | ".."));
    ensure!(
        prefix.bytes().all(is_path) && !prefix.contains("//") && !has_gap,
        "{prefix:?} is no prefix: letters, digits, hyphen, full stop, underscore and single slashes"
    );
    Ok((bucket, prefix.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            id: Some("id".to_owned()),
            secret: Some("hidden".to_owned()),
            token: None,
        }
    }

    #[test]
    fn a_bucket_and_its_prefix_are_read_and_anything_else_is_refused() {
        for (store, expected) in [
            ("s3://packets", ("packets", "")),
            ("s3://packets/", ("packets", "")),
            ("s3://packets/hub", ("packets", "hub")),
            ("s3://my.packets-1/a/b_c/", ("my.packets-1", "a/b_c")),
        ] {
            assert_eq!(bucket_and_prefix(store).unwrap(), expected);
        }
        for store in [
            "packets",
            "https://packets",
            "s3:/packets",
            "s3://",
            "s3://ab",
            "s3://Packets",
            "s3://packets/a b",
            "s3://packets/a//b",
            "s3://packets/../b",
            "s3://user@packets",
            "s3://packets/a?b",
        ] {
            assert!(bucket_and_prefix(store).is_err(), "{store}");
        }
    }

    #[test]
    fn a_bucket_needs_credentials_and_shows_none() {
        let config = PacketConfig {
            store: Some("s3://packets".to_owned()),
            ..PacketConfig::default()
        };
        let error = bucket(&config, "s3://packets", &Credentials::default()).unwrap_err();
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
        let found = bucket(&config, "s3://packets", &credentials()).unwrap();
        let shown = format!("{found:?} {:?}", credentials());
        assert!(!shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        let refused = |text: &str| {
            let config: PacketConfig = toml::from_str(text).unwrap();
            config.check(1000).unwrap_err().to_string()
        };
        assert!(refused("region = \"eu-west-2\"").contains("store"));
        assert!(refused("store = \"ftp://x\"").contains("s3://"));
        assert!(refused("keep_unnamed_days = 0").contains("at least 1"));
        assert!(refused("quota_bytes = 999").contains("max_packet_bytes"));
        assert!(refused("quota_packets = 0").contains("quota_packets"));
        assert!(PacketConfig::default().check(1000).is_ok());
    }

    #[test]
    fn days_become_times_and_none_is_for_ever() {
        let config: PacketConfig = toml::from_str("keep_request_days = 0\nkeep_unnamed_days = 2").unwrap();
        let (limits, usual) = (config.limits(10), PacketLimits::usual(10));
        assert_eq!(limits.keep_requests, None);
        assert_eq!(limits.keep_results, usual.keep_results);
        assert_eq!(limits.keep_unnamed, Duration::from_hours(48));
        assert_eq!(limits.quota, usual.quota);
    }
}
