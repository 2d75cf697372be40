//! The packets that the database lists, against those that are stored.

use anyhow::{Context as _, Result};
use daybook_api::PacketStore;
use daybook_store::audit::{Audit, Finding, Report};
use daybook_store::packets::Packet;

/// Looks for each listed packet in the store: presence and size, and with `digests` every byte.
pub(super) async fn check(
    audit: &Audit,
    store: &PacketStore,
    digests: bool,
    report: &mut Report,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = audit.packets(after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for packet in &page {
            if let Some(finding) = look(store, packet, digests).await? {
                report.add(finding);
            }
        }
    }
}

async fn look(store: &PacketStore, packet: &Packet, digests: bool) -> Result<Option<Finding>> {
    let failed = || format!("the packet {} cannot be read", packet.id);
    let Some(size) = store.size(&packet.place).await.with_context(failed)? else {
        let there = format!("{} bytes at {}", packet.size, packet.place);
        return Ok(Some(Finding::new(
            "packets",
            packet.id,
            "place",
            there,
            "nothing: no such file in the packet store",
        )));
    };
    if size != packet.size {
        let there = format!("{size} bytes in the packet store");
        return Ok(Some(Finding::new(
            "packets",
            packet.id,
            "size",
            packet.size,
            there,
        )));
    }
    if digests {
        let digest = store.digest(&packet.place, size).await.with_context(failed)?;
        if digest != packet.sha256 {
            let there = format!("{digest} in the packet store");
            return Ok(Some(Finding::new(
                "packets",
                packet.id,
                "sha256",
                packet.sha256,
                there,
            )));
        }
    }
    Ok(None)
}
