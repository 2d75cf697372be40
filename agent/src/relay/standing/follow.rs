//! Following streams.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use daybook_core::Hash;
use daybook_core::constitution::registrations;
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::{Actor, Organisation, Stream};
use daybook_core::key::{KeyUse, PublicKey};
use daybook_core::proof_file::ProofFile;
use daybook_rules::{Table, refold};
use serde_json::Value;

use super::known::Known;
use super::{PATIENCE, REST, Standing, StandingError};
use crate::client::{ClientError, Entry};
use crate::spool::{SpoolError, write_whole};

/// The rule table in force, beside the streams.
const TABLE: &str = "table";

impl Standing {
    /// Asks the hub for what is new in some streams. What could not be asked for stays as it was.
    pub async fn refresh(&mut self, streams: &[Stream]) -> Result<(), StandingError> {
        if self.away.is_some_and(|since| since.elapsed() < REST) {
            return Err(StandingError::Resting);
        }
        let follow = async {
            for stream in streams {
                self.follow(stream).await?;
            }
            Ok(())
        };
        let outcome = tokio::time::timeout(PATIENCE, follow)
            .await
            .unwrap_or(Err(StandingError::Slow));
        let is_away = matches!(
            &outcome,
            Err(StandingError::Slow | StandingError::Hub(ClientError::Transport(..)))
        );
        self.away = is_away.then(Instant::now);
        outcome
    }

    async fn follow(&mut self, stream: &Stream) -> Result<(), StandingError> {
        let before = self.streams.get(stream).cloned();
        let is_new = before.is_none();
        let mut known = before.unwrap_or_else(|| Known::new(stream));
        let entries = self.client.entries(&stream.to_string(), known.index).await?;
        let Some(last) = entries.last() else {
            return if is_new { self.keep(stream, known) } else { Ok(()) };
        };
        let mut table = None;
        for entry in &entries {
            self.fold(stream, &mut known, entry, &mut table)?;
        }
        self.prove(stream, last).await?;
        if let Some(table) = table {
            self.keep_table(&table)?;
        }
        self.keep(stream, known)
    }

    /// Folds one more entry, if it follows.
    fn fold(
        &self,
        stream: &Stream,
        known: &mut Known,
        entry: &Entry,
        table: &mut Option<Table>,
    ) -> Result<(), StandingError> {
        let bad = |why: String| StandingError::DoesNotHold {
            stream: stream.clone(),
            why,
        };
        let event =
            Event::parse(&entry.event).map_err(|error| bad(format!("entry {}: {error}", entry.index)))?;
        let claims = event.claims();
        let follows = claims.sub == *stream && claims.seq == known.seq + 1 && claims.prev == known.leaf();
        if !follows || claims.aud != self.log.name().as_str() {
            return Err(bad(format!(
                "entry {} does not follow the one before it",
                entry.index
            )));
        }
        self.check_own(stream, known, &event).map_err(bad)?;
        let mut states = BTreeMap::from([(stream.clone(), std::mem::take(&mut known.state))]);
        if known.seq == 0 {
            states.clear();
        }
        let adopted = table.as_ref().unwrap_or(&self.table);
        refold(adopted, &mut states, &event)
            .map_err(|error| bad(format!("entry {}: {error}", entry.index)))?;
        known.state = states.remove(stream).unwrap_or_default();
        if claims.kind == POLICY_ADOPTED {
            let value = claims.data.get("table").cloned().unwrap_or(Value::Null);
            *table = Some(
                Table::from_value(&value).map_err(|error| bad(format!("entry {}: {error}", entry.index)))?,
            );
        }
        known.seq = claims.seq;
        known.leaf = Some(event.leaf().to_base64url());
        known.index = Some(entry.index);
        Ok(())
    }

    /// What the TRE itself is said to have decided must be signed by a key that its root has lent.
    fn check_own(&self, stream: &Stream, known: &mut Known, event: &Event) -> Result<(), String> {
        let claims = event.claims();
        if claims.iss.organisation() != Organisation::Tre(self.tre.clone()) {
            return Ok(());
        }
        let own = Stream::Tre(self.tre.clone());
        let mut learnt = BTreeMap::new();
        if *stream == own {
            let is_root = matches!(&claims.iss, Actor::Tre(_, daybook_core::id::TreRole::Root));
            let registered = registrations(event).map_err(|error| error.to_string())?;
            // Only the root's word counts about keys; its first event brings its own.
            if is_root {
                let events = registered.iter().filter(|new| new.usage == KeyUse::Event);
                learnt.extend(events.map(|new| (new.kid.to_base64url(), new.key.to_x())));
            }
            if claims.seq == 1 && self.root.is_some_and(|root| root != *event.kid()) {
                return Err(
                    "the TRE has joined with another root key than the configuration names".to_owned(),
                );
            }
        }
        let kid = event.kid().to_base64url();
        let held = if *stream == own {
            known
                .keys
                .get(&kid)
                .or_else(|| learnt.get(&kid).filter(|_| claims.seq == 1))
        } else {
            self.streams.get(&own).and_then(|own| own.keys.get(&kid))
        };
        let key = held.and_then(|x| PublicKey::from_x(x).ok());
        let key =
            key.ok_or_else(|| format!("{} signs with a key that the TRE's root has not lent", claims.iss))?;
        event.verify(&key).map_err(|error| error.to_string())?;
        known.keys.extend(learnt);
        Ok(())
    }

    /// The newest entry is in the log; so are those before it, which it names one after another.
    async fn prove(&self, stream: &Stream, entry: &Entry) -> Result<(), StandingError> {
        let bad = |why: String| StandingError::DoesNotHold {
            stream: stream.clone(),
            why,
        };
        let text = match self.client.proof(entry.index).await {
            Err(error) if error.is("not-published") => {
                return Err(StandingError::NotPublished(stream.clone()));
            }
            outcome => outcome?,
        };
        let leaf = Hash::leaf(entry.event.as_bytes());
        let proof = ProofFile::parse(text.as_bytes()).map_err(|error| bad(error.to_string()))?;
        if proof.index() != entry.index {
            return Err(bad(format!(
                "the proof of entry {} is that of another",
                entry.index
            )));
        }
        let verified = proof.verify(&leaf, &self.log, self.log.name().as_str());
        verified.map(drop).map_err(|error| bad(error.to_string()))
    }

    fn keep_table(&mut self, table: &Table) -> Result<(), StandingError> {
        write_whole(&self.table_path(), table.canonical().as_bytes())?;
        self.table = Arc::new(table.clone());
        Ok(())
    }

    /// Reads the table that was kept.
    pub(super) fn read_table(&mut self) -> Result<(), StandingError> {
        let path = self.table_path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(SpoolError::at(&path)(error).into()),
        };
        if let Some(table) = serde_json::from_slice(&text)
            .ok()
            .and_then(|value| Table::from_value(&value).ok())
        {
            self.table = Arc::new(table);
        }
        Ok(())
    }

    fn table_path(&self) -> std::path::PathBuf {
        self.folder.with_extension(TABLE)
    }
}
