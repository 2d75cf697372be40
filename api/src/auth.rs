//! Who asks: an access token, or nobody.

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use daybook_core::access::Presented;
use daybook_core::constitution;
use daybook_core::id::{Actor, Stream};
use daybook_core::key::KeyUse;

use crate::app::{App, now};
use crate::problem::{Problem, ProblemKind};

/// An actor that has shown who it is.
pub(crate) struct Caller(pub(crate) Actor);

/// An actor that has shown who it is, or the public.
pub(crate) struct MaybeCaller(pub(crate) Option<Actor>);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        caller
            .map(Self)
            .ok_or_else(|| refused("This needs an access token."))
    }
}

impl FromRequestParts<App> for MaybeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        authenticate(parts, app).await.map(Self)
    }
}

/// No token is nobody; a token that does not hold is refused, so that nobody is served less than they think.
async fn authenticate(parts: &mut Parts, app: &App) -> Result<Option<Actor>, Problem> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = header
        .to_str()
        .ok()
        .and_then(|header| header.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| refused("`Authorization` is not `Bearer` and a token."))?;
    let presented =
        Presented::parse(token).map_err(|error| Problem::because(ProblemKind::NotAuthenticated, &error))?;
    let actor = presented.actor();
    let home = app.reader.stream_head(&actor.home().to_string()).await?;
    let key = constitution::valid_key(
        home.as_ref().map(|head| &head.state),
        actor,
        presented.kid(),
        KeyUse::Access,
    );
    let key =
        key.ok_or_else(|| refused("The key is not registered for access by that actor, or not any more."))?;
    if let Actor::Tre(tre, _) = actor
        && is_suspended(app, tre.as_str()).await?
    {
        return Err(refused("The TRE is suspended."));
    }
    let path = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(parts.uri.path(), |uri| uri.path());
    let actor = presented
        .verify(&key, &app.origin, parts.method.as_str(), path, now())
        .map_err(|error| Problem::because(ProblemKind::NotAuthenticated, &error))?;
    if let Err(wait) = app.pacer.act_of(actor) {
        app.metrics.limited("actor");
        return Err(Problem::too_fast("This actor asks more often than it may.", wait));
    }
    Ok(Some(actor.clone()))
}

/// A TRE that the federation has suspended still signs what it must, such as that a job has stopped. It fetches nothing.
async fn is_suspended(app: &App, tre: &str) -> Result<bool, Problem> {
    let federation = app.reader.stream_head(&Stream::Federation.to_string()).await?;
    let suspended = federation.as_ref().and_then(|head| head.state.get("suspended"));
    Ok(suspended.is_some_and(|suspended| suspended.get(tre).is_some()))
}

fn refused(detail: &str) -> Problem {
    Problem::new(ProblemKind::NotAuthenticated, detail)
}
