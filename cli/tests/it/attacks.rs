//! Every attack of the table in docs/THREATS.md, against a hub that runs, and the tool that finds it.
//!
//! The attacker sits where the table says: in front of the hub as a proxy that lies, with the log's own key where it is stolen
//! or the hub itself is the attacker; behind it in its database; or with the keys of a TRE.

mod authors;
mod database;
mod documented;
mod entries;
mod forger;
mod liar;
mod restored;
mod scene;
mod trees;
mod views;
