//! Our verification beside `verify_strict` of ed25519-dalek: both take the same signatures, and refuse the same.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use daybook_core::key::{KeyError, PublicKey, SecretKey};
use ed25519_dalek::{Signature, VerifyingKey};
use proptest::prelude::*;
use rstest::rstest;
use sha2::{Digest as _, Sha512};

/// The order of the group, least byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Whether ours takes it, once the oracle has said the same.
fn accepts(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let ours = PublicKey::from_bytes(key)
        .expect("a key of the prime-order group")
        .verify(message, signature);
    let oracle = VerifyingKey::from_bytes(key)
        .expect("a point of the curve")
        .verify_strict(message, &Signature::from_bytes(signature));
    assert_eq!(
        ours.is_ok(),
        oracle.is_ok(),
        "{key:02x?} {message:02x?} {signature:02x?}"
    );
    ours.is_ok()
}

/// A secret scalar that is not a seed's, so that a signature can be made for any `R`.
struct Forger {
    secret: Scalar,
    key: [u8; 32],
}

impl Forger {
    fn new(n: u64) -> Self {
        let secret = Scalar::from_hash(Sha512::new().chain_update(n.to_le_bytes()));
        let key = EdwardsPoint::mul_base(&secret).compress().to_bytes();
        Self { secret, key }
    }

    /// With this encoding as `R`, `s` solves the equation for the point `nonce` times the base.
    fn sign(&self, r: [u8; 32], nonce: Scalar, message: &[u8]) -> [u8; 64] {
        let hashed = Sha512::new()
            .chain_update(r)
            .chain_update(self.key)
            .chain_update(message);
        let s = nonce + Scalar::from_hash(hashed) * self.secret;
        both(r, s.to_bytes())
    }
}

fn both(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    signature
}

/// Adds the group's order to `s`: the same scalar with another spelling.
fn respelt(signature: &[u8; 64]) -> [u8; 64] {
    let mut signature = *signature;
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    signature
}

/// The eight points of small order: multiples of one of order eight.
fn small_points() -> Vec<EdwardsPoint> {
    let generator = (2_u8..).find_map(|y| {
        let mut bytes = [0; 32];
        bytes[0] = y;
        // The group's order takes away all but the part of small order.
        let small = times_order(CompressedEdwardsY(bytes).decompress()?);
        let is_of_order_8 = small + small + small + small != EdwardsPoint::default();
        is_of_order_8.then_some(small)
    });
    let generator = generator.unwrap_or_else(|| panic!("one point in two has a part of order eight"));
    std::iter::successors(Some(generator), |point| Some(point + generator))
        .take(8)
        .collect()
}

fn times_order(point: EdwardsPoint) -> EdwardsPoint {
    let bits = ORDER
        .iter()
        .rev()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(EdwardsPoint::default(), |sum, bit| {
        let twice = sum + sum;
        if bit == 1 { twice + point } else { twice }
    })
}

/// Every encoding of a point of small order, the ones that are not canonical too.
fn small_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> = small_points()
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect();
    assert_eq!(encodings.len(), 8);
    // y + p, where that still fits: for y = 0 and 1.
    let spelt_otherwise = encodings
        .clone()
        .into_iter()
        .filter(|bytes| bytes[0] < 2 && bytes[1..31] == [0; 30]);
    let spelt_otherwise: Vec<_> = spelt_otherwise
        .map(|mut bytes| {
            bytes[0] += 0xed;
            bytes[1..31].fill(0xff);
            bytes[31] |= 0x7f;
            bytes
        })
        .collect();
    encodings.extend(spelt_otherwise);
    // Minus zero: the sign of an `x` that is 0.
    let other_sign = encodings.clone().into_iter().map(|mut bytes| {
        bytes[31] ^= 0x80;
        bytes
    });
    encodings.extend(other_sign);
    encodings.sort_unstable();
    encodings.dedup();
    assert_eq!(encodings.len(), 14);
    encodings
}

