//! The name of one request, which a user can quote and an operator can look for.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderMap, HeaderName};

/// Where a client or a proxy may say it, and where the answer does.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of one at most.
const MAX: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The name of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) std::sync::Arc<str>);

impl RequestId {
    /// What the request says, if that is of a sane form: `X-Request-Id`, or the trace of `traceparent`; else a fresh one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given = text(REQUEST_ID.as_str()).filter(|id| is_sane(id));
        let given = given.or_else(|| text("traceparent").and_then(trace_id));
        given.map_or_else(Self::fresh, |id| Self(id.into()))
    }

    /// Unlike any other of this process, and of any other process but by accident.
    fn fresh() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let process = PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(25);
        // Writing into a text does not fail.
        _ = write!(id, "{process:016x}-{count:08x}");
        Self(id.into())
    }

    /// The request that the current task answers.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Answers a request under this name.
    pub(crate) async fn scope<T>(self, answering: impl Future<Output = T>) -> T {
        CURRENT.scope(self, answering).await
    }
}

/// Short, and without anything that a log or a page might take for something else.
fn is_sane(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

/// The trace id of a W3C `traceparent`: `00-<32 hex digits>-<16>-<2>`, not all zero.
fn trace_id(header: &str) -> Option<&str> {
    let mut parts = header.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_trace = trace.len() == 32 && is_hex(trace) && trace.bytes().any(|byte| byte != b'0');
    (version.len() == 2 && is_hex(version) && version != "ff" && is_trace).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, value.parse().unwrap());
        RequestId::of(&headers).0.to_string()
    }

    #[test]
    fn a_sane_name_is_kept_and_any_other_replaced() {
        assert_eq!(of("x-request-id", "abc-1_2.Z"), "abc-1_2.Z");
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(
            of("traceparent", &format!("00-{trace}-b7ad6b7169203331-01")),
            trace
        );
        for bad in ["", " ", "a b", "a\"b", "<b>", "ü", &"a".repeat(65), "a;b"] {
            assert_ne!(of("x-request-id", bad), bad);
        }
        for bad in ["00-0-1-1", &format!("00-{}-b7ad6b7169203331-01", "0".repeat(32))] {
            assert_eq!(of("traceparent", bad).len(), 25);
        }
    }

    #[test]
    fn fresh_ones_differ() {
        assert_ne!(RequestId::fresh(), RequestId::fresh());
    }
}
