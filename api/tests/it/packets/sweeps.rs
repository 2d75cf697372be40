//! What is removed, when, and what never is.

use std::time::Duration;

use axum::http::StatusCode;
use daybook_api::{PacketLimits, Swept};
use daybook_world::id;
use serde_json::json;

use super::uploads::places;
use super::{ZIP, get, in_both, put};
use crate::hub::{Hub, Keeping, insider, outsider, relay};

in_both! {
    a_packet_that_no_job_names_goes_after_its_time_and_one_that_is_named_stays
    packets_go_when_their_time_after_the_end_is_over
    results_go_when_their_tre_says_that_they_expired
    who_erases_the_digest_erases_the_packet
}

/// Makes everything of packets so many days older.
async fn age(hub: &Hub, days: i32) {
    let sql = format!(
        "UPDATE packets SET stored_at = stored_at - interval '{days} days', ended_at = ended_at - interval '{days} days'"
    );
    hub.owner().await.batch_execute(&sql).await.unwrap();
}

/// Takes a turn, once the server has noticed that the one before has ended: its lock goes with its connection.
pub(super) async fn sweep(hub: &Hub) -> Swept {
    let turn = async {
        loop {
            if let Some(swept) = hub.app.packet_sweeper().sweep().await.unwrap() {
                return swept;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), turn)
        .await
        .expect("nobody else sweeps")
}

async fn a_packet_that_no_job_names_goes_after_its_time_and_one_that_is_named_stays(mut hub: Hub) {
    let (sender, thief) = (insider(&hub.world), outsider(&hub.world));
    for name in ["named", "unnamed", "stolen", "sent again"] {
        put(&hub, &sender, id(name), ZIP).await;
    }
    age(&hub, 6).await;
    assert_eq!(sweep(&hub).await, Swept::default());
    let draft = hub.world.submission(id("submission"), &["wessex"]);
    hub.say(&draft.with("packet", id("named").to_string().into()))
        .await;
    // Another project's job that names it does not keep it.
    let draft = hub.world.submission(id("theft"), &["mercia"]).by(&thief);
    hub.say(&draft.with("packet", id("stolen").to_string().into()))
        .await;
    assert_eq!(
        put(&hub, &sender, id("sent again"), ZIP).await.status,
        StatusCode::OK
    );
    age(&hub, 2).await;
    let swept = sweep(&hub).await;
    assert_eq!((swept.unnamed, swept.emptied), (2, 2));
    assert_eq!((hub.stored().len(), places(&hub).await), (2, 0));
    for (name, status) in [
        ("named", StatusCode::OK),
        ("unnamed", StatusCode::NOT_FOUND),
        ("stolen", StatusCode::NOT_FOUND),
        ("sent again", StatusCode::OK),
    ] {
        assert_eq!(get(&hub, &sender, id(name)).await.status, status, "{name}");
    }
    // The id is free again, and a job that names it all the while then opens it.
    assert_eq!(
        put(&hub, &sender, id("unnamed"), ZIP).await.status,
        StatusCode::CREATED
    );
    age(&hub, 1000).await;
    assert_eq!(sweep(&hub).await.unnamed, 2);
    assert_eq!(get(&hub, &sender, id("named")).await.status, StatusCode::OK);
}

async fn packets_go_when_their_time_after_the_end_is_over(mut hub: Hub) {
    let (sender, relay) = (insider(&hub.world), relay("wessex"));
    let request = id("request");
    put(&hub, &sender, request, ZIP).await;
    let draft = hub.world.submission(id("submission"), &["wessex"]);
    let draft = draft.with("packet", request.to_string().into());
    hub.say(&draft).await;
    sweep(&hub).await;
    age(&hub, 1000).await;
    assert_eq!(sweep(&hub).await, Swept::default(), "the job is open");
    let sql = "UPDATE stream_heads SET state = jsonb_set(state::jsonb, '{state}', $1::text::jsonb)::json
        WHERE state ->> 'packet' = $2 AND stream LIKE 'job/%'";
    let owner = hub.owner().await;
    let to = async |state: &str| {
        let state = json!(state).to_string();
        assert_eq!(
            owner.execute(sql, &[&state, &request.to_string()]).await.unwrap(),
            1
        );
    };
    to("refused").await;
    sweep(&hub).await;
    age(&hub, 364).await;
    assert_eq!(sweep(&hub).await, Swept::default());
    // It is open again, and its time begins anew with the next end.
    to("collected").await;
    sweep(&hub).await;
    to("refused").await;
    sweep(&hub).await;
    age(&hub, 2).await;
    assert_eq!(sweep(&hub).await, Swept::default());
    age(&hub, 364).await;
    let swept = sweep(&hub).await;
    assert_eq!((swept.ended, swept.emptied), (1, 1));
    assert_eq!(get(&hub, &sender, request).await.slug(), "not-found");
    assert_eq!(get(&hub, &relay, request).await.slug(), "not-found");
    assert!(hub.stored().is_empty());
}

async fn results_go_when_their_tre_says_that_they_expired(mut hub: Hub) {
    hub.submit().await;
    hub.steps(&daybook_world::Ending::Released.steps()[..11]).await;
    let (relay, result) = (relay("wessex"), id("results"));
    put(&hub, &relay, result, ZIP).await;
    hub.steps(&["job-released"]).await;
    age(&hub, 30).await;
    assert_eq!(sweep(&hub).await, Swept::default());
    hub.steps(&["results-expired"]).await;
    assert_eq!(sweep(&hub).await.ended, 1);
    assert_eq!(get(&hub, &relay, result).await.slug(), "not-found");
    assert!(hub.stored().is_empty());
}

async fn who_erases_the_digest_erases_the_packet(mut hub: Hub) {
    let (sender, other) = (insider(&hub.world), outsider(&hub.world));
    let (mine, anothers) = (id("request"), id("another's"));
    put(&hub, &sender, mine, ZIP).await;
    put(&hub, &other, anothers, ZIP).await;
    let mut leaves = Vec::new();
    for (submission, packet) in [("mine", mine), ("theft", anothers)] {
        let draft = hub.world.submission(id(submission), &["wessex"]);
        let draft = draft.seal("summary", "What is asked".into());
        let (signed, _) = hub.say(&draft.with("packet", packet.to_string().into())).await;
        leaves.push(*signed.event.leaf());
    }
    assert_eq!(sweep(&hub).await, Swept::default());
    let openings = |leaf: daybook_core::Hash, name: &'static str| {
        let owner = hub.owner();
        async move {
            let sql = "SELECT o.digest FROM openings AS o JOIN entries AS e USING (idx) WHERE e.leaf = $1 AND o.name = $2";
            let row = owner
                .await
                .query_one(sql, &[&leaf.as_ref(), &name])
                .await
                .unwrap();
            daybook_core::Hash::from_slice(row.get(0)).unwrap()
        }
    };
    // To erase something else of the same event leaves the packet.
    let summary = openings(leaves[0], "summary").await;
    let digests = [
        openings(leaves[0], "packet_digest").await,
        openings(leaves[1], "packet_digest").await,
    ];
    erase(&mut hub, "summary", &[(leaves[0], summary)]).await;
    assert_eq!(sweep(&hub).await, Swept::default());
    // The second event names a packet that its author never sent: it is not the author's to lose.
    erase(
        &mut hub,
        "both",
        &[(leaves[0], digests[0]), (leaves[1], digests[1])],
    )
    .await;
    let swept = sweep(&hub).await;
    assert_eq!((swept.erased, swept.emptied), (1, 1));
    assert_eq!(get(&hub, &sender, mine).await.slug(), "not-found");
    assert_eq!(get(&hub, &other, anothers).await.status, StatusCode::OK);
    assert_eq!(sweep(&hub).await, Swept::default());
}

