//! A record of one evening: two states, 32 GPUs, a loan that is taken back, and what else a record has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use concord_ledger::entry::{
    Capacity, ClaimEnergy, Decision, End, EndKind, Energy, Entry, Event, Incident, NodeKind, Outcome,
    TreatyInForce, Usage,
};
use concord_ledger::key::{LogSigner, LogVerifier};
use concord_ledger::log::Log;
use concord_ledger::redact::Opening;
use concord_ledger::text;
use concord_ledger::tiles::Store;
use jiff::Timestamp;
use object_store::local::LocalFileSystem;

/// Known to everybody: the log of these tests.
const PRIVATE: &str =
    "PRIVATE+KEY+pool.example.org/record+ac7396f3+AWEga2V5IG9mIHRlc3RzLCBrbm93biB0byBhbGwuLi4u";
pub const PUBLIC: &str = "pool.example.org/record+ac7396f3+AZ8VDSiOxrvCQPDFZENHWul4APtKdFbN8J7f6K4HdkNQ";

/// A folder with a record.
pub struct Pool {
    pub folder: tempfile::TempDir,
}

impl Pool {
    /// With these entries, and the treaty's text.
    pub fn with(entries: &[Entry]) -> Self {
        let pool = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(pool.record()).unwrap();
        fs::write(pool.record().join("key"), format!("{PUBLIC}\n")).unwrap();
        fs::write(pool.folder.path().join("pool.key"), format!("{PUBLIC}\n")).unwrap();
        pool.append(entries);
        pool
    }

    /// With these texts beside the record, too.
    pub fn with_texts(entries: &[Entry], texts: &[Vec<u8>]) -> Self {
        let pool = Self::with(entries);
        for bytes in texts {
            fs::write(pool.record().join("text").join(text::sha256(bytes)), bytes).unwrap();
        }
        pool
    }

    pub fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }

    pub fn append(&self, entries: &[Entry]) {
        append_to(&self.record(), entries);
    }

    /// `concord` in the folder of the record, with a state folder of its own.
    pub fn concord(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_concord"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .output()
            .unwrap()
    }

    /// What `concord verify` says of it, by the right key, and its exit code.
    pub fn verify(&self) -> (String, i32) {
        let output = self.concord(&["verify", "record", "--key", "pool.key"]);
        let out = text_of(&output);
        (out, output.status.code().unwrap())
    }
}

pub fn append_to(folder: &Path, entries: &[Entry]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Store = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
        text::keep(&store, treaty_text()).await.unwrap();
        let (signer, verifier) =
            (LogSigner::of_text(PRIVATE).unwrap(), LogVerifier::of_text(PUBLIC).unwrap());
        let mut log = Log::open(store, signer, &verifier).await.unwrap();
        log.append(entries).await.unwrap();
    });
}

pub fn text_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + &String::from_utf8(output.stderr.clone()).unwrap()
}

/// The `spec` of a treaty, as the operator records it.
pub fn treaty_text() -> Vec<u8> {
    let spec = serde_json::json!({
        "title": "Two states",
        "members": [
            {"name": "north", "guarantee": {"gpus": 16}, "ceiling": {"gpus": 24}},
            {"name": "south", "guarantee": {"gpus": 16}, "lending": {"keepGpus": 4}},
        ],
        "surplus": {"creditCapGpuHours": 500},
        "reclaim": {"noticeSeconds": 60},
        "budget": {"period": "quarter", "gpuHours": {"north": 5000, "south": 5000}},
    });
    serde_json_canonicalizer::to_vec(&spec).unwrap()
}

/// A time of the evening.
pub fn at(clock: &str) -> Timestamp {
    format!("2026-11-28T{clock}Z").parse().unwrap()
}

pub fn treaty(generation: i64, clock: &str) -> Entry {
    let in_force = TreatyInForce {
        treaty: "two-states".to_owned(),
        generation,
        text: text::sha256(&treaty_text()),
        amendment: None,
    };
    let id = format!("treaty/0a000000-0000-4000-8000-000000000001/{generation}/{}", at(clock).as_second());
    Entry::new(id, at(clock), Event::Treaty(in_force))
}

pub fn capacity(nodes: u32, clock: &str) -> Entry {
    let since = at(clock);
    let nodes = vec![NodeKind { class: None, gpus_per_node: 8, nodes }];
    Entry::new(
        format!("capacity/{}", since.as_millisecond()),
        since,
        Event::Capacity(Capacity { nodes, since }),
    )
}

