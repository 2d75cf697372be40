//! The database, the log in it, and the guard beside it.

use std::time::Duration;

use anyhow::Error;
use daybook_core::note::VerifierKey;
use daybook_store::cluster::Cluster;
use daybook_store::examine::{Examination, examine};
use daybook_store::{Address, OpenError, StoreError, Verify};

use super::Finding;
use crate::config::{Config, Secrets};
use crate::hub;

/// The oldest PostgreSQL that works, as `server_version_num`.
const OLDEST: i32 = 150_000;
/// Clocks may differ by this much without anybody noticing.
const DRIFT: Duration = Duration::from_secs(5);
/// An event whose time lies further ahead is refused.
const TOO_MUCH_DRIFT: Duration = Duration::from_mins(5);

pub(super) async fn database(config: &Config, secrets: &Secrets) -> Vec<Finding> {
    let (address, mut findings) = match address(config, secrets) {
        Ok(found) => found,
        Err(finding) => return vec![finding],
    };
    let Some(address) = address else { return findings };
    match examine(&address, &config.guard_path, &config.origin).await {
        Ok(found) => findings.extend(judge(config, secrets, &address, &found)),
        Err(error) => findings.push(Finding::fail(
            "database",
            format!("does not answer: {:#}", Error::new(error)),
            "look whether it runs, and at the address, the role and the password",
        )),
    }
    findings
}

/// Where the database is; none where a private cluster is not running now.
fn address(config: &Config, secrets: &Secrets) -> Result<(Option<Address>, Vec<Finding>), Finding> {
    let Some(url) = &secrets.database_url else {
        let look = Cluster::look(&hub::cluster_config(config))
            .map_err(|error| Finding::error("postgresql", &Error::new(error)))?;
        let programs = Finding::ok("postgresql", format!("programs in {}", look.programs.display()));
        let Some(running) = look.running else {
            let idle = "of the private cluster is not running: what is in it was not looked at";
            let mut findings = vec![programs, Finding::ok("database", idle)];
            findings.extend(remembered(config, secrets));
            return Ok((None, findings));
        };
        return Ok((Some(running.into()), vec![programs]));
    };
    let address: Address = url
        .parse()
        .map_err(|error| Finding::error("database", &Error::new(error).context("DATABASE_URL")))?;
    Ok((Some(address), Vec::new()))
}

fn judge(config: &Config, secrets: &Secrets, address: &Address, found: &Examination) -> Vec<Finding> {
    let mut findings = vec![
        version(found.version),
        encryption(address, found.is_encrypted),
        clock(found.clock),
    ];
    findings.extend(found.unsafe_settings.iter().map(|setting| {
        Finding::fail(
            "durability",
            format!("{setting} is not on: a crash would lose acknowledged events"),
            format!("set {setting} = on"),
        )
    }));
    findings.extend(found.missing_roles.iter().map(|role| {
        Finding::fail(
            "roles",
            format!("the role {role} is missing, or we may not take it"),
            "run `daybook migrate`",
        )
    }));
    if let Err(error) = &found.pooler {
        findings.push(store_error("pooler", error));
    }
    findings.push(match &found.schema {
        Ok(version) => Finding::ok("schema", format!("has version {version}")),
        Err(error) => store_error("schema", error),
    });
    if !found.missing_roles.is_empty() || found.schema.is_err() {
        return findings;
    }
    findings.push(match (&found.identity, hub::log_signer(config, secrets)) {
        (Err(error), _) => store_error("log", error),
        (Ok(log), _) if log.origin != config.origin => Finding::fail(
            "log",
            format!(
                "the database holds the log {}, and `origin` says {}",
                log.origin, config.origin
            ),
            "check DATABASE_URL, `data_dir` and `origin`",
        ),
        (Ok(_), Ok(signer)) => belongs(secrets, signer.verifier(), &found.log_keys),
        (Ok(log), Err(_)) => Finding::ok("log", format!("the database holds {}", log.log_key)),
    });
    if found.identity.is_ok() {
        findings.push(match &found.guard {
            Ok(size) => Finding::ok("guard", format!("agrees with the database's {size} entries")),
            Err(OpenError::Store(error)) => store_error("guard", error),
            Err(OpenError::Guard(error)) => {
                Finding::fail("guard", error.to_string(), "see OPERATING, The guard")
            }
        });
    }
    findings
}

