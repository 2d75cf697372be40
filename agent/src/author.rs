//! An actor at work: signs events, sends them until they are acknowledged.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use daybook_core::Hash;
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::Stream;
use daybook_core::sealed::{Opening, ReaderClass, digest_list};
use daybook_rules::Table;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{Client, ClientError, Follower, Receipt};
use crate::keyfile::Keys;
use crate::random;

/// How often an event is sent or signed again before the author gives up.
const ATTEMPTS: u32 = 30;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// What an event is about to say.
pub struct Draft<'a> {
    /// The stream.
    pub stream: Stream,
    /// The type.
    pub kind: &'a str,
    /// Fields that stand in clear.
    pub clear: Value,
    /// Fields that are sealed.
    pub sealed: Vec<(&'a str, Value)>,
}

/// A signed event with the openings that travel beside it.
pub struct Signed {
    /// The event.
    pub event: Event,
    /// The openings for the hub. Those for the issuer alone are not among them.
    pub openings: Vec<Opening>,
    /// The openings that stay with the issuer.
    pub kept: Vec<Opening>,
}

/// An actor with its keys, and what it has seen of the log.
pub struct Author {
    /// Its keys.
    pub keys: Keys,
    client: Client,
    follower: Follower,
    /// Seconds to which times are cut; 1 for exact ones.
    step: i64,
}

impl Author {
    /// An actor who speaks to a hub.
    pub fn new(keys: Keys, client: Client, follower: Follower) -> Self {
        Self {
            keys,
            client,
            follower,
            step: 1,
        }
    }

    /// An actor in a controlled zone, whose exact times would say something of the data: they are cut to steps.
    #[must_use]
    pub fn with_time_step(self, seconds: i64) -> Self {
        Self {
            step: seconds.max(1),
            ..self
        }
    }

    /// The hub.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What it has seen of the log.
    pub fn follower(&mut self) -> &mut Follower {
        &mut self.follower
    }

    /// Signs and sends an event; signs again where another event of the organisation came first.
    pub async fn say(&mut self, draft: &Draft<'_>) -> Result<Receipt> {
        for _ in 0..ATTEMPTS {
            let signed = self.sign(draft).await?;
            match self.send(&signed).await {
                Err(error) if error.is("not-next") => {}
                outcome => {
                    return outcome
                        .with_context(|| format!("{} could not append {}", self.keys.actor, draft.kind));
                }
            }
        }
        bail!(
            "{} could not append {}: the stream {} moves too fast",
            self.keys.actor,
            draft.kind,
            draft.stream
        )
    }

    /// Sends the same bytes until it is known whether they are in the log.
    pub async fn send(&self, signed: &Signed) -> Result<Receipt, ClientError> {
        let mut attempt = 1;
        loop {
            match self.client.append(&signed.event, &signed.openings, false).await {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Signs an event as the next one of its stream.
    pub async fn sign(&mut self, draft: &Draft<'_>) -> Result<Signed> {
        let place = self.client.place(&draft.stream).await?;
        let seen = if self.keys.actor.is_service() {
            Some(self.follower.advance().await?)
        } else {
            None
        };
        let iat = random::now() / self.step * self.step;
        sign_at(&self.keys, self.follower.origin(), draft, &place, seen, iat)
    }
}

/// Where the next event of a stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The stream.
    pub stream: String,
    /// The position of the next event, from 1.
    pub seq: u64,
    /// The leaf hash of the last one, in base64url; none before the first.
    pub prev: Option<String>,
}

/// Signs an event for a place that is already known, without asking anybody. Services say what they have `seen` of the log.
pub fn sign_at(
    keys: &Keys,
    origin: &str,
    draft: &Draft<'_>,
    place: &Place,
    seen: Option<Seen>,
    iat: i64,
) -> Result<Signed> {
    ensure!(
        place.stream == draft.stream.to_string(),
        "the place is one of {}, and the event is for {}",
        place.stream,
        draft.stream
    );
    let prev = place.prev.as_deref();
    let prev = prev.map(|leaf| Hash::from_base64url(leaf).context("the place's `prev` is no hash"));
    let (data, openings, kept) = seal(draft)?;
    let claims = Claims {
        aud: origin.to_owned(),
        data,
        iat,
        iss: keys.actor.clone(),
        jti: random::id()?,
        prev: prev.transpose()?,
        seen,
        seq: place.seq,
        sub: draft.stream.clone(),
        kind: draft.kind.to_owned(),
        version: 1,
    };
    Ok(Signed {
        event: Event::sign(&claims, &keys.event)?,
        openings,
        kept,
    })
}

type Sealed = (Map<String, Value>, Vec<Opening>, Vec<Opening>);

/// Seals what must be sealed under fresh salts, and fills up with decoys to the number that the type has.
fn seal(draft: &Draft<'_>) -> Result<Sealed> {
    let rule = Table::v1()
        .rule(draft.kind)
        .with_context(|| format!("there is no event type {:?}", draft.kind))?;
    let mut data = draft
        .clear
        .as_object()
        .cloned()
        .context("an event's data is an object")?;
    let (mut openings, mut kept) = (Vec::new(), Vec::new());
    for (name, value) in &draft.sealed {
        let opening = Opening::new(random::bytes()?, name, value.clone())?;
        let class = rule.sealed.get(*name).map(|field| field.class);
        if class == Some(ReaderClass::IssuerOnly) {
            kept.push(opening);
        } else {
            openings.push(opening);
        }
    }
    let used = openings.len() + kept.len();
    let decoys: Result<Vec<[u8; 32]>> = (used..rule.digests).map(|_| random::bytes()).collect();
    let all: Vec<Opening> = openings.iter().chain(&kept).cloned().collect();
    if rule.digests > 0 {
        data.insert("_sd".to_owned(), digest_list(&all, &decoys?));
    }
    Ok((data, openings, kept))
}