/// The operator says that fields are erased.
async fn erase(hub: &mut Hub, name: &str, fields: &[(daybook_core::Hash, daybook_core::Hash)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(leaf, digest)| json!({ "digests": [digest.to_base64url()], "event": leaf.to_base64url() }))
        .collect();
    let operator = daybook_core::id::Actor::Operator;
    let stream = daybook_core::id::Stream::Erasure(id(&format!("erasure of {name}")));
    let data = json!({ "fields": fields, "reason": "request" });
    hub.say(&daybook_world::Draft::new(
        &operator,
        &stream,
        "fields-erased",
        data,
    ))
    .await;
    // What the append does where it erases; the openings are gone one way or the other.
    let sql = "DELETE FROM openings WHERE digest = $1";
    for field in &fields {
        let digest = daybook_core::Hash::from_base64url(field["digests"][0].as_str().unwrap()).unwrap();
        hub.owner().await.execute(sql, &[&digest.as_ref()]).await.unwrap();
    }
}

#[tokio::test]
async fn one_hub_sweeps_at_a_time_and_the_next_when_it_has_ended() {
    let hub = Hub::new().await;
    let turn = hub.store.packets.sweep_turn().await.unwrap();
    assert!(turn.is_some());
    assert!(hub.app.packet_sweeper().sweep().await.unwrap().is_none());
    drop(turn);
    while hub.app.packet_sweeper().sweep().await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_event_that_names_a_packet_in_the_moment_of_the_sweep_keeps_it() {
    let mut hub = Hub::new().await;
    let (sender, packet) = (insider(&hub.world), id("packet"));
    put(&hub, &sender, packet, ZIP).await;
    age(&hub, 8).await;
    // An append is under way: it holds the head, and will have named the packet when it lets go.
    let mut owner = hub.owner().await;
    let append = owner.transaction().await.unwrap();
    append
        .execute("SELECT FROM log_head FOR UPDATE", &[])
        .await
        .unwrap();
    let state =
        json!({ "packet": packet, "project": hub.world.cast.project, "state": "submitted", "tre": "wessex" });
    let sql = "INSERT INTO stream_heads (stream, seq, leaf, state, tre, packet, results, waits)
        SELECT $1, 0, NULL, state, state ->> 'tre', state ->> 'packet', state ->> 'results',
            state ->> 'state' = 'submitted'
        FROM (SELECT $2::text::json AS state) AS s";
    append
        .execute(sql, &[&format!("job/{}", id("job")), &state.to_string()])
        .await
        .unwrap();
    let sweeper = hub.app.packet_sweeper();
    let watcher = hub.owner().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%hold_head%'";
    let commit = async {
        while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        append.commit().await.unwrap();
    };
    let (swept, ()) = futures::join!(sweeper.sweep(), commit);
    assert_eq!(swept.unwrap().unwrap(), Swept::default());
    assert_eq!(get(&hub, &sender, packet).await.body, ZIP);
    // And one that comes after the sweep is taken: its readers find no packet.
    let late = id("late");
    put(&hub, &sender, late, ZIP).await;
    age(&hub, 8).await;
    assert_eq!(sweep(&hub).await.unnamed, 1);
    let draft = hub.world.submission(id("submission"), &["wessex"]);
    hub.say(&draft.with("packet", late.to_string().into())).await;
    assert_eq!(get(&hub, &relay("wessex"), late).await.slug(), "not-found");
    assert_eq!(put(&hub, &sender, late, ZIP).await.status, StatusCode::CREATED);
    assert_eq!(get(&hub, &relay("wessex"), late).await.body, ZIP);
}

#[tokio::test]
async fn kept_for_ever_is_kept() {
    let mut limits = PacketLimits::usual(1000);
    (limits.keep_requests, limits.keep_unnamed) = (None, Duration::from_hours(24));
    let mut hub = Hub::keeping(Keeping::Folder, limits).await;
    let (sender, packet) = (insider(&hub.world), id("request"));
    put(&hub, &sender, packet, ZIP).await;
    let draft = hub.world.submission(id("submission"), &["wessex"]);
    hub.say(&draft.with("packet", packet.to_string().into())).await;
    hub.owner()
        .await
        .batch_execute("UPDATE stream_heads SET state = jsonb_set(state::jsonb, '{state}', '\"refused\"')::json WHERE stream LIKE 'job/%'")
        .await
        .unwrap();
    sweep(&hub).await;
    age(&hub, 10_000).await;
    assert_eq!(sweep(&hub).await, Swept::default());
    assert_eq!(get(&hub, &sender, packet).await.body, ZIP);
}
