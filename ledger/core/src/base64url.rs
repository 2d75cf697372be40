//! Unpadded base64url with zero spare bits (RFC 4648 §5, RFC 7515 §2): one spelling for each byte string.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes; padding, other alphabets, white space and non-zero spare bits are `None`.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        assert_eq!(decode("_-8").as_deref(), Some(&[0xff, 0xef][..]));
        for other in ["_-9", "_-8=", "/+8", "_-8 ", "_-8\n", "_"] {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }
}
