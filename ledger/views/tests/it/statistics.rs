//! Statistics: what the view holds is what the entries say, worked out in another way.

use std::collections::BTreeSet;

use daybook_store::project::check;
use daybook_views::Statistics;
use daybook_views::statistics::{EVERYWHERE, View};
use daybook_world::{figures, stops};

use crate::support::{Log, everything};

#[tokio::test]
async fn figures_are_what_the_entries_say_whatever_the_batches() {
    let entries = everything().entries();
    for batch in [1, 7, 2_000] {
        let log = Log::with(entries).await;
        let projector = log.projector(batch).await;
        log.until_folded(&projector).await;
        let views = log.views(&projector);
        for tre in [EVERYWHERE, "wessex", "mercia"] {
            let Statistics {
                as_of,
                volumes,
                stops: ended,
                spans,
            } = views.statistics(tre).await.unwrap();
            let (expected, stages) = figures(entries, tre);
            assert_eq!((as_of, &volumes), (log.size, &expected), "{tre}");
            assert_eq!(spans, stages, "{tre}");
            assert_eq!(ended, stops(entries, tre), "{tre}");
            let families: BTreeSet<&String> = ended.keys().map(|(_, family)| family).collect();
            assert!(!tre.is_empty() || families.len() > 2, "{families:?}");
            assert!(volumes.values().sum::<i64>() > 5 && !spans.is_empty(), "{tre}");
        }
        let nowhere = views.statistics("nowhere").await.unwrap();
        assert!(nowhere.volumes.is_empty() && nowhere.spans.is_empty());
        projector.stop().await;
        let (_, difference) = check(&log.db.config().into(), &View, |_, _| {}).await.unwrap();
        assert_eq!(difference, None);
    }
}
