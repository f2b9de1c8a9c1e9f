//! The tree held against a library that shares no code with it, and its files against the specification.

use std::sync::Arc;

use concord_ledger::files;
use concord_ledger::head::open;
use concord_ledger::tiles::{self, Store, consistency, inclusion};
use concord_ledger::verify::verify;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sha2::Sha256;
use tlog_tiles::{check_record, check_tree, record_hash};

use crate::support::{Keys, ORIGIN, entries};

fn memory() -> Store {
    Arc::new(InMemory::new())
}

fn root_by_another(count: u64) -> Vec<u8> {
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    entries(0..count).iter().for_each(|entry| tree.push(entry.bytes().unwrap()));
    tree.root().as_bytes().to_vec()
}

#[test]
fn however_entries_come_the_tree_is_the_same_and_every_proof_holds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let sizes = proptest::collection::vec(prop_oneof![0..4_u64, 250..260_u64, 0..700_u64], 1..6);
    let result = runner.run(&(sizes, any::<u64>()), |(sizes, pick)| {
        runtime.block_on(async {
            let (store, keys) = (memory(), Keys::new(ORIGIN));
            let mut roots = Vec::new();
            let mut count = 0;
            for size in sizes {
                // A writer that was away for a while.
                let mut log = keys.open(&store).await.unwrap();
                let indexes = log.append(&entries(count..count + size)).await.unwrap();
                prop_assert_eq!(indexes, (count..count + size).collect::<Vec<_>>());
                count += size;
                prop_assert_eq!(log.newest().root.0.to_vec(), root_by_another(count));
                roots.push((count, log.newest().root));
            }
            let (size, root) = *roots.last().unwrap();
            for (older, old_root) in roots.into_iter().filter(|(older, _)| (1..size).contains(older)) {
                let proof = consistency(&store, size, older).await.unwrap();
                check_tree(&proof, size, root, older, old_root).unwrap();
            }
            if size > 0 {
                let index = pick % size;
                let leaf = record_hash(&entries(index..index + 1)[0].bytes().unwrap());
                let proof = inclusion(&store, size, index).await.unwrap();
                check_record(&proof, size, root, index, leaf).unwrap();
            }
            let report = verify(&store, &keys.verifier, None).await.unwrap();
            prop_assert_eq!((report.newest.size, report.findings), (size, Vec::new()));
            Ok(())
        })
    });
    result.unwrap();
}

#[tokio::test]
async fn seventy_thousand_entries_have_the_files_that_the_specification_counts() {
    let (store, keys) = (memory(), Keys::new(ORIGIN));
    let mut log = keys.open(&store).await.unwrap();
    log.append(&entries(0..70_000)).await.unwrap();
    // c2sp.org/tlog-tiles: 273 full tiles and one of 112 below, 1 full and one of 17 above, one of 1 on top.
    for (level, number, width) in
        [(0, 0, 256), (0, 272, 256), (0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)]
    {
        tiles::tile(&store, level, number, width).await.unwrap();
    }
    for (level, number, width) in [(0, 274, 1), (1, 2, 1), (2, 0, 2), (3, 0, 1)] {
        assert!(tiles::tile(&store, level, number, width).await.is_err(), "{level} {number} {width}");
    }
    assert_eq!(tiles::bundle(&store, 273, 112).await.unwrap().len(), 112);
    let note = tiles::read(&store, &files::checkpoint()).await.unwrap();
    let text = String::from_utf8(note.to_vec()).unwrap();
    assert!(
        text.starts_with("pool.example.org/record\n70000\n")
            && text.contains("\n\n\u{2014} pool.example.org/record "),
        "{text}"
    );
    assert_eq!(open(&keys.verifier, &note).unwrap().size, 70_000);
    // What only the writer needs is gone once it is published.
    let left = store.list_with_delimiter(Some(&"batch".into())).await.unwrap();
    assert!(left.objects.is_empty());
    assert!(store.head(&files::head(71)).await.is_ok() && store.head(&files::head(72)).await.is_err());
}
