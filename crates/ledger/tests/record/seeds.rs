//! Histories of a record whose store is full, slow, away or torn, and whose writers are killed and doubled. Each
//! history is drawn from its seed; `CONCORD_LEDGER_SEEDS` says how many, `CONCORD_LEDGER_SEED` from which.

use std::sync::Arc;

use concord_ledger::entry::Entry;
use concord_ledger::files;
use concord_ledger::log::{Log, LogError};
use concord_ledger::tiles::{self, Store};
use concord_ledger::verify::verify;
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::crashes::nothing_disagrees;
use crate::support::{Break, Hindered, Keys, ORIGIN, entries};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().expect("a number"))
}

/// A store that treats its writer badly for a while.
fn treated_badly(store: &Store, dice: &mut Pcg64) -> Store {
    let at = dice.random_range(0..14);
    match dice.random_range(0..4) {
        0 => Hindered::breaking_at(store, at, Break::Before),
        1 => Hindered::breaking_at(store, at, Break::After),
        2 => Hindered::full_after(store, dice.random_range(0..40_000)),
        _ => Hindered::slow(store, dice.random_range(0..300)),
    }
}

async fn append(log: Result<Log, LogError>, part: &[Entry]) -> Result<(), LogError> {
    log?.append(part).await.map(drop)
}

/// Parts that overlap, as of writers that do not know what the one before them has done.
async fn play(seed: u64) -> u64 {
    let mut dice = Pcg64::seed_from_u64(seed);
    let (store, keys): (Store, Keys) = (Arc::new(InMemory::new()), Keys::new(ORIGIN));
    let (mut done, mut troubles) = (0, 0);
    for _ in 0..4 {
        let next = done + 1 + dice.random_range(0..90);
        let part = entries(dice.random_range(0..done + 1)..next);
        let (one, two) = (treated_badly(&store, &mut dice), treated_badly(&store, &mut dice));
        let both = dice.random_range(0..2) == 0;
        let first = async { append(keys.open(&one).await, &part).await };
        let second = async { if both { append(keys.open(&two).await, &part).await } else { Ok(()) } };
        let (first, second) = tokio::join!(first, second);
        troubles += u64::from(first.is_err()) + u64::from(second.is_err());
        append(keys.open(&store).await, &part).await.unwrap();
        done = next;
    }
    keys.open(&store).await.unwrap();
    let report = verify(&store, &keys.verifier, None).await.unwrap();
    assert_eq!((report.newest.size, report.findings), (done, Vec::new()), "seed {seed}");
    nothing_disagrees(&store, &keys).await;
    troubles
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_lost_or_doubled_and_no_two_checkpoints_disagree() {
    let (first, count) = (setting("CONCORD_LEDGER_SEED", 1), setting("CONCORD_LEDGER_SEEDS", 60));
    let mut troubles = 0;
    for seed in first..first + count {
        troubles += play(seed).await;
    }
    assert!(troubles > count, "{troubles} troubles in {count} histories");
    println!("{count} histories with {troubles} writers that failed");
}

/// What a power failure may leave where the file system was not told to be sure: each file, one at a time, cut in half.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_file_is_mended_or_named_and_never_signed_over() {
    let (mut mended, mut named) = (0, 0);
    let original = tempfile::tempdir().unwrap();
    let at =
        |folder: &std::path::Path| -> Store { Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap()) };
    let keys = Keys::new(ORIGIN);
    let mut log = keys.open(&at(original.path())).await.unwrap();
    log.append(&entries(0..300)).await.unwrap();
    log.append(&entries(300..310)).await.unwrap();
    let newest = log.newest().clone();
    let store = at(original.path());
    let all: Vec<_> = futures::TryStreamExt::try_collect::<Vec<_>>(store.list(None)).await.unwrap();
    for file in &all {
        let folder = tempfile::tempdir().unwrap();
        let copy = at(folder.path());
        for other in &all {
            let bytes = tiles::read(&store, &other.location).await.unwrap();
            let half = bytes.len() / 2;
            let bytes = if other.location == file.location { bytes.slice(..half) } else { bytes };
            copy.put(&other.location, bytes.into()).await.unwrap();
        }
        match keys.open(&copy).await {
            Ok(mut log) => {
                assert_eq!(log.newest().root, newest.root, "{}", file.location);
                log.append(&entries(310..320)).await.unwrap();
                mended += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                let checkpoint = tiles::read(&copy, &files::checkpoint()).await;
                assert!(checkpoint.is_err() || checkpoint.unwrap().len() <= newest.note.len());
                named += 1;
            }
        }
    }
    println!("{mended} mended, {named} named");
    assert!(mended > 0 && named > 0);
}
