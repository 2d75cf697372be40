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

/// Decodes exactly `N` bytes, without room on the heap; anything that [`decode`] refuses or of another length is `None`.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        assert_eq!(decode("_-8").as_deref(), Some(&[0xff, 0xef][..]));
        for other in ["_-9", "_-8=", "/+8", "_-8 ", "_-8\n", "_"] {
            assert_eq!(decode(other), None, "{other:?}");
            assert_eq!(decode_array::<2>(other), None, "{other:?}");
        }
    }

    #[test]
    fn arrays_are_of_their_length() {
        assert_eq!(decode_array("_-8"), Some([0xff, 0xef]));
        assert_eq!(decode_array::<1>("_-8"), None);
        assert_eq!(decode_array::<3>("_-8"), None);
        for length in 0..100_usize {
            let text = encode(&vec![0xa5; length]);
            assert_eq!(decode_array::<32>(&text).is_some(), length == 32);
            assert_eq!(decode_array::<64>(&text).is_some(), length == 64);
        }
    }
}
