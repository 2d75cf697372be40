//! Cleared outputs on their way out. Nothing of them touches the disk before it is known to be what was cleared.

use std::collections::BTreeSet;

use daybook_core::base64url;
use uuid::Uuid;

use super::job::Job;
use super::{Desk, DeskError};
use crate::link::wire::{OutputsAnswer, OutputsRequest};
use crate::packet::commitment::{OUTPUTS_FOLDER, commit};
use crate::packet::{manifest_line, sha512_hex};

/// The folder of the outputs that came, each under its place in the list.
pub(super) const OUTPUTS: &str = "outputs";

impl Desk {
    /// Takes the list of a job's cleared outputs: with its salt it must give the commitment that was approved.
    pub fn announce(&self, job: Uuid, outputs: &OutputsRequest) -> Result<OutputsAnswer, DeskError> {
        {
            let inner = self.lock();
            let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
            check(job, outputs)?;
        }
        if self.notes(job)?.outputs.as_ref() != Some(outputs) {
            // What came of an earlier set is no part of this one.
            self.folder(job).remove_folder(OUTPUTS)?;
        }
        self.note(job, |notes| {
            notes.outputs = Some(outputs.clone());
            Ok(())
        })?;
        self.missing(job)
    }

    /// Takes one of the outputs, whose bytes must be those of the list.
    pub fn put_output(&self, job: Uuid, at: usize, bytes: &[u8]) -> Result<OutputsAnswer, DeskError> {
        let outputs = self.notes(job)?.outputs.ok_or(DeskError::NotCleared)?;
        {
            let inner = self.lock();
            let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
            check(job, &outputs)?;
        }
        let file = outputs
            .files
            .get(at)
            .ok_or(DeskError::NotAsApproved("the list has no such place"))?;
        if sha512_hex(bytes) != file.sha512 {
            return Err(DeskError::NotAsApproved(
                "the bytes have another digest than the list says",
            ));
        }
        self.folder(job).write(&name(at), bytes)?;
        {
            // What was cleared may have been taken back while the bytes were written.
            let inner = self.lock();
            let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
            if let Err(error) = check(job, &outputs) {
                job.folder.remove(&name(at))?;
                return Err(error);
            }
        }
        self.changed();
        self.missing(job)
    }

    /// The bytes of an output that has come.
    pub fn output(&self, job: Uuid, at: usize) -> Result<Option<Vec<u8>>, DeskError> {
        Ok(self.folder(job).read(&name(at))?)
    }

    fn missing(&self, job: Uuid) -> Result<OutputsAnswer, DeskError> {
        let inner = self.lock();
        let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
        let missing = job.notes.outputs.as_ref().map(|outputs| job.missing(outputs));
        Ok(OutputsAnswer {
            missing: missing.unwrap_or_default(),
        })
    }
}

impl Job {
    /// The outputs that have not come yet.
    pub(super) fn missing(&self, outputs: &OutputsRequest) -> Vec<usize> {
        (0..outputs.files.len())
            .filter(|at| !self.folder.has(&name(*at)))
            .collect()
    }
}

fn name(at: usize) -> String {
    format!("{OUTPUTS}/{at:05}")
}

/// A list is taken once `disclosure-approved` was, and only if it is exactly what that says.
fn check(job: &Job, outputs: &OutputsRequest) -> Result<(), DeskError> {
    if !matches!(job.word(), "cleared" | "staged") || job.fact("approved").is_empty() {
        return Err(DeskError::NotCleared);
    }
    let salt = base64url::decode(&outputs.salt).and_then(|salt| <[u8; 32]>::try_from(salt).ok());
    let salt = salt.ok_or(DeskError::NotAsApproved("the salt is not 32 bytes"))?;
    let is_plain = |path: &str| {
        let fits = !path.is_empty()
            && path.len() <= 200
            && !path.contains(['\\', ':'])
            && !path.contains(char::is_control);
        fits && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
    };
    if !outputs.files.iter().all(|file| is_plain(&file.path)) {
        return Err(DeskError::NotAsApproved(
            "a path climbs, or has characters that a packet cannot have",
        ));
    }
    let paths: BTreeSet<&str> = outputs.files.iter().map(|file| file.path.as_str()).collect();
    if paths.len() != outputs.files.len() {
        return Err(DeskError::NotAsApproved("a path comes twice"));
    }
    let line = |path: &str, sha512: &str| manifest_line(sha512, &format!("data/{OUTPUTS_FOLDER}{path}"));
    let mut lines: Vec<String> = outputs
        .files
        .iter()
        .map(|file| line(&file.path, &file.sha512))
        .collect();
    lines.sort_unstable();
    if base64url::encode(&commit(&salt, &lines.concat())) == job.fact("approved") {
        Ok(())
    } else {
        Err(DeskError::NotAsApproved(
            "list and salt do not give the commitment that was approved",
        ))
    }
}
