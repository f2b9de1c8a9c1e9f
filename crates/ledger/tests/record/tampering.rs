//! What somebody with the store in their hands may try, and what a stranger with the public key finds.

use std::sync::Arc;

use concord_ledger::bundle::{pack, unpack};
use concord_ledger::files;
use concord_ledger::head::{Signed, open};
use concord_ledger::tiles::{self, Store};
use concord_ledger::verify::{Finding, Report, VerifyError, verify, walk};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use crate::support::{Keys, ORIGIN, entries};

struct Scene {
    store: Store,
    keys: Keys,
    /// As a reader kept it.
    remembered: Signed,
}

impl Scene {
    /// 700 entries, and a reader who was there at 300.
    async fn new() -> Self {
        let (store, keys): (Store, Keys) = (Arc::new(InMemory::new()), Keys::new(ORIGIN));
        let mut log = keys.open(&store).await.unwrap();
        log.append(&entries(0..300)).await.unwrap();
        let remembered = log.newest().clone();
        log.append(&entries(300..700)).await.unwrap();
        Self { store, keys, remembered }
    }

    async fn verify(&self) -> Result<Report, VerifyError> {
        verify(&self.store, &self.keys.verifier, Some(&self.remembered)).await
    }

    async fn change(&self, path: object_store::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = tiles::read(&self.store, &path).await.unwrap().to_vec();
        change(&mut bytes);
        self.store.put(&path, bytes.into()).await.unwrap();
    }
}

#[tokio::test]
async fn an_honest_record_is_whole_and_every_entry_is_given_in_order() {
    let scene = Scene::new().await;
    let newest = open(&scene.keys.verifier, &tiles::read(&scene.store, &files::checkpoint()).await.unwrap());
    let mut seen = Vec::new();
    let report = walk(&scene.store, newest.unwrap(), Some(&scene.remembered), |index, entry| {
        assert_eq!(index, seen.len() as u64);
        seen.push(entry);
    })
    .await
    .unwrap();
    assert_eq!((report.read, report.findings.as_slice()), (700, [].as_slice()));
    assert_eq!(seen, entries(0..700));
}

#[tokio::test]
async fn a_changed_entry_is_found() {
    let scene = Scene::new().await;
    scene
        .change(files::bundle(1, 256), |bytes| {
            let at = bytes.windows(7).position(|part| part == b"\"gpus\":").unwrap() + 7;
            bytes[at] ^= 1;
        })
        .await;
    let report = scene.verify().await.unwrap();
    assert!(report.findings.contains(&Finding::Root), "{:?}", report.findings);
    assert!(report.findings.contains(&Finding::Fork { size: 300 }));
    assert!(report.findings.iter().any(|f| matches!(f, Finding::Sum { .. })), "{:?}", report.findings);
}

#[tokio::test]
async fn swapped_and_repeated_entries_are_found() {
    let scene = Scene::new().await;
    scene
        .change(files::bundle(0, 256), |bytes| {
            let mut entries: Vec<Vec<u8>> = unpack(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
            entries.swap(3, 4);
            entries[7] = entries[8].clone();
            *bytes = pack(entries.iter().map(Vec::as_slice)).unwrap();
        })
        .await;
    let report = scene.verify().await.unwrap();
    assert!(report.findings.contains(&Finding::Root), "{:?}", report.findings);
    assert!(
        report.findings.iter().any(|f| matches!(f, Finding::Twice { index: 8, .. })),
        "{:?}",
        report.findings
    );
}

#[tokio::test]
async fn a_changed_tile_is_found() {
    let scene = Scene::new().await;
    scene.change(files::tile(0, 1, 256), |bytes| bytes.swap(0, 40)).await;
    let report = scene.verify().await.unwrap();
    assert_eq!(report.findings, [Finding::Tile { path: "tile/0/001".to_owned() }]);
    let scene = Scene::new().await;
    scene.change(files::tile(1, 0, 2), |bytes| bytes.swap(0, 40)).await;
    let report = scene.verify().await.unwrap();
    assert_eq!(report.findings, [Finding::Tile { path: "tile/1/000.p/2".to_owned() }]);
}

#[tokio::test]
async fn a_missing_and_a_short_file_are_told_by_name_and_the_rest_is_checked() {
    let scene = Scene::new().await;
    scene.change(files::bundle(2, 188), |bytes| bytes.truncate(100)).await;
    let report = scene.verify().await.unwrap();
    assert_eq!(report.findings.len(), 1, "the tile has their hashes: {:?}", report.findings);
    assert!(report.findings[0].to_string().contains("tile/entries/002.p/188"), "{:?}", report.findings);
    assert_eq!(report.read, 512);
    scene.store.delete(&files::bundle(2, 188)).await.unwrap();
    let missing = |path: &str| Finding::Missing { path: path.to_owned() };
    assert_eq!(scene.verify().await.unwrap().findings, [missing("tile/entries/002.p/188")]);
    scene.store.delete(&files::tile(0, 2, 188)).await.unwrap();
    let found = scene.verify().await.unwrap().findings;
    let unread = Finding::Unread { from: 512 };
    assert_eq!(found, [missing("tile/entries/002.p/188"), missing("tile/0/002.p/188"), unread]);
}

#[tokio::test]
async fn a_file_without_end_is_not_read() {
    let scene = Scene::new().await;
    let long = vec![0; usize::try_from(tiles::FILE_BYTES_MAX).unwrap() + 1];
    scene.store.put(&files::bundle(0, 256), long.into()).await.unwrap();
    let told = scene.verify().await.unwrap().findings[0].to_string();
    assert!(told.contains("tile/entries/000 has 17825793 bytes"), "{told}");
}

#[tokio::test]
async fn an_old_copy_and_a_dropped_end_are_found() {
    let scene = Scene::new().await;
    let old = scene.remembered.clone();
    scene.store.put(&files::checkpoint(), old.note.into()).await.unwrap();
    let newest = {
        let log = scene.keys.open(&scene.store).await.unwrap();
        log.newest().clone()
    };
    scene.store.put(&files::checkpoint(), scene.remembered.note.clone().into()).await.unwrap();
    let report = verify(&scene.store, &scene.keys.verifier, Some(&newest)).await.unwrap();
    assert_eq!(report.findings, [Finding::Shorter { size: 300, remembered: 700 }]);
}

#[tokio::test]
async fn a_log_that_tells_others_something_else_is_found() {
    let scene = Scene::new().await;
    // The same key signs another history.
    let other: Store = Arc::new(InMemory::new());
    let mut log = scene.keys.open(&other).await.unwrap();
    log.append(&entries(1..800)).await.unwrap();
    let report = verify(&other, &scene.keys.verifier, Some(&scene.remembered)).await.unwrap();
    assert_eq!(report.findings, [Finding::Fork { size: 300 }]);
}

#[tokio::test]
async fn another_logs_checkpoint_is_not_believed() {
    let scene = Scene::new().await;
    for other in [Keys::new(ORIGIN), Keys::new("other.example.org/record")] {
        let told = verify(&scene.store, &other.verifier, None).await.unwrap_err();
        assert!(matches!(told, VerifyError::Checkpoint(_)), "{told}");
    }
    // A byte of the root or of the size in a signed checkpoint.
    let note = tiles::read(&scene.store, &files::checkpoint()).await.unwrap();
    for at in [ORIGIN.len() + 1, ORIGIN.len() + 8, note.len() - 10] {
        let mut bytes = note.to_vec();
        bytes[at] ^= 1;
        assert!(open(&scene.keys.verifier, &bytes).is_err(), "byte {at}");
    }
}
