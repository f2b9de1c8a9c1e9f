//! `concord verify`, `concord proof` and `concord statement` as people call them: golden texts
//! (`UPDATE_EXPECTED=1 cargo test -p concord-cli --test verify` writes them; review the difference), and what somebody with the
//! record in their hands may try.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

#[path = "verify/amended.rs"]
mod amended;
#[path = "verify/http.rs"]
mod http;
#[path = "../../crates/audit/tests/amended/scene.rs"]
mod scene;
#[path = "verify/story.rs"]
mod story;
mod support;
#[path = "verify/tampering.rs"]
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};

use concord_ledger::entry::{Entry, Usage};
use story::{Pool, at, decision, evening, project, run, text_of, used};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify")
}

/// South waits five minutes for its own GPUs, and an applicant for an answer.
fn broken_promises() -> Vec<Entry> {
    let mut entries = evening();
    let late = Usage {
        due_since: Some(at("22:00:00")),
        submitted_at: at("22:00:00"),
        ..run(5, 1, "south", "22:05:00", "22:30:00")
    };
    entries.push(used(late));
    entries.retain(|entry| !entry.id.starts_with("decision"));
    entries.push(decision("20:50:00", "22:40:00"));
    entries
}

#[test]
fn reports_read_as_reviewed() {
    let sound = Pool::with(&evening());
    let first = sound.concord(&["verify", "record", "--key", "pool.key"]);
    assert_eq!(first.status.code(), Some(0), "{}", text_of(&first));
    sound.append(&[used(run(6, 1, "north", "22:00:00", "22:10:00"))]);
    let again = sound.concord(&["verify", "record", "--key", "pool.key"]);
    assert_eq!(again.status.code(), Some(0));
    let hour = ["--since", "2026-11-28T20:00:00Z", "--until", "2026-11-28T21:00:00Z"];
    let beside = sound.concord(&[&["verify", "record", "--forget"], &hour[..]].concat());
    assert_eq!(beside.status.code(), Some(0));
    let broken = Pool::with(&broken_promises()).concord(&["verify", "record", "--key", "pool.key"]);
    assert_eq!(broken.status.code(), Some(1));
    let sums = evening().into_iter().map(|entry| match entry.event {
        concord_ledger::entry::Event::Usage(usage) => {
            let usage = Usage { gpu_milliseconds: usage.gpu_milliseconds * 2, ..usage };
            Entry { event: concord_ledger::entry::Event::Usage(usage), ..entry }
        }
        event => Entry { event, ..entry },
    });
    let false_sums =
        Pool::with(&sums.collect::<Vec<_>>()).concord(&["verify", "record", "--key", "pool.key"]);
    assert_eq!(false_sums.status.code(), Some(1));
    let texts =
        [("first", first), ("again", again), ("hour", beside), ("broken", broken), ("sums", false_sums)];
    support::are_as_reviewed(&folder(), texts.map(|(name, output)| (name, text_of(&output))));
}

#[test]
fn json_has_exact_numbers() {
    let pool = Pool::with(&broken_promises());
    let output = pool.concord(&["verify", "record", "--key", "pool.key", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["verdict"], &report["findingCounts"]["missedFloor"]),
        (&"promisesBroken".into(), &1.into())
    );
    assert_eq!(report["missedFloors"][0]["lateMillis"], 240_000);
    let north = &report["parties"]["north"];
    // 16 GPUs for an hour, 8 for half an hour of the loan, and 8 for half an hour of its own.
    assert_eq!(north["usedGpuMillis"], 24 * 3_600_000);
    assert_eq!(north["borrowedGpuMillis"], 4 * 3_600_000);
    // South left 8 of its 16 GPUs idle from 20:10 to 20:40, and keeps 4 of them.
    assert_eq!(report["parties"]["south"]["lentGpuMillis"], 4 * 1_800_000);
    assert_eq!(report["loans"]["ofNobodyGpuMillis"], 4 * 1_800_000);
    let credit = |party: &str| report["parties"][party]["creditGpuMillis"].as_i64().unwrap();
    assert_eq!(credit("north") + credit("south"), 0);
    assert!(credit("south") > 0);
}

