//! Every number that the site shows follows from the entries up to the size that its page states.

use std::collections::{BTreeMap, BTreeSet};

use daybook_world::{Ending, figures, year};
use serde_json::{Value, json};

use crate::support::{TestSite, between, figures_of};

/// What a list of projects must count: by the facet and its value, which projects.
type Counts = BTreeMap<(String, String), u64>;

/// Projects on the register and their facets, worked out from the entries and the openings that are published.
async fn counts(site: &TestSite) -> (u64, Counts) {
    let entries = site.log.world.entries();
    let mut newest = BTreeMap::new();
    let mut first = BTreeMap::new();
    for event in entries {
        let claims = event.claims();
        match claims.kind.as_str() {
            "register-published" => {
                newest.insert(claims.sub.clone(), claims);
                first.entry(claims.sub.clone()).or_insert(claims.iat);
            }
            "register-withdrawn" => drop(newest.remove(&claims.sub)),
            _ => {}
        }
    }
    let mut counts = Counts::new();
    for (stream, claims) in &newest {
        let rests_on: Vec<&str> = claims
            .data
            .get("rests_on")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut values: BTreeSet<(String, String)> = BTreeSet::new();
        let mut put = |facet: &str, value: &str| {
            if !value.is_empty() {
                values.insert((facet.to_owned(), value.to_owned()));
            }
        };
        put("year", &year(first[stream]).to_string());
        put("status", "approved");
        for (index, event) in entries.iter().enumerate() {
            if !rests_on.contains(&event.leaf().to_base64url().as_str()) {
                continue;
            }
            let fields = site.fields(index).await;
            let text = |name: &str| {
                fields
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let list = |name: &str| -> Vec<String> {
                let list = fields.get(name).and_then(Value::as_array).into_iter().flatten();
                list.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            match event.claims().kind.as_str() {
                "project-registered" => {
                    put("sector", &text("sector"));
                    put("commercial", &text("commercial"));
                    for name in list("organisations") {
                        put("organisation", &name);
                    }
                    for topic in list("keywords") {
                        put("topic", &topic.to_lowercase());
                    }
                }
                "approval-granted" => put("tre", event.claims().sub.to_string().split('/').nth(1).unwrap()),
                "dataset-registered" => put("kind", &text("kind_of")),
                _ => {}
            }
        }
        for value in values {
            *counts.entry(value).or_default() += 1;
        }
    }
    (u64::try_from(newest.len()).unwrap(), counts)
}

async fn filled() -> TestSite {
    let mut site = TestSite::new().await;
    let projects = [
        (
            "one",
            "academic",
            "none",
            vec!["Wessex University", "Kernow & Co"],
            vec!["Lungs", "asthma"],
            vec!["wessex"],
        ),
        (
            "two",
            "nhs-trust",
            "partner",
            vec!["Wessex University"],
            vec!["lungs"],
            vec!["wessex", "mercia"],
        ),
        (
            "three",
            "academic",
            "funder",
            vec!["Mercia Trust"],
            vec!["Hearts"],
            vec!["mercia"],
        ),
    ];
    for (name, sector, commercial, organisations, topics, tres) in projects {
        let fields: [(&str, Value); 7] = [
            ("title", format!("Project {name}").into()),
            ("lay_summary", "We count visits.".into()),
            ("public_benefit", "Better care.".into()),
            ("sector", sector.into()),
            ("commercial", commercial.into()),
            ("organisations", json!(organisations)),
            ("keywords", json!(topics)),
        ];
        let project = site.project(name, &fields).await;
        for tre in tres {
            site.approve(tre, project).await;
        }
        site.publish(project).await;
        site.log.world.advance_days(1);
    }
    for _ in 0..6 {
        site.run("wessex", Ending::Released).await;
        site.run("wessex", Ending::Refused).await;
    }
    for ending in [
        Ending::Withheld,
        Ending::Cancelled,
        Ending::Abandoned,
        Ending::ReleasedInPart,
    ] {
        site.run("mercia", ending).await;
    }
    let reported = site.log.world.usual("tre-reported");
    site.log.say(&reported).await;
    site
}

/// A number as pages write it.
fn told(n: i64) -> String {
    match n {
        1..=4 => "fewer than 5".to_owned(),
        n if n >= 1000 => format!("{},{:03}", n / 1000, n % 1000),
        n => n.to_string(),
    }
}

/// The value that half, or nine in ten, do not exceed: by putting all of them in a row.
fn nth(steps: &BTreeMap<i64, i64>, per_cent: usize) -> i64 {
    let all: Vec<i64> = steps
        .iter()
        .flat_map(|(step, n)| std::iter::repeat_n(*step, usize::try_from(*n).unwrap()))
        .collect();
    all[(all.len() * per_cent).div_ceil(100) - 1]
}

/// Compares the figures of a page about a TRE, or about all, with those that follow from the entries.
fn check_figures(site: &TestSite, page: &str, tre: &str) {
    let shown = figures_of(page);
    let (volumes, spans) = figures(site.log.world.entries(), tre);
    let last = volumes.keys().map(|(year, _)| *year).max().unwrap();
    for what in [
        "submitted",
        "started",
        "released",
        "withheld",
        "refused",
        "cancelled",
        "abandoned",
    ] {
        let n = volumes.get(&(last, what.to_owned())).copied().unwrap_or(0);
        assert_eq!(shown[&format!("{last}.{what}")], told(n), "{tre} {what}");
    }
    let mut enough = 0;
    for stage in ["decide", "start", "run", "check", "whole"] {
        let mut steps: BTreeMap<i64, i64> = BTreeMap::new();
        for ((year, _), of) in spans
            .iter()
            .filter(|((year, known), _)| known == stage && *year >= last - 1)
        {
            assert!(*year <= last);
            for (step, n) in of {
                *steps.entry(*step).or_default() += n;
            }
        }
        let n = steps.values().sum();
        assert_eq!(shown[&format!("{stage}.n")], told(n), "{tre} {stage}");
        for (name, per_cent) in [("median", 50), ("most", 90)] {
            let value = page
                .split(&format!("\" data-figure=\"{stage}.{name}\""))
                .next()
                .filter(|before| before.len() < page.len())
                .and_then(|before| before.rsplit_once("value=\""))
                .map(|(_, value)| value.parse::<i64>().unwrap());
            let expected = (n >= 5).then(|| nth(&steps, per_cent));
            enough += usize::from(expected.is_some());
            assert_eq!(value, expected, "{tre} {stage} {name}");
        }
    }
    assert!(enough > 0 || tre == "mercia", "nothing of {tre} is told");
}

#[tokio::test]
async fn every_number_follows_from_the_entries_up_to_the_size_that_its_page_states() {
    let site = filled().await;
    let reached = site.settle().await;
    let (total, counts) = counts(&site).await;
    assert!(total >= 4 && counts.len() > 10, "{counts:?}");
    let stated = format!("up to entry {}", told(i64::try_from(reached).unwrap()));

    let list = site.page("/projects").await;
    assert!(list.contains(&stated), "{stated}");
    let shown = figures_of(&list);
    assert_eq!(shown["found"], format!("{total} projects"));
    let facets: BTreeMap<&String, &String> = shown
        .iter()
        .filter(|(name, _)| name.starts_with("facet."))
        .collect();
    let expected: BTreeMap<String, String> = counts
        .iter()
        .map(|((facet, value), n)| {
            (
                format!("facet.{facet}.{}", value.replace('&', "&#38;")),
                n.to_string(),
            )
        })
        .collect();
    assert_eq!(facets, expected.iter().collect::<BTreeMap<_, _>>());
    for ((facet, value), n) in &counts {
        let value = value.replace(' ', "+").replace('&', "%26");
        let narrowed = figures_of(&site.page(&format!("/projects?{facet}={value}")).await);
        let words = if *n == 1 {
            "1 project".to_owned()
        } else {
            format!("{n} projects")
        };
        assert_eq!(narrowed["found"], words, "{facet}={value}");
    }

    let home = site.page("/").await;
    assert!(home.contains(&stated) && home.contains(&format!("See all {total} projects")));
    let numbers = site.page("/numbers").await;
    assert!(numbers.contains(&stated));
    assert_eq!(figures_of(&numbers)["projects"], total.to_string());
    check_figures(&site, &numbers, "");
    for tre in ["wessex", "mercia"] {
        let page = site.page(&format!("/tres/{tre}")).await;
        assert!(page.contains(&stated), "{tre}");
        check_figures(&site, &page, tre);
        let mut reports = site
            .log
            .world
            .entries()
            .iter()
            .map(daybook_core::event::Event::claims);
        let report = reports
            .rfind(|claims| claims.kind == "tre-reported" && claims.sub.to_string() == format!("tre/{tre}"));
        let shown = figures_of(&page);
        for name in ["made", "runs"] {
            let expected = report.map(|claims| told_whole(claims.data[name].as_i64().unwrap()));
            assert_eq!(shown.get(&format!("reported.{name}")), expected.as_ref(), "{tre}");
        }
    }

    let organisations = site.page("/organisations").await;
    for ((facet, value), n) in &counts {
        if facet != "organisation" {
            continue;
        }
        let value = value.replace('&', "&#38;");
        let rest = between(&organisations, &format!("<bdi>{value}</bdi>"), "</li>");
        let words = if *n == 1 {
            "1 project<".to_owned()
        } else {
            format!("{n} projects<")
        };
        assert!(rest.len() == 1 && rest[0].contains(&words), "{value}: {rest:?}");
    }
    let record = figures_of(&site.page("/record").await);
    assert_eq!(record["size"], told_whole(i64::try_from(reached).unwrap()));
    assert_eq!(record["witnesses"], "0");
    for path in [
        "/",
        "/projects",
        "/numbers",
        "/tres/wessex",
        "/tres/mercia",
        "/organisations",
        "/record",
    ] {
        let page = site.page(path).await;
        for cell in
            between(&page, "class=\"n\"", ">")
                .into_iter()
                .chain(between(&page, "<td class=\"num\"", "</td>"))
        {
            assert!(
                cell.contains("data-figure") || cell.contains("colspan"),
                "{path} has a number that is not checked: {cell}"
            );
        }
    }
}

/// A number that is always told.
fn told_whole(n: i64) -> String {
    if n >= 1000 {
        format!("{},{:03}", n / 1000, n % 1000)
    } else {
        n.to_string()
    }
}
