//! Why a job is refused: a code of the closed list, and a text for the person who asked.

use super::rules::Finding;

/// Characters of a refusal's text, as `job-refused` allows.
const TEXT_LIMIT: usize = 4_000;

/// The codes of a refusal that the rule table knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// An approval does not stand, or does not cover what is asked for.
    Approval,
    /// The TRE cannot take it now.
    Capacity,
    /// A dataset that the TRE does not have, or not for this project.
    Dataset,
    /// The packet breaks a rule.
    Packet,
    /// The requester is not who may ask.
    Requester,
    /// The workflow is not the registered one, or cannot be had.
    Workflow,
    /// None of the others.
    Other,
}

impl RefusalCode {
    /// The code as events spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Capacity => "capacity",
            Self::Dataset => "dataset",
            Self::Packet => "packet",
            Self::Requester => "requester",
            Self::Workflow => "workflow",
            Self::Other => "other",
        }
    }
}

/// A job that is not run, with what `job-refused` says of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Why, as a code.
    pub code: RefusalCode,
    /// Why and what to do, for the person who asked; 1 to 4,000 characters, without control characters but line feeds.
    pub text: String,
    /// The rules of the packet that are broken; empty where it is not about the packet.
    pub findings: Vec<Finding>,
}

impl Refused {
    /// A refusal with a text of one's own, brought into the form that events allow.
    pub fn new(code: RefusalCode, text: &str) -> Self {
        Self {
            code,
            text: event_text(text, TEXT_LIMIT),
            findings: Vec::new(),
        }
    }

    /// A packet that breaks rules.
    pub(crate) fn packet(findings: Vec<Finding>) -> Self {
        let count = match findings.len() {
            1 => "a rule".to_owned(),
            many => format!("{many} rules"),
        };
        let mut text = format!(
            "The packet breaks {count}. Mend it and submit it again; `daybook packet check` looks at it before you send it."
        );
        for (at, finding) in findings.iter().enumerate() {
            let line = format!("\n- {finding}");
            if text.chars().count() + line.chars().count() + 40 > TEXT_LIMIT {
                let left = findings.len() - at;
                text.extend([format!("\n- and {left} more")]);
                break;
            }
            text.push_str(&line);
        }
        Self {
            findings,
            ..Self::new(RefusalCode::Packet, &text)
        }
    }
}

fn plain(c: char) -> char {
    if c.is_control() && c != '\n' { ' ' } else { c }
}

/// A text as events take it: of at most so many characters, without control characters but line feeds.
pub fn event_text(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(plain).collect();
    cut(&plain, most)
}

/// The first so many characters of a text, the last being an ellipsis where something is left out.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use daybook_rules::Table;

    use super::super::rules::{RULES, ZIP_NAME};
    use super::*;

    #[test]
    fn codes_are_those_of_the_rule_table() {
        use RefusalCode::{Approval, Capacity, Dataset, Other, Packet, Requester, Workflow};
        let ours = [Approval, Capacity, Dataset, Packet, Requester, Workflow, Other].map(RefusalCode::as_str);
        let known = Table::v1()
            .codes()
            .find(|(list, _)| *list == "refusal")
            .unwrap()
            .1;
        assert_eq!(known, &ours.map(ToOwned::to_owned).into());
    }

    #[test]
    fn a_refusal_of_many_findings_fits_the_event() {
        let findings = vec![Finding::new(&ZIP_NAME, "é\u{7}".repeat(300), ""); 200];
        let refused = Refused::packet(findings);
        assert!(refused.text.chars().count() <= TEXT_LIMIT);
        assert!(refused.text.ends_with("more") && !refused.text.contains('\u{7}'));
        let all = RULES.iter().map(|rule| Finding::new(rule, "x", "")).collect();
        assert!(Refused::packet(all).text.starts_with("The packet breaks"));
    }
}
