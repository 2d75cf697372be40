use std::fmt::Write as _;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The tree of the entries `a`, `b` and `c`: its root, and the way to it from the second.
fn tree() -> (Hash, [Hash; 2]) {
    let [a, b, c] = ["a", "b", "c"].map(|entry| Hash::leaf(entry.as_bytes()));
    (Hash::node(&Hash::node(&a, &b), &c), [a, c])
}

#[test]
fn receipt_and_key_are_the_bytes_that_another_implementation_makes() {
    // Made with cbor2 and cryptography, and verified with cwt, all from PyPI.
    let signer = ReceiptSigner::from_seed(&[7; 32]).unwrap();
    let kid = "cbf65c8afcb5f69056927170cfe6acc226f1e3182e0aac3b83245e746beb0e6a";
    assert_eq!(hex(signer.kid()), kid);
    let x = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    assert_eq!(
        hex(&signer.key_set().unwrap()),
        format!("81a50101025820{kid}03322006215820{x}")
    );
    let (root, path) = tree();
    let protected = format!("582aa30132045820{kid}19018b01");
    let proof = format!("5848830301825820{}5820{}", hex(&path[0].0), hex(&path[1].0));
    let signature = "b6e5a7d7a59eef6c04e56ebc67aa7e91efe8bd52ae1ef76e44e84e03acecc1bf\
                     5d52252f2919a1646b1894de82ba703b2551de67d14f7e0d481990fe90a21609";
    assert_eq!(
        hex(&signer.receipt(1, 3, &path, &root).unwrap()),
        format!("d284{protected}a119018ca12081{proof}f65840{signature}")
    );
}

#[test]
fn the_thumbprint_is_that_of_rfc_9679() {
    // The form of the example in RFC 9679 §6, for a key of this type: required parameters only, in their order.
    let key = SecretKey::from_seed(&[7; 32]).public();
    let form = [
        &[0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20],
        &key.as_bytes()[..],
    ]
    .concat();
    assert_eq!(thumbprint(&key).unwrap(), Hash::of(&form).0);
}

#[test]
fn a_tree_of_one_entry_has_no_receipt() {
    let signer = ReceiptSigner::from_seed(&[7; 32]).unwrap();
    let root = Hash::leaf(b"a");
    let error = signer.receipt(0, 1, &[], &root).unwrap_err();
    assert!(matches!(error, ReceiptError::NoPath), "{error}");
}
