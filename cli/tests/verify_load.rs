//! A measurement, not a test: a record of a million runs is written, and checked by the program itself.
//!
//! `cargo test --release -p concord-cli --test verify_load -- --ignored --nocapture`; `RUNS=100000` for fewer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use concord_ledger::entry::{Capacity, End, EndKind, Entry, Event, NodeKind, TreatyInForce, Usage};
use concord_ledger::key::{LogSigner, LogVerifier};
use concord_ledger::log::{BATCH_ENTRIES_MAX, Log};
use concord_ledger::text;
use concord_ledger::tiles::Store;
use jiff::{SignedDuration, Timestamp};
use object_store::local::LocalFileSystem;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Places of eight GPUs, each with one run after the other.
const PLACES: u32 = 2_000;
const PARTIES: u32 = 10;

/// One place: when its present run ends.
type Place = (Reverse<i64>, u32);

/// What each place does at present.
struct Running {
    claim: u64,
    run: u64,
    submitted_at: i64,
    from: i64,
}

struct Evening {
    random: Pcg64,
    start: Timestamp,
    claims: u64,
    places: BinaryHeap<Place>,
    running: Vec<Running>,
}

impl Evening {
    fn new() -> Self {
        let mut evening = Self {
            random: Pcg64::seed_from_u64(1),
            start: "2026-01-01T00:00:00Z".parse().unwrap(),
            claims: 0,
            places: BinaryHeap::new(),
            running: Vec::new(),
        };
        for place in 0..PLACES {
            let running = evening.claim(0);
            evening.running.push(running);
            evening.places.push((Reverse(evening.random.random_range(60..14_400)), place));
        }
        evening
    }

    fn claim(&mut self, from: i64) -> Running {
        self.claims += 1;
        Running { claim: self.claims, run: 1, submitted_at: from, from }
    }

    /// The next run that ends. One of five is taken back, and goes on later.
    fn next(&mut self) -> Entry {
        let (Reverse(until), place) = self.places.pop().unwrap();
        let is_taken_back = self.random.random_range(0..5) == 0;
        let from = until + self.random.random_range(1..600);
        let next = if is_taken_back {
            let now = &self.running[place as usize];
            Running { claim: now.claim, run: now.run + 1, submitted_at: now.submitted_at, from }
        } else {
            self.claim(from)
        };
        let ended = std::mem::replace(&mut self.running[place as usize], next);
        self.places.push((Reverse(from + self.random.random_range(60..14_400)), place));
        self.entry(&ended, until, place % PARTIES, is_taken_back)
    }

    fn entry(&self, ended: &Running, until: i64, party: u32, is_taken_back: bool) -> Entry {
        let time = |seconds: i64| self.start + SignedDuration::from_secs(seconds);
        let clause = format!("guarantee/member-{}", (party + 1) % PARTIES);
        let reclaimed = End {
            kind: EndKind::Reclaimed,
            reason: "Reclaimed".to_owned(),
            clause: Some(clause.clone()),
            party: Some(clause[10..].to_owned()),
        };
        let finished =
            End { kind: EndKind::Finished, reason: "JobSucceeded".to_owned(), clause: None, party: None };
        let usage = Usage {
            claim: format!("{:08x}-0000-4000-8000-0000{:08x}", ended.claim ^ 0x5bd1, ended.claim),
            run: ended.run,
            project: text::sha256(&(ended.claim % 300).to_be_bytes()),
            party: format!("member-{party}"),
            class: None,
            clause: format!("guarantee/member-{party}"),
            borrowed: is_taken_back,
            gpus: 8,
            submitted_at: time(ended.submitted_at),
            due_since: (!is_taken_back).then(|| time(ended.from - 5)),
            from: time(ended.from),
            until: time(until),
            gpu_milliseconds: u64::try_from(until - ended.from).unwrap() * 8_000,
            lost_gpu_milliseconds: 0,
            end: if is_taken_back { reclaimed } else { finished },
        };
        Entry::new(format!("usage/{}/{}", usage.claim, usage.run), usage.until, Event::Usage(usage))
    }

    fn first(&self, treaty: String) -> [Entry; 2] {
        let since = self.start;
        let nodes = vec![NodeKind { class: None, gpus_per_node: 8, nodes: PLACES }];
        let ruled = TreatyInForce { treaty: "ten".to_owned(), generation: 1, text: treaty, amendment: None };
        [
            Entry::new("treaty/0/1".to_owned(), since, Event::Treaty(ruled)),
            Entry::new(
                format!("capacity/{}", since.as_millisecond()),
                since,
                Event::Capacity(Capacity { nodes, since }),
            ),
        ]
    }
}

/// Each member has a bit less than it uses at times, so that there are loans.
fn treaty() -> Vec<u8> {
    let member = |party| serde_json::json!({"name": format!("member-{party}"), "guarantee": {"gpus": 1_500}});
    let spec = serde_json::json!({
        "title": "Ten members",
        "members": (0..PARTIES).map(member).collect::<Vec<_>>(),
        "surplus": {"creditCapGpuHours": 50_000},
        "reclaim": {"noticeSeconds": 60},
    });
    spec.to_string().into_bytes()
}

fn write(folder: &Path, runs: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Store = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
        let (private, public) = LogSigner::generate("pool.example.org/record");
        fs::write(folder.join("key"), &public).unwrap();
        let (signer, verifier) =
            (LogSigner::of_text(&private).unwrap(), LogVerifier::of_text(&public).unwrap());
        let mut evening = Evening::new();
        let first = evening.first(text::keep(&store, treaty()).await.unwrap());
        let mut log = Log::open(store, signer, &verifier).await.unwrap();
        log.append(&first).await.unwrap();
        let mut took = Duration::ZERO;
        let mut left = runs;
        while left > 0 {
            let number = left.min(BATCH_ENTRIES_MAX as u64);
            let entries: Vec<Entry> = (0..number).map(|_| evening.next()).collect();
            let start = Instant::now();
            log.append(&entries).await.unwrap();
            took += start.elapsed();
            left -= number;
        }
        took
    })
}

fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| if e.path().is_dir() { bytes(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

/// Most memory that a program had, in MB, until it ends.
fn peak_megabytes(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) / 1_024);
        std::thread::sleep(Duration::from_millis(20));
    }
    peak
}

#[test]
#[ignore = "a measurement"]
fn a_million_runs_are_written_and_checked() {
    let runs: u64 = std::env::var("RUNS").map_or(1_000_000, |runs| runs.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let took = write(folder.path(), runs);
    #[allow(clippy::cast_precision_loss, reason = "to be read by people")]
    let rate = runs as f64 / took.as_secs_f64();
    println!("written: {runs} runs in {:.1} s, {rate:.0} a second", took.as_secs_f64());
    let all = bytes(folder.path());
    let entries = bytes(&folder.path().join("tile/entries"));
    println!("on disk: {} MB, {} bytes a run, of which entries {}", all >> 20, all / runs, entries / runs);
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_concord"))
        .args(["verify", "--forget"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let peak = peak_megabytes(&mut child);
    println!("checked: in {:.1} s, {peak} MB at most", start.elapsed().as_secs_f64());
    let output = child.wait_with_output().unwrap();
    print!("{}", String::from_utf8(output.stdout).unwrap());
    println!("load: {}", fs::read_to_string("/proc/loadavg").unwrap());
    assert_eq!(output.status.code(), Some(0));
}
