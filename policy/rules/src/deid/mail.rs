//! Electronic mail addresses: those of people, not those of offices.

use super::{Hit, HitKind};

/// Where people have mailboxes of their own.
const PERSONAL: [&str; 20] = [
    "aol.com",
    "btinternet.com",
    "fastmail.com",
    "gmail.com",
    "gmx.com",
    "googlemail.com",
    "hotmail.co.uk",
    "hotmail.com",
    "icloud.com",
    "live.co.uk",
    "live.com",
    "mac.com",
    "me.com",
    "msn.com",
    "outlook.com",
    "pm.me",
    "proton.me",
    "sky.com",
    "yahoo.co.uk",
    "yahoo.com",
];

/// Words by which the mailbox of an office is known.
const ROLES: [&str; 28] = [
    "access",
    "admin",
    "applications",
    "approvals",
    "contact",
    "data",
    "dpo",
    "enquiries",
    "ethics",
    "governance",
    "help",
    "hello",
    "helpdesk",
    "info",
    "involvement",
    "mail",
    "office",
    "press",
    "privacy",
    "public",
    "register",
    "registrar",
    "research",
    "safe",
    "secretariat",
    "support",
    "team",
    "tre",
];

/// Addresses of people. In a contact any that is not at a provider of personal mailboxes may stand; in prose only one whose
/// name is that of an office.
pub(super) fn addresses(text: &str, is_contact: bool, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('@') {
        let is_local = |byte: u8| {
            byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte) || byte >= 0x80
        };
        let start = bytes[..at]
            .iter()
            .rposition(|byte| !is_local(*byte))
            .map_or(0, |before| before + 1);
        let is_domain =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || byte >= 0x80;
        let after = &bytes[at + 1..];
        let length = after
            .iter()
            .position(|byte| !is_domain(*byte))
            .unwrap_or(after.len());
        let domain = text[at + 1..at + 1 + length].trim_end_matches(['.', '-']);
        if start == at || !domain.contains('.') {
            continue;
        }
        let (local, end) = (text[start..at].to_lowercase(), at + 1 + domain.len());
        let is_personal = PERSONAL.contains(&domain.to_lowercase().as_str());
        let is_role = local
            .split(['.', '-', '_', '+'])
            .any(|part| ROLES.contains(&part));
        if is_personal || !(is_contact || is_role) {
            hits.push(Hit {
                kind: HitKind::Email,
                span: start..end,
            });
        }
    }
}
