//! Signing over the link: events at the places that the relay gives.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Seen;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::tree::verify_consistency;
use serde::{Deserialize, Serialize};

use super::wire::PlaceAnswer;
use super::{LinkClient, LinkError};
use crate::author::{Draft, Place, sign_at};
use crate::keyfile::Keys;
use crate::random;
use crate::spool::{JobFolder, SignedFile, SpoolError, write_whole};

/// How often an event is signed anew because another came first.
const ATTEMPTS: u32 = 10;

/// An event that the relay has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its position in the job's stream.
    pub seq: u64,
    /// Its leaf hash. Where the relay's view of the job no longer lists it, the hub refused it and it was set aside.
    pub leaf: String,
}

/// An actor of the TRE that speaks by way of the relay. It verifies what the relay shows it of the log.
pub struct Voice {
    client: LinkClient,
    key: VerifierKey,
    /// Where the newest verified checkpoint is kept.
    kept: PathBuf,
    seen: Option<Checkpoint>,
    step: i64,
}

impl Voice {
    /// Speaks with the client's keys. `key` is the log's, from the caller's own configuration; `kept` is the file for the
    /// newest checkpoint; times are cut to `step` seconds.
    pub fn new(client: LinkClient, key: VerifierKey, kept: PathBuf, step: i64) -> Result<Self, LinkError> {
        let seen = match std::fs::read(&kept) {
            Ok(bytes) => Some(open(&bytes, &key)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(SpoolError::at(&kept)(error).into()),
        };
        Ok(Self {
            client,
            key,
            kept,
            seen,
            step: step.max(1),
        })
    }

    /// The link.
    pub fn client(&self) -> &LinkClient {
        &self.client
    }

    /// Whose voice this is.
    pub fn keys(&self) -> &Arc<Keys> {
        self.client.keys()
    }

    /// How long it is until the next step begins: events from the controlled zone leave then, whatever happened before.
    pub fn until_step(&self) -> Duration {
        let into = random::now().rem_euclid(self.step);
        Duration::from_secs(u64::try_from(self.step - into).unwrap_or(1))
    }

    /// Says something of a job once, however often it is asked to: `name` is the step's name, under which the signed event
    /// lies in the job's folder (`events/<name>.json`, and `events/<name>.said.json` once the relay has taken it).
    pub async fn say(
        &mut self,
        folder: &JobFolder,
        name: &str,
        draft: &Draft<'_>,
    ) -> Result<Said, LinkError> {
        let (file, said) = (format!("events/{name}.json"), format!("events/{name}.said.json"));
        if let Some(said) = folder.read_json(&said)? {
            return Ok(said);
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let signed = if let Some(signed) = folder.read_json::<SignedFile>(&file)? {
                signed
            } else {
                let signed = self.sign(draft).await?;
                folder.write_json(&file, &signed)?;
                signed
            };
            match self.client.hand_over(&signed).await {
                Ok(answer) => {
                    let taken = Said {
                        seq: answer.seq,
                        leaf: answer.leaf,
                    };
                    folder.write_json(&said, &taken)?;
                    return Ok(taken);
                }
                // It was not taken, and at this place never will be.
                Err(error) if is_misplaced(&error) && attempt < ATTEMPTS => folder.remove(&file)?,
                Err(error) => {
                    // What was refused is signed anew when it is said again, for time has passed.
                    if matches!(&error, LinkError::Problem(problem) if !problem.is_passing()) {
                        folder.remove(&file)?;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Forgets that something was said: it was set aside, and is to be said anew.
    pub fn unsay(&self, folder: &JobFolder, name: &str) -> Result<(), LinkError> {
        folder.remove(&format!("events/{name}.json"))?;
        folder.remove(&format!("events/{name}.said.json"))?;
        Ok(())
    }

    async fn sign(&mut self, draft: &Draft<'_>) -> Result<SignedFile, LinkError> {
        let since = self.seen.as_ref().map_or(0, Checkpoint::size);
        let answer = self.client.place(&draft.stream, since).await?;
        self.follow(&answer)?;
        let seen = self.seen.as_ref().ok_or_else(|| {
            LinkError::Own(
                "the relay has seen nothing of the log yet; once it reaches the hub this goes on".to_owned(),
            )
        })?;
        let seen = Seen {
            root: *seen.root(),
            size: seen.size(),
        };
        let place = Place {
            stream: draft.stream.to_string(),
            seq: answer.place.seq,
            prev: answer.place.prev,
        };
        let (origin, iat) = (self.key.name().as_str(), random::now() / self.step * self.step);
        let signed = sign_at(self.keys(), origin, draft, &place, Some(seen), iat);
        let signed = signed.map_err(|error| LinkError::Own(format!("{error:#}")))?;
        Ok(SignedFile::new(&signed.event, &signed.openings, &signed.kept))
    }

    /// Takes a newer checkpoint, if it continues the one before.
    fn follow(&mut self, answer: &PlaceAnswer) -> Result<(), LinkError> {
        let Some(text) = &answer.checkpoint else {
            return Ok(());
        };
        let new = open(text.as_bytes(), &self.key)?;
        if let Some(old) = &self.seen {
            let proof: Option<Vec<Hash>> = answer
                .consistency
                .iter()
                .map(|text| Hash::from_base64url(text))
                .collect();
            let proof = proof.ok_or_else(|| LinkError::Log("its proof is not made of hashes".to_owned()))?;
            verify_consistency(old.size(), old.root(), new.size(), new.root(), &proof).map_err(|error| {
                LinkError::Log(format!(
                    "the checkpoints over {} and {} entries disagree ({error}); keep both, they prove it",
                    old.size(),
                    new.size()
                ))
            })?;
        }
        write_whole(&self.kept, text.as_bytes())?;
        self.seen = Some(new);
        Ok(())
    }
}

fn is_misplaced(error: &LinkError) -> bool {
    matches!(error.code(), "not-next" | "went-back")
}

fn open(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, LinkError> {
    let bad = |error: &dyn std::error::Error| LinkError::Log(format!("its checkpoint: {error}"));
    let note = Note::parse(note).map_err(|error| bad(&error))?;
    Checkpoint::open(&note, key, key.name().as_str()).map_err(|error| bad(&error))
}
