//! The load runner against this operator: counts, never times. `make bench-kueue` measures.

use std::path::Path;
use std::time::Duration;

use concord_load::concord::Concord;
use concord_load::generator::Load;
use concord_load::plane;
use concord_pool::Progress;

const LIMIT: Duration = Duration::from_secs(240);

fn load(name: &str) -> Load {
    let loads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/load/loads");
    Load::read(&loads.join(format!("{name}.yaml"))).unwrap()
}

/// First 60 claims that never wait, then 60 that wait for each other, borrow and are sent away.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_runs_to_its_end_with_one_status_write_for_each_admission() {
    let (folder, progress) = (tempfile::tempdir().unwrap(), Progress::silent());
    let mut control = plane::start(folder.path(), &progress).await.unwrap();
    let (calm, busy) = (load("calm"), load("smoke"));
    let program = env!("CARGO_BIN_EXE_concord-operator").into();
    let concord = Concord::install(&mut control, program, &busy, 15, &progress).await.unwrap();

    let seen = concord.run(&mut control, &calm, LIMIT, &progress).await.unwrap();
    assert_eq!((seen.finished, seen.admissions, seen.evictions), (60, 60, 0));
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    // One write admits, one books the end that was reported; Events aside nobody was told anything else.
    assert_eq!(seen.writes.get("claim-status"), Some(&120), "{:?}", seen.writes);
    assert_eq!(seen.writes.get("claim"), None, "{:?}", seen.writes);

    let seen = concord.run(&mut control, &busy, LIMIT, &progress).await.unwrap();
    assert_eq!(seen.finished, 60);
    assert_eq!(seen.admissions, 60 + seen.evictions, "everybody who was sent away started once more");
    // No GPU was given away twice at any moment that the watch showed, and none is held at the end.
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    control.stop().await.unwrap();
}