#[test]
fn statements_read_as_reviewed() {
    let pool = Pool::with(&broken_promises());
    let opening = project("north");
    fs::create_dir(pool.record().join("opening")).unwrap();
    let file = pool.record().join("opening").join(opening.commitment());
    fs::write(file, serde_json::to_vec(&opening).unwrap()).unwrap();
    let day = ["--from", "2026-11-28", "--until", "2026-11-28"];
    let statement = |more: &[&str]| {
        let output = pool.concord(&[&["statement", "record", "--key", "pool.key"], &day[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
        text_of(&output)
    };
    support::are_as_reviewed(
        &folder(),
        [
            ("statement-south", statement(&["--party", "south"])),
            ("statement-project", statement(&["--party", "north", "--project", "north-climate"])),
            ("statement-csv", statement(&["--party", "north", "-o", "csv"])),
            ("statement-html", statement(&["--party", "north", "-o", "html"])),
        ],
    );
    let json: serde_json::Value =
        serde_json::from_str(&statement(&["--party", "north", "-o", "json"])).unwrap();
    assert_eq!(json["total"]["usedGpuMillis"], 24 * 3_600_000);
    let unnamed = project("south").commitment();
    let json: serde_json::Value =
        serde_json::from_str(&statement(&["--party", "south", "--project", &unnamed, "-o", "json"])).unwrap();
    assert_eq!(json["total"]["runs"], 3);
    let wrong = |more: &[&str]| {
        let output = pool.concord(&[&["statement", "record"], &day[..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        text_of(&output)
    };
    assert!(wrong(&["--party", "nobody"]).contains("charges nothing to nobody; it charges north, south"));
    assert!(wrong(&["--party", "south", "--project", "south-climate"]).contains("openings are deleted"));
}

#[test]
fn an_entry_is_proven_without_the_record() {
    let pool = Pool::with(&evening());
    let id = "decision/0b000000-0000-4000-8000-000000000001";
    let output = pool.concord(&["proof", "record", id, "-o", "award.tlog-proof"]);
    assert_eq!(text_of(&output), "The proof is in award.tlog-proof, the entry in award.json.\n");
    fs::rename(pool.record(), pool.folder.path().join("elsewhere")).unwrap();
    let check = || {
        pool.concord(&["verify", "--proof", "award.tlog-proof", "--entry", "award.json", "--key", "pool.key"])
    };
    let proven = check();
    let told = "PROVEN: pool.example.org/record has recorded exactly this, as entry 5 of 11.\n\
                It is decision/0b000000-0000-4000-8000-000000000001, of 2026-11-28T20:45:00Z.\n";
    assert_eq!((text_of(&proven).as_str(), proven.status.code()), (told, Some(0)));
    let entry = pool.folder.path().join("award.json");
    let refused = fs::read_to_string(&entry).unwrap().replace("approved", "refused");
    fs::write(&entry, refused).unwrap();
    assert!(text_of(&check()).starts_with("NOT PROVEN"), "{}", text_of(&check()));
    assert_eq!(check().status.code(), Some(1));
    assert_eq!(pool.concord(&["proof", "elsewhere", "decision/none"]).status.code(), Some(2));
}

/// What a stop destroyed has to be run again, and is no part of what the work needs.
#[test]
fn the_jobs_of_a_record_are_a_trace() {
    let pool = Pool::with(&evening());
    let output = pool.concord(&["trace", "record", "--key", "pool.key"]);
    let told = text_of(&output);
    let rows: Vec<&str> = told.lines().map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(
        rows,
        [
            "member,submit_s,runtime_s,gpus",
            "north,0,3600,16",
            "south,600,6600,8",
            "north,600,3000,8",
            "south,2340,4800,8",
        ],
        "{told}"
    );
}

#[test]
fn an_empty_record_is_sound() {
    let (told, code) = Pool::with(&[]).verify();
    assert!(told.starts_with("SOUND"), "{told}");
    assert_eq!(code, 0);
}

#[test]
fn a_record_cannot_write_to_the_terminal() {
    let project = "\u{1b}[2Jhidden".to_owned();
    let clause = "\u{1b}]0;title\u{7}".to_owned();
    let end = concord_ledger::entry::End {
        kind: concord_ledger::entry::EndKind::Reclaimed,
        reason: "x".to_owned(),
        clause: Some(clause.clone()),
        party: None,
    };
    let hostile = Usage { project, clause, end, ..run(6, 1, "north", "22:00:00", "22:10:00") };
    let stranger = Usage { party: "\u{1b}[31meast".to_owned(), ..run(7, 1, "north", "22:00:00", "22:10:00") };
    let pool = Pool::with(&[&evening()[..], &[used(hostile)]].concat());
    let day = ["--from", "2026-11-28", "--until", "2026-11-28"];
    let mut told = pool.verify().0;
    told += &text_of(&pool.concord(&[&["statement", "record", "--party", "north"], &day[..]].concat()));
    let pool = Pool::with(&[&evening()[..], &[used(stranger)]].concat());
    told += &pool.verify().0;
    told += &text_of(&pool.concord(&[&["statement", "record", "--party", "north"], &day[..]].concat()));
    assert!(told.contains("hidden") && told.contains("east"), "{told}");
    assert!(!told.contains(['\u{1b}', '\u{7}']), "{told:?}");
}

#[test]
fn what_cannot_be_checked_is_no_finding() {
    let pool = Pool::with(&evening());
    for (arguments, told) in [
        (&["verify", "nowhere"][..], "nowhere is no folder"),
        (&["verify", "."], "there is no key beside the record"),
        (&["verify", ".", "--key", "pool.key"], "there is no record"),
        (&["verify", "record", "--key", "none"], "cannot read none"),
        (&["verify", "record", "--since", "yesterday"], "write a day such as"),
        (&["verify", "ftp://pool.example.org"], "a record is a folder, file://, http:// or https://"),
        (&["verify", "http://127.0.0.1:1/record", "--key", "pool.key"], "there is no record"),
        (&["verify"], "DIR|URL"),
    ] {
        let output = pool.concord(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text_of(&output).contains(told), "{arguments:?}: {}", text_of(&output));
    }
}

#[test]
fn a_witness_that_has_not_signed_is_told() {
    let pool = Pool::with(&evening());
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ledger/src/witness/key");
    let output = pool.concord(&["verify", "record", "--key", "pool.key", "--witness", key.to_str().unwrap()]);
    assert!(text_of(&output).contains("no   not witnessed by witness.example.org"), "{}", text_of(&output));
    assert_eq!(output.status.code(), Some(0));
}
