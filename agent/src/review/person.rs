//! People: a name for the TRE, a tag for everybody else.

use std::path::Path;

use daybook_core::base64url;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::ReviewError;
use crate::keyfile;

/// Characters of a person's name.
const NAME_LIMIT: usize = 100;

/// Somebody who decides, at one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// How the TRE calls them; it never leaves.
    pub name: String,
    /// What the log calls them at this job.
    pub tag: String,
}

impl Person {
    /// The person of that name at a job. Names that differ in case or spaces around are one person's.
    pub fn at(job: Uuid, name: &str, secret: &[u8; 32]) -> Result<Self, ReviewError> {
        let name = name.trim().to_lowercase();
        let is_name = (1..=NAME_LIMIT).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !is_name {
            return Err(ReviewError::Text(NAME_LIMIT));
        }
        let mac = Hmac::<Sha256>::new_from_slice(secret);
        let mut mac = mac.map_err(|_| ReviewError::Secret("the secret is not 32 bytes".to_owned()))?;
        mac.update(job.as_bytes());
        mac.update(name.as_bytes());
        Ok(Self {
            name,
            tag: base64url::encode(&mac.finalize().into_bytes()),
        })
    }
}

/// Makes the TRE's secret in a new file of mode 0600.
pub fn create_secret(path: &Path) -> anyhow::Result<()> {
    keyfile::create_seed(path).map(drop)
}

/// Reads it.
pub fn read_secret(path: &Path) -> Result<[u8; 32], ReviewError> {
    keyfile::read_seed(path).map_err(|error| ReviewError::Secret(format!("`secret`: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_people_apart_in_one_job_and_links_nothing_across_two() {
        let (one, other) = (crate::random::id().unwrap(), crate::random::id().unwrap());
        let tag = |job, name, secret| Person::at(job, name, &[secret; 32]).unwrap().tag;
        assert_eq!(tag(one, "Ada Example", 1), tag(one, " ada example ", 1));
        assert_ne!(tag(one, "Ada Example", 1), tag(one, "Bo Example", 1));
        assert_ne!(tag(one, "Ada Example", 1), tag(other, "Ada Example", 1));
        assert_ne!(tag(one, "Ada Example", 1), tag(one, "Ada Example", 2));
        assert!(Person::at(one, " ", &[1; 32]).is_err());
        assert!(Person::at(one, "a\nb", &[1; 32]).is_err());
    }
}
