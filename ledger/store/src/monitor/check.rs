//! The checks, each with an answer in plain words.

use std::time::Duration;

use deadpool_postgres::Pool;

use crate::health::{Beat, Health};
use crate::policy::InForce;
use crate::{StoreError, migrate, sql};

/// How far the clocks of hub and database may be apart, in seconds.
pub const MAX_SKEW: i64 = 60;

/// A failure that is longer ago was the last attempt: while something waits, attempts follow one another sooner.
const RECENT: Duration = Duration::from_secs(20);

/// One thing that must hold for a hub to be ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it must be.
    pub holds: bool,
    /// What was found, and where it does not hold, what to do.
    pub words: String,
}

impl Check {
    /// It holds.
    pub fn good(name: &'static str, words: impl Into<String>) -> Self {
        Self {
            name,
            holds: true,
            words: words.into(),
        }
    }

    /// It does not.
    pub fn bad(name: &'static str, words: impl Into<String>) -> Self {
        Self {
            name,
            holds: false,
            words: words.into(),
        }
    }
}

pub(super) fn writing(health: &Health) -> Check {
    if health.stopped().is_some() {
        return Check::bad(
            "writing",
            "The hub has found a doubt about its log and writes nothing. Its own log says which; a person must decide.",
        );
    }
    Check::good("writing", "Nothing has stopped the hub.")
}

pub(super) fn sequencer(health: &Health) -> Check {
    let beat = health.sequencer();
    // It tries only while something waits. Without that, what failed long ago says nothing of now; and a hub that is not
    // ready until it has appended, and is sent nothing until it is ready, would never be.
    match beat.trouble() {
        Some(trouble) if trouble.ago > RECENT => Check::good("sequencer", "Nothing waits to be appended."),
        _ => of_loop("sequencer", beat, "Events are appended, or none wait."),
    }
}

pub(super) fn publisher(health: &Health) -> Check {
    of_loop(
        "publisher",
        health.publisher(),
        "Checkpoints are published and guarded.",
    )
}

fn of_loop(name: &'static str, beat: &Beat, good: &str) -> Check {
    match beat.trouble() {
        None => Check::good(name, good),
        Some(trouble) => Check::bad(
            name,
            format!(
                "Has not worked for {} s, last tried {} s ago, failed {} times: {}.",
                trouble.lasts.as_secs(),
                trouble.ago.as_secs(),
                trouble.count,
                trouble.words
            ),
        ),
    }
}

/// Whether the database answers, takes writing, has our schema and rules that we know, and a clock like ours.
pub(super) async fn database(pool: &Pool, policy: &mut Option<InForce>, now: i64) -> Vec<Check> {
    match look(pool, policy).await {
        Ok(found) => found.judge(now),
        Err(error) => vec![Check::bad("database", format!("No: {}.", error.plain()))],
    }
}

struct Found {
    is_standby: bool,
    is_read_only: bool,
    schema: i32,
    clock: i64,
    knows_rules: bool,
}

async fn look(pool: &Pool, policy: &mut Option<InForce>) -> Result<Found, StoreError> {
    let client = pool.get().await?;
    let row = sql::one(
        &client,
        "-- readiness
         SELECT
             pg_is_in_recovery(),
             coalesce((SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only'), FALSE),
             coalesce((SELECT max(version) FROM refinery_schema_history), 0),
             extract(epoch FROM clock_timestamp())::bigint",
        &[],
    )
    .await?;
    let followed = match policy {
        Some(known) => known.follow(&client).await,
        None => InForce::load(&client).await.map(|known| *policy = Some(known)),
    };
    let knows_rules = match followed {
        Ok(()) => true,
        Err(StoreError::Unreadable(_)) => false,
        Err(error) => return Err(error),
    };
    Ok(Found {
        is_standby: row.try_get(0)?,
        is_read_only: row.try_get(1)?,
        schema: row.try_get(2)?,
        clock: row.try_get(3)?,
        knows_rules,
    })
}

impl Found {
    fn judge(&self, now: i64) -> Vec<Check> {
        let database = if self.is_standby {
            Check::bad(
                "database",
                "It is a standby, which takes no writing: connect to the primary, or promote it.",
            )
        } else if self.is_read_only {
            Check::bad(
                "database",
                "It is set to read only (`default_transaction_read_only`); some servers do so when their disk is full.",
            )
        } else {
            Check::good("database", "It answers and takes writing.")
        };
        let needed = migrate::newest();
        let schema = if self.schema < needed {
            Check::bad(
                "schema",
                format!(
                    "It has version {} and this program needs {needed}: run `daybook migrate`.",
                    self.schema
                ),
            )
        } else {
            Check::good("schema", format!("It has version {}.", self.schema))
        };
        let rules = if self.knows_rules {
            Check::good("rules", "This program knows the rule table in force.")
        } else {
            Check::bad(
                "rules",
                "The rule table in force is of a kind that this program does not know: run a newer `daybook`.",
            )
        };
        vec![database, schema, rules, clock(now - self.clock)]
    }
}

fn clock(ahead: i64) -> Check {
    if ahead.abs() > MAX_SKEW {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        let words = format!(
            "The hub's clock is {} s {way} the database server's: set both by NTP. The clerk marks no time meanwhile.",
            ahead.abs()
        );
        return Check::bad("clock", words);
    }
    Check::good("clock", "Hub and database server agree on the time.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        Found {
            is_standby: false,
            is_read_only: false,
            schema: migrate::newest(),
            clock: 1_000,
            knows_rules: true,
        }
    }

    fn failing(found: &Found, now: i64) -> Vec<&'static str> {
        let checks = found.judge(now);
        checks
            .into_iter()
            .filter(|check| !check.holds)
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn sequencer_that_failed_long_ago_and_has_nothing_to_do_is_ready() {
        let (health, error) = (Health::default(), std::io::Error::other("of this test"));
        assert!(sequencer(&health).holds);
        health.sequencer().failed("the database is away", &error);
        let now = sequencer(&health);
        assert!(
            !now.holds && now.words.contains("the database is away"),
            "{now:?}"
        );
        health.sequencer().age(RECENT + Duration::from_secs(1));
        assert!(sequencer(&health).holds);
        health.publisher().failed("the database is away", &error);
        health.publisher().age(RECENT + Duration::from_secs(1));
        assert!(!publisher(&health).holds, "it tries all the time");
    }

    #[test]
    fn each_fault_fails_its_own_check_and_no_other() {
        assert!(failing(&found(), 1_000 + MAX_SKEW).is_empty());
        assert_eq!(failing(&found(), 1_001 + MAX_SKEW), ["clock"]);
        assert_eq!(failing(&found(), 999 - MAX_SKEW), ["clock"]);
        let standby = Found {
            is_standby: true,
            ..found()
        };
        assert_eq!(failing(&standby, 1_000), ["database"]);
        let full = Found {
            is_read_only: true,
            ..found()
        };
        assert_eq!(failing(&full, 1_000), ["database"]);
        let older = Found {
            schema: migrate::newest() - 1,
            ..found()
        };
        assert_eq!(failing(&older, 1_000), ["schema"]);
        let newer = Found {
            schema: migrate::newest() + 1,
            knows_rules: false,
            ..found()
        };
        assert_eq!(failing(&newer, 1_000), ["rules"]);
    }
}
