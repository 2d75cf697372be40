//! Makes events by hand, good ones and such as no honest signer would make.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use daybook_core::key::{PublicKey, SecretKey};
use daybook_core::{Hash, base64url};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

pub(super) const ORIGIN: &str = "log.example/daybook";
pub(super) const JOB: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
pub(super) const OTHER: &str = "16fd2706-8baf-433b-82eb-8c7fada847da";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A test key: its seed is 32 times the byte `n`.
pub(super) fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// The same as a JWK with its private part.
pub(super) fn jwk(n: u8) -> Value {
    json!({"crv": "Ed25519", "d": base64url::encode(&[n; 32]), "kty": "OKP", "x": key(n).public().to_x()})
}

pub(super) fn header(kid: &str) -> String {
    format!(r#"{{"alg":"Ed25519","kid":"{kid}","typ":"daybook-event+jwt"}}"#)
}

/// The payload from which the invalid ones differ in one thing.
pub(super) fn payload() -> String {
    let prev = Hash::of(b"prev");
    format!(
        r#"{{"aud":"{ORIGIN}","data":{{"n":1}},"iat":1795300000,"iss":"tre/wessex/relay","jti":"{OTHER}","prev":"{prev}","#
    ) + &format!(r#""seq":3,"sub":"job/{JOB}","type":"job-checked","v":1}}"#)
}

/// What is signed.
pub(super) fn input(header: &[u8], payload: &[u8]) -> String {
    format!("{}.{}", base64url::encode(header), base64url::encode(payload))
}

/// Any header and payload, signed by key 1.
pub(super) fn signed(header: &[u8], payload: &[u8]) -> String {
    let input = input(header, payload);
    let signature = base64url::encode(&key(1).sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// Any payload under the right header of key 1.
pub(super) fn event(payload: &[u8]) -> String {
    signed(
        header(&key(1).public().thumbprint().to_base64url()).as_bytes(),
        payload,
    )
}

/// Every other spelling of a part whose last character has spare bits.
pub(super) fn respelt(part: &str) -> Vec<String> {
    let spare = match part.len() % 4 {
        2 => 4,
        3 => 2,
        _ => panic!("no spare bits in {part}"),
    };
    let (rest, last) = part.split_at(part.len() - 1);
    let at = ALPHABET.iter().position(|c| last.as_bytes() == [*c]).unwrap();
    (1..1 << spare)
        .map(|bits| format!("{rest}{}", char::from(ALPHABET[at ^ bits])))
        .collect()
}

/// The scalar of test key 1.
pub(super) fn scalar() -> Scalar {
    let mut half: [u8; 32] = Sha512::digest([1; 32])[..32].try_into().unwrap();
    half[0] &= 0xf8;
    half[31] = half[31] & 0x3f | 0x40;
    Scalar::from_bytes_mod_order(half)
}

fn wide(data: &[&[u8]]) -> Scalar {
    let mut hasher = Sha512::new();
    for part in data {
        hasher.update(part);
    }
    Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
}

/// The challenge of Ed25519.
fn challenge(r: &[u8; 32], public: &[u8; 32], input: &str) -> Scalar {
    wide(&[r, public, input.as_bytes()])
}

pub(super) fn join(input: &str, r: &[u8; 32], s: &[u8; 32]) -> String {
    format!("{input}.{}", base64url::encode(&[*r, *s].concat()))
}

/// The thumbprint of a key that [`PublicKey`] refuses.
pub(super) fn thumbprint(public: &[u8; 32]) -> String {
    let x = base64url::encode(public);
    Hash::of(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()).to_base64url()
}

/// Whether a verifier that only follows the equation, and takes any point as a key, accepts an event.
pub(super) fn is_plainly_accepted(event: &str, public: &[u8; 32]) -> bool {
    let (input, signature) = event.rsplit_once('.').unwrap();
    let signature: [u8; 64] = base64url::decode(signature).unwrap().try_into().unwrap();
    VerifyingKey::from_bytes(public).is_ok_and(|key| {
        key.verify(input.as_bytes(), &Signature::from_bytes(&signature))
            .is_ok()
    })
}

/// An event under a key of small or mixed order, with a signature that the plain equation `SB = R + kA` accepts.
pub(super) fn under_weak_key(public: &[u8; 32], secret: Scalar) -> String {
    assert!(PublicKey::from_bytes(public).is_err());
    let input = input(header(&thumbprint(public)).as_bytes(), payload().as_bytes());
    for n in 0_u32.. {
        let nonce = wide(&[b"nonce", &n.to_be_bytes()]);
        let r = EdwardsPoint::mul_base(&nonce).compress().0;
        let k = challenge(&r, public, &input);
        // A multiple of eight takes what is of small order out of the equation.
        if k.to_bytes()[0].is_multiple_of(8) {
            let event = join(&input, &r, &(nonce + k * secret).to_bytes());
            assert!(is_plainly_accepted(&event, public), "but for the rule it holds");
            return event;
        }
    }
    unreachable!("one in eight fits")
}

/// An event by key 1 whose signature has an `R` of our choice, and `S = nonce + k·a`.
pub(super) fn with_r(r: &[u8; 32], nonce: Scalar) -> String {
    let public = key(1).public();
    let input = input(
        header(&public.thumbprint().to_base64url()).as_bytes(),
        payload().as_bytes(),
    );
    let k = challenge(r, public.as_bytes(), &input);
    join(&input, r, &(nonce + k * scalar()).to_bytes())
}

/// `s` plus a multiple of the order of the group, 32 bytes, least first.
pub(super) fn plus_order(s: &[u8; 32], times: u16) -> [u8; 32] {
    let order_less_one = (-Scalar::ONE).to_bytes();
    let mut sum = [0; 32];
    let mut carry = times;
    for at in 0..32 {
        carry += u16::from(s[at]) + u16::from(order_less_one[at]) * times;
        sum[at] = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert_eq!(carry, 0, "does not fit 32 bytes");
    sum
}
