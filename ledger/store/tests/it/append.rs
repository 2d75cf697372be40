use daybook_testkit::TestLog;

#[tokio::test]
async fn tmp() {
    let t = std::time::Instant::now();
    let w = daybook_testkit::founded_world();
    println!("world {:?} {}", t.elapsed(), w.entries().len());
    let t = std::time::Instant::now();
    let mut log = TestLog::founded().await;
    println!("founded {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let _log2 = TestLog::founded().await;
    println!("founded again {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let all = log.workflows("w", 1000).await;
    println!("sign {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for one in &all[..100] {
        log.offer(one).await.unwrap();
    }
    println!("100 in turn {:?}", t.elapsed());
    let t = std::time::Instant::now();
    futures::future::try_join_all(all.iter().map(|one| log.offer(one))).await.unwrap();
    println!("1000 at once {:?}", t.elapsed());
    log.store.close().await;
}
