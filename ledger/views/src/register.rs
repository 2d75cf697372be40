//! The public register: what is published about each project, version by version, and what may be searched.
//!
//! This is the one view that holds what people typed, and only openings of public classes that an entry of the register has
//! published. A text stands in `opened` under its digest, and in the search of those projects whose page shows it; when
//! `fields-erased` names the digest, both lose it.

mod document;
mod edition;
mod fold;
mod material;
mod organisations;
mod read;
mod search;
mod table;

pub use self::document::{Shown, digest, document};
pub use self::edition::{Edition, Part};
pub use self::read::{DueKey, RegisterFilter};
pub use self::search::{Facet, Facets, Hit, SearchFilter, SearchKey, Sort};
pub use self::table::{Opened, RegisterEntry, RegisterVersion, Release, Rested, Searched, Thing, Use};

/// The view's name.
pub const NAME: &str = "register";
/// The version of its tables and of its fold.
pub const VERSION: u32 = 1;

/// The view.
#[derive(Clone, Copy, Debug)]
pub struct View;

impl daybook_store::project::View for View {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn tables(&self) -> &'static [&'static daybook_store::project::Table] {
        use daybook_store::project::Row;
        &[
            RegisterEntry::TABLE,
            RegisterVersion::TABLE,
            Rested::TABLE,
            Opened::TABLE,
            Use::TABLE,
            Thing::TABLE,
            Release::TABLE,
            Searched::TABLE,
        ]
    }

    fn reads_openings(&self) -> bool {
        true
    }

    fn begin(&self) -> Box<dyn daybook_store::project::Fold> {
        Box::<fold::Changes>::default()
    }
}
