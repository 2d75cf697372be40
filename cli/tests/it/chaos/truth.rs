//! What must be true of the log, whatever was done to hubs and database.

use std::collections::HashSet;

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Actor;
use daybook_store::guard::Guard;
use tokio_postgres::Client;

use super::clients::Field;
use super::ledger::Ledger;
use super::site::{Hub, until};

/// The roots of RFC 6962 §2.1 over the first entries, for growing numbers of them: from the sizes of the perfect subtrees.
#[derive(Default)]
struct Roots {
    /// Perfect subtrees with their heights, left to right.
    peaks: Vec<(u32, Hash)>,
}

impl Roots {
    fn push(&mut self, leaf: Hash) {
        let (mut height, mut node) = (0, leaf);
        while let Some((_, left)) = self.peaks.pop_if(|(other, _)| *other == height) {
            node = Hash::node(&left, &node);
            height += 1;
        }
        self.peaks.push((height, node));
    }

    fn root(&self) -> Hash {
        let nodes = self.peaks.iter().rev().map(|(_, node)| *node);
        nodes
            .reduce(|right, left| Hash::node(&left, &right))
            .unwrap_or_else(Hash::empty_root)
    }
}

/// Checks the log against everything that was ever said of it. Answers with the number of entries.
pub(crate) async fn check(ledger: &Ledger, hubs: &[Hub], client: &mut Client) -> usize {
    let mut said = ledger.checkpoints();
    let receipts = ledger.receipts();
    for hub in hubs {
        let guard = Guard::open(&hub.guard()).unwrap();
        let mark = guard.released().unwrap();
        let root = *said.entry(mark.size).or_insert(mark.root);
        assert_eq!(root, mark.root, "the guard of {} is of another log", hub.name);
    }
    // One snapshot: the clerk may append meanwhile.
    let tx = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .unwrap();
    let sql = "SELECT size, root FROM checkpoints UNION ALL SELECT size, root FROM log_head";
    for row in tx.query(sql, &[]).await.unwrap() {
        let size = u64::try_from(row.get::<_, i64>(0)).unwrap();
        let root = Hash::from_slice(row.get(1)).unwrap();
        assert_eq!(*said.entry(size).or_insert(root), root, "a fork at size {size}");
    }
    let rows = tx.query("SELECT idx, leaf, event FROM entries ORDER BY idx", &[]);
    let (mut roots, mut leaves) = (Roots::default(), HashSet::new());
    for (index, row) in (0_u64..).zip(rows.await.unwrap()) {
        let text: &str = row.get(2);
        let leaf = Hash::leaf(text.as_bytes());
        assert_eq!(u64::try_from(row.get::<_, i64>(0)).unwrap(), index, "a gap");
        assert_eq!(row.get::<_, &[u8]>(1), leaf.as_ref(), "the leaf hash of {index}");
        assert!(leaves.insert(leaf), "{index} is there twice");
        let author = Event::parse(text).unwrap().claims().iss.clone();
        let is_own = matches!(author, Actor::Operator | Actor::Clerk);
        assert!(is_own || ledger.was_sent(&leaf), "nobody sent {index}");
        if let Some(receipt) = receipts.get(&leaf) {
            assert_eq!(receipt.index, index, "an acknowledged event stands elsewhere");
        }
        roots.push(leaf);
        if let Some(root) = said.remove(&(index + 1)) {
            assert_eq!(
                root,
                roots.root(),
                "a checkpoint of {} entries that are not these",
                index + 1
            );
        }
    }
    assert!(said.is_empty(), "checkpoints beyond the log: {said:?}");
    let lost: Vec<_> = receipts.keys().filter(|leaf| !leaves.contains(leaf)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    leaves.len()
}

/// Posts some of what was acknowledged again: each hub answers where it stands.
pub(crate) async fn ask_again(field: &Field, most: usize) {
    let receipts = field.ledger.receipts();
    for (n, receipt) in receipts.values().take(most).enumerate() {
        let answer = until("a repeat is answered", async || {
            field.post(n % 2, &receipt.body).await
        })
        .await;
        assert_eq!(answer, (200, receipt.index), "the same bytes again");
    }
}