/// A run to be changed: eight GPUs of a member, inside its guarantee.
pub fn run(claim: u8, number: u64, party: &str, from: &str, until: &str) -> Usage {
    Usage {
        claim: format!("{claim:08x}-0000-4000-8000-000000000000"),
        run: number,
        project: project(party).commitment(),
        party: party.to_owned(),
        class: None,
        clause: format!("guarantee/{party}"),
        borrowed: false,
        gpus: 8,
        submitted_at: at(from),
        due_since: None,
        from: at(from),
        until: at(until),
        gpu_milliseconds: 0,
        lost_gpu_milliseconds: 0,
        end: End { kind: EndKind::Finished, reason: "JobSucceeded".to_owned(), clause: None, party: None },
    }
}

/// The only project of a member.
pub fn project(party: &str) -> Opening {
    Opening { name: format!("{party}-climate"), salt: "5a".repeat(16) }
}

/// As an entry, with its sum.
pub fn used(usage: Usage) -> Entry {
    let milliseconds = usage.until.duration_since(usage.from).as_millis();
    let gpu_milliseconds = u64::try_from(milliseconds).unwrap_or(0) * u64::from(usage.gpus);
    let usage = Usage { gpu_milliseconds, ..usage };
    Entry::new(format!("usage/{}/{}", usage.claim, usage.run), usage.until, Event::Usage(usage))
}

/// Counters of the only agent.
pub fn energy(time: &str, charged: &[(&str, u64)], idle: u64) -> Entry {
    let claims = charged.iter().map(|(party, millijoules)| ClaimEnergy {
        workload: format!("job-of-{party}"),
        party: Some((*party).to_owned()),
        measured_millijoules: *millijoules,
        estimated_millijoules: 0,
    });
    let energy = Energy {
        node: "node-1".to_owned(),
        all_millijoules: idle + charged.iter().map(|(_, millijoules)| millijoules).sum::<u64>(),
        idle_millijoules: idle,
        claims: claims.collect(),
        simulated: true,
    };
    Entry::new(format!("energy/node-1/{}", at(time).as_millisecond()), at(time), Event::Energy(energy))
}

pub fn decision(promised: &str, decided: &str) -> Entry {
    let decision = Decision {
        application: "0b000000-0000-4000-8000-000000000001".to_owned(),
        project: project("north").commitment(),
        request: "new".to_owned(),
        on_appeal: false,
        party: "north".to_owned(),
        tier: None,
        submitted_at: at("19:00:00"),
        promised_by: Some(at(promised)),
        outcome: Outcome::Approved,
        clauses: Vec::new(),
        by_reviewers: true,
        reviewers: 2,
        recused: 0,
        granted: None,
    };
    Entry::new(format!("decision/{}", decision.application), at(decided), Event::Decision(decision))
}

fn incident() -> Entry {
    let incident = Incident {
        incident: "cooling".to_owned(),
        revision: 1,
        began_at: at("19:30:00"),
        ended_at: None,
        title: "Cooling".to_owned(),
        what_happened: "A pump stood still.".to_owned(),
        what_was_done: "It was replaced.".to_owned(),
        parties: Vec::new(),
        claims: Vec::new(),
        gpus: None,
    };
    Entry::new(
        "incident/0c000000-0000-4000-8000-000000000001/1".to_owned(),
        at("20:05:00"),
        Event::Incident(incident),
    )
}

/// North has 16 GPUs of its own and borrows 8 of south, until south wants them back; then it goes on with its own.
pub fn evening() -> Vec<Entry> {
    let taken_back = End {
        kind: EndKind::Reclaimed,
        reason: "Reclaimed".to_owned(),
        clause: Some("guarantee/south".to_owned()),
        party: Some("south".to_owned()),
    };
    vec![
        treaty(1, "20:00:00"),
        capacity(4, "20:00:00"),
        incident(),
        energy("20:30:00", &[("north", 5_400_000_000), ("south", 1_800_000_000)], 360_000_000),
        used(Usage {
            borrowed: true,
            clause: "lending/south".to_owned(),
            lost_gpu_milliseconds: 8 * 600_000,
            end: taken_back,
            ..run(3, 1, "north", "20:10:00", "20:40:00")
        }),
        decision("20:50:00", "20:45:00"),
        energy("21:00:00", &[("north", 9_000_000_000), ("south", 5_400_000_000)], 360_000_000),
        used(Usage { gpus: 16, ..run(1, 1, "north", "20:00:00", "21:00:00") }),
        used(Usage {
            due_since: Some(at("20:59:30")),
            submitted_at: at("20:10:00"),
            ..run(3, 2, "north", "21:00:00", "21:30:00")
        }),
        used(run(2, 1, "south", "20:10:00", "22:00:00")),
        used(Usage {
            due_since: Some(at("20:39:00")),
            submitted_at: at("20:39:00"),
            ..run(4, 1, "south", "20:40:00", "22:00:00")
        }),
    ]
}
