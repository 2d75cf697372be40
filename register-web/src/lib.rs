//! The public register as a site: server-rendered pages over the views, complete without scripts.
//!
//! # In scope
//! One file for each page in [`pages`], its template beside it in `templates/`; the words of the interface in `words/`, one
//! catalogue for each language; style and script in `assets/`.
//!
//! # Out of scope
//! Writes of any kind, SQL (`daybook-views`), what may be published (`daybook-rules`, the hub's editor).
//!
//! # Invariants
//! - Nothing is asked of any other site, and every function is there without scripts.
//! - A text that a person typed reaches a page only through [`text::clean`], and is escaped by its template.
//! - A page says up to which entry of the log it is true.

mod assets;
mod chart;
mod failure;
mod frame;
mod front;
mod kept;
mod machine;
mod model;
mod pages;
mod paging;
mod router;
mod site;
mod text;
mod visit;
mod words;

pub use router::router;
pub use site::{Settings, Site};
