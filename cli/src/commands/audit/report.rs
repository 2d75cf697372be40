//! The report for people, and what monitoring reads.

use daybook_audit::{Kind, Report, Severity};

/// The report in words, the worst first.
pub(super) fn words(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!(
        "{}: {} entries, {} of them new; root {}",
        report.log, report.entries, report.new_entries, report.root
    ));
    let witnesses = match report.witnesses.as_slice() {
        [] => "no witness of your policy has cosigned the newest checkpoint".to_owned(),
        names => format!("cosigned by {}", names.join(", ")),
    };
    line(format!(
        "{witnesses}; {} streams; {} anchors and {} commitments of heads verified; {} rows of the hub's lists compared; {} erasures, which leave every proof whole",
        report.streams, report.anchors, report.heads, report.compared, report.erasures
    ));
    for severity in [
        Severity::Alarm,
        Severity::Error,
        Severity::Warning,
        Severity::Notice,
    ] {
        let kinds = report
            .counts
            .iter()
            .filter(|(kind, _)| kind.severity() == severity);
        for (kind, count) in kinds {
            line(format!(
                "\n{} {kind} ({count}): {}",
                severity.as_str().to_uppercase(),
                kind.about()
            ));
            let of_kind: Vec<_> = report
                .findings
                .iter()
                .filter(|finding| finding.kind == *kind)
                .collect();
            for finding in &of_kind {
                match finding.index {
                    Some(index) => line(format!("  entry {index}: {}", finding.words)),
                    None => line(format!("  {}", finding.words)),
                }
            }
            let more = count.saturating_sub(of_kind.len() as u64);
            if more > 0 {
                line(format!("  and {more} more"));
            }
        }
    }
    line(match report.worst() {
        Some(Severity::Alarm) => "\nThis log is not to be believed before a person has looked at the alarms. Keep the state folder: it holds what proves them.".to_owned(),
        Some(Severity::Error) => "\nThe log does not hold.".to_owned(),
        Some(Severity::Warning) => "\nThe log holds. A person should look at the warnings.".to_owned(),
        _ => "\nThe log holds.".to_owned(),
    });
    text.truncate(text.trim_end().len());
    text
}

/// The report as Prometheus' text format, for a node exporter's folder.
pub(super) fn metrics(report: &Report, now: i64) -> String {
    let of = |kind: &Kind| {
        let (count, severity) = (
            report.counts.get(kind).copied().unwrap_or(0),
            kind.severity().as_str(),
        );
        format!("daybook_audit_findings{{kind=\"{kind}\",severity=\"{severity}\"}} {count}")
    };
    let mut lines = vec![
        "# HELP daybook_audit_findings What an audit of the log found, by kind.".to_owned(),
        "# TYPE daybook_audit_findings gauge".to_owned(),
    ];
    lines.extend(Kind::ALL.iter().map(of));
    lines.extend([
        "# HELP daybook_audit_entries Entries that were audited.".to_owned(),
        "# TYPE daybook_audit_entries gauge".to_owned(),
        format!("daybook_audit_entries {}", report.entries),
        "# HELP daybook_audit_time_seconds When the audit ended.".to_owned(),
        "# TYPE daybook_audit_time_seconds gauge".to_owned(),
        format!("daybook_audit_time_seconds {now}"),
    ]);
    lines.join("\n") + "\n"
}
