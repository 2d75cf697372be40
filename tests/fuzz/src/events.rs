//! Targets for what actors sign, and for whom and what it names.

use std::sync::LazyLock;

use daybook_core::access::{AccessToken, Presented};
use daybook_core::event::{Claims, Event, MAX_EVENT, MAX_POLICY_EVENT, POLICY_ADOPTED};
use daybook_core::id::{Actor, Organisation, Slug, Stream, random_id};
use daybook_core::key::{PublicKey, SecretKey};
use daybook_core::sealed::{MAX_OPENING, Opening, SALT_BYTES, digest};
use daybook_core::{Hash, base64url, canonical};
use serde_json::Value;

/// The key of the test vectors' events: its seed is 32 times the byte 1.
pub(crate) static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_seed(&[1; 32]));

/// Any payload, signed under the right header of a type.
pub(crate) fn sign(typ: &str, payload: &[u8]) -> String {
    let kid = KEY.public().thumbprint();
    let header = format!(r#"{{"alg":"Ed25519","kid":"{kid}","typ":"{typ}"}}"#);
    let input = format!(
        "{}.{}",
        base64url::encode(header.as_bytes()),
        base64url::encode(payload)
    );
    let signature = base64url::encode(&KEY.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// Reads an entry.
///
/// # Panics
/// When an accepted event is beyond a limit, has another leaf, cannot be signed again, or verifies though another text
/// says the same under the same key.
pub fn event(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(event) = Event::parse(text) else { return };
    assert_eq!(event.as_str(), text, "an entry is its bytes");
    assert_eq!(*event.leaf(), Hash::leaf(data), "the leaf is of the bytes");
    within_limits(event.claims(), text.len());
    let again = Event::sign(event.claims(), &KEY);
    assert_eq!(
        again.as_ref().map(Event::claims),
        Ok(event.claims()),
        "what is read can be signed"
    );
    if event.verify(&KEY.public()).is_ok() {
        assert_eq!(again, Ok(event), "one text for each statement of a key");
    }
}

/// Reads a payload that an author really signed.
///
/// # Panics
/// As [`event`], and when the signature does not hold.
pub fn claims(data: &[u8]) {
    let text = sign("daybook-event+jwt", data);
    event(text.as_bytes());
    if let Ok(event) = Event::parse(&text) {
        assert_eq!(event.verify(&KEY.public()), Ok(()), "it was signed");
        let other = SecretKey::from_seed(&[2; 32]).public();
        assert!(event.verify(&other).is_err(), "not by another key");
    }
}

fn within_limits(claims: &Claims, length: usize) {
    let limit = if claims.kind == POLICY_ADOPTED {
        MAX_POLICY_EVENT
    } else {
        MAX_EVENT
    };
    assert!(length <= limit, "{length} bytes");
    assert!((3..=40).contains(&claims.kind.len()) && (1..=128).contains(&claims.aud.len()));
    assert!((1..=999).contains(&claims.version) && (0..=canonical::MAX_INTEGER).contains(&claims.iat));
    assert_eq!(claims.prev.is_none(), claims.seq == 1, "prev");
    assert_eq!(claims.jti.get_version_num(), 4, "jti");
    let digests: Vec<&str> = claims.digests().collect();
    assert!(digests.is_sorted_by(|a, b| a < b), "digests");
    assert!(
        digests
            .iter()
            .all(|digest| Hash::from_base64url(digest).is_some())
    );
    let listed = claims
        .data
        .get("_sd")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    assert_eq!(listed, digests.len(), "every digest is read");
}

/// Reads canonical JSON.
///
/// # Panics
/// When accepted bytes are not written as they were read, or not as another writer would.
pub fn canonical(data: &[u8]) {
    let Ok(value) = canonical::parse(data) else { return };
    assert_eq!(canonical::text(&value).as_bytes(), data, "one spelling");
    assert_eq!(canonical::check(&value, 1), Ok(()), "within the limits");
    assert_eq!(
        serde_json::to_string(&value).unwrap_or_default().as_bytes(),
        data,
        "another writer says the same"
    );
    assert_eq!(canonical::parse_object(data).is_ok(), value.is_object());
}

/// Reads an opening, and the same bytes as an opening's JSON.
///
/// # Panics
/// When an accepted opening is not written as it was read, or what it discloses could not stand in an event.
pub fn opening(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        one_opening(text);
    }
    one_opening(&base64url::encode(data));
}

fn one_opening(text: &str) {
    let Ok(opening) = Opening::parse(text) else { return };
    assert!(text.len() <= MAX_OPENING, "{} bytes", text.len());
    assert_eq!(opening.digest(), digest(text), "the digest is of the text");
    // The salt stands after two characters, which no three bytes of base64 share with it.
    let json = base64url::decode(text).unwrap_or_default();
    let salt = json.get(2..24).and_then(|salt| str::from_utf8(salt).ok());
    let salt = salt
        .and_then(base64url::decode)
        .and_then(|salt| salt.try_into().ok());
    let salt: [u8; SALT_BYTES] = salt.unwrap_or_default();
    let again = Opening::new(salt, opening.name(), opening.value().clone());
    assert_eq!(again, Ok(opening.clone()), "an opening has one spelling");
    let disclosed = Value::Object(
        [(opening.name().to_owned(), opening.value().clone())]
            .into_iter()
            .collect(),
    );
    assert_eq!(canonical::check(&disclosed, 1), Ok(()), "it could stand in data");
}

/// Reads an access token, and the same bytes as a token's payload.
///
/// # Panics
/// When a token that holds lives too long, is for another request, or has another spelling.
pub fn access_token(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        one_token(text);
    }
    one_token(&sign("daybook-access+jwt", data));
}

fn one_token(text: &str) {
    const ORIGIN: &str = "log.example/daybook";
    const PATH: &str = "/v1/packets/7d444840-9dc0-41d1-b245-5ffdce74fad2";
    const NOW: i64 = 1_795_300_000;
    let Ok(token) = Presented::parse(text) else { return };
    assert_eq!(token.actor().to_string().parse().as_ref(), Ok(token.actor()));
    let Ok(actor) = token.verify(&KEY.public(), ORIGIN, "PUT", PATH, NOW) else {
        return;
    };
    let payload = text
        .split('.')
        .nth(1)
        .and_then(base64url::decode)
        .unwrap_or_default();
    let claims = canonical::parse_object(&payload).unwrap_or_default();
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (iat, exp) = (time("iat"), time("exp"));
    assert!(
        iat < exp && exp - iat <= 300 && NOW < exp && iat <= NOW + 60,
        "from {iat} to {exp}"
    );
    let again = AccessToken {
        aud: ORIGIN.to_owned(),
        iat,
        exp,
        iss: actor.clone(),
        method: "PUT".to_owned(),
        path: PATH.to_owned(),
    };
    assert_eq!(again.sign(&KEY), text, "a token has one spelling");
}

/// Reads the names of actors and streams, and random ids.
///
/// # Panics
/// When an accepted name is not written as it was read, or is too long for a column.
pub fn name(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(slug) = text.parse::<Slug>() {
        assert_eq!(slug.as_str(), text, "a slug has one spelling");
    }
    if let Ok(id) = random_id(text) {
        assert_eq!(id.to_string(), text, "an id has one spelling");
    }
    if let Ok(actor) = text.parse::<Actor>() {
        assert_eq!(actor.to_string(), text, "an actor has one spelling");
        assert!(text.len() <= 96, "{} characters", text.len());
        let home = actor.home();
        assert_eq!(home.to_string().parse(), Ok(home), "an actor's home is a stream");
    }
    if let Ok(stream) = text.parse::<Stream>() {
        assert_eq!(stream.to_string(), text, "a stream has one spelling");
        assert!(text.len() <= 96, "{} characters", text.len());
        assert!(text.starts_with(stream.kind()), "the kind is the first word");
        let hub = [
            Organisation::Operator,
            Organisation::Hub,
            Organisation::Registrar,
            Organisation::Auditor,
        ];
        let admitted = hub.iter().filter(|author| stream.admits(author)).count();
        assert!(admitted <= 1, "{admitted} of the hub's side may write {text}");
    }
}

/// Reads a public key, in base64url and as bytes.
///
/// # Panics
/// When an accepted key is not written as it was read.
pub fn key(data: &[u8]) {
    if let Some(key) = str::from_utf8(data).ok().and_then(|x| PublicKey::from_x(x).ok()) {
        assert_eq!(key.to_x().as_bytes(), data, "a key has one spelling");
    }
    let Ok(bytes) = <&[u8; 32]>::try_from(data) else {
        return;
    };
    if let Ok(key) = PublicKey::from_bytes(bytes) {
        assert_eq!(key.as_bytes(), bytes, "a key has one encoding");
        assert_eq!(PublicKey::from_x(&key.to_x()), Ok(key.clone()));
        assert!(key.verify(b"", &[0; 64]).is_err(), "nothing is no signature");
    }
}
