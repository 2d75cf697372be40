//! The table of keys.

use daybook_store::rows;

rows! {
    /// A key that was registered.
    pub struct Key in "keys", fill 90, indexes ["(registered, kid)", "(actor, registered, kid)"] {
        key {
            /// Its thumbprint (RFC 7638), base64url.
            kid: String,
        }
        /// Index of the entry that registered it.
        registered: u64,
        /// Whose it is, for ever.
        actor: String,
        /// What it may sign: event or access.
        usage: String,
        /// The Ed25519 public key, base64url.
        x: String,
        /// Index of the entry from which on it signs nothing more.
        ended: Option<u64>,
        /// Why it ended: a code.
        reason: Option<String>,
        /// The tree size from which what it signed is in doubt.
        suspect_from: Option<i64>,
        /// What holds of what it signed while in doubt and nobody named: a code.
        settled: Option<String>,
    }
}
