//! The public record that operators of a test keep, read as a stranger reads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use concord_audit::report::Report;
use concord_ledger::entry::{Entry, Event, Usage};
use concord_ledger::files;
use concord_ledger::head::open;
use concord_ledger::key::LogVerifier;
use concord_ledger::tiles::{self, Store};
use concord_ledger::verify::walk;
use object_store::local::LocalFileSystem;

/// A record in a folder.
pub struct Kept {
    pub folder: PathBuf,
    key: PathBuf,
    verifier: LogVerifier,
}

impl Kept {
    /// A new key, made by the operator's own program; the first operator makes the folder.
    pub fn new(folder: &Path) -> Self {
        let key = folder.join("record.key");
        let made = Command::new(env!("CARGO_BIN_EXE_concord-operator"))
            .args(["record-key", "test.example/record"])
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let verifier = LogVerifier::of_text(&String::from_utf8_lossy(&made.stdout)).unwrap();
        Self { folder: folder.join("record"), key, verifier }
    }

    /// What an operator is told.
    pub fn options(&self) -> Vec<String> {
        let (folder, key) = (self.folder.display().to_string(), self.key.display().to_string());
        ["--record", &folder, "--record-key", &key, "--record-every-seconds", "1"].map(str::to_owned).to_vec()
    }

    /// Every entry, after the record was found sound.
    pub async fn entries(&self) -> Vec<Entry> {
        // No operator has begun it yet.
        if !self.folder.join("checkpoint").exists() {
            return Vec::new();
        }
        let store: Store = Arc::new(LocalFileSystem::new_with_prefix(&self.folder).unwrap());
        let newest = open(&self.verifier, &tiles::read(&store, &files::checkpoint()).await.unwrap()).unwrap();
        let mut entries = Vec::new();
        let whole = walk(&store, newest, None, |_, entry| entries.push(entry)).await.unwrap();
        assert_eq!(whole.findings, []);
        entries
    }

    /// What anybody finds who checks it, as `concord verify` does.
    pub async fn audited(&self) -> Report {
        let (whole, report) = concord_pool::record::check(&self.folder).await.unwrap();
        assert_eq!(whole.findings, []);
        report
    }

    /// Use by UID of the claim.
    pub async fn usage(&self) -> BTreeMap<String, Vec<Usage>> {
        let mut usage: BTreeMap<String, Vec<Usage>> = BTreeMap::new();
        for entry in self.entries().await {
            if let Event::Usage(run) = entry.event {
                usage.entry(run.claim.clone()).or_default().push(run);
            }
        }
        usage
    }

    /// GPU-milliseconds by UID of the claim.
    pub async fn used(&self) -> BTreeMap<String, i64> {
        let sum = |runs: &Vec<Usage>| i64::try_from(runs.iter().map(|run| run.gpu_milliseconds).sum::<u64>());
        self.usage().await.iter().map(|(claim, runs)| (claim.clone(), sum(runs).unwrap())).collect()
    }
}
