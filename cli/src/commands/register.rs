//! `daybook register`: what only a person decides about the register, signed with the editor's key.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use daybook_core::id::Stream;
use daybook_store::project::Progress;
use daybook_store::read::Reader;
use daybook_views::register::{DueKey, RegisterEntry, RegisterFilter, digest};
use daybook_views::{MAX_LIMIT, Page, Views};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use uuid::Uuid;

use super::output;
use super::serve::read;
use crate::args::{DeferArgs, HubArgs, PassArgs, ProjectArgs, RegisterCommand, WaitingArgs, WithdrawArgs};
use crate::config::Config;
use crate::hub::editor::{Draft, draft, findings};
use crate::hub::{self, Database};
use daybook_agent::author::{Author, Draft as Event};
use daybook_agent::client::{Client, Follower, Receipt};
use daybook_agent::keyfile::Keys;

/// Characters of a text that are shown on each side of what was found.
const AROUND: usize = 40;

pub(super) async fn run(command: RegisterCommand) -> Result<ExitCode> {
    match command {
        RegisterCommand::Waiting(args) => waiting(args).await,
        RegisterCommand::Review(args) => review(args).await,
        RegisterCommand::Pass(args) => pass(args).await,
        RegisterCommand::Defer(args) => defer(args).await,
        RegisterCommand::Withdraw(args) => withdraw(args).await,
    }
}

/// A hub's database, read beside the hub.
struct Desk {
    config: Config,
    database: Database,
    reader: Reader,
    views: Views,
    log_key: daybook_core::note::VerifierKey,
}

impl Desk {
    async fn open(args: HubArgs) -> Result<Self> {
        let (config, secrets) = read(args)?;
        let database = Database::as_it_is(&config, &secrets).await?;
        let reader = Reader::connect(database.config())?;
        // Nothing here waits for a view: what the hub has folded is what there is.
        let views = Views::new(reader.clone(), Progress::new([]));
        let log_key = hub::log_signer(&config, &secrets)?.verifier().clone();
        Ok(Self {
            config,
            database,
            reader,
            views,
            log_key,
        })
    }

    async fn entry(&self, project: Uuid) -> Result<RegisterEntry> {
        let found = self.views.register_entry(project, None).await?;
        found.row.with_context(|| {
            format!("the log has no project {project}; `daybook register waiting` lists some")
        })
    }

    async fn draft(&self, row: &RegisterEntry) -> Result<Draft> {
        let draft = draft(&self.reader, &self.views, row).await?;
        draft.context("the views have not followed the log that far yet; try again in a moment")
    }

    /// Says something in the register's stream of a project.
    async fn say(
        &self,
        url: Option<&str>,
        project: Uuid,
        kind: &str,
        clear: Value,
        sealed: Vec<(&str, Value)>,
    ) -> Result<Receipt> {
        let file = self.config.key_dir.join(hub::EDITOR_FILE);
        let keys = Keys::read(&file).context("the editor's key signs this")?;
        let own = format!("http://{}", self.config.listen);
        let client = Client::new(url.unwrap_or(&own))?;
        let follower = Follower::new(client.clone(), &self.config.origin, self.log_key.clone());
        let stream = Stream::Register(project);
        Author::new(keys, client, follower)
            .say(&Event {
                stream,
                kind,
                clear,
                sealed,
            })
            .await
    }

