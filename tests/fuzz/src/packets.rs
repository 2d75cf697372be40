//! Targets for what researchers send.

use daybook_agent::packet::{
    Bag, Limits, Payload, read_request, read_run_status, request_metadata, workflow_file,
};
use uuid::Uuid;

/// Small, so that no input takes long.
const LIMITS: Limits = Limits {
    packet_bytes: 1 << 20,
    entries: 100,
    file_bytes: 1 << 20,
    total_bytes: 2 << 20,
    ratio: 200,
};

/// Opens a packet.
///
/// # Panics
/// When an accepted packet breaks a limit, or is another one after it was written and opened again.
pub fn bag(data: &[u8]) {
    let Ok(bag) = Bag::from_zip(data, &LIMITS) else {
        return;
    };
    let total: usize = bag.payload.values().map(Vec::len).sum();
    assert!(total as u64 <= LIMITS.total_bytes && bag.payload.len() <= LIMITS.entries);
    for path in bag.payload.keys() {
        let is_inside = path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        assert!(
            is_inside && !path.contains(['\\', '\0']),
            "{path:?} leads out of the folder"
        );
    }
    let again = bag
        .to_zip()
        .ok()
        .and_then(|zip| Bag::from_zip(&zip, &LIMITS).ok());
    assert_eq!(again.as_ref(), Some(&bag), "a bag is what was written");
    request(&bag);
}

/// Reads some bytes as the metadata file of a packet.
///
/// # Panics
/// When an accepted request cannot be written.
pub fn metadata(data: &[u8]) {
    request(&Bag {
        folder: "request-0".to_owned(),
        external_identifier: Uuid::nil(),
        payload: Payload::from([("ro-crate-metadata.json".to_owned(), data.to_vec())]),
    });
}

fn request(bag: &Bag) {
    let status = read_run_status(bag);
    let Ok(reading) = read_request(bag) else { return };
    assert!(status.is_ok(), "what is read as a request has a graph");
    assert!(
        !request_metadata(&reading.request).is_empty(),
        "a request can be written"
    );
    if let Some(path) = workflow_file(bag, &reading.request) {
        assert!(bag.payload.contains_key(&path), "the workflow is in the bag");
    }
}
