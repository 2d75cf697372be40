//! How often the screen holds a text that tells nobody's identity: measured on 500 summaries as projects write them.

use std::fmt::Write as _;
use std::io::Write as _;

use daybook_rules::deid::{FieldUse, HitKind, screen};

/// False holds in a hundred summaries at most.
const MOST: usize = 5;
const SUMMARIES: usize = 500;

/// Sentences of summaries: made up, with the numbers, names of places and codes that real ones have.
const OPENINGS: [&str; 10] = [
    "We want to find out why {n} in every {m} people with {condition} come back to hospital within 30 days.",
    "Between 1 April 2015 and 31 March 2021 about {big} people in {place} were treated for {condition}.",
    "This study (grant {grant}) looks at how {drug} is given to people aged 18-64 and 65+.",
    "Children born in {place} between 2010 and 2020 are followed until they start school.",
    "{place} has {n} GP practices; {m}% of them took part in the pilot of 2019/20.",
    "About one in {n} births in {place} is before 37 weeks. Since 01/04/2018 more help is offered.",
    "The COVID-19 pandemic (SARS-CoV-2, ICD-10 code U07.1) changed how people with {condition} were cared for.",
    "We compare two ways of treating {condition}: {drug} (10 mg daily) and surgery (OPCS-4 code W37.1).",
    "Dr Foster indicators and QOF 2022-23 registers are used to find people with {condition}.",
    "The project is registered as ISRCTN{grant2} and IRAS {n}{m}{n}; ethics reference 21/NW/0{n}{m}.",
];
const MIDDLES: [&str; 10] = [
    "We use records of {big} patients. No names, addresses or full postcodes are seen; places are known as LSOAs (E0100{n}{m}).",
    "Numbers below 10 are left out, and all others are rounded to the nearest 5.",
    "Deprivation is measured by WIMD 2019 (Wales) and IMD 2019 (England), in fifths.",
    "Blood pressure of 140/90 or more, or HbA1c of 48 mmol/mol, counts as raised.",
    "Our advisory group of {n} patients met {m} times and chose the question.",
    "Further information: data-access@wessex.example, or the enquiries desk of the research office.",
    "The dataset (DOI 10.5281/zenodo.{grant}) is updated every {n} months.",
    "Ages are grouped in bands of ten years, and dates of birth are cut to the year.",
    "The model was fitted to {big} stays and {n},{m}00 deaths (p < 0.00{n}).",
    "Software: R 4.{n}.{m} and Python 3.1{n}; code at https://code.example/asthma-{n}{m}.",
];
const ENDINGS: [&str; 5] = [
    "Doctors and planners in {place} can then see who needs help first.",
    "If {drug} works better, up to {big} people a year could be spared an operation.",
    "The NHS spends about £{big} a year on {condition}; we hope to lower that by {n}%.",
    "Results will be published by 30 September 202{k}, whatever they say.",
    "Patients helped to write this summary.",
];
const CONDITIONS: [&str; 6] = [
    "asthma",
    "type 2 diabetes",
    "heart failure",
    "bowel cancer",
    "long COVID",
    "Parkinson's disease",
];
const PLACES: [&str; 6] = [
    "Greater Manchester",
    "north-west Wales",
    "Tayside and Fife",
    "Kent",
    "Belfast",
    "Wessex",
];
const DRUGS: [&str; 5] = ["metformin", "apixaban", "a statin", "salbutamol", "drug AB12"];

/// A small generator, so that every run measures the same texts.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for list in [&OPENINGS[..], &MIDDLES, &MIDDLES, &ENDINGS] {
            _ = write!(text, "{} ", self.pick(list));
        }
        let values = [
            ("{n}", (2 + self.roll(8)).to_string()),
            ("{m}", (10 + self.roll(89)).to_string()),
            ("{k}", (6 + self.roll(3)).to_string()),
            ("{big}", format!("{},{:03}", 1 + self.roll(899), self.roll(1000))),
            ("{grant2}", (10_000_000 + self.roll(89_999_999)).to_string()),
            (
                "{grant}",
                ["MR/T0", "NIHR2", "EP/X0", "2"][self.roll(4)].to_owned()
                    + &(1_000_000 + self.roll(8_999_999)).to_string(),
            ),
            ("{condition}", self.pick(&CONDITIONS).to_owned()),
            ("{place}", self.pick(&PLACES).to_owned()),
            ("{drug}", self.pick(&DRUGS).to_owned()),
        ];
        values
            .iter()
            .fold(text, |text, (name, value)| text.replace(name, value))
    }
}