/// Whether the key with which this hub would sign is one that the log names as its own: any other stops `daybook serve`.
fn belongs(secrets: &Secrets, own: &VerifierKey, named: &[VerifierKey]) -> Finding {
    if named.contains(own) {
        return Finding::ok("log", format!("is signed by the log key, {own}"));
    }
    let place = match secrets.log_key {
        Some(_) => "DAYBOOK_LOG_KEY".to_owned(),
        None => format!("{} in `key_dir`", hub::LOG_KEY_FILE),
    };
    let named: Vec<String> = named.iter().map(ToString::to_string).collect();
    Finding::fail(
        "log",
        format!(
            "{place} is the key of {own}, and the log is signed by {}",
            named.join(" or ")
        ),
        format!(
            "bring back {place} as it was; if that is the right key, check DATABASE_URL, `data_dir` and `origin`"
        ),
    )
}

/// The key of a hub against what is written down beside a private cluster that does not run.
fn remembered(config: &Config, secrets: &Secrets) -> Option<Finding> {
    let named = match hub::remembered(&config.data_dir) {
        Ok(named) => named?,
        Err(error) => return Some(Finding::error("log", &error)),
    };
    // Where the key cannot be read, that is told already.
    let signer = hub::log_signer(config, secrets).ok()?;
    Some(belongs(secrets, signer.verifier(), &named))
}

/// An error of the store, whose own text says what to do.
fn store_error(check: &'static str, error: &StoreError) -> Finding {
    let cause = std::error::Error::source(error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    Finding::fail(
        check,
        format!("{error}{cause}"),
        "then run `daybook doctor` again",
    )
}

fn version(version: i32) -> Finding {
    let says = format!("PostgreSQL {}.{} answers", version / 10_000, version % 10_000);
    if version < OLDEST {
        Finding::fail("database", says, "Daybook needs PostgreSQL 15 or later")
    } else {
        Finding::ok("database", says)
    }
}

fn encryption(address: &Address, is_encrypted: bool) -> Finding {
    match (is_encrypted, address.verification()) {
        (true, Some(Verify::Nothing)) => Finding::warn(
            "encryption",
            "the connection is encrypted, and nobody checks with whom",
            "say sslmode=verify-full and name the root with sslrootcert",
        ),
        (true, _) => Finding::ok(
            "encryption",
            "the connection is encrypted and the server's certificate checked",
        ),
        (false, _) if address.is_here() => Finding::ok("encryption", "none is needed on this machine"),
        (false, _) => Finding::warn(
            "encryption",
            "the connection to another machine is not encrypted",
            "say sslmode=verify-full in DATABASE_URL",
        ),
    }
}

fn clock((drift, is_behind): (Duration, bool)) -> Finding {
    let direction = if is_behind { "behind" } else { "ahead of" };
    let says = format!(
        "the database's clock is {} s {direction} this machine's",
        drift.as_secs()
    );
    let todo = "let both follow one time service (chrony, systemd-timesyncd)";
    if drift >= TOO_MUCH_DRIFT {
        Finding::fail("clock", says, todo)
    } else if drift >= DRIFT {
        Finding::warn("clock", says, todo)
    } else {
        Finding::ok("clock", "agrees with the database's")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn clocks_that_differ_are_told() {
        let judged = |seconds, is_behind| clock((Duration::from_secs(seconds), is_behind));
        assert_eq!(judged(4, true).level, Level::Ok);
        assert_eq!(judged(5, false).level, Level::Warn);
        let far = judged(300, true);
        assert_eq!(far.level, Level::Fail);
        assert!(far.says.contains("300 s behind"), "{}", far.says);
    }

    #[test]
    fn old_servers_are_refused() {
        assert_eq!(version(140_012).level, Level::Fail);
        let enough = version(150_003);
        assert_eq!(enough.level, Level::Ok);
        assert!(enough.says.contains("15.3"));
    }

    #[test]
    fn way_that_others_can_read_is_a_warning() {
        let level = |words: &str, is_encrypted| encryption(&words.parse().unwrap(), is_encrypted).level;
        assert_eq!(level("host=db.example sslmode=disable", false), Level::Warn);
        assert_eq!(level("host=db.example sslmode=require", true), Level::Warn);
        assert_eq!(level("host=db.example", true), Level::Ok);
        assert_eq!(level("host=/run/postgresql", false), Level::Ok);
    }
}
