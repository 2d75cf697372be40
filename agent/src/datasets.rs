//! The TRE's datasets: what a packet names by an id, and what the runner gives a run for it.
//!
//! A packet never names a path, a host or a credential; here is the only place that knows them. A dataset is a `mount`, a
//! file or folder that the run can read, or a `database`, for which a command of the TRE's issues credentials for one run;
//! they are a file for that run alone, and another command takes them back when it has ended, however it did.

mod credentials;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

use crate::engine::Provided;
use crate::spool::SpoolError;

pub use self::credentials::Grant;
use self::credentials::{issue, revoke_all};

/// One dataset of the runner's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Its id in the log.
    pub id: Uuid,
    /// Other ids by which packets name it, such as its persistent identifier; `urn:uuid:` and the id is one always.
    #[serde(default)]
    pub names: Vec<String>,
    /// The file or folder that a run reads.
    #[serde(default)]
    pub mount: Option<PathBuf>,
    /// Where a task service finds it, for the engine `tes`.
    #[serde(default)]
    pub url: Option<String>,
    /// A database that a run logs in to.
    #[serde(default)]
    pub database: Option<DatabaseConfig>,
}

/// How a run comes to a database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// The program, without a shell, that issues credentials: what it prints is the file that the run gets.
    pub issue: Vec<String>,
    /// The program that takes them back; it gets what was printed on its standard input. It must not mind being called twice.
    pub revoke: Vec<String>,
    /// The folder with the database's socket, which the run then sees under the same path.
    #[serde(default)]
    pub socket: Option<PathBuf>,
}

/// A dataset cannot be given. The texts are for the TRE alone.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A configuration that says too little or too much.
    #[error("the dataset {0} must have a `mount` (or a `url` for tes) or a `database`, and not both")]
    Kind(Uuid),
    /// One name for two.
    #[error("{0:?} names two datasets; each id and name may stand once")]
    Twice(String),
    /// Not one of the TRE's.
    #[error("no dataset is known by the name {0:?}; add it to [[datasets]]")]
    Unknown(String),
    /// The TRE's command did not do it.
    #[error("the command that is to {what} credentials for the dataset {dataset} {how}")]
    Command {
        /// `issue` or `revoke`.
        what: &'static str,
        /// For which.
        dataset: Uuid,
        /// What happened; never what it printed.
        how: String,
    },
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The map from what packets say to what there is.
#[derive(Clone, Debug, Default)]
pub struct Datasets {
    all: Vec<DatasetConfig>,
    names: BTreeMap<String, usize>,
}

impl Datasets {
    /// Makes the map.
    pub fn new(all: Vec<DatasetConfig>) -> Result<Self, DatasetError> {
        let mut names = BTreeMap::new();
        for (at, one) in all.iter().enumerate() {
            let is_place = one.mount.is_some() || one.url.is_some();
            if is_place == one.database.is_some() {
                return Err(DatasetError::Kind(one.id));
            }
            let own: BTreeSet<String> = std::iter::once(format!("urn:uuid:{}", one.id))
                .chain(one.names.iter().cloned())
                .collect();
            for name in own {
                if names.insert(name.clone(), at).is_some() {
                    return Err(DatasetError::Twice(name));
                }
            }
        }
        Ok(Self { all, names })
    }

    /// The dataset that a packet names so.
    pub fn find(&self, name: &str) -> Option<&DatasetConfig> {
        self.all.get(*self.names.get(name)?)
    }

    /// All of them.
    pub fn all(&self) -> &[DatasetConfig] {
        &self.all
    }

    /// Gives a run the datasets that its packet names. Credentials lie in `folder`, where [`Self::revoke`] finds them.
    pub async fn provide(
        &self,
        grant: &Grant<'_>,
        wanted: impl IntoIterator<Item = &str>,
    ) -> Result<BTreeMap<String, Provided>, DatasetError> {
        let mut provided = BTreeMap::new();
        for name in wanted {
            let known = self
                .find(name)
                .ok_or_else(|| DatasetError::Unknown(name.to_owned()))?;
            let given = match &known.database {
                Some(database) => Provided {
                    path: issue(known.id, database, grant).await?,
                    url: None,
                    socket: database.socket.clone(),
                    is_secret: true,
                },
                None => Provided {
                    url: known.url.clone(),
                    ..known.mount.clone().unwrap_or_default().into()
                },
            };
            provided.insert(name.to_owned(), given);
        }
        Ok(provided)
    }

    /// Takes back every credential that was issued into a folder, and removes it. What cannot be taken back now stays there.
    pub async fn revoke(&self, folder: &Path, job: Uuid) -> Result<(), DatasetError> {
        revoke_all(&self.all, folder, job).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Datasets, DatasetError> {
        #[derive(Deserialize)]
        struct Table {
            datasets: Vec<DatasetConfig>,
        }
        Datasets::new(toml::from_str::<Table>(text).unwrap().datasets)
    }

    const ID: &str = "6c1b1f0e-3b0c-4c37-9d63-8a1d7a4c2f10";

    #[test]
    fn a_dataset_is_found_by_its_id_and_its_names_and_by_nothing_else() {
        let text = format!(
            "[[datasets]]\nid = \"{ID}\"\nnames = [\"https://pid.example/1\"]\nmount = \"/data/a.csv\"\n"
        );
        let map = parse(&text).unwrap();
        for name in [format!("urn:uuid:{ID}").as_str(), "https://pid.example/1"] {
            assert_eq!(map.find(name).unwrap().id.to_string(), ID);
        }
        for name in ["/data/a.csv", "file:///data/a.csv", ID, ""] {
            assert!(map.find(name).is_none(), "{name}");
        }
        assert!(matches!(
            parse(&format!("{text}{text}")),
            Err(DatasetError::Twice(_))
        ));
        let both = format!("{text}database = {{ issue = [\"a\"], revoke = [\"b\"] }}\n");
        assert!(matches!(parse(&both), Err(DatasetError::Kind(_))));
    }
}