#[test]
fn few_summaries_that_tell_nobodys_identity_are_held() {
    let names = ["Ada Lovelock".to_owned(), "Bronwen Marchbanks".to_owned()];
    let mut dice = Dice(1);
    let held: Vec<String> = (0..SUMMARIES)
        .map(|_| dice.text())
        .filter(|text| !screen(FieldUse::Prose, text, &names).is_empty())
        .collect();
    // Past the test harness's capture, so that the figure shows when all is well.
    writeln!(
        std::io::stderr(),
        "deid: {} of {SUMMARIES} summaries are held that tell nobody's identity",
        held.len()
    )
    .unwrap();
    assert!(
        held.len() * 100 <= SUMMARIES * MOST,
        "{} of {SUMMARIES} are held: {held:#?}",
        held.len()
    );
}

#[test]
fn whatever_is_planted_in_a_summary_is_found() {
    let planted = [
        (HitKind::HealthNumber, "943 476 5919"),
        (HitKind::HealthNumber, "9434765919"),
        (HitKind::InsuranceNumber, "AB 12 34 56 C"),
        (HitKind::BirthDate, "born on 3 May 1951"),
        (HitKind::Email, "jo.bloggs@hotmail.co.uk"),
        (HitKind::Telephone, "07700 900123"),
        (HitKind::Postcode, "CF10 3AT"),
        (HitKind::Orcid, "0000-0002-1825-0097"),
        (HitKind::Name, "bronwen marchbanks"),
    ];
    let names = ["Bronwen Marchbanks".to_owned()];
    let mut dice = Dice(7);
    for (kind, text) in planted {
        for _ in 0..50 {
            let summary = dice.text();
            let at = summary.find(". ").map_or(0, |at| at + 2);
            let with = format!("{}{text} {}", &summary[..at], &summary[at..]);
            let hits = screen(FieldUse::Prose, &with, &names);
            assert!(hits.iter().any(|hit| hit.kind == kind), "{with}");
        }
    }
}

#[test]
fn hits_are_whole_in_order_and_apart_whatever_the_text() {
    let seeds = [
        "NHS 943 476 5919, NI AB 12 34 56 C, born on 3 May 1951, ORCID 0000-0002-1825-0097.",
        "Ring 07700 900123 or +44 (0)1970 622111, write to jo.bloggs@hotmail.co.uk, CF10 3AT.",
        "siân o\u{2019}brien-llŷr, SIÂN O'BRIEN-LLŶR; Dr S. O'Brien",
        "٠٧٧٠٠ 𝟗𝟒𝟑 4765919\u{202e} born 1951-02-30 born: 1/2/3 @.@ 0000-0002-1825-009X",
    ];
    let mixed = [
        'é', '\u{202e}', '٣', '9', ' ', '@', '.', '-', '\u{2019}', 'K', '\n', '𝟗',
    ];
    let names = ["Siân O'Brien-Llŷr".to_owned(), String::new(), "é".to_owned()];
    let mut dice = Dice(3);
    for _ in 0..5_000 {
        let mut text: Vec<char> = seeds[dice.roll(seeds.len())].chars().collect();
        for _ in 0..dice.roll(8) {
            let at = dice.roll(text.len());
            match dice.roll(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, mixed[dice.roll(mixed.len())]),
                _ => text[at] = mixed[dice.roll(mixed.len())],
            }
        }
        let text: String = text.into_iter().collect();
        for field in ["lay_summary", "contact", "applicants", "url"] {
            let mut end = 0;
            for hit in screen(FieldUse::of(field), &text, &names) {
                assert!(
                    hit.span.start >= end && hit.span.start < hit.span.end,
                    "{text:?} {hit:?}"
                );
                assert!(text.get(hit.span.clone()).is_some(), "{text:?} {hit:?}");
                end = hit.span.end;
            }
        }
    }
}
