//! What stands around every page, and what its template may ask for.

use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::assets;
use crate::model::figures::{SMALLEST, Told};
use crate::site::{Settings, Site};
use crate::text;
use crate::visit::Visit;
use crate::words::{Language, thousands};

/// What the script that checks a record may say.
const BROWSER: [&str; 19] = [
    "again",
    "alone",
    "away",
    "bad-checkpoint",
    "bad-entry",
    "bad-inclusion",
    "bad-page",
    "bad-shown",
    "bad-signature",
    "button",
    "holds",
    "no-outsider",
    "ok-checkpoint",
    "ok-inclusion",
    "ok-page",
    "ok-signature",
    "old",
    "witnesses",
    "working",
];
/// Characters of a description for search engines and shared links.
const DESCRIPTION: usize = 200;
/// Authors that are named in a header, and bytes of the path of each, at most.
const AUTHORS: usize = 5;
const LINK: usize = 300;
/// Bytes of one link in a header at most: a search may be as long as people like.
const POST: usize = 1_000;

/// The frame of a page. Templates know it as `page`.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The language of the interface.
    pub(crate) language: Language,
    /// The page's title, without the register's name.
    pub(crate) title: String,
    /// One or two sentences for search engines and shared links.
    pub(crate) description: String,
    /// The canonical path with its query, without the language's prefix.
    pub(crate) path: String,
    /// Which part of the navigation it belongs to.
    pub(crate) part: &'static str,
    /// Up to which entry of the log it is true.
    pub(crate) as_of: u64,
    /// The path of the Atom feed that tells of changes, if there is one.
    pub(crate) feed: Option<String>,
    /// The path of the same as JSON, if there is one.
    pub(crate) data: Option<String>,
    /// Whether search engines should keep it.
    pub(crate) is_indexed: bool,
    /// The site's address.
    pub(crate) address: String,
    /// How the register presents itself.
    pub(crate) settings: Arc<Settings>,
    /// JSON-LD about what the page is about; empty where there is none.
    pub(crate) linked: String,
    /// Name and key of the log.
    pub(crate) log: (Arc<str>, Arc<str>),
    /// Links for programs, as they stand in the header.
    posts: Vec<String>,
}

impl Frame {
    /// A frame for a visit; the title is shown as it is.
    pub(crate) fn new(site: &Site, visit: &Visit, part: &'static str, title: &str) -> Self {
        Self {
            language: visit.language,
            title: text::clean(title),
            description: String::new(),
            path: visit.path.clone(),
            part,
            as_of: site.size(),
            feed: None,
            data: None,
            is_indexed: true,
            address: visit.address.clone(),
            settings: site.settings.clone(),
            linked: String::new(),
            log: (site.origin.clone(), site.log_key.clone()),
            posts: Vec::new(),
        }
    }

    /// With a description, which is cut to a length that is shown.
    #[must_use]
    pub(crate) fn described(mut self, description: &str) -> Self {
        self.description = text::cut(description, DESCRIPTION);
        self
    }

    /// True up to this tree size, or less if it said less before.
    #[must_use]
    pub(crate) fn true_to(mut self, size: u64) -> Self {
        self.as_of = self.as_of.min(size);
        self
    }

    /// With a feed.
    #[must_use]
    pub(crate) fn with_feed(mut self, path: String) -> Self {
        self.feed = Some(path);
        self
    }

    /// With the same as data.
    #[must_use]
    pub(crate) fn with_data(mut self, path: String) -> Self {
        self.data = Some(path);
        self
    }

    /// With a link for programs.
    #[must_use]
    pub(crate) fn with_post(mut self, rel: &str, path: &str, kind: &str) -> Self {
        let address = &self.address;
        self.posts
            .push(format!("<{address}{path}>; rel=\"{rel}\"; type=\"{kind}\""));
        self
    }

    /// With a link for programs to an address that may be another site's.
    #[must_use]
    pub(crate) fn with_link(mut self, rel: &str, address: &str) -> Self {
        self.posts.push(format!("<{address}>; rel=\"{rel}\""));
        self
    }

    /// With what it is about, by a type of schema.org.
    #[must_use]
    pub(crate) fn of_type(self, kind: &str) -> Self {
        self.of_page_type("AboutPage").of_page_type(kind)
    }

    /// With what the page itself is, by a type of schema.org.
    #[must_use]
    pub(crate) fn of_page_type(self, kind: &str) -> Self {
        self.with_link("type", &format!("https://schema.org/{kind}"))
    }

