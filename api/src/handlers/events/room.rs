//! Bodies of events on their way in: how many bytes of them the hub holds at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::header;
use futures::TryStreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::problem::{Problem, ProblemKind};

/// Bytes of all bodies that are being read or judged.
const MAX_IN_FLIGHT: usize = 24 * 1024 * 1024;

/// A body that has been coming for so long gives way to others where there is no room.
const LONG: Duration = Duration::from_secs(2);
/// How long to wait for one that gives way.
const GIVES_WAY: Duration = Duration::from_secs(1);

/// The room for bodies. Cheap to clone.
///
/// It is taken before anybody has shown who it is. A few who send almost all of a body and then nothing would keep it from
/// everybody until they are cut off, so that whoever needs room cuts off those who have had it for long.
#[derive(Clone)]
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    coming: Arc<Mutex<Coming>>,
    long: Duration,
}

/// Bodies of which not all has come.
#[derive(Default)]
struct Coming {
    count: u64,
    bodies: HashMap<u64, Begun>,
}

struct Begun {
    begin: Instant,
    held: usize,
    cut: CancellationToken,
}

/// One body's place among those that are coming.
struct Place {
    room: Room,
    number: u64,
    cut: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.coming().bodies.remove(&self.number);
    }
}

/// What came, and the room that it takes until this is dropped.
pub(super) struct Held<T> {
    pub(super) body: T,
    _room: OwnedSemaphorePermit,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(MAX_IN_FLIGHT, LONG)
    }
}

impl Room {
    fn new(bytes: usize, long: Duration) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            coming: Arc::default(),
            long,
        }
    }

    /// Reads a JSON body of at most `limit` bytes.
    ///
    /// Room is taken as the bytes come, not as they are announced: who announces much and sends nothing holds none. Who
    /// sends slowly is cut off before the request comes here.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        request: Request,
        limit: usize,
    ) -> Result<Held<T>, Problem> {
        check_head(&request, limit)?;
        let (bytes, room) = self.collect(request, limit).await?;
        let body = serde_json::from_slice(&bytes).map_err(|error| {
            let detail = format!("The body is not JSON of the right form: {error}.");
            Problem::new(ProblemKind::MalformedRequest, detail)
        })?;
        Ok(Held { body, _room: room })
    }

    async fn collect(
        &self,
        request: Request,
        limit: usize,
    ) -> Result<(Vec<u8>, OwnedSemaphorePermit), Problem> {
        let place = self.begin();
        let mut room = self.take(&place, 0).await?;
        let mut bytes = Vec::new();
        let announced = announced(&request)
            .filter(|length| *length <= limit)
            .unwrap_or(limit);
        let mut chunks = request.into_body().into_data_stream();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.try_next() => chunk,
                () = place.cut.cancelled() => return Err(busy()),
            };
            let chunk = chunk.map_err(|_| {
                Problem::new(
                    ProblemKind::MalformedRequest,
                    "The body broke off before its end.",
                )
            })?;
            let Some(chunk) = chunk else {
                return Ok((bytes, room));
            };
            if bytes.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            let needed = bytes.len() + chunk.len();
            if needed > bytes.capacity() {
                // What is held is what is counted: a vector that grows by itself may hold twice as much.
                let grown = needed.max(announced.min(2 * bytes.capacity()));
                room.merge(self.take(&place, grown - bytes.capacity()).await?);
                bytes.reserve_exact(grown - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    fn coming(&self) -> MutexGuard<'_, Coming> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Place {
        let cut = CancellationToken::new();
        let mut coming = self.coming();
        coming.count += 1;
        let number = coming.count;
        let body = Begun {
            begin: Instant::now(),
            held: 0,
            cut: cut.clone(),
        };
        coming.bodies.insert(number, body);
        let room = self.clone();
        Place { room, number, cut }
    }

    async fn take(&self, place: &Place, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let count = u32::try_from(bytes).map_err(|_| busy())?;
        let mut taken = self.bytes.clone().try_acquire_many_owned(count).ok();
        while taken.is_none() && self.cut_one(place) {
            let freed = self.bytes.clone().acquire_many_owned(count);
            let freed = tokio::time::timeout(GIVES_WAY, freed).await;
            taken = freed.ok().and_then(Result::ok);
        }
        let taken = taken.ok_or_else(busy)?;
        if let Some(body) = self.coming().bodies.get_mut(&place.number) {
            body.held += bytes;
        }
        Ok(taken)
    }

    /// Cuts off the largest of those that have been coming for long; whether there was one.
    fn cut_one(&self, asking: &Place) -> bool {
        let coming = self.coming();
        let others = coming
            .bodies
            .iter()
            .filter(|(number, body)| **number != asking.number && !body.cut.is_cancelled());
        let long = others.filter(|(_, body)| body.held > 0 && body.begin.elapsed() >= self.long);
        let largest = long.max_by_key(|(_, body)| body.held);
        largest.is_some_and(|(_, body)| {
            body.cut.cancel();
            true
        })
    }
}

