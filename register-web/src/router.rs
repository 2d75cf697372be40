//! Every page, once for each language.

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::assets;
use crate::failure::Failure;
use crate::front::stand_in_front;
use crate::pages;
use crate::site::Site;
use crate::words::Language;

/// All pages of the site.
pub fn router(site: Site) -> Router {
    let mut all = Router::new().route("/assets/{name}", get(assets::get));
    for language in Language::ALL {
        all = match language.prefix() {
            "" => all.merge(pages::routes()),
            prefix => all.nest(prefix, pages::routes()),
        };
    }
    all.fallback(nothing)
        .layer(middleware::from_fn_with_state(site.clone(), stand_in_front))
        .with_state(site)
}

async fn nothing() -> Failure {
    Failure::NotFound
}