    /// About one thing: under which address to cite it, where it is told of as data, and in which list it stands.
    #[must_use]
    pub(crate) fn about(self, path: &str, data: &str, list: &str) -> Self {
        self.with_post("cite-as", path, "text/html")
            .with_post("describedby", data, "application/json")
            .with_post("collection", list, "text/html")
    }

    /// With the organisations that are behind it; long names would make a header that servers refuse.
    #[must_use]
    pub(crate) fn with_authors(self, names: &[String]) -> Self {
        let paths = names
            .iter()
            .map(|name| format!("/organisations?name={}", self.escape(name)));
        let paths: Vec<String> = paths.filter(|path| path.len() <= LINK).take(AUTHORS).collect();
        paths
            .iter()
            .fold(self, |frame, path| frame.with_post("author", path, "text/html"))
    }

    /// All links for programs: those that were named, the page's own address, its licence and its feed.
    pub(crate) fn posts(&self) -> Vec<String> {
        let mut posts = self.posts.clone();
        posts.push(format!("<{}>; rel=\"canonical\"", self.address()));
        if !self.settings.licence.is_empty() {
            posts.push(format!("<{}>; rel=\"license\"", self.settings.licence));
        }
        if let Some(feed) = &self.feed {
            let feed = format!("{}{}", self.address, self.to(feed));
            posts.push(format!(
                "<{feed}>; rel=\"alternate\"; type=\"application/atom+xml\""
            ));
        }
        posts.retain(|post| post.len() <= POST);
        posts
    }

    /// Words by their key.
    pub(crate) fn say(&self, key: &str) -> &'static str {
        self.language.say(key)
    }

    /// Words with one place filled.
    pub(crate) fn fill(&self, key: &str, name: &str, value: impl AsRef<str>) -> String {
        self.language.fill(key, &[(name, value.as_ref())])
    }

    /// Words with two places filled.
    pub(crate) fn fill_two(
        &self,
        key: &str,
        one: &str,
        value: impl AsRef<str>,
        two: &str,
        other: impl AsRef<str>,
    ) -> String {
        self.language
            .fill(key, &[(one, value.as_ref()), (two, other.as_ref())])
    }

    /// Words for a number.
    pub(crate) fn count(&self, key: &str, n: impl Number) -> String {
        self.language.count(key, n.natural())
    }

    /// The words for a code of a closed list.
    pub(crate) fn code(&self, list: &str, code: impl AsRef<str>) -> &'static str {
        self.language.say(&format!("{list}.{}", code.as_ref()))
    }

    /// What an entry tells that is new on a page.
    pub(crate) fn news(&self, kind: impl AsRef<str>, tre: impl AsRef<str>) -> String {
        self.fill(&format!("news.{}", kind.as_ref()), "tre", tre)
    }

    /// A path in this language.
    pub(crate) fn to(&self, path: impl AsRef<str>) -> String {
        match (self.language.prefix(), path.as_ref()) {
            ("", path) => path.to_owned(),
            (prefix, "/") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        }
    }

    /// The path of a thing in this language.
    pub(crate) fn link(&self, before: &str, id: impl Display) -> String {
        self.to(format!("{before}{id}"))
    }

    /// The path of a part of a thing in this language.
    pub(crate) fn link_two(
        &self,
        before: &str,
        id: impl Display,
        between: &str,
        part: impl Display,
    ) -> String {
        self.to(format!("{before}{id}{between}{part}"))
    }

    /// This page's address in a language.
    fn address_in(&self, language: Language) -> String {
        let path = match (language.prefix(), self.path.as_str()) {
            (prefix @ ("" | "/cy"), "/") if !prefix.is_empty() => prefix.to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        };
        format!("{}{path}", self.address)
    }

    /// This page's own address.
    pub(crate) fn address(&self) -> String {
        self.address_in(self.language)
    }

    /// The same page in every language: code and address, English first.
    pub(crate) fn tongues(&self) -> Vec<(&'static str, String)> {
        let all = Language::ALL.into_iter();
        all.map(|language| (language.code(), self.address_in(language)))
            .collect()
    }

    /// The path of the same page in the other language.
    pub(crate) fn other_path(&self) -> String {
        self.address_in(self.other_language())[self.address.len()..].to_owned()
    }

    /// The language that this page is not in.
    pub(crate) fn other_language(&self) -> Language {
        match self.language {
            Language::English => Language::Welsh,
            Language::Welsh => Language::English,
        }
    }

    /// Whether the words of this language are a draft.
    pub(crate) fn is_draft(&self) -> bool {
        self.language != Language::English
    }

    /// A day in words, in Coordinated Universal Time; seconds since 1970.
    pub(crate) fn day(&self, at: impl Number) -> String {
        let Ok(time) = Timestamp::from_second(at.whole()) else {
            return String::new();
        };
        let date = time.to_zoned(TimeZone::UTC).date();
        let month = usize::try_from(date.month())
            .unwrap_or_default()
            .saturating_sub(1);
        format!(
            "{} {} {}",
            date.day(),
            self.language.item("date.months", month),
            date.year()
        )
    }

    /// A day with its time of day.
    pub(crate) fn moment(&self, at: impl Number) -> String {
        let at = at.whole();
        let clock = Timestamp::from_second(at)
            .map(|time| time.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string())
            .unwrap_or_default();
        self.language
            .fill("date.moment", &[("day", &self.day(at)), ("time", &clock)])
    }

    /// A day that a person wrote as `YYYY-MM-DD`, in words.
    pub(crate) fn date(&self, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        let date: Option<jiff::civil::Date> = text.parse().ok();
        let zoned = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
        zoned.map_or_else(
            || text::clean(text),
            |zoned| self.day(zoned.timestamp().as_second()),
        )
    }

    /// What the script says that checks a record in the reader's own browser, as JSON.
    pub(crate) fn browser_words(&self) -> String {
        let words = BROWSER
            .iter()
            .map(|name| ((*name).to_owned(), self.say(&format!("browser.{name}")).into()));
        serde_json::Value::Object(words.collect()).to_string()
    }

    /// A number as it may be told.
    pub(crate) fn told(&self, told: &Told) -> String {
        match told {
            Told::Number(n) => thousands(n.unsigned_abs()),
            Told::Few => self.fill("numbers.few", "smallest", SMALLEST.to_string()),
        }
    }

    /// How long so many minutes are, in words.
    pub(crate) fn span(&self, minutes: impl Number) -> String {
        match minutes.natural() {
            minutes @ 0..120 => self.language.count("count.minutes", minutes),
            minutes @ 120..2_880 => self.language.count("count.hours", (minutes + 30) / 60),
            minutes => self.language.count("count.days", (minutes + 720) / 1_440),
        }
    }

    /// A link to whoever runs the register.
    pub(crate) fn contact_link(&self) -> String {
        let contact = &self.settings.contact;
        if contact.contains('@') && !contact.contains(':') {
            format!("mailto:{contact}")
        } else {
            contact.clone()
        }
    }

    /// Whether a link of the navigation leads to where this page belongs.
    pub(crate) fn is_part(&self, part: &str) -> bool {
        self.part == part
    }
}

