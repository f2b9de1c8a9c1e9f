//! What becomes of a pool while its operator, its network, its control plane, its nodes and its treaty are treated badly.
//!
//! The same Jobs are played to their end undisturbed and under each fault; what must hold all along and be the same at
//! the end is in `verdict.rs`, what is done is in `faults.rs`, and docs/faults.md says what to expect.
//!
//! `CONCORD_FAULT_ROUNDS` (1) and `CONCORD_FAULT_SEED` (1) say how often and from where; `CONCORD_FAULT_ONLY` is a part of
//! the names of the faults to try. `make faults ROUNDS=20` prints the table.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod faults;
mod history;
mod scenario;
mod scene;
#[allow(dead_code, reason = "shared with the other tests on a control plane")]
#[path = "../cluster/support.rs"]
mod support;
mod table;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use rand::SeedableRng;
use rand_pcg::Pcg64;

use faults::Fault;
use scenario::Task;
use scene::{Scene, Script};
use table::Table;

type FinalState = BTreeMap<String, String>;
/// How the Jobs of a seed end undisturbed; whoever needs it first finds it out.
static UNDISTURBED: Mutex<BTreeMap<u64, FinalState>> = Mutex::new(BTreeMap::new());

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().expect("a number"))
}

/// Where Debian puts it, or where `CONCORD_FAKETIME` says.
fn faketime() -> Option<PathBuf> {
    let debian = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    [std::env::var("CONCORD_FAKETIME").unwrap_or_default(), debian]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

async fn try_all(group: &str, faults: &[Fault], faketime: Option<PathBuf>) {
    let only = std::env::var("CONCORD_FAULT_ONLY").unwrap_or_default();
    let chosen = faults.iter().enumerate().filter(|(_, fault)| fault.name().contains(&only));
    let chosen: Vec<(usize, Fault)> = chosen.map(|(index, fault)| (index, *fault)).collect();
    if chosen.is_empty() {
        return;
    }
    let (rounds, first) = (setting("CONCORD_FAULT_ROUNDS", 1), setting("CONCORD_FAULT_SEED", 1));
    let mut scene = Scene::start(faketime).await;
    let mut table = Table::default();
    for seed in first..first + rounds {
        let tasks = scenario::tasks(seed);
        let calm = undisturbed(&mut scene, seed, &tasks, &mut table).await;
        for (index, fault) in &chosen {
            let mut dice = Pcg64::seed_from_u64(seed * 1_000 + u64::try_from(*index).unwrap());
            let mut outcome = scene.play(&tasks, fault.script(&mut dice)).await;
            if outcome.final_state != calm {
                outcome.account.losses.insert("it did not end as without the fault".to_owned());
            }
            if outcome.injected == 0 {
                outcome.account.losses.insert("the fault never struck".to_owned());
            }
            table.add(fault.name(), seed, &outcome);
        }
    }
    let log = scene.pool.operator_log();
    scene.stop().await;
    table.finish(group, &log);
}

async fn undisturbed(scene: &mut Scene, seed: u64, tasks: &[Task], table: &mut Table) -> FinalState {
    let known = UNDISTURBED.lock().unwrap().get(&seed).cloned();
    if let Some(known) = known {
        return known;
    }
    let calm = scene.play(tasks, Script::new()).await;
    table.add("none", seed, &calm);
    UNDISTURBED.lock().unwrap().insert(seed, calm.final_state.clone());
    calm.final_state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_operator_is_killed_and_paused() {
    let faults = [Fault::KilledBetweenWrites, Fault::PausedPastItsLease];
    try_all("operator", &faults, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn its_clock_jumps() {
    let Some(library) = faketime() else {
        println!("not run: no libfaketime; install: sudo apt-get install faketime");
        return;
    };
    try_all("clock", &[Fault::ClockAhead, Fault::ClockBehind, Fault::ClockJumps], Some(library)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_api_server_refuses() {
    let faults = [
        Fault::WatchesExpire,
        Fault::ListsLate,
        Fault::Conflicts,
        Fault::TooManyRequests,
        Fault::ServerErrors,
    ];
    try_all("refusals", &faults, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_network_fails() {
    try_all("network", &[Fault::AnswersLost, Fault::ConnectionsCut, Fault::SlowApi], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_control_plane_fails() {
    try_all("control-plane", &[Fault::ApiServerKilled, Fault::EtcdPaused], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_and_texts_change_under_what_runs() {
    let faults = [
        Fault::NodeDeleted,
        Fault::GpusVanish,
        Fault::NodeNotReady,
        Fault::QuotaLowered,
        Fault::TreatyReplaced,
    ];
    try_all("nodes-and-texts", &faults, None).await;
}
