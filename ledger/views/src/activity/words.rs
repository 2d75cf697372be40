//! One sentence for each type that the public hears of. A type that has none is not shown: keys, roles, the log's own affairs.

/// The sentences; `{tre}` stands for the TRE's name.
const SENTENCES: &[(&str, &str)] = &[
    ("approval-granted", "{tre} gave an approval."),
    ("approval-withdrawn", "{tre} withdrew an approval."),
    (
        "cancellation-requested",
        "The research team asked {tre} to stop the analysis.",
    ),
    (
        "changes-answered",
        "The research team answered a question of {tre}.",
    ),
    (
        "changes-requested",
        "{tre} asked the research team to explain or change something.",
    ),
    ("dataset-amended", "{tre} changed what it says about a dataset."),
    ("dataset-registered", "{tre} registered a dataset."),
    (
        "dataset-withdrawn",
        "{tre} withdrew a dataset. No analysis begins on it any more.",
    ),
    (
        "decision-overturned",
        "{tre} took back an earlier decision and looks at the analysis again.",
    ),
    (
        "disclosure-approved",
        "{tre} found that results could not identify anyone.",
    ),
    ("disclosure-refused", "{tre} did not let results out."),
    ("job-abandoned", "{tre} gave up an analysis that had broken down."),
    ("job-admitted", "{tre} brought an analysis into its secure zone."),
    ("job-cancelled", "{tre} stopped an analysis."),
    (
        "job-checked",
        "{tre} found a request complete, and from the person it says.",
    ),
    ("job-collected", "{tre} picked up a request."),
    ("job-held", "{tre} paused an analysis."),
    ("job-refused", "{tre} did not run an analysis."),
    ("job-released", "{tre} sent results to the research team."),
    ("job-resumed", "{tre} went on with an analysis that was paused."),
    ("job-signed-off", "{tre} agreed to run an analysis."),
    (
        "job-submitted",
        "A research team asked to run an analysis at {tre}.",
    ),
    ("member-added", "A researcher joined the project."),
    ("member-removed", "A researcher left the project."),
    ("output-linked", "Something that came of the project was linked."),
    ("outputs-assessed", "{tre} began to check results."),
    ("outputs-moved", "{tre} made results ready for a last check."),
    ("outputs-rechecked", "{tre} checked results once more."),
    (
        "packet-offered",
        "{tre} told the research team how an analysis ended.",
    ),
    ("project-amended", "The project was changed."),
    ("project-closed", "The project was closed."),
    ("project-registered", "The project was registered."),
    (
        "register-deferred",
        "The project's page waits until an embargo ends.",
    ),
    (
        "register-held",
        "The project's page waits until a person has looked at it.",
    ),
    ("register-published", "The project's page was published."),
    (
        "register-withdrawn",
        "The project's page was taken from the register.",
    ),
    ("release-recalled", "{tre} asked for results back."),
    (
        "results-expired",
        "{tre} deleted its copy of results for the research team.",
    ),
    (
        "results-received",
        "The research team collected results from {tre}.",
    ),
    ("run-completed", "An analysis ended at {tre}."),
    ("run-failed", "A run broke down at {tre}."),
    ("run-started", "An analysis began at {tre}."),
    ("tre-amended", "{tre} changed what it says about itself."),
    ("tre-invited", "{tre} was invited."),
    ("tre-joined", "{tre} joined."),
    ("tre-reinstated", "The suspension of {tre} ended."),
    (
        "tre-suspended",
        "{tre} was suspended and starts nothing until that ends.",
    ),
    ("workflow-registered", "A workflow was registered."),
    ("workflow-retrieved", "{tre} fetched the workflow of an analysis."),
    ("workflow-withdrawn", "A workflow was withdrawn."),
];

/// The sentence for a type, the TRE being called by the name given; `None` for a type of which the public does not hear.
pub fn sentence(kind: &str, tre: &str) -> Option<String> {
    template(kind).map(|text| text.replace("{tre}", tre))
}

/// Whether a type is shown.
pub(super) fn is_shown(kind: &str) -> bool {
    template(kind).is_some()
}

fn template(kind: &str) -> Option<&'static str> {
    let at = SENTENCES.binary_search_by_key(&kind, |(kind, _)| *kind).ok()?;
    SENTENCES.get(at).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daybook_rules::Table;

    #[test]
    fn each_type_has_one_sentence_or_is_one_of_those_not_shown() {
        assert!(
            SENTENCES.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "they are searched in order"
        );
        let unknown: Vec<_> = SENTENCES
            .iter()
            .filter(|(kind, _)| Table::v1().rule(kind).is_none())
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let hidden: Vec<&str> = Table::v1()
            .events()
            .filter(|(kind, rule)| {
                !is_shown(kind) && !matches!(rule.stream.as_str(), "federation" | "log" | "erasure" | "tre")
            })
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(hidden, ["member-doubts-settled"]);
        assert_eq!(
            sentence("tre-joined", "Wessex").as_deref(),
            Some("Wessex joined.")
        );
        assert_eq!(sentence("key-added", "Wessex"), None);
    }
}