#[expect(clippy::unused_self, reason = "templates know the frame and nothing else")]
impl Frame {
    /// A number with its thousands apart.
    pub(crate) fn number(&self, n: impl Number) -> String {
        thousands(n.natural())
    }

    /// The same for programs (RFC 3339).
    pub(crate) fn stamp(&self, at: impl Number) -> String {
        stamp(at.whole())
    }

    /// A value as it stands in a query.
    pub(crate) fn escape(&self, text: impl AsRef<str>) -> String {
        crate::pages::projects::escape(text.as_ref())
    }

    /// The path of the style sheet.
    pub(crate) fn style(&self) -> &'static str {
        assets::style_path()
    }

    /// The path of the script.
    pub(crate) fn script(&self) -> &'static str {
        assets::script_path()
    }
}

/// A time for programs (RFC 3339).
pub(crate) fn stamp(at: i64) -> String {
    Timestamp::from_second(at)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// A whole number, as templates hand it over: itself or by reference.
pub(crate) trait Number {
    /// As it is, or the nearest.
    fn whole(self) -> i64;
    /// The same, 0 for what is below.
    fn natural(self) -> u64;
}

macro_rules! number {
    ($($type:ty),+) => {
        $(impl Number for $type {
            fn whole(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
            fn natural(self) -> u64 {
                u64::try_from(self).unwrap_or_default()
            }
        })+
    };
}
number!(i64, u64, usize);

impl<T: Number + Copy> Number for &T {
    fn whole(self) -> i64 {
        (*self).whole()
    }
    fn natural(self) -> u64 {
        (*self).natural()
    }
}
