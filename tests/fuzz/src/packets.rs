//! Targets for what researchers send.

use daybook_agent::packet::{
    Bag, Checked, Limits, Payload, check, check_result, read_request, read_run_status, request_metadata,
    workflow_file,
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

/// A random UUID, as a packet's identifier is one.
const ID: Uuid = Uuid::from_u128(0x9796_155a_fe44_4614_89b8_7194_5f71_8ffb);

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
    checked(data);
}

/// Checks a packet as a relay does.
///
/// # Panics
/// When what goes on is no packet, still holds a claim, or is told in a form that events do not allow.
fn checked(data: &[u8]) {
    let is_text = |text: &str, most: usize| {
        (1..=most).contains(&text.chars().count()) && text.chars().all(|c| c == '\n' || !c.is_control())
    };
    let checked = match check(data, &LIMITS) {
        Ok(checked) => checked,
        Err(refused) => {
            assert!(!refused.findings.is_empty() && is_text(&refused.text, 4_000));
            return;
        }
    };
    let warnings = checked.warnings();
    assert!(warnings.len() <= 40 && warnings.iter().all(|text| is_text(text, 300)));
    let again: Option<Checked> = checked
        .bag
        .to_zip()
        .ok()
        .and_then(|zip| check(&zip, &LIMITS).ok());
    let again = again.expect("what goes on is a packet");
    assert_eq!((&again.bag, &again.request), (&checked.bag, &checked.request));
    assert!(again.removed.is_empty(), "a claim went on");
}

/// Reads some bytes as the metadata file of a packet.
///
/// # Panics
/// When an accepted request cannot be written.
pub fn metadata(data: &[u8]) {
    let bag = Bag {
        folder: "request-0".to_owned(),
        external_identifier: ID,
        payload: Payload::from([("ro-crate-metadata.json".to_owned(), data.to_vec())]),
    };
    request(&bag);
    if let Ok(zip) = bag.to_zip() {
        checked(&zip);
    }
}

fn request(bag: &Bag) {
    let _ = check_result(bag);
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
