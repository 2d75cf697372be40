//! Key files: an actor's secret keys as JWKs (RFC 8037), readable by their owner alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use daybook_core::base64url;
use daybook_core::id::Actor;
use daybook_core::key::{KeyUse, SecretKey, possession_bytes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::random;

/// A secret key as a JWK.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    d: String,
}

impl Jwk {
    fn fresh() -> Result<Self> {
        let seed = random::bytes()?;
        let x = SecretKey::from_seed(&seed).public().to_x();
        Ok(Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x,
            d: base64url::encode(&seed),
        })
    }

    fn seed(&self) -> Result<[u8; 32]> {
        let seed = base64url::decode(&self.d).and_then(|seed| seed.try_into().ok());
        let seed: [u8; 32] = seed.context("`d` is not 32 bytes in unpadded base64url")?;
        let fits = self.kty == "OKP"
            && self.crv == "Ed25519"
            && SecretKey::from_seed(&seed).public().to_x() == self.x;
        ensure!(
            fits,
            "`x` is not the public key of `d`, or the key is not Ed25519"
        );
        Ok(seed)
    }
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    actor: String,
    event: Jwk,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Jwk>,
}

/// Where an actor's keys come from, as a configuration says it: a path, or `{ command = ["…"] }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum KeySource {
    /// A file of mode 0600.
    File(PathBuf),
    /// A program that prints what the file would hold, such as a password store's. It is started without a shell.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

impl KeySource {
    /// Reads the keys.
    pub fn load(&self) -> Result<Keys> {
        match self {
            Self::File(path) => Keys::read(path),
            Self::Command { command } => {
                let (program, arguments) = command
                    .split_first()
                    .context("the command for the keys is empty")?;
                let run = Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::null())
                    .stderr(Stdio::inherit())
                    .output()
                    .with_context(|| format!("the command for the keys, {program}, did not start"))?;
                ensure!(
                    run.status.success(),
                    "the command for the keys, {program}, ended with {}",
                    run.status
                );
                let text = String::from_utf8(run.stdout)
                    .ok()
                    .with_context(|| format!("what {program} printed is no text"))?;
                Keys::parse(&text)
                    .with_context(|| format!("what {program} printed is not what a key file holds"))
            }
        }
    }
}

/// An actor's keys: one for events, one for access.
pub struct Keys {
    /// Whose they are.
    pub actor: Actor,
    /// Signs events.
    pub event: SecretKey,
    /// Signs access tokens.
    pub access: Option<SecretKey>,
}

impl Keys {
    /// Makes fresh keys in memory.
    pub fn fresh(actor: Actor) -> Result<Self> {
        let key = || Ok::<_, anyhow::Error>(SecretKey::from_seed(&random::bytes()?));
        Ok(Self {
            actor,
            event: key()?,
            access: Some(key()?),
        })
    }

    /// Makes fresh keys in a new file of mode 0600. An existing file is never overwritten.
    pub fn create(path: &Path, actor: &Actor) -> Result<Self> {
        let file = File {
            actor: actor.to_string(),
            event: Jwk::fresh()?,
            access: Some(Jwk::fresh()?),
        };
        write_secret(path, &serde_json::to_string_pretty(&file)?)?;
        Self::read(path)
    }

    /// Reads a file, which nobody but its owner may be able to read.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_secret(path)?).with_context(|| {
            format!(
                "{} is not a key file; `daybook keys new` makes one",
                path.display()
            )
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text)?;
        let key = |jwk: &Jwk| jwk.seed().map(|seed| SecretKey::from_seed(&seed));
        Ok(Self {
            actor: file.actor.parse()?,
            event: key(&file.event)?,
            access: file.access.as_ref().map(key).transpose()?,
        })
    }

    /// The list of keys as an event registers it, each with its proof of possession for one log.
    pub fn registration(&self, origin: &str) -> Value {
        let one = |key: &SecretKey, usage: KeyUse| {
            let public = key.public();
            let proof = key.sign(&possession_bytes(origin, &self.actor, usage, &public));
            json!({ "proof": base64url::encode(&proof), "use": usage.as_str(), "x": public.to_x() })
        };
        let mut list = vec![one(&self.event, KeyUse::Event)];
        list.extend(self.access.as_ref().map(|key| one(key, KeyUse::Access)));
        Value::from(list)
    }
}

/// Makes the seed of a log's checkpoint key in a new file of mode 0600.
pub fn create_seed(path: &Path) -> Result<[u8; 32]> {
    let seed = random::bytes()?;
    write_secret(path, &base64url::encode(&seed))?;
    Ok(seed)
}

/// Reads such a seed.
pub fn read_seed(path: &Path) -> Result<[u8; 32]> {
    parse_seed(read_secret(path)?.trim()).with_context(|| format!("in {}", path.display()))
}

/// Reads a seed as text.
pub fn parse_seed(text: &str) -> Result<[u8; 32]> {
    let seed = base64url::decode(text).and_then(|seed| seed.try_into().ok());
    seed.context("a log key is 32 bytes in unpadded base64url (43 characters)")
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}; a key file is never overwritten", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(())
}

/// Reads a file that nobody but its owner may be able to read.
pub fn read_secret(path: &Path) -> Result<String> {
    let mode = fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        bail!(
            "{} can be read by others; run `chmod 600 {}`",
            path.display(),
            path.display()
        );
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_reads_back_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/relay.json");
        let made = Keys::create(&path, &"tre/wessex/relay".parse().unwrap()).unwrap();
        let read = Keys::read(&path).unwrap();
        assert_eq!(read.actor, made.actor);
        assert_eq!(read.event.public(), made.event.public());
        assert!(Keys::create(&path, &"tre/wessex/relay".parse().unwrap()).is_err());
        assert_eq!(Keys::read(&path).unwrap().event.public(), made.event.public());
    }

    #[test]
    fn keys_come_from_a_command_too_and_what_it_prints_in_vain_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.json");
        let made = Keys::create(&path, &"tre/wessex/relay".parse().unwrap()).unwrap();
        let source = |program: &str, argument: &str| KeySource::Command {
            command: vec![program.to_owned(), argument.to_owned()],
        };
        let read = source("cat", path.to_str().unwrap()).load().unwrap();
        assert_eq!(read.event.public(), made.event.public());
        for (program, argument, says) in [
            ("cat", "/nonexistent", "ended with"),
            ("echo", "{}", "not what a key file holds"),
            ("/nonexistent", "", "did not start"),
        ] {
            let error = source(program, argument).load().err().unwrap().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        create_seed(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_seed(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
