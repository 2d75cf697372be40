//! Keys that are no keys, and signatures that do not hold.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use daybook_core::base64url;
use serde_json::Value;

use super::craft::{
    event, header, is_plainly_accepted, join, key, payload, plus_order, respelt, scalar, signed, thumbprint,
    under_weak_key, with_r,
};
use super::{changed, under, vector};

pub(super) fn keys() -> Vec<Value> {
    let good = event(payload().as_bytes());
    let x = key(1).public().to_x();
    let mut vectors = Vec::new();
    for (name, other) in [
        ("42 characters", x[..42].to_owned()),
        ("44 characters", format!("{x}A")),
        ("padded", format!("{x}=")),
        ("spare bits", respelt(&x)[0].clone()),
        ("hexadecimal", "aa".repeat(32)),
        ("nothing", String::new()),
    ] {
        vectors.push(under(name, &good, &other, "Length"));
    }
    for (n, point) in EIGHT_TORSION.iter().enumerate() {
        let bytes = point.compress().0;
        let name = format!("small order, number {n}");
        vectors.push(under(
            &name,
            &under_weak_key(&bytes, Scalar::ZERO),
            &base64url::encode(&bytes),
            "Order",
        ));
    }
    let public = CompressedEdwardsY(*key(1).public().as_bytes())
        .decompress()
        .unwrap();
    for at in [4, 2, 1] {
        let bytes = (public + EIGHT_TORSION[at]).compress().0;
        let name = format!("mixed order, a good key plus a point of order {}", 8 / at);
        vectors.push(under(
            &name,
            &under_weak_key(&bytes, scalar()),
            &base64url::encode(&bytes),
            "Order",
        ));
    }
    let over = |last: u8, sign: bool| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (last, if sign { 0xff } else { 0x7f });
        bytes
    };
    let (mut one, mut minus_one) = ([0; 32], over(0xec, true));
    (one[0], one[31]) = (1, 0x80);
    minus_one[31] = 0xff;
    for (name, bytes) in [
        ("y = p, which is 0", over(0xed, false)),
        ("y = p, which is 0, with the sign", over(0xed, true)),
        ("y = p + 1, which is 1", over(0xee, false)),
        ("y = p + 1, which is 1, with the sign of zero", over(0xee, true)),
        ("y = 1 with the sign of zero", one),
        ("y = −1 with the sign of zero", minus_one),
    ] {
        let weak = CompressedEdwardsY(bytes)
            .decompress()
            .is_none_or(|point| point.is_small_order());
        assert!(weak, "{name}");
        vectors.push(under(
            name,
            &under_weak_key(&bytes, Scalar::ZERO),
            &base64url::encode(&bytes),
            "Encoding",
        ));
    }
    let no_point = (2_u8..=u8::MAX)
        .map(|y| {
            let mut bytes = [0; 32];
            bytes[0] = y;
            bytes
        })
        .find(|bytes| CompressedEdwardsY(*bytes).decompress().is_none())
        .unwrap();
    let event = signed(header(&thumbprint(&no_point)).as_bytes(), payload().as_bytes());
    vectors.push(under(
        "not on the curve",
        &event,
        &base64url::encode(&no_point),
        "Encoding",
    ));
    vectors
}

pub(super) fn signatures() -> Vec<Value> {
    let points = malleable().into_iter().chain(chosen_points());
    let all = points.chain(of_others());
    let mut vectors: Vec<Value> = all
        .map(|(name, event)| vector(&name, &event, "signature"))
        .collect();
    let (good, other) = (event(payload().as_bytes()), key(2).public().to_x());
    vectors.push(under("good, under another key", &good, &other, "signature"));
    vectors
}

/// The good signature taken apart, put together otherwise.
fn malleable() -> Vec<(String, String)> {
    let good = event(payload().as_bytes());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let bytes: [u8; 64] = base64url::decode(signature).unwrap().try_into().unwrap();
    let (r, s): ([u8; 32], [u8; 32]) = (bytes[..32].try_into().unwrap(), bytes[32..].try_into().unwrap());
    let mut flipped = r;
    flipped[0] ^= 1;
    let order = [1, 2, 7, 14].map(|times| {
        let name = format!("S plus {times} times the order of the group");
        (name, join(input, &r, &plus_order(&s, times)))
    });
    let others = [
        ("all zero", [0; 32], [0; 32]),
        ("all ones", [0xff; 32], [0xff; 32]),
        ("a bit of R flipped", flipped, s),
        ("S first", s, r),
        ("S of zero", r, [0; 32]),
    ];
    let others = others.map(|(name, r, s)| (name.to_owned(), join(input, &r, &s)));
    order.into_iter().chain(others).collect()
}

/// Signatures with an `R` that no honest signer makes, for which some equation of a verifier holds.
fn chosen_points() -> Vec<(String, String)> {
    let identity = EdwardsPoint::identity().compress().0;
    let (mut signed, mut long) = (identity, [0xff; 32]);
    signed[31] = 0x80;
    (long[0], long[31]) = (0xee, 0x7f);
    let plain = with_r(&identity, Scalar::ZERO);
    assert!(
        is_plainly_accepted(&plain, key(1).public().as_bytes()),
        "but for the rule it holds"
    );
    let nonce = Scalar::from(7_u8);
    let point = EdwardsPoint::mul_base(&nonce);
    let good = with_r(&point.compress().0, nonce);
    assert!(super::super::judge(&good, &key(1).public().to_x()).is_ok());
    let of_identity = [
        (
            "R of small order: the identity, which plain verifiers accept",
            plain,
        ),
        (
            "R not canonical: the identity with the sign of zero",
            with_r(&signed, Scalar::ZERO),
        ),
        (
            "R not canonical: the identity as y = p + 1",
            with_r(&long, Scalar::ZERO),
        ),
    ];
    let mixed = [4, 2, 1].map(|at| {
        let r = (point + EIGHT_TORSION[at]).compress().0;
        let order = 8 / at;
        let name = format!("R of mixed order {order}, which verifiers with the cofactor accept");
        (name, with_r(&r, nonce))
    });
    let of_identity = of_identity.map(|(name, event)| (name.to_owned(), event));
    of_identity.into_iter().chain(mixed).collect()
}

/// Good signatures of other bytes or other keys.
fn of_others() -> Vec<(String, String)> {
    let good = event(payload().as_bytes());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let by = |n: u8, bytes: &str| format!("{input}.{}", base64url::encode(&key(n).sign(bytes.as_bytes())));
    let header = |n: u8| header(&key(n).public().thumbprint().to_base64url());
    let other_input = super::craft::input(header(1).as_bytes(), changed(r#""n":1"#, r#""n":2"#).as_bytes());
    let (_, only_payload) = input.split_once('.').unwrap();
    [
        ("of another payload", format!("{other_input}.{signature}")),
        ("of the payload without the header", by(1, only_payload)),
        ("of the decoded payload", by(1, &payload())),
        ("of the bytes with a line end", by(1, &format!("{input}\n"))),
        ("by another key under this one's name", by(2, input)),
        (
            "by this key under another one's name",
            signed(header(2).as_bytes(), payload().as_bytes()),
        ),
    ]
    .map(|(name, event)| (name.to_owned(), event))
    .into()
}
