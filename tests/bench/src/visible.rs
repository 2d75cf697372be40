//! How soon a change is on a project's page: from the registrar's receipt over the editor's new version to the page that has it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use daybook::config::Config;
use daybook::hub::{LOG_KEY_FILE, OPERATOR_FILE};
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::{self, Keys};
use daybook_core::id::{Actor, Stream};
use daybook_core::note::NoteSigner;
use serde_json::json;

use crate::hub::Place;
use crate::wire::{Connection, get};

/// Projects that are closed for it.
const CHANGES: usize = 10;
/// How long a page may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// What stands before the version on a project's page.
const VERSION: &str = "data-version=\"";

/// Closes some projects, one after the other, and waits for each page; the shortest time first.
///
/// Whether a project is closed already is told by the hub, which then takes no second closing.
pub(crate) async fn measure(place: &Place, address: &str, projects: &[String]) -> Result<Vec<Duration>> {
    let mut registrar = registrar(place, address).await?;
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    // The newest are open more often than the oldest.
    for project in projects.iter().rev() {
        let before = version(&mut connection, project).await?;
        let closing = Draft {
            stream: Stream::Project(project.parse()?),
            kind: "project-closed",
            clear: json!({ "reason": "completed" }),
            sealed: Vec::new(),
        };
        if registrar.say(&closing).await.is_err() {
            continue;
        }
        let start = Instant::now();
        while version(&mut connection, project).await? <= before {
            ensure!(
                start.elapsed() < PATIENCE,
                "project {project} has no new version on its page"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.push(start.elapsed());
        if times.len() == CHANGES {
            break;
        }
    }
    times.sort();
    ensure!(!times.is_empty(), "no project was open");
    Ok(times)
}

/// A registrar whom the operator has just named.
async fn registrar(place: &Place, address: &str) -> Result<Author> {
    let config = Config::read(&place.config_path())?;
    let seed = keyfile::read_seed(&config.key_dir.join(LOG_KEY_FILE))?;
    let key = NoteSigner::from_seed(config.origin.parse()?, &seed)?
        .verifier()
        .clone();
    let client = Client::new(&format!("http://{address}"))?;
    let author = |keys| {
        let follower = Follower::new(client.clone(), &config.origin, key.clone());
        Author::new(keys, client.clone(), follower)
    };
    let actor = Actor::Registrar("bench".parse()?);
    let path = config.key_dir.join("registrar-bench.json");
    if path.is_file() {
        return Ok(author(Keys::read(&path)?));
    }
    let keys = Keys::create(&path, &actor)?;
    let named = Draft {
        stream: Stream::Federation,
        kind: "role-granted",
        clear: json!({ "id": "bench", "keys": keys.registration(&config.origin), "role": "registrar" }),
        sealed: Vec::new(),
    };
    author(Keys::read(&config.key_dir.join(OPERATOR_FILE))?)
        .say(&named)
        .await?;
    Ok(author(keys))
}

/// Which version of a project's record its page shows.
async fn version(connection: &mut Connection, project: &str) -> Result<u64> {
    let answer = connection.ask(&get(&format!("/projects/{project}"))).await?;
    ensure!(answer.status == 200, "the page of {project} is {}", answer.status);
    let page = std::str::from_utf8(answer.body)?;
    let (_, rest) = page.split_once(VERSION).context("a page without a version")?;
    let (version, _) = rest.split_once('"').context("a page that broke off")?;
    Ok(version.parse()?)
}
