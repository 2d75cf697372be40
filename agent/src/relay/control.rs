//! What an operator tells a relay, whether it runs or not: by files in its spool.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use daybook_rules::Table;

use super::desk::HOLD;
use super::{Config, Hold, Mode, config};
use crate::random;
use crate::spool::{make_folder, write_whole};

/// Holds everything: a relay that runs puts each open job on hold and begins nothing; one that starts does so first.
pub fn hold_all(config: &Config, code: &str) -> Result<()> {
    let codes: Vec<&str> = Table::v1()
        .codes()
        .filter(|(name, _)| *name == "hold")
        .flat_map(|(_, codes)| codes.iter().map(String::as_str))
        .collect();
    ensure!(
        codes.contains(&code),
        "{code:?} is no reason to hold; it is one of: {}",
        codes.join(", ")
    );
    let folder = config.folder();
    make_folder(&folder)?;
    let hold = Hold {
        code: code.to_owned(),
        since: random::now(),
    };
    Ok(write_whole(&folder.join(HOLD), &serde_json::to_vec(&hold)?)?)
}

/// Ends that; what was held because of it goes on. Answers whether there was a hold.
pub fn release_hold(config: &Config) -> Result<bool> {
    let path = config.folder().join(HOLD);
    if !path.exists() {
        return Ok(false);
    }
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(true)
}

/// Lets what happens from now on leave. What was played through in the shadow stays there, and is no part of the record.
pub fn go_live(config: &Config) -> Result<()> {
    ensure!(
        config.mode != Some(Mode::Shadow),
        "the configuration says `mode = \"shadow\"`; remove that line, then say it again"
    );
    make_folder(&config.spool)?;
    Ok(write_whole(
        &config.spool.join(config::LIVE),
        random::now().to_string().as_bytes(),
    )?)
}
