//! Random bytes and the clock: the rim where both come in.

use anyhow::{Context as _, Result};
use uuid::Uuid;

/// Fresh bytes from the operating system.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(bytes)
}

/// A fresh random id (UUID version 4).
pub fn id() -> Result<Uuid> {
    Ok(uuid::Builder::from_random_bytes(bytes()?).into_uuid())
}

/// The clock, in seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
