//! A country that does not exist: its TREs, their data, and those who ask. The places are those of old novels and legends.

/// A TRE.
#[derive(Debug)]
pub(crate) struct Tre {
    /// Its id.
    pub(crate) slug: &'static str,
    /// What it is called.
    pub(crate) name: &'static str,
    /// The place.
    pub(crate) place: &'static str,
    /// Who runs it.
    pub(crate) organisation: &'static str,
    /// The day after the log's beginning on which it joins.
    pub(crate) joins: i64,
    /// Of how many hundred of usual its people take their time.
    pub(crate) pace: i64,
    /// Of a hundred requests that others would run, how many it refuses, and of how many it withholds the results.
    pub(crate) refuses: usize,
    pub(crate) withholds: usize,
    /// Whether it lets an approval of a workflow stand for a person's signature.
    pub(crate) stands: bool,
}

#[rustfmt::skip]
pub(crate) static TRES: [Tre; 6] = [
    Tre { slug: "barsetshire", name: "Barsetshire Secure Data Environment", place: "Barsetshire", organisation: "Barsetshire Health Partnership (fictional)", joins: 3, pace: 100, refuses: 4, withholds: 4, stands: false },
    Tre { slug: "lyonesse", name: "Lyonesse Data Safe Haven", place: "Lyonesse", organisation: "Lyonesse University Hospitals (fictional)", joins: 5, pace: 55, refuses: 0, withholds: 8, stands: true },
    Tre { slug: "middlemarch", name: "Middlemarch Trusted Research Environment", place: "Middlemarch", organisation: "Middlemarch Fever Hospital Trust (fictional)", joins: 9, pace: 180, refuses: 18, withholds: 2, stands: false },
    Tre { slug: "erewhon", name: "Erewhon National Data Service", place: "Erewhon", organisation: "Erewhon Office for Health Data (fictional)", joins: 12, pace: 75, refuses: 7, withholds: 9, stands: false },
    Tre { slug: "cranford", name: "Cranford Research Data Centre", place: "Cranford", organisation: "Cranford Community Care (fictional)", joins: 240, pace: 130, refuses: 2, withholds: 0, stands: true },
    Tre { slug: "avalon", name: "Isle of Avalon Health Records", place: "Avalon", organisation: "Avalon Island Board (fictional)", joins: 480, pace: 90, refuses: 6, withholds: 6, stands: false },
];

/// Kinds of data, of which each TRE has one dataset each: what it is called, and how a project speaks of it.
#[rustfmt::skip]
pub(crate) static KINDS: [(&str, &str); 4] = [
    ("hospital admissions", "records of stays in hospital: when, for what, and how each ended"),
    ("general practice", "records of visits to general practices: what was found, and what was done"),
    ("medicines", "records of medicines that pharmacies have given out"),
    ("outpatient visits", "records of visits to hospital clinics, and of the letters that led to them"),
];

/// What a dataset of a kind says of itself.
#[rustfmt::skip]
pub(crate) static ABOUT: [&str; 4] = [
    "One line for each stay in hospital: the month, the age in ten-year bands, the cause and how it ended. No names, addresses or exact dates.",
    "One line for each visit to a general practice: the month, the age in ten-year bands, codes for what was found and done. What doctors typed is not in it.",
    "One line for each medicine that a pharmacy has given out: the month, the medicine, the amount. No names, and no prescriber.",
    "One line for each visit to a hospital clinic and for each letter that led to one: the month, the clinic, how long the wait was. No names or addresses.",
];

/// Who asks.
#[derive(Debug)]
pub(crate) struct Organisation {
    /// Its name, which says that it does not exist.
    pub(crate) name: &'static str,
    /// Its sector, a code of the rules.
    pub(crate) sector: &'static str,
    /// The mailbox of its office.
    pub(crate) contact: &'static str,
}

#[rustfmt::skip]
pub(crate) static ORGANISATIONS: [Organisation; 14] = [
    Organisation { name: "University of Barchester (fictional)", sector: "academic", contact: "research@barchester.example" },
    Organisation { name: "Lyonesse University (fictional)", sector: "academic", contact: "research@lyonesse.example" },
    Organisation { name: "University of Middlemarch (fictional)", sector: "academic", contact: "research@middlemarch.example" },
    Organisation { name: "Erewhon Institute of Health (fictional)", sector: "academic", contact: "enquiries@erewhon-institute.example" },
    Organisation { name: "Christminster School of Medicine (fictional)", sector: "academic", contact: "research@christminster.example" },
    Organisation { name: "Casterbridge Hospitals Trust (fictional)", sector: "nhs-trust", contact: "research@casterbridge.example" },
    Organisation { name: "Cranford Community Health Trust (fictional)", sector: "nhs-trust", contact: "research@cranford.example" },
    Organisation { name: "Plumfield Children's Hospital Trust (fictional)", sector: "nhs-trust", contact: "research@plumfield.example" },
    Organisation { name: "Second Breath, a charity (fictional)", sector: "charity", contact: "hello@second-breath.example" },
    Organisation { name: "The Lantern Society, a charity (fictional)", sector: "charity", contact: "hello@lantern.example" },
    Organisation { name: "Erewhon Agency for Public Health (fictional)", sector: "health-agency", contact: "enquiries@health-agency.example" },
    Organisation { name: "Barsetshire County Council (fictional)", sector: "local-authority", contact: "public-health@barsetshire.example" },
    Organisation { name: "Gradgrind Analytics Ltd (fictional)", sector: "commercial", contact: "info@gradgrind.example" },
    Organisation { name: "Brobdingnag Medicines plc (fictional)", sector: "commercial", contact: "info@brobdingnag.example" },
];

/// Who pays.
#[rustfmt::skip]
pub(crate) static FUNDERS: [&str; 5] = [
    "The Windmill Fund (fictional)",
    "Erewhon Research Council (fictional)",
    "The Lantern Society (fictional)",
    "The Good Neighbour Trust (fictional)",
    "Ministry of Health of Erewhon (fictional)",
];

/// Which bodies decide about approvals: codes of the rules.
#[rustfmt::skip]
pub(crate) static BODIES: [&str; 4] = ["access-committee", "access-committee", "controller", "public-benefit-panel"];
