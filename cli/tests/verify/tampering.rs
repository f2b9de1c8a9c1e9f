//! Each case: what somebody does to the record, and what `concord verify` makes of it.

use std::fs;
use std::path::Path;

use concord_ledger::bundle::{pack, unpack};
use concord_ledger::entry::{Entry, Event, Usage};

use crate::story::{Pool, append_to, at, capacity, energy, evening, run, text_of, treaty, used};

/// Of a record with these entries, whose reader has seen it before.
fn after(entries: &[Entry], tamper: impl FnOnce(&Path)) -> (String, i32) {
    let pool = Pool::with(entries);
    assert!(pool.verify().0.starts_with("SOUND"), "{}", pool.verify().0);
    tamper(&pool.record());
    pool.verify()
}

#[track_caller]
pub fn is_found((told, code): &(String, i32), title: &str, what: &str) {
    assert_eq!(*code, 1, "{told}");
    assert!(told.starts_with("NOT SOUND"), "{told}");
    let line = told.lines().find(|line| line.starts_with(&format!("Wrong: {title} (")));
    assert!(line.is_some(), "no {title}:\n{told}");
    // Lines are wrapped.
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(what), "no {what:?}:\n{told}");
}

fn change(record: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = record.join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

const BUNDLE: &str = "tile/entries/000.p/11";

fn with_entries(record: &Path, how: impl FnOnce(&mut Vec<Vec<u8>>)) {
    change(record, BUNDLE, |bytes| {
        let mut entries: Vec<Vec<u8>> = unpack(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        how(&mut entries);
        *bytes = pack(entries.iter().map(Vec::as_slice)).unwrap();
    });
}

#[test]
fn a_flipped_byte() {
    let digit = |record: &Path| {
        change(record, BUNDLE, |bytes| {
            let at = bytes.windows(8).position(|part| part == b"\"gpus\":8").unwrap() + 7;
            bytes[at] = b'9';
        });
    };
    let found = after(&evening(), digit);
    is_found(&found, "changed after it was signed", "the entries are not those that the log has signed");
    is_found(&found, "false sum", "9 GPUs for 1800000 ms are not 14400000 GPU-milliseconds");
    let found = after(&evening(), |record| change(record, "tile/0/000.p/11", |bytes| bytes[40] ^= 1));
    is_found(&found, "changed after it was signed", "tile/0/000.p/11 does not belong to the entries");
    let found = after(&evening(), |record| change(record, "checkpoint", |bytes| bytes[30] ^= 1));
    is_found(&found, "changed after it was signed", "the checkpoint is not to be believed");
}

#[test]
fn entries_swapped_dropped_and_replayed() {
    let found = after(&evening(), |record| with_entries(record, |entries| entries.swap(4, 7)));
    is_found(&found, "changed after it was signed", "the entries are not those that the log has signed");
    let found = after(&evening(), |record| with_entries(record, |entries| drop(entries.remove(4))));
    is_found(&found, "missing or damaged file", "has 10 entries instead of 11");
    let found = after(&evening(), |record| with_entries(record, |entries| entries[3] = entries[4].clone()));
    is_found(
        &found,
        "recorded twice",
        "entry 4 records usage/00000003-0000-4000-8000-000000000000/1 once more",
    );
    is_found(&found, "changed after it was signed", "the entries are not those that the log has signed");
}

#[test]
fn a_file_cut_off_and_a_file_taken_away() {
    let found = after(&evening(), |record| change(record, BUNDLE, |bytes| bytes.truncate(bytes.len() - 1)));
    is_found(&found, "missing or damaged file", "is cut off");
    let found = after(&evening(), |record| fs::remove_file(record.join(BUNDLE)).unwrap());
    is_found(&found, "missing or damaged file", "tile/entries/000.p/11 is missing");
}

#[test]
fn a_fork_and_a_stale_copy() {
    let forked = |record: &Path| {
        fs::remove_dir_all(record).unwrap();
        fs::create_dir(record).unwrap();
        let mut other = evening();
        other.swap(3, 4);
        other.push(used(run(6, 1, "north", "22:00:00", "22:10:00")));
        append_to(record, &other);
    };
    let found = after(&evening(), forked);
    is_found(&found, "two stories", "the log tells different people different things");
    assert!(!found.0.contains("changed after it was signed"), "each story is signed: {}", found.0);

    let pool = Pool::with(&evening());
    let old = fs::read(pool.record().join("checkpoint")).unwrap();
    pool.append(&[used(run(6, 1, "north", "22:00:00", "22:10:00"))]);
    assert_eq!(pool.verify().1, 0);
    fs::write(pool.record().join("checkpoint"), old).unwrap();
    is_found(&pool.verify(), "two stories", "the log has 11 entries, and you remember 12");
    // What was remembered is not replaced by the older one.
    is_found(&pool.verify(), "two stories", "the log has 11 entries, and you remember 12");
}

#[test]
fn another_log_in_its_place() {
    let pool = Pool::with(&evening());
    let (_, other) = concord_ledger::key::LogSigner::generate("other.example.org/record");
    let output = pool.concord(&["verify", "record", "--key", &other]);
    let told = (text_of(&output), output.status.code().unwrap());
    is_found(&told, "changed after it was signed", "it is not signed by the log's key");
    // The same name, a key of somebody else, and a whole record made with it: only who remembers, or has the key, knows.
    assert_eq!(pool.verify().1, 0);
    let (_, forged) = concord_ledger::key::LogSigner::generate("pool.example.org/record");
    fs::write(pool.record().join("key"), &forged).unwrap();
    let output = pool.concord(&["verify", "record"]);
    assert_eq!(output.status.code(), Some(1), "{}", text_of(&output));
}

#[test]
fn a_missing_and_a_changed_text() {
    let texts = |record: &Path| -> Vec<std::path::PathBuf> {
        fs::read_dir(record.join("text")).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let found =
        after(&evening(), |record| texts(record).iter().for_each(|text| fs::remove_file(text).unwrap()));
    is_found(
        &found,
        "treaty text",
        "the text of treaty two-states, generation 1, in force from 2026-11-28T20:00:00Z:",
    );
    let gentler = |record: &Path| {
        let text = &texts(record)[0];
        let changed =
            fs::read_to_string(text).unwrap().replace("\"noticeSeconds\":60", "\"noticeSeconds\":600");
        fs::write(text, changed).unwrap();
    };
    is_found(&after(&evening(), gentler), "treaty text", "is not the text of that hash");
}

/// A log that signs what is not true.
#[track_caller]
fn signs(more: &[Entry], title: &str, what: &str) {
    let entries = [&evening()[..], more].concat();
    is_found(&Pool::with(&entries).verify(), title, what);
}

#[test]
fn a_log_that_signs_what_cannot_be() {
    let late = |claim, number| run(claim, number, "north", "21:40:00", "22:00:00");
    // Half a minute before its first run is over.
    let again = Usage { submitted_at: at("20:10:00"), ..run(3, 3, "north", "21:29:30", "21:40:00") };
    signs(
        &[used(again)],
        "overlapping runs",
        "run 3 begins at 2026-11-28T21:29:30Z, and run 2 lasts until 2026-11-28T21:30:00Z",
    );
    signs(
        &[used(Usage { submitted_at: at("20:10:00"), ..late(3, 4) })],
        "missing run",
        "run 4 follows run 2",
    );
    signs(&[used(late(7, 2))], "missing run", "its first run in the record is number 2");
    signs(
        &[used(Usage { gpus: 24, ..late(7, 1) })],
        "beyond capacity",
        "at 2026-11-28T21:40:00Z: 40 GPUs are charged for, and the pool has 32",
    );
    let stranger = Usage { party: "east".to_owned(), ..late(7, 1) };
    signs(&[used(stranger)], "unknown party", "is charged to east, which is in no treaty until then");
    signs(
        &[treaty(3, "21:00:00"), treaty(2, "21:30:00")],
        "treaty out of order",
        "generation 2 of treaty two-states came into force at 2026-11-28T21:30:00Z after generation 3",
    );
    let renamed = Entry { id: "usage/again/1".to_owned(), ..used(late(7, 1)) };
    signs(&[renamed], "recorded twice", "is named usage/again/1, which is not the name of what it says");
    let mut false_energy = energy("21:10:00", &[("north", 10_000_000_000)], 360_000_000);
    if let Event::Energy(energy) = &mut false_energy.event {
        energy.all_millijoules -= 1_000;
    }
    signs(&[false_energy], "energy charged beyond", "are idle or charged to claims, and its GPUs spent");
}

#[test]
fn work_that_is_put_back_and_nodes_that_leave_are_no_findings() {
    // Due at 20:59:30, it ran at 21:00; what stops it afterwards breaks no promise of that start.
    let put_back = Usage {
        due_since: Some(at("20:59:30")),
        submitted_at: at("20:10:00"),
        ..run(3, 3, "north", "22:30:00", "22:40:00")
    };
    let entries = [&evening()[..], &[capacity(2, "21:35:00"), used(put_back)]].concat();
    let (told, code) = Pool::with(&entries).verify();
    assert_eq!(code, 0, "{told}");
}

/// Files that the log has signed, one way or the other; `head` is the writer's own.
fn signed_files(record: &Path) -> Vec<std::path::PathBuf> {
    let mut files = vec![record.join("checkpoint")];
    let mut folders = vec![record.join("tile"), record.join("text")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    // Tiles of smaller trees are in no newer checkpoint.
    files.retain(|file| !file.to_string_lossy().contains(".p/") || file.ends_with("000.p/11"));
    files
}

#[test]
fn no_byte_of_it_can_be_changed_unseen() {
    let pool = Pool::with(&evening());
    assert_eq!(pool.verify().1, 0);
    let files = signed_files(&pool.record());
    assert_eq!(files.len(), 4, "checkpoint, hashes, entries, treaty: {files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let step = (bytes.len() / 24).max(1);
        for (at, bit) in (0..bytes.len()).step_by(step).zip((0..8).cycle()) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            fs::write(&file, changed).unwrap();
            let (told, code) = pool.verify();
            assert_eq!(code, 1, "{} byte {at} bit {bit}: {told}", file.display());
            assert!(told.starts_with("NOT SOUND"), "{told}");
        }
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(pool.verify().1, 0);
}
