//! What is to be recorded, was handed to the writer, and is recorded. Pure.

use std::collections::{BTreeMap, BTreeSet};

use concord_api::GpuClaimStatus;

use super::Acknowledged;
use crate::view::{ClaimView, Key};

/// How far claims are recorded.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Whether there is a record at all.
    is_kept: bool,
    claims: BTreeMap<Key, Progress>,
    /// Claims with runs that the writer has not got.
    waiting: BTreeSet<Key>,
}

/// Numbers of a claim's runs.
#[derive(Debug)]
struct Progress {
    uid: String,
    /// The writer has them up to this one.
    sent: i64,
    /// They are in the record up to this one.
    recorded: i64,
}

impl Outbox {
    /// Of an operator that keeps a record, or of one that does not.
    pub fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// A claim has changed, or is gone.
    pub fn note(&mut self, key: &Key, claim: Option<&ClaimView>) {
        let Some(claim) = claim.filter(|_| self.is_kept) else {
            self.claims.remove(key);
            self.waiting.remove(key);
            return;
        };
        let Some(last) = claim.status.ended_runs.last().map(|run| run.number) else { return };
        let progress = match self.claims.get(key) {
            Some(known) if known.uid == claim.uid => known,
            _ => {
                let new = Progress { uid: claim.uid.clone(), sent: 0, recorded: 0 };
                self.claims.insert(key.clone(), new);
                &self.claims[key]
            }
        };
        if progress.sent < last {
            self.waiting.insert(key.clone());
        }
    }

    /// Claims with runs that the writer has not got, and the number up to which it has them.
    pub fn waiting(&self) -> Vec<(Key, i64)> {
        self.waiting.iter().map(|key| (key.clone(), self.claims.get(key).map_or(0, |p| p.sent))).collect()
    }

    /// The writer has the claim's runs up to that one.
    pub fn sent(&mut self, key: &Key, number: i64, more_wait: bool) {
        if let Some(progress) = self.claims.get_mut(key) {
            progress.sent = progress.sent.max(number);
        }
        if !more_wait {
            self.waiting.remove(key);
        }
    }

    /// The record has a run.
    pub fn recorded(&mut self, done: &Acknowledged) {
        if let Some(progress) = self.claims.get_mut(&done.key)
            && progress.uid == done.uid
        {
            progress.recorded = progress.recorded.max(done.number);
        }
    }

    /// Whether the cluster may forget the claim: all its use is in the record, or there is none.
    pub fn may_forget(&self, key: &Key, claim: &ClaimView) -> bool {
        claim.status.ended_runs.last().is_none_or(|last| last.number <= self.recorded_of(key, &claim.uid))
    }

    /// The status without what is in the record already, which is no write of its own.
    pub fn without_recorded(&self, key: &Key, uid: &str, mut status: GpuClaimStatus) -> GpuClaimStatus {
        let recorded = self.recorded_of(key, uid);
        status.ended_runs.retain(|run| run.number > recorded);
        status
    }

    fn recorded_of(&self, key: &Key, uid: &str) -> i64 {
        match self.claims.get(key) {
            _ if !self.is_kept => i64::MAX,
            Some(progress) if progress.uid == uid => progress.recorded,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::View;

    fn key() -> Key {
        Key { namespace: "lab".to_owned(), name: "train".to_owned() }
    }

    fn claim(uid: &str, numbers: &[i64]) -> ClaimView {
        let at = "2026-11-28T20:00:00Z";
        let run = |number: &i64| {
            json!({"number": number, "from": at, "until": at, "gpus": 8, "basis": "Borrowed", "end": "Finished",
                "reason": "JobSucceeded"})
        };
        let runs: Vec<_> = numbers.iter().map(run).collect();
        let object = json!({"metadata": {"name": "train", "namespace": "lab", "uid": uid, "resourceVersion": "7"},
            "spec": {"member": "a", "project": "lab", "pods": 1, "gpusPerPod": 8, "gpus": 8,
                "workload": {"kind": "Job", "name": "train", "uid": "u"}, "submittedAt": at},
            "status": {"state": "Succeeded", "endedRuns": runs, "runsEnded": numbers.len()}});
        ClaimView::of(&serde_json::from_value(object).unwrap()).unwrap()
    }

    fn done(uid: &str, number: i64) -> Acknowledged {
        Acknowledged { key: key(), uid: uid.to_owned(), number }
    }

    #[test]
    fn a_claim_goes_when_its_last_run_is_recorded() {
        let mut outbox = Outbox::new(true);
        let two = claim("u1", &[1, 2]);
        outbox.note(&key(), Some(&two));
        assert_eq!(outbox.waiting(), [(key(), 0)]);
        outbox.sent(&key(), 2, false);
        outbox.note(&key(), Some(&two));
        assert!(outbox.waiting().is_empty(), "sent once");
        outbox.recorded(&done("u1", 1));
        assert!(!outbox.may_forget(&key(), &two));
        let left = outbox.without_recorded(&key(), "u1", two.status.clone());
        assert_eq!(left.ended_runs.iter().map(|run| run.number).collect::<Vec<_>>(), [2]);
        outbox.recorded(&done("u1", 2));
        assert!(outbox.may_forget(&key(), &two));
        assert!(outbox.may_forget(&key(), &claim("u1", &[])), "what never ran has nothing to record");
    }

    #[test]
    fn another_claim_of_the_same_name_begins_anew() {
        let mut outbox = Outbox::new(true);
        outbox.note(&key(), Some(&claim("u1", &[1])));
        outbox.sent(&key(), 1, false);
        outbox.recorded(&done("u1", 1));
        let other = claim("u2", &[1]);
        outbox.note(&key(), Some(&other));
        assert_eq!(outbox.waiting(), [(key(), 0)]);
        outbox.recorded(&done("u1", 1));
        assert!(!outbox.may_forget(&key(), &other), "an answer about the earlier one");
    }

    #[test]
    fn without_a_record_nothing_is_kept_for_it() {
        let mut outbox = Outbox::new(false);
        let claim = claim("u1", &[1]);
        outbox.note(&key(), Some(&claim));
        assert!(outbox.waiting().is_empty() && outbox.may_forget(&key(), &claim));
        assert!(outbox.without_recorded(&key(), "u1", claim.status).ended_runs.is_empty());
    }
}
