//! Programs that others wrote, and what they say to an honest record and to others: tessera's fsck, and a verifier on Go's own
//! libraries (dev/record-verifier).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use concord_ledger::proof::Proof;
use concord_ledger::tiles::{self, Store};
use concord_pool::{GoModule, Progress};
use object_store::local::LocalFileSystem;

use crate::support::{Keys, ORIGIN, entries};

fn programs() -> PathBuf {
    let directory = concord_pool::pool::repository().join("dev/record-verifier");
    let main = directory.join("main.go");
    let module = GoModule {
        directory,
        cache: "record-verifier",
        title: "verifiers of the public record",
        programs: &[
            ("fsck", "github.com/transparency-dev/tessera/cmd/fsck"),
            ("verify-record", &main.to_string_lossy()),
        ],
        linker_flags: "-s -w",
    };
    module.ensure(&Progress::default()).unwrap()
}

/// A record of 70,000 entries in a folder, and the checkpoint that somebody kept at 300.
struct Published {
    folder: tempfile::TempDir,
    keys: Keys,
    programs: PathBuf,
}

impl Published {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::new(ORIGIN);
        let record = folder.path().join("record");
        fs::create_dir(&record).unwrap();
        let store: Store = Arc::new(LocalFileSystem::new_with_prefix(&record).unwrap());
        let mut log = keys.open(&store).await.unwrap();
        log.append(&entries(0..300)).await.unwrap();
        fs::write(folder.path().join("kept"), &log.newest().note).unwrap();
        log.append(&entries(300..70_000)).await.unwrap();
        fs::write(folder.path().join("key"), &keys.public).unwrap();
        let programs = tokio::task::spawn_blocking(programs).await.unwrap();
        Self { folder, keys, programs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What tessera's fsck has against it; it says so, and ends with 0 all the same, or waits for ever for the worker that has
    /// found it (v1.0.4). A sound record takes it a second.
    fn fsck(&self, key: &Path) -> Option<String> {
        let url = format!("file://{}/", self.path("record").display());
        let done = Command::new("timeout")
            .arg("20")
            .arg(self.programs.join("fsck"))
            .args(["--storage_url", &url, "--origin", ORIGIN, "--ui=false", "-v", "1", "--logtostderr"])
            .arg("--public_key")
            .arg(key)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        let is_sound = done.status.success() && told.contains("Completed ranges") && !told.contains("failed");
        (!is_sound).then_some(told)
    }

    fn by_go(&self, key: &str) -> Option<String> {
        let done = Command::new(self.programs.join("verify-record"))
            .arg("-dir")
            .arg(self.path("record"))
            .args(["-key", key, "-old"])
            .arg(self.path("kept"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        (told.trim() != "70000").then_some(told)
    }

    /// Both have something against it while the file is changed; afterwards it is as it was.
    fn both_refuse(&self, what: &str, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path("record").join(file);
        let before = fs::read(&path).unwrap();
        let mut bytes = before.clone();
        change(&mut bytes);
        assert_ne!(bytes, before, "{what}");
        fs::write(&path, bytes).unwrap();
        assert!(self.fsck(&self.path("key")).is_some(), "fsck accepts {what}");
        assert!(self.by_go(&self.keys.public).is_some(), "verify-record accepts {what}");
        fs::write(&path, before).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_ours_is_one_to_gos_library() {
    let published = Published::new().await;
    let store: Store = Arc::new(LocalFileSystem::new_with_prefix(published.path("record")).unwrap());
    let tree = published.keys.open(&store).await.unwrap().newest().clone();
    let check = |key: &str| {
        let done = Command::new(published.programs.join("verify-record"))
            .arg("-proof")
            .arg(published.path("tlog-proof"))
            .arg("-entry")
            .arg(published.path("entry"))
            .args(["-key", key])
            .output()
            .unwrap();
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).trim().to_owned()
    };
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let proof = Proof::of(&store, &tree, index).await.unwrap();
        let entry = tiles::entry(&store, tree.size, index).await.unwrap();
        fs::write(published.path("tlog-proof"), proof.bytes()).unwrap();
        fs::write(published.path("entry"), &entry).unwrap();
        assert_eq!(check(&published.keys.public), "70000", "entry {index}");
        assert!(check(&Keys::new(ORIGIN).public).contains("verify-record:"), "another key");
        let elsewhere = Proof { index: index ^ 1, ..proof };
        fs::write(published.path("tlog-proof"), elsewhere.bytes()).unwrap();
        assert!(check(&published.keys.public).contains("verify-record:"), "another place");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_others_accept_an_honest_record_and_no_other() {
    let published = Published::new().await;
    assert_eq!(published.fsck(&published.path("key")), None);
    assert_eq!(published.by_go(&published.keys.public), None);

    published.both_refuse("a changed entry", "tile/entries/100", |bytes| bytes[50] ^= 1);
    published.both_refuse("a cut bundle", "tile/entries/273.p/112", |bytes| bytes.truncate(1_000));
    published.both_refuse("a changed tile", "tile/0/100", |bytes| bytes[40] ^= 1);
    published.both_refuse("a changed tile above", "tile/1/001.p/17", |bytes| bytes[40] ^= 1);
    published.both_refuse("a changed size", "checkpoint", |bytes| bytes[ORIGIN.len() + 1] ^= 1);
    published.both_refuse("another signature", "checkpoint", |bytes| {
        let at = bytes.len() - 20;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    });
    let other = Keys::new(ORIGIN);
    fs::write(published.path("other-key"), &other.public).unwrap();
    assert!(published.fsck(&published.path("other-key")).is_some());
    assert!(published.by_go(&other.public).is_some());

    // A log that tells others something else: only who kept an old checkpoint can see it.
    let record = published.path("record");
    fs::remove_dir_all(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let store: Store = Arc::new(LocalFileSystem::new_with_prefix(&record).unwrap());
    published.keys.open(&store).await.unwrap().append(&entries(1..70_001)).await.unwrap();
    assert_eq!(published.fsck(&published.path("key")), None);
    let told = published.by_go(&published.keys.public).unwrap();
    assert!(told.contains("verify-record:"), "{told}");
}
