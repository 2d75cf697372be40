//! What every page passes: headers that keep it safe, tags that save it from being sent twice, and a page for failures.

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use crate::assets;
use crate::failure::{self, Failed};
use crate::kept::{Answer, LONGEST};
use crate::site::Site;
use crate::visit::Visit;

/// Nothing but this site's own style, script, pictures and data; nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers with a page, and what goes with every page.
pub(crate) async fn stand_in_front(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(visit) = Visit::from_request_parts(&mut parts, &site).await;
    let moment = moment(&site);
    let tag = format!("W/\"{moment}-{}\"", visit.language.code());
    let is_reading = matches!(parts.method, Method::GET | Method::HEAD);
    if let Some(plain) = without_slash(&visit.address, &parts.uri).filter(|_| is_reading) {
        return guarded(elsewhere(plain), &site);
    }
    let is_asset = visit.path.starts_with("/assets/");
    let is_of_now = is_of_this_moment(&visit.path);
    if is_reading && !is_asset && !is_of_now && knows(&parts.headers, &tag) {
        return guarded(tagged(StatusCode::NOT_MODIFIED.into_response(), &tag), &site);
    }
    let is_kept = parts.method == Method::GET && !is_asset && !is_of_now;
    let address = is_kept.then(|| format!("{} {}", visit.address, parts.uri));
    if let Some(found) = address
        .as_ref()
        .and_then(|address| site.kept.get(&moment, address))
    {
        return guarded(tagged(answered(found), &tag), &site);
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    let response = explained(&site, &visit, response);
    if response.status() != StatusCode::OK || is_asset {
        return guarded(response, &site);
    }
    let response = match address {
        Some(address) => keep(&site, &moment, address, response).await,
        None => response,
    };
    let response = if is_of_now {
        asked_again(response)
    } else {
        tagged(response, &tag)
    };
    guarded(response, &site)
}

/// The address without the slash at the end of its path; `None` where it has none. It is written whole: a path that begins with
/// two slashes would, by itself, name another site.
fn without_slash(address: &str, uri: &Uri) -> Option<HeaderValue> {
    let plain = uri.path().strip_suffix('/')?.trim_end_matches('/');
    if plain.is_empty() && uri.path() == "/" {
        return None;
    }
    let plain = if plain.is_empty() { "/" } else { plain };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{address}{plain}{query}")).ok()
}

/// Each page has one address: who asks for another spelling of it is sent there.
fn elsewhere(location: HeaderValue) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

/// Whether a page says how things are at this moment: what has been published and cosigned meanwhile, and how old it is.
fn is_of_this_moment(path: &str) -> bool {
    ["/check/", "/record"].iter().any(|start| path.starts_with(start))
}

fn answered(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.headers_mut() = answer.headers;
    response
}

/// Keeps a page that is not too long for who asks for it next.
async fn keep(site: &Site, moment: &str, address: String, response: Response) -> Response {
    let is_short = |size: u64| size <= LONGEST as u64;
    if !response.body().size_hint().exact().is_some_and(is_short) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // It is all there already: nothing can fail.
    let body = axum::body::to_bytes(body, LONGEST).await.unwrap_or_default();
    let answer = Answer {
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    site.kept.put(moment, address, answer);
    Response::from_parts(parts, Body::from(body))
}

/// What pages are made of besides their addresses: every view, the checkpoint, the day (pages say how long ago something was),
/// and the program. With the language it is the tag of every page, since a tag is compared for one address only.
fn moment(site: &Site) -> String {
    let day = Timestamp::now().as_second() / 86_400;
    format!(
        "{}-{}-{day}-{}",
        site.moved(),
        site.published.latest().map_or(0, |latest| latest.head.size),
        assets::build()
    )
}

fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let bare = tag.trim_start_matches("W/");
    values
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().trim_start_matches("W/") == bare)
}

fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().entry(header::ETAG).or_insert(tag);
    }
    asked_again(response)
}

/// Kept, and asked for again each time: what is erased must not go on being shown from somebody's copy.
fn asked_again(mut response: Response) -> Response {
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("public, no-cache"));
    response
}

/// A failure without words becomes a page.
fn explained(site: &Site, visit: &Visit, response: Response) -> Response {
    let status = response.status();
    let is_bare = matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST
    );
    if response.extensions().get::<Failed>().is_none() && !is_bare {
        return response;
    }
    let Some(page) = failure::page(site, visit, status) else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    parts
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        parts
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    Response::from_parts(parts, Body::from(page))
}

fn guarded(mut response: Response, site: &Site) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), interest-cohort=()",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    // Only where the site is reached by TLS: browsers ignore it elsewhere, and a proxy in front may add its own.
    if site.settings.address.starts_with("https://") {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
