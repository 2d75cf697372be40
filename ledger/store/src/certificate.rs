//! The two things that Daybook itself reads in a certificate: when it ends, and by which digest it was signed.
//!
//! Whether it is good is for rustls alone to say. X.509 is RFC 5280; its bytes are DER (ITU-T X.690).

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use rustls::pki_types::pem;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, which holds the version.
const VERSION: u8 = 0xa0;

/// What kept a PEM file from being read, in words for whoever configured it.
pub fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it holds nothing of that kind in PEM form".to_owned(),
        other => format!("it is not a PEM file: {other}"),
    }
}

/// When a certificate ends to be valid; `None` if these bytes are no certificate.
pub fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(whole, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = any(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = any(rest)?.2;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_, _, end) = any(validity)?;
    let (tag, text, _) = any(end)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// Channel binding `tls-server-end-point` (RFC 5929, section 4.1): the certificate under the digest of its signature, or
/// SHA-256 where that is MD5 or SHA-1. `None` for signatures without one such digest, as Ed25519.
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(whole, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (identifier, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    match identifier {
        // RSA (PKCS #1: 1.2.840.113549.1.1) with MD5, SHA-1 or SHA-256; ECDSA (1.2.840.10045.4) with SHA-1 or SHA-256.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 4 | 5 | 11]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01 | 0x03]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2] => Some(Sha256::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 12]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3] => Some(Sha384::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 13]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 4] => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The first element's tag and content, and what follows it.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else {
        return None;
    };
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let digits = usize::from(*length & 0x7f);
        // A certificate is far below 4 GiB.
        let (digits, rest) = rest
            .split_at_checked(digits)
            .filter(|_| (1..=4).contains(&digits))?;
        let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The content of the first element, which must have this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(bytes)?;
    (found == tag).then_some((content, rest))
}

/// `YYMMDDHHMMSSZ` from 1950 on, or `YYYYMMDDHHMMSSZ` (RFC 5280, section 4.1.2.5).
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let text = text
        .strip_suffix('Z')
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2).and_then(|digits| digits.parse::<i8>().ok());
    if rest.len() != 10 || year == 0 {
        return None;
    }
    let day = Date::new(year, part(0)?, part(2)?).ok()?;
    let moment = Time::new(part(4)?, part(6)?, part(8)?, 0).ok()?;
    day.to_datetime(moment)
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm, date_time_ymd,
    };

    use super::*;

    fn made(algorithm: &'static SignatureAlgorithm, year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["db.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 3, 4);
        let key = KeyPair::generate_for(algorithm).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn end_is_read_in_both_forms_of_time() {
        for year in [2031, 2051, 4096] {
            let der = made(&PKCS_ED25519, year);
            let expected: Timestamp = format!("{year}-03-04T00:00:00Z").parse().unwrap();
            assert_eq!(not_after(&der), Some(expected));
        }
    }

    #[test]
    fn binding_uses_the_digest_of_the_signature() {
        let der = made(&rcgen::PKCS_ECDSA_P256_SHA256, 2031);
        assert_eq!(end_point(&der), Some(Sha256::digest(&der).to_vec()));
        let der = made(&PKCS_ECDSA_P384_SHA384, 2031);
        assert_eq!(end_point(&der), Some(Sha384::digest(&der).to_vec()));
        assert_eq!(end_point(&made(&PKCS_ED25519, 2031)), None);
    }

    #[test]
    fn bytes_that_are_cut_or_changed_are_no_reason_to_panic() {
        let der = made(&PKCS_ED25519, 2031);
        for end in 0..der.len() {
            let cut = &der[..end];
            assert_eq!((not_after(cut), end_point(cut)), (None, None));
        }
        for at in 0..der.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0x88, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                // Whatever it says, it says it.
                drop((not_after(&changed), end_point(&changed)));
            }
        }
    }
}