fn busy() -> Problem {
    Problem::new(
        ProblemKind::Busy,
        "The hub has as many bytes of events in hand as it takes. Send the same again after a pause.",
    )
}

/// What the head of a request tells already.
fn check_head(request: &Request, limit: usize) -> Result<(), Problem> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            ProblemKind::MalformedRequest,
            "The body must be JSON, and the request must say so: `Content-Type: application/json`.",
        ));
    }
    match announced(request) {
        Some(length) if length > limit => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// Bytes of the body, where the request says.
fn announced(request: &Request) -> Option<usize> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        format!("A body of this route is at most {limit} bytes."),
    )
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use futures::StreamExt as _;
    use serde_json::Value;

    use super::*;

    fn request(body: Body) -> Request {
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        request.body(body).unwrap()
    }

    #[tokio::test]
    async fn room_is_taken_while_a_body_is_held_and_free_afterwards() {
        let room = Room::new(10, LONG);
        let read = async |text: &'static str| room.read::<Value>(request(text.into()), 100).await;
        let held = read("[1, 2]").await.unwrap();
        assert_eq!(held.body[1], 2);
        assert_eq!(read("[1, 2]").await.err().unwrap().kind(), ProblemKind::Busy);
        drop(read("[1]").await.unwrap());
        drop(held);
        assert!(read("[1, 2, 3]").await.is_ok());
        assert_eq!(
            read("[1, 2, 3, 4]").await.err().unwrap().kind(),
            ProblemKind::Busy
        );
        assert_eq!(room.bytes.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_body_holds_no_more_memory_than_it_has_taken_room() {
        for announced in [None, Some("9000"), Some("20")] {
            let room = Room::new(20_000, LONG);
            let chunks = (0..10).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 900])));
            let chunks = Body::from_stream(futures::stream::iter(chunks));
            let mut request = request(chunks);
            if let Some(length) = announced {
                request
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, length.parse().unwrap());
            }
            let (bytes, _held) = room.collect(request, 10_000).await.unwrap();
            assert_eq!(bytes.len(), 9_000);
            assert_eq!(20_000 - room.bytes.available_permits(), bytes.capacity());
        }
    }

    #[tokio::test]
    async fn whoever_sends_nothing_more_gives_way_after_a_while_and_not_before() {
        for (long, gives_way) in [(Duration::ZERO, true), (Duration::from_hours(1), false)] {
            let room = Room::new(20, long);
            let begun =
                futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"[1, 2, 3, 4, 5"))]);
            let stuck = Body::from_stream(begun.chain(futures::stream::pending()));
            let stuck = {
                let room = room.clone();
                tokio::spawn(async move { room.read::<Value>(request(stuck), 100).await })
            };
            while room.bytes.available_permits() == 20 {
                tokio::task::yield_now().await;
            }
            let honest = room.read::<Value>(request("[1, 2, 3]".into()), 100).await;
            assert_eq!(honest.is_ok(), gives_way);
            drop(honest);
            if gives_way {
                let told = stuck.await.unwrap().err().unwrap();
                assert_eq!(told.kind(), ProblemKind::Busy);
                assert_eq!(room.bytes.available_permits(), 20);
            } else {
                assert!(!stuck.is_finished());
                stuck.abort();
            }
            assert!(room.coming().bodies.len() <= usize::from(!gives_way));
        }
    }

    #[tokio::test]
    async fn a_body_ends_at_its_limit_whatever_it_announced() {
        let room = Room::default();
        for (text, fits) in [("[12345]", true), ("[123456]", false)] {
            let whole = room.read::<Value>(request(text.into()), 7).await;
            let bytes = text.as_bytes().chunks(3);
            let chunks: Vec<_> = bytes
                .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
                .collect();
            let chunks = Body::from_stream(futures::stream::iter(chunks));
            let pieces = room.read::<Value>(request(chunks), 7).await;
            for read in [whole, pieces] {
                assert_eq!(read.is_ok(), fits, "{text}");
                assert!(
                    read.err()
                        .is_none_or(|problem| problem.kind() == ProblemKind::TooLarge)
                );
            }
        }
    }
}