    async fn close(self) -> Result<ExitCode> {
        self.database.stop().await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn waiting(args: WaitingArgs) -> Result<ExitCode> {
    let desk = Desk::open(args.hub).await?;
    for state in ["held", "deferred"] {
        let filter = RegisterFilter {
            state: Some(state.to_owned()),
        };
        let mut page = Page {
            limit: MAX_LIMIT,
            ..Page::default()
        };
        loop {
            let found = desk.views.register_entries(&filter, &page).await?;
            found.rows.iter().for_each(|row| tell(row, state, args.json));
            let last = found.rows.last().filter(|_| found.has_more);
            let Some(last) = last else { break };
            page.after = Some(DueKey(last.registered, last.project));
        }
    }
    let due = desk
        .views
        .register_due(&Page {
            limit: MAX_LIMIT,
            ..Page::default()
        })
        .await?;
    let is_other = |row: &&RegisterEntry| !matches!(row.state.as_deref(), Some("held" | "deferred"));
    due.rows
        .iter()
        .filter(is_other)
        .for_each(|row| tell(row, "due", args.json));
    desk.close().await
}

fn tell(row: &RegisterEntry, state: &str, as_json: bool) {
    if as_json {
        let line = json!({
            "project": row.project, "state": state, "code": row.code, "tre": row.tre, "until": row.until,
            "due": row.due, "version": row.version,
        });
        return output::line(&line.to_string());
    }
    let code = row.code.as_deref().unwrap_or_default();
    let since = row
        .due
        .map_or(String::new(), |entry| format!("since entry {entry}"));
    output::line(&format!("{}  {state:<9} {code:<22} {since}", row.project));
}

async fn review(args: ProjectArgs) -> Result<ExitCode> {
    let desk = Desk::open(args.hub).await?;
    let draft = desk.draft(&desk.entry(args.project).await?).await?;
    let found = findings(&draft);
    if found.is_empty() {
        output::line("The screen finds nothing in what would be published.");
    }
    for finding in &found {
        output::line(&format!(
            "{}, in the field `{}` of entry {}",
            finding.kind, finding.field, finding.leaf
        ));
        output::line(&format!("    {}", finding.within(AROUND)));
    }
    if !found.is_empty() {
        output::line("");
        output::line(&format!(
            "If none of this tells who somebody is: daybook register pass --code false-hit {}",
            args.project
        ));
        output::line(
            "If it does, have the registrar or the TRE say the text anew (`project-amended` and the like): the hub then looks again.",
        );
    }
    desk.close().await
}

async fn pass(args: PassArgs) -> Result<ExitCode> {
    let desk = Desk::open(args.of.hub).await?;
    let row = desk.entry(args.of.project).await?;
    ensure!(
        row.state.as_deref() == Some("held"),
        "the project is not held back: it is {}",
        row.state
            .as_deref()
            .unwrap_or("not on the register yet, and the hub publishes it by itself")
    );
    let draft = desk.draft(&row).await?;
    let version = row.version.unwrap_or(0) + 1;
    let page = digest(&draft.document(args.of.project, version));
    let clear = json!({
        "cause": draft.cause, "openings": draft.news(), "passed": args.code, "rests_on": draft.leaves(), "version": version,
    });
    let sealed = vec![("page", page.into())];
    let receipt = desk
        .say(
            args.of.url.as_deref(),
            args.of.project,
            "register-published",
            clear,
            sealed,
        )
        .await?;
    output::line(&format!(
        "Published as version {version}, entry {}.",
        receipt.index
    ));
    desk.close().await
}

async fn defer(args: DeferArgs) -> Result<ExitCode> {
    let desk = Desk::open(args.of.hub).await?;
    let until = args.until.to_zoned(TimeZone::UTC)?.timestamp().as_second() + 86_399;
    let clear = json!({ "code": args.code, "tre": args.tre, "until": until });
    let receipt = desk
        .say(
            args.of.url.as_deref(),
            args.of.project,
            "register-deferred",
            clear,
            Vec::new(),
        )
        .await?;
    output::line(&format!(
        "Deferred until the end of {}, entry {}.",
        args.until, receipt.index
    ));
    desk.close().await
}

async fn withdraw(args: WithdrawArgs) -> Result<ExitCode> {
    let desk = Desk::open(args.of.hub).await?;
    let row = desk.entry(args.of.project).await?;
    if row.state.is_none() {
        bail!("the project is not on the register");
    }
    let clear = json!({ "code": args.code });
    let receipt = desk
        .say(
            args.of.url.as_deref(),
            args.of.project,
            "register-withdrawn",
            clear,
            Vec::new(),
        )
        .await?;
    output::line(&format!("Withdrawn, entry {}.", receipt.index));
    desk.close().await
}
