//! Tiles, bundles, roots and proofs, against the entries and against another implementation.

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_core::tree::{
    RightEdge, TILE_WIDTH, TileId, decode_bundle, decode_tile, nodes_at, verify_consistency,
    verify_inclusion, width_at,
};
use daybook_store::Store;
use daybook_testkit::{TestLog, identity};
use daybook_world::ORIGIN;
use futures::future::try_join_all;
use tokio_postgres::Client;

use crate::support::{check_whole, number, root};

/// The checkpoints as they were published, each opened with the log's key.
async fn checkpoints(client: &Client) -> Vec<Checkpoint> {
    let sql = "SELECT size, root, note FROM checkpoints ORDER BY size";
    let rows = client.query(sql, &[]).await.unwrap();
    let open = |row: &tokio_postgres::Row| {
        let note = Note::parse(row.get::<_, &str>(2).as_bytes()).unwrap();
        let checkpoint = Checkpoint::open(&note, &identity().log_key, ORIGIN).unwrap();
        assert_eq!(i64::try_from(checkpoint.size()).unwrap(), row.get::<_, i64>(0));
        assert_eq!(checkpoint.root().as_ref(), row.get::<_, &[u8]>(1));
        checkpoint
    };
    rows.iter().map(open).collect()
}

fn theirs(hash: &Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

/// Every proof against a checkpoint, by our verifier and by another.
async fn check_proofs(
    store: &Store,
    leaves: &[Hash],
    at: &Checkpoint,
    indexes: &[u64],
    older: &[Checkpoint],
) {
    let released = daybook_store::publish::Released {
        head: daybook_store::log::TreeHead {
            size: at.size(),
            root: *at.root(),
        },
        note: "".into(),
    };
    for &n in indexes.iter().filter(|&&n| n < at.size()) {
        let released = daybook_store::publish::Released {
            note: at.sign(&daybook_testkit::signer()).unwrap().to_string().into(),
            ..released.clone()
        };
        let file = store.reader.proof(n, &released).await.unwrap().unwrap();
        let leaf = &leaves[index(n)];
        file.verify(leaf, &identity().log_key, ORIGIN).unwrap();
        verify_inclusion(leaf, n, at.size(), file.path(), at.root()).unwrap();
        let path = file.path().iter().map(theirs).collect();
        tlog_tiles::check_record(&path, at.size(), theirs(at.root()), n, theirs(leaf)).unwrap();
    }
    assert_eq!(store.reader.proof(at.size(), &released).await.unwrap(), None);
    for old in older {
        let path = store
            .reader
            .consistency(old.size(), at.size())
            .await
            .unwrap()
            .unwrap();
        verify_consistency(old.size(), old.root(), at.size(), at.root(), &path).unwrap();
        let path = path.iter().map(theirs).collect();
        tlog_tiles::check_tree(
            &path,
            at.size(),
            theirs(at.root()),
            old.size(),
            theirs(old.root()),
        )
        .unwrap();
    }
    assert_eq!(
        store.reader.consistency(at.size() + 1, at.size()).await.unwrap(),
        None
    );
}

/// Every bundle and every tile of a tree, full and partial, as the entries give them.
async fn check_tiles(store: &Store, entries: &[String], leaves: &[Hash], size: u64) {
    let mut edge = RightEdge::new();
    let mut full = std::collections::BTreeMap::new();
    for leaf in &leaves[..index(size)] {
        for tile in edge.append(*leaf) {
            full.insert(tile.id, decode_tile(&tile.to_bytes()).unwrap());
        }
    }
    for (id, nodes) in &full {
        assert_eq!(
            &store.reader.tile(*id, TILE_WIDTH).await.unwrap(),
            nodes,
            "{id:?}"
        );
    }
    for (id, nodes) in edge.partial_tiles() {
        let width = width_at(id.level, id.n, size);
        assert_eq!(store.reader.tile(id, width).await.unwrap(), nodes, "{id:?}");
    }
    for n in 0..size.div_ceil(256) {
        let width = width_at(0, n, size);
        let bundle = store.reader.bundle(n, width).await.unwrap();
        let wanted = &entries[index(n * 256)..index(n * 256 + u64::from(width))];
        let wanted: Vec<&[u8]> = wanted.iter().map(String::as_bytes).collect();
        assert_eq!(decode_bundle(&bundle).unwrap(), wanted);
    }
}

async fn texts(client: &Client) -> Vec<String> {
    let rows = client
        .query("SELECT event FROM entries ORDER BY idx", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_root_proof_tile_and_bundle_is_that_of_the_entries() {
    let mut log = TestLog::founded().await;
    let all = log.workflows("leaf", 700).await;
    let mut rest = &all[..];
    for chunk in [1, 1, 2, 190, 26, 3, 250, 227] {
        let (now, later) = rest.split_at(chunk);
        try_join_all(now.iter().map(|one| log.offer(one))).await.unwrap();
        let size = log.store.head.borrow().size;
        log.store.published.clone().covering(size).await.unwrap();
        rest = later;
    }
    assert!(rest.is_empty());
    let owner = log.owner().await;
    let leaves = check_whole(&owner).await;
    let published = checkpoints(&owner).await;
    assert!(published.len() > 12, "{}", published.len());
    for (n, at) in published.iter().enumerate() {
        assert_eq!(*at.root(), root(&leaves[..index(at.size())]));
        let last = at.size() - 1;
        check_proofs(
            &log.store,
            &leaves,
            at,
            &[0, 1, 100, 255, 256, 257, 511, 512, last],
            &published[..n],
        )
        .await;
    }
    check_tiles(&log.store, &texts(&owner).await, &leaves, leaves.len() as u64).await;
}

/// Fills a founded log up to `size` entries as its owner, since 65,000 signed events take too long: the bytes are none of an
/// event, and the tree does not care.
async fn fill(client: &mut Client, size: u64) {
    let rows = client
        .query("SELECT leaf FROM entries ORDER BY idx", &[])
        .await
        .unwrap();
    let mut edge = RightEdge::new();
    for row in rows {
        edge.append(Hash::from_slice(row.get(0)).unwrap());
    }
    let (mut indexes, mut leaves, mut texts, mut tiles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while edge.size() < size {
        let text = format!("filler {}", edge.size());
        let leaf = Hash::leaf(text.as_bytes());
        indexes.push(i64::try_from(edge.size()).unwrap());
        texts.push(text);
        leaves.push(leaf);
        tiles.extend(edge.append(leaf));
    }
    let leaves: Vec<&[u8]> = leaves.iter().map(AsRef::as_ref).collect();
    let tx = client.transaction().await.unwrap();
    let entries = "INSERT INTO entries (idx, leaf, stream, seq, iss, jti, type, event)
        SELECT idx, leaf, 'filler/' || idx, 1, 'filler', gen_random_uuid(), 'filler', event
        FROM unnest($1::bigint[], $2::bytea[], $3::text[]) AS n (idx, leaf, event)";
    tx.execute(entries, &[&indexes, &leaves, &texts]).await.unwrap();
    let insert = "INSERT INTO tiles (level, n, root, data) VALUES ($1, $2, $3, $4)";
    for tile in tiles {
        let (level, n) = (i16::from(tile.id.level), i64::try_from(tile.id.n).unwrap());
        tx.execute(insert, &[&level, &n, &tile.root.as_ref(), &tile.to_bytes()])
            .await
            .unwrap();
    }
    let head = "UPDATE log_head SET size = $1, root = $2";
    tx.execute(head, &[&i64::try_from(size).unwrap(), &edge.root().as_ref()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn tree_grows_over_the_end_of_a_tile_of_tiles() {
    let mut log = TestLog::founded().await;
    let before = log.store.published.clone().covering(1).await.unwrap();
    let mut owner = log.owner().await;
    fill(&mut owner, 64_700).await;
    // The hub takes it for the work of another instance, and reads on. A start looks at the last 1,000 entries: these are
    // real.
    let all = log.workflows("leaf", 1_100).await;
    for chunk in all.chunks(57) {
        try_join_all(chunk.iter().map(|one| log.offer(one)))
            .await
            .unwrap();
    }
    assert_eq!(
        number(&owner, "SELECT count(*) FROM tiles WHERE level = 1").await,
        1
    );
    let latest = log.store.published.clone().covering(65_800).await.unwrap();
    assert!(latest.head.size > before.head.size);
    let rows = owner
        .query("SELECT event FROM entries ORDER BY idx", &[])
        .await
        .unwrap();
    let leaves: Vec<Hash> = rows
        .iter()
        .map(|row| Hash::leaf(row.get::<_, &str>(0).as_bytes()))
        .collect();
    let published = checkpoints(&owner).await;
    let last = published.last().unwrap();
    assert_eq!((last.size(), *last.root()), (65_800, root(&leaves)));
    let indexes = [
        0, 33, 255, 256, 64_699, 64_700, 65_279, 65_280, 65_535, 65_536, 65_799,
    ];
    check_proofs(&log.store, &leaves, last, &indexes, &published).await;
    check_tiles(&log.store, &texts(&owner).await, &leaves, 65_800).await;
    assert_eq!(nodes_at(2, 65_800), 1);
    let top = TileId { level: 2, n: 0 };
    assert_eq!(
        log.store.reader.tile(top, 1).await.unwrap(),
        [root(&leaves[..65_536])]
    );

    // A hub that starts here computes the same edge, and goes on.
    let options = log.options();
    let more = log.workflows("later", 1).await.remove(0);
    log.store.close().await;
    let again = Store::open(options).await.unwrap();
    let receipt = again.appender.append(more, log.world.now).await.unwrap();
    assert_eq!(receipt.index, 65_800);
    let released = again.published.clone().covering(65_801).await.unwrap();
    let leaves = [&leaves[..], &[receipt.leaf]].concat();
    assert_eq!(released.head.root, root(&leaves));
    again.close().await;
}
