//! Every number that the site shows follows from the entries up to the size that its page states.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::event::Claims;
use daybook_core::id::Stream;
use daybook_rules::stops::FAMILIES;
use daybook_world::{Ending, figures, stops, year};
use serde_json::{Value, json};

use crate::support::{TestSite, between, figures_of};

/// What a list of projects must count: by the facet and its value, which projects.
type Counts = BTreeMap<(String, String), u64>;

/// The facets of each project on the register, worked out from the entries and the openings that are published.
async fn facets(site: &TestSite) -> Vec<BTreeSet<(String, String)>> {
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
    let mut facets = Vec::new();
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
        facets.push(values);
    }
    facets
}

/// How many projects have each value.
fn counts(facets: &[BTreeSet<(String, String)>]) -> Counts {
    let mut counts = Counts::new();
    for value in facets.iter().flatten() {
        *counts.entry(value.clone()).or_default() += 1;
    }
    counts
}

async fn filled() -> TestSite {
    let mut site = TestSite::new().await;
    let projects = [
        (
            "one",
            "academic",
            "none",
            vec!["Wessex University", "Kernow & Co"],
            vec![
                "Lungs", "asthma", "beds", "coughs", "doctors", "ears", "fevers", "gout", "hips", "iron",
            ],
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
        site.run("wessex", Ending::Abandoned).await;
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
    let endings = stops(site.log.world.entries(), tre);
    assert!(!endings.is_empty(), "{tre}");
    for family in FAMILIES {
        let n = endings.get(&(last, family.to_owned())).copied().unwrap_or(0);
        assert_eq!(shown[&format!("{last}.stop.{family}")], told(n), "{tre} {family}");
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

/// How many something says: the digits of a sentence.
fn said(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} says no number"))
}

/// The words at the foot of a page that is true up to an entry.
fn stated(reached: u64) -> String {
    format!("up to entry {}", told_whole(i64::try_from(reached).unwrap()))
}

#[tokio::test]
async fn every_count_of_projects_follows_from_the_entries() {
    let site = filled().await;
    let stated = stated(site.settle().await);
    let facets = facets(&site).await;
    let total = facets.len() as u64;
    let counts = counts(&facets);
    assert!(total >= 4 && counts.len() > 10, "{counts:?}");

    let list = site.page("/projects").await;
    assert!(list.contains(&stated), "{stated}");
    let shown = figures_of(&list);
    assert_eq!(said(&shown["found"]), total);
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for facet in counts.keys().map(|(facet, _)| facet).collect::<BTreeSet<_>>() {
        let mut values: Vec<(u64, &str)> = counts
            .iter()
            .filter(|((of, _), _)| of == facet)
            .map(|((_, value), n)| (*n, value.as_str()))
            .collect();
        values.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        for (n, value) in values.iter().take(8) {
            let value = value.replace('&', "&#38;");
            expected.insert(format!("facet.{facet}.{value}"), n.to_string());
        }
        if let Some(more) = values.len().checked_sub(8).filter(|more| *more > 0) {
            expected.insert(format!("more.{facet}"), more.to_string());
        }
    }
    assert!(expected.contains_key("more.topic"), "{expected:?}");
    let found: BTreeMap<String, String> = shown
        .iter()
        .filter(|(name, _)| *name != "found")
        .map(|(name, text)| (name.clone(), said(text).to_string()))
        .collect();
    assert_eq!(found, expected);
    for ((facet, value), n) in &counts {
        let value = value.replace(' ', "+").replace('&', "%26");
        let narrowed = figures_of(&site.page(&format!("/projects?{facet}={value}")).await);
        assert_eq!(said(&narrowed["found"]), *n, "{facet}={value}");
    }

    let home = site.page("/").await;
    assert!(home.contains(&stated));
    assert_eq!(said(&figures_of(&home)["projects"]), total);
    let export: Value = serde_json::from_str(&site.page("/projects.json").await).unwrap();
    assert_eq!(export["projects"].as_array().unwrap().len() as u64, total);
    assert!(stated.ends_with(&export["as_of"].to_string()), "{export}");
    check_organisations(&site, &facets).await;
}

/// The list of organisations, and the page of each.
async fn check_organisations(site: &TestSite, facets: &[BTreeSet<(String, String)>]) {
    let list = site.page("/organisations").await;
    let names: BTreeSet<&str> = facets
        .iter()
        .flatten()
        .filter(|(facet, _)| facet == "organisation")
        .map(|(_, name)| name.as_str())
        .collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let own = (String::from("organisation"), name.to_owned());
        let of: Vec<_> = facets.iter().filter(|values| values.contains(&own)).collect();
        let rest = between(
            &list,
            &format!("<bdi>{}</bdi>", name.replace('&', "&#38;")),
            "</li>",
        );
        let counted = between(rest[0], "quiet\">", "<");
        assert_eq!((rest.len(), said(counted[0])), (1, of.len() as u64), "{name}");

        let link = name.replace(' ', "+").replace('&', "%26");
        let shown = figures_of(&site.page(&format!("/organisations?name={link}")).await);
        assert_eq!(said(&shown["projects"]), of.len() as u64, "{name}");
        let companies = of
            .iter()
            .flat_map(|values| values.iter())
            .filter(|(facet, value)| facet == "commercial" && value != "none")
            .count();
        let told = shown.get("company").map_or(0, |text| said(text));
        assert_eq!(told, companies as u64, "{name}");
        let mut tres: BTreeMap<String, u64> = BTreeMap::new();
        for (facet, tre) in of.iter().flat_map(|values| values.iter()) {
            if facet == "tre" {
                *tres.entry(format!("tre.{tre}")).or_default() += 1;
            }
        }
        let told: BTreeMap<String, u64> = shown
            .iter()
            .filter(|(name, _)| name.starts_with("tre."))
            .map(|(name, text)| (name.clone(), said(text)))
            .collect();
        assert_eq!(told, tres, "{name}");
    }
}

#[tokio::test]
async fn every_statistic_follows_from_the_entries_up_to_the_size_that_its_page_states() {
    let site = filled().await;
    let reached = site.settle().await;
    let stated = stated(reached);
    let total = facets(&site).await.len();
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
    let record = figures_of(&site.page("/record").await);
    assert_eq!(record["size"], told_whole(i64::try_from(reached).unwrap()));
    assert_eq!(record["witnesses"], "0");
    let check = site.page("/check/3").await;
    assert!(
        check.contains(&format!("the record of {} entries", record["size"])),
        "{check}"
    );
    assert!(check.contains("Is entry 3 genuine?"), "{check}");
}

#[tokio::test]
async fn the_numbers_of_entries_and_versions_are_those_of_the_log() {
    let mut site = filled().await;
    let project = daybook_world::id("two");
    site.publish(project).await;
    let job = site.run("wessex", Ending::Released).await;
    site.settle().await;
    let entries = site.log.world.entries();
    let of = |keeps: &dyn Fn(&Claims) -> bool| -> Vec<usize> {
        let kept = entries
            .iter()
            .enumerate()
            .filter(|(_, event)| keeps(event.claims()));
        kept.map(|(index, _)| index).collect()
    };
    let register = Stream::Register(project);
    let published = of(&|claims| claims.sub == register);
    assert_eq!(published.len(), 2);
    let newest = published[1];

    let page = site.page(&format!("/projects/{project}")).await;
    assert!(
        page.contains(&format!(
            "This is what entry {} of the record",
            told_whole(i64::try_from(newest).unwrap())
        )),
        "{page}"
    );
    assert!(page.contains(&format!("data-index=\"{newest}\"")), "{page}");
    let versions = between(&page, "/versions/", "</a>");
    for (nth, text) in versions
        .iter()
        .filter(|text| text.contains("Version"))
        .enumerate()
    {
        assert_eq!(said(text.split('>').nth(1).unwrap()), 2 - nth as u64, "{text}");
    }
    let entries_told = |page: &str| -> Vec<usize> {
        let links = between(page, "/check/", "</a>").into_iter();
        let told = links.filter_map(|link| {
            let (href, words) = link.split_once("\">")?;
            let number = words.strip_prefix("entry ")?;
            assert_eq!(said(number), said(href), "{link}");
            usize::try_from(said(href)).ok()
        });
        told.collect()
    };
    let history = site.page(&format!("/projects/{project}/history")).await;
    assert_eq!(entries_told(&history), [published[1], published[0]]);
    let version = site.page(&format!("/projects/{project}/versions/2")).await;
    let rests_on = entries[newest].claims().data["rests_on"].as_array().unwrap();
    let leaves: Vec<&str> = rests_on.iter().filter_map(Value::as_str).collect();
    let rested: BTreeSet<usize> = entries
        .iter()
        .enumerate()
        .filter(|(_, event)| leaves.contains(&event.leaf().to_base64url().as_str()))
        .map(|(index, _)| index)
        .collect();
    assert_eq!(
        entries_told(&version).into_iter().collect::<BTreeSet<_>>(),
        rested
    );

    let (own, id) = (Stream::Job(job), job.to_string());
    let steps = of(&|claims| {
        let asked = claims.kind == "job-submitted" && claims.data["jobs"].to_string().contains(&id);
        let about_it = claims.data.get("job").and_then(Value::as_str) == Some(&id);
        asked || about_it || claims.sub == own
    });
    let told = entries_told(&site.page(&format!("/jobs/{job}")).await);
    assert!(told.len() > 8, "{told:?}");
    assert_eq!(told, steps);
    let export: Value = serde_json::from_str(&site.page("/projects.json").await).unwrap();
    let row = export["projects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == project.to_string());
    let row = row.unwrap();
    assert_eq!((&row["version"], &row["entry"]), (&json!(2), &json!(newest)));
}

/// Every place where a template writes a number, by the template and what it writes, with what holds it to the log: a test
/// above by its name, or the reader's clock, by which something is so long ago.
const WRITTEN: [(&str, &str, &str); 32] = [
    ("base", "number(page.as_of)", "statistic"),
    ("check", "number(index)", "statistic"),
    ("figures", "told(one.1)", "statistic"),
    ("figures", "told(row.n)", "statistic"),
    ("figures", "span(median)", "statistic"),
    ("figures", "span(most)", "statistic"),
    ("history", "number(row.entry)", "entries and versions"),
    ("history", "number(row.version)", "entries and versions"),
    ("home", "count(\"home.all\", projects)", "projects"),
    ("job", "count(\"job.stale\", days)", "clock"),
    ("job", "number(step.entry)", "entries and versions"),
    ("numbers", "number(page.as_of)", "statistic"),
    ("numbers", "number(projects)", "statistic"),
    ("organisation", "count(\"count.projects\", tre.2)", "projects"),
    ("organisation", "count(\"home.all\", total)", "projects"),
    (
        "organisation",
        "count(\"organisation.company\", with_company)",
        "projects",
    ),
    ("organisation", "count(\"organisation.lead\", total)", "projects"),
    ("organisations", "count(\"count.projects\", row.2)", "projects"),
    ("project", "count(\"project.silent\", months)", "clock"),
    ("project", "number(one.version)", "entries and versions"),
    ("project", "number(version.entry)", "entries and versions"),
    ("projects", "count(\"count.found\", total)", "projects"),
    ("projects", "count(\"count.more\", facet.more)", "projects"),
    ("projects", "number(value.count)", "projects"),
    ("record", "number(one.size)", "record.rs"),
    ("record", "number(size)", "statistic"),
    ("record", "number(witnessed)", "record.rs"),
    ("record", "number(witnesses.len())", "statistic"),
    ("tre", "number(made)", "statistic"),
    ("tre", "number(runs)", "statistic"),
    ("version", "number(part.entry)", "entries and versions"),
    ("version", "number(version.version)", "entries and versions"),
];

#[test]
fn no_template_writes_a_number_that_is_not_held_to_the_log() {
    let mut written: BTreeSet<(String, String)> = BTreeSet::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for call in ["number(", "count(", "told(", "span("] {
            for (at, _) in text.match_indices(&format!("page.{call}")) {
                let from = &text[at + "page.".len()..];
                let mut open = 0;
                let end = from.find(|c| {
                    open += i32::from(c == '(') - i32::from(c == ')');
                    c == ')' && open == 0
                });
                written.insert((name.clone(), from[..=end.unwrap()].to_owned()));
            }
        }
    }
    let known = WRITTEN.map(|(template, call, _)| (template.to_owned(), call.to_owned()));
    assert_eq!(written, BTreeSet::from(known));
}

/// A number that is always told.
fn told_whole(n: i64) -> String {
    if n >= 1000 {
        format!("{},{:03}", n / 1000, n % 1000)
    } else {
        n.to_string()
    }
}
