//! `daybook migrate`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use daybook_store::Address;

use super::output;
use crate::args::HubArgs;

pub(super) async fn migrate(args: HubArgs) -> Result<ExitCode> {
    let url = args
        .database_url
        .context("`migrate` is for your own PostgreSQL: set DATABASE_URL")?;
    let address: Address = url.parse().context("DATABASE_URL")?;
    let version = daybook_store::migrate(&address).await?;
    output::line(&format!("The schema has version {version}."));
    Ok(ExitCode::SUCCESS)
}
