//! Keys, and single events signed with them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use daybook_core::id::{Actor, Stream, TreRole};
use daybook_core::note::VerifierKey;

use super::RemoteArgs;

/// `daybook keys`
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make fresh keys for an actor, in a file that is never overwritten
    New {
        /// The actor, such as tre/wessex/relay
        #[arg(long)]
        actor: Actor,
        /// The file
        #[arg(long)]
        out: PathBuf,
    },
    /// Make the seed of a key that signs a log's checkpoints, to take over from the one it has; prints its verifier key
    Log {
        /// The log's name
        #[arg(long)]
        origin: String,
        /// The file, such as `keys/log.second.key`
        #[arg(long)]
        out: PathBuf,
    },
    /// Make the seed of a key that signs COSE receipts; prints its name and its public half
    Cose {
        /// The file, such as `keys/cose.key`
        #[arg(long)]
        out: PathBuf,
    },
    /// Show the public side of a key file: thumbprints, and the list that an event registers
    Show {
        /// The file
        file: PathBuf,
        /// The log for which possession is proved
        #[arg(long)]
        origin: Option<String>,
    },
    /// Let the root of a TRE lend keys to its relay, runner or review, or add another root; needs no network
    Delegate(Box<DelegateArgs>),
}

/// `daybook keys delegate`
#[derive(ClapArgs)]
pub struct DelegateArgs {
    /// The root's key file, on the machine that never goes online
    #[arg(long)]
    pub root: PathBuf,
    /// Who may sign with the keys from then on
    #[arg(long, value_parser = role)]
    pub role: TreRole,
    /// What `keys show FILE --origin LOG` printed where the new keys were made
    #[arg(long)]
    pub keys: PathBuf,
    /// What `event place tre/NAME` printed
    #[arg(long)]
    pub place: PathBuf,
    /// The log's verifier key, which names the log
    #[arg(long, env = "DAYBOOK_LOG")]
    pub log_key: VerifierKey,
}

fn role(text: &str) -> Result<TreRole, String> {
    match text {
        "root" => Ok(TreRole::Root),
        "relay" => Ok(TreRole::Relay),
        "runner" => Ok(TreRole::Runner),
        "review" => Ok(TreRole::Review),
        _ => Err("a role is root, relay, runner or review".to_owned()),
    }
}

/// `daybook event`
#[derive(Subcommand)]
pub enum EventCommand {
    /// Show where the next event of a stream stands, for a machine without network to sign it
    Place {
        /// The hub's address
        #[arg(long, env = "DAYBOOK_HUB", default_value = "http://127.0.0.1:8787")]
        hub: String,
        /// The stream, such as tre/wessex
        stream: Stream,
    },
    /// Sign an event as the next one of its stream; prints it with its openings as JSON
    Sign(Box<SignArgs>),
    /// Append a signed event and verify the log's proof of it; reads what `event sign` printed, from a file or standard input
    ///
    /// Exit status 1 if what the hub says of it does not hold, 75 if no checkpoint covers it yet.
    Append {
        /// The hub
        #[command(flatten)]
        remote: RemoteArgs,
        /// The file; - is standard input
        file: PathBuf,
    },
}

/// `daybook event sign`
#[derive(ClapArgs)]
pub struct SignArgs {
    /// The hub
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// The author's key file
    #[arg(long)]
    pub key: PathBuf,
    /// The stream, such as tre/wessex
    #[arg(long)]
    pub stream: Stream,
    /// The type, such as tre-joined
    #[arg(long = "type")]
    pub kind: String,
    /// Fields that stand in clear, as a JSON object
    #[arg(long, default_value = "{}")]
    pub data: String,
    /// Fields that are sealed, as a JSON object
    #[arg(long, default_value = "{}")]
    pub sealed: String,
    /// What `event place` printed: sign without asking the hub; not for services, which state what they have seen of the log
    #[arg(long)]
    pub place: Option<PathBuf>,
}
