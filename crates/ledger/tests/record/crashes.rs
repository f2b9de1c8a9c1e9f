//! Writers that die at every write, writers that believe to be alone, and what is left in the store.

use std::sync::Arc;

use concord_ledger::files;
use concord_ledger::head::{Head, open};
use concord_ledger::log::LogError;
use concord_ledger::tiles::{self, Store};
use concord_ledger::verify::verify;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use tlog_tiles::check_tree;

use crate::support::{Break, Hindered, Keys, ORIGIN, entries};

/// Every checkpoint that was ever signed is a beginning of the newest.
pub async fn nothing_disagrees(store: &Store, keys: &Keys) {
    let mut signed = Vec::new();
    for number in 1.. {
        let Ok(bytes) = tiles::read(store, &files::head(number)).await else { break };
        let head: Head = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(head.number, number);
        signed.push(open(&keys.verifier, head.checkpoint.as_bytes()).unwrap());
    }
    let newest = signed.last().unwrap().clone();
    for old in signed.iter().filter(|old| old.size > 0 && old.size < newest.size) {
        let proof = tiles::consistency(store, newest.size, old.size).await.unwrap();
        check_tree(&proof, newest.size, newest.root, old.size, old.root).unwrap();
    }
    let served = tiles::read(store, &files::checkpoint()).await.unwrap();
    assert_eq!(open(&keys.verifier, &served).unwrap(), newest, "the newest is served");
}

/// Records three parts, each by a writer that dies at its `at`th write and is started anew. Whether any died.
async fn record(store: &Store, keys: &Keys, at: usize, how: Break) -> bool {
    let mut died = false;
    for part in [0..200, 200..300, 300..600] {
        let broken = Hindered::breaking_at(store, at, how);
        let tried = match keys.open(&broken).await {
            Ok(mut log) => log.append(&entries(part.clone())).await.map(drop),
            Err(error) => Err(error),
        };
        died |= tried.is_err();
        // Whoever comes after it does not know what was recorded, and records all again.
        let mut log = keys.open(store).await.unwrap();
        log.append(&entries(part)).await.unwrap();
    }
    died
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_at_any_write_loses_and_doubles_nothing() {
    for how in [Break::Before, Break::After] {
        let mut writes = 0;
        loop {
            let (store, keys): (Store, Keys) = (Arc::new(InMemory::new()), Keys::new(ORIGIN));
            let died = record(&store, &keys, writes, how).await;
            let report = verify(&store, &keys.verifier, None).await.unwrap();
            assert_eq!(report.findings, [], "{how:?} at write {writes}");
            assert_eq!(report.newest.size, 600, "{how:?} at write {writes}");
            nothing_disagrees(&store, &keys).await;
            if !died {
                break;
            }
            writes += 1;
        }
        assert!(writes > 10, "{writes} writes were tried");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_one_is_told_to_stop_and_their_records_never_fork() {
    let folder = tempfile::tempdir().unwrap();
    let store: Store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    let keys = Keys::new(ORIGIN);
    let mut one = keys.open(&store).await.unwrap();
    let mut two = keys.open(&store).await.unwrap();
    one.append(&entries(0..10)).await.unwrap();
    let refused = two.append(&entries(5..20)).await;
    assert!(matches!(refused, Err(LogError::AnotherWriter(2))), "{refused:?}");
    assert!(matches!(two.append(&entries(5..20)).await, Err(LogError::Stale)));
    let mut two = keys.open(&store).await.unwrap();
    assert_eq!(two.append(&entries(5..20)).await.unwrap(), (5..20).collect::<Vec<_>>());
    assert!(matches!(one.append(&entries(20..21)).await, Err(LogError::AnotherWriter(3))));

    // At the same moment, many times.
    let store = &store;
    let keys = &keys;
    for round in 0..20_u64 {
        let first = 20 + round * 10;
        let write = async || {
            let mut log = keys.open(store).await.ok()?;
            log.append(&entries(first..first + 10)).await.ok()
        };
        let (a, b, c) = tokio::join!(write(), write(), write());
        assert!(a.is_some() || b.is_some() || c.is_some(), "somebody can write");
    }
    // A writer that was slower than the next may have put its checkpoint back; whoever comes next mends that.
    keys.open(store).await.unwrap();
    nothing_disagrees(store, keys).await;
    let report = verify(store, &keys.verifier, None).await.unwrap();
    assert_eq!((report.newest.size, report.findings), (220, Vec::new()));
}

#[tokio::test]
async fn what_is_damaged_is_not_built_upon() {
    let (store, keys): (Store, Keys) = (Arc::new(InMemory::new()), Keys::new(ORIGIN));
    keys.open(&store).await.unwrap().append(&entries(0..300)).await.unwrap();
    let path = files::tile(0, 1, 44);
    let mut bytes = tiles::read(&store, &path).await.unwrap().to_vec();
    bytes[40] ^= 1;
    object_store::ObjectStoreExt::put(&store, &path, bytes.into()).await.unwrap();
    let opened = keys.open(&store).await.err().unwrap();
    assert!(matches!(opened, LogError::Tree { size: 300 }), "{opened}");
    // Nor is another log's key believed.
    let other = Keys::new(ORIGIN).open(&store).await.err().unwrap();
    assert!(matches!(other, LogError::Checkpoint { number: 2, .. }), "{other}");
}