#[test]
fn a_signature_whose_r_has_small_order_is_refused_however_it_is_spelt() {
    for n in 0..8 {
        let forger = Forger::new(n);
        let (mut fit, message) = (0, n.to_le_bytes());
        for r in small_encodings() {
            // As if R were the identity: for that one the equation holds, whatever the message.
            let signature = forger.sign(r, Scalar::ZERO, &message);
            assert!(!accepts(&forger.key, &message, &signature));
            let lax = VerifyingKey::from_bytes(&forger.key).unwrap();
            let lax = ed25519_dalek::Verifier::verify(&lax, &message, &Signature::from_bytes(&signature));
            fit += u8::from(lax.is_ok());
        }
        assert_eq!(fit, 1, "only a look at the order of R refuses that");
    }
}

#[test]
fn a_signature_whose_r_has_a_part_of_small_order_is_refused() {
    for (n, small) in (1_u64..).zip(small_points()) {
        let (forger, nonce) = (Forger::new(n), Scalar::from(77 * n));
        let r = (EdwardsPoint::mul_base(&nonce) + small).compress().to_bytes();
        let signature = forger.sign(r, nonce, b"message");
        // The eighth multiple of a point of order eight is nothing: that one is an honest signature.
        assert_eq!(accepts(&forger.key, b"message", &signature), n == 8);
    }
}

#[test]
fn a_key_of_small_or_mixed_order_or_of_another_spelling_is_none() {
    for bytes in small_encodings() {
        assert!(PublicKey::from_bytes(&bytes).is_err());
        // The oracle takes it as a point, and no signature under it.
        if let Ok(key) = VerifyingKey::from_bytes(&bytes) {
            let signature = Signature::from_bytes(&both(bytes, [0; 32]));
            assert!(key.verify_strict(b"", &signature).is_err());
        }
    }
    let good = EdwardsPoint::mul_base(&Scalar::from(7_u8));
    for (n, small) in (1..).zip(small_points()) {
        let key = PublicKey::from_bytes(&(good + small).compress().to_bytes());
        assert_eq!(key.err(), (n < 8).then_some(KeyError::Order));
    }
}

#[rstest]
#[case::zero([0; 32])]
#[case::the_order(ORDER)]
#[case::all_ones([0xff; 32])]
#[case::only_the_highest_bits([&[0; 31][..], &[0xe0]].concat().try_into().unwrap())]
fn an_s_that_is_no_solution_or_not_reduced_is_refused(#[case] s: [u8; 32]) {
    let secret = SecretKey::from_seed(&[3; 32]);
    let honest = secret.sign(b"message");
    let r = honest[..32].try_into().unwrap();
    assert!(!accepts(secret.public().as_bytes(), b"message", &both(r, s)));
}

proptest! {
    #[test]
    fn honest_signatures_verify_and_changed_ones_do_as_the_oracle_says(
        seed: [u8; 32],
        message: Vec<u8>,
        at in 0_usize..64,
        with in 1_u8..=255,
    ) {
        let secret = SecretKey::from_seed(&seed);
        let key = *secret.public().as_bytes();
        let honest = secret.sign(&message);
        prop_assert!(accepts(&key, &message, &honest));
        prop_assert!(!accepts(&key, &message, &respelt(&honest)));
        let mut changed = honest;
        changed[at] ^= with;
        prop_assert!(!accepts(&key, &message, &changed));
        let mut other = message.clone();
        other.push(with);
        prop_assert!(!accepts(&key, &other, &honest));
    }

    #[test]
    fn any_bytes_are_judged_as_the_oracle_judges_them(seed: [u8; 32], r: [u8; 32], s: [u8; 32], message: Vec<u8>) {
        let key = *SecretKey::from_seed(&seed).public().as_bytes();
        prop_assert!(!accepts(&key, &message, &both(r, s)));
    }

    #[test]
    fn any_r_with_the_s_that_solves_the_equation_is_judged_as_the_oracle_judges_it(
        n: u64,
        nonce: u64,
        sign: bool,
        message: Vec<u8>,
    ) {
        let (forger, nonce) = (Forger::new(n), Scalar::from(nonce));
        let mut r = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        r[31] ^= u8::from(sign) << 7;
        accepts(&forger.key, &message, &forger.sign(r, nonce, &message));
    }
}
