//! The tables of the register.

use daybook_store::project::{Texts, Words};
use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// Where the register entry of a project is, and what it should rest on.
    pub struct RegisterEntry in "register_entries", fill 75, indexes [
        "(due) WHERE due IS NOT NULL",
        "(state, registered, project) WHERE state IS NOT NULL",
    ] {
        key {
            /// The project.
            project: Uuid,
        }
        /// Index of the entry that registered the project.
        registered: u64,
        /// Whether a TRE has ever approved the project.
        approved: bool,
        /// The state: published, held, deferred or withdrawn; none before the first.
        state: Option<String>,
        /// The number of the version that was published last.
        version: Option<i64>,
        /// Index of the entry that published the first version.
        first: Option<u64>,
        /// When that was by the editor's clock, in seconds since 1970.
        first_at: Option<i64>,
        /// When the last version was published, by the editor's clock, in seconds since 1970.
        at: Option<i64>,
        /// Index of the last entry of the register stream.
        entry: Option<u64>,
        /// When the embargo ends, in seconds since 1970.
        until: Option<i64>,
        /// Why it is deferred, held or withdrawn: a code.
        code: Option<String>,
        /// The TRE that asked for the embargo.
        tre: Option<String>,
        /// What the next version rests on: a name for each entry.
        slots: Vec<String>,
        /// The leaf hashes of these entries, base64url.
        leaves: Vec<String>,
        /// Index of the last entry that the next version should tell of.
        changed: u64,
        /// Index of the first entry that no version tells of yet; none where the last version tells all.
        due: Option<u64>,
        /// Index of the entry that held it last; what comes after it has not been looked at.
        looked: Option<u64>,
    }
}

rows! {
    /// A version of a register entry.
    pub struct RegisterVersion in "register_versions", fill 100, indexes ["(entry)"] {
        key {
            /// The project.
            project: Uuid,
            /// Its number, from 1.
            version: i64,
        }
        /// Index of the entry that published it.
        entry: u64,
        /// Leaf hash of that entry, base64url.
        leaf: String,
        /// When that was by the editor's clock, in seconds since 1970.
        at: i64,
        /// Leaf hash of the project's version that it shows, base64url.
        cause: String,
        /// Leaf hashes of the entries on which it rests, base64url, in its order.
        rests_on: Vec<String>,
    }
}

rows! {
    /// An entry on which a version rests.
    pub struct Rested in "rested", fill 100, indexes [] {
        key {
            /// Its leaf hash, base64url.
            leaf: String,
        }
        /// Its index.
        entry: u64,
        /// Its type.
        kind: String,
        /// Its stream.
        stream: String,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// Its clear fields, as JSON.
        clear: String,
    }
}

rows! {
    /// The opening of a public field that an entry of the register has published.
    pub struct Opened in "opened", fill 90, indexes ["(leaf)"] {
        key {
            /// The digest of the opening, base64url.
            digest: String,
        }
        /// Leaf hash of the entry that has the field, base64url; empty where it was erased before this view saw it.
        leaf: String,
        /// Index of the entry that published it.
        entry: u64,
        /// The field; empty once it is erased.
        name: String,
        /// Its value, as JSON; none once it is erased.
        value: Option<String>,
    }
}

rows! {
    /// That versions of a project's register entry rest on an entry.
    pub struct Use in "uses", fill 100, indexes [] {
        key {
            /// The leaf hash of the entry rested on, base64url.
            leaf: String,
            /// The project.
            project: Uuid,
        }
    }
}

rows! {
    /// A TRE, a dataset or a workflow of which the register has published something.
    pub struct Thing in "things", fill 80, indexes [] {
        key {
            /// Its stream.
            stream: String,
        }
        /// Leaf hash of the newest entry about it on which a version rests, base64url.
        leaf: String,
        /// The index of that entry.
        entry: u64,
        /// The project whose entry published it last.
        project: Uuid,
    }
}

rows! {
    /// A job that has released something, and where it belongs.
    pub struct Release in "releases", fill 90, indexes ["(project, entry)"] {
        key {
            /// The job.
            job: Uuid,
        }
        /// Its project.
        project: Uuid,
        /// Index of the entry that released.
        entry: u64,
    }
}

rows! {
    /// What the register can be searched by: one row for each project whose entry is published.
    pub struct Searched in "register_search", fill 75, indexes [
        "USING gin (words)",
        "(first, project)",
        "(published, project)",
        "(title, project)",
    ] {
        key {
            /// The project.
            project: Uuid,
        }
        /// Whether it is on the register now, and was not withdrawn.
        listed: bool,
        /// Index of the entry that published the first version.
        first: u64,
        /// When that was, in seconds since 1970.
        first_at: i64,
        /// Index of the entry that published the last version.
        published: u64,
        /// When that was, in seconds since 1970.
        at: i64,
        /// The number of that version.
        version: i64,
        /// The title; empty where it is erased.
        title: String,
        /// One line about it; empty where there is none.
        line: String,
        /// The language of its texts: a code.
        lang: String,
        /// The TREs that have approved it.
        tres: Vec<String>,
        /// The organisations that take part.
        organisations: Texts,
        /// What kind of organisation leads it: a code; empty where it is not said.
        sector: String,
        /// The datasets for which it is approved.
        datasets: Vec<Uuid>,
        /// What these are in plain words.
        kinds: Texts,
        /// Its topics.
        topics: Texts,
        /// What part a company has: a code.
        commercial: String,
        /// How far it has come: approved, running, released or closed.
        status: String,
        /// The year in which it was first published.
        year: i64,
        /// What a full-text search looks at: title; line and topics; names; summary and benefit.
        words: Words,
    }
}
