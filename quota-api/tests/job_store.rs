//! Keys and kept jobs in the database, on SQLite and PostgreSQL alike.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use concord_quota_api::energy::{Charge, JobGpu};
use concord_quota_api::store::api_keys::KeyRow;
use concord_quota_api::store::submissions::Submission;

/// Names of its own for each run: a database may be used twice.
fn unique(name: &str) -> String {
    format!("{name}-{}", concord_quota_api::jobs::keys::random().unwrap())
}

fn key(owner: &str) -> KeyRow {
    KeyRow {
        id: unique("id"),
        hash: unique("hash"),
        owner: owner.to_owned(),
        person: "{\"before\":1}".to_owned(),
        label: "a label".to_owned(),
        scope: "read".to_owned(),
        project: None,
        created_ms: 1_000,
        expires_ms: 2_000,
        used_ms: None,
        revoked_ms: None,
    }
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end_or_its_revocation() {
    for (_, store) in support::database::stores().await {
        let owner = unique("owner");
        let (first, second) = (key(&owner), KeyRow { project: Some("lab".to_owned()), ..key(&owner) });
        store.insert_key(&first).await.unwrap();
        store.insert_key(&second).await.unwrap();
        assert!(store.insert_key(&first).await.is_err(), "an id is used once");
        assert_eq!(store.key_with_hash(&second.hash, 1_999).await.unwrap(), Some(second.clone()));
        assert_eq!(store.key_with_hash(&second.hash, 2_000).await.unwrap(), None, "it has ended");
        store.touch_key(&first.id, 1_500).await.unwrap();
        assert_eq!(store.key_with_hash(&first.hash, 1_600).await.unwrap().unwrap().used_ms, Some(1_500));
        store.refresh_keys(&owner, "{\"after\":1}").await.unwrap();
        let people: Vec<String> =
            store.keys_of(&owner, 0).await.unwrap().into_iter().map(|k| k.person).collect();
        assert_eq!(people, ["{\"after\":1}", "{\"after\":1}"]);
        assert!(
            !store.revoke_key("another", &first.id, 1_700).await.unwrap(),
            "a stranger's word ends nothing"
        );
        assert!(store.revoke_key(&owner, &first.id, 1_700).await.unwrap());
        assert_eq!(store.key_with_hash(&first.hash, 1_800).await.unwrap(), None);
        assert_eq!(store.keys_of(&owner, 1_800).await.unwrap().len(), 1);
    }
}

fn submission(owner: &str, token: &str, name: &str) -> Submission {
    Submission {
        token: token.to_owned(),
        owner: owner.to_owned(),
        project: "lab".to_owned(),
        name: name.to_owned(),
        form: "{}".to_owned(),
        objects: "[]".to_owned(),
        state: "pending".to_owned(),
        message: None,
        created_ms: 1_000,
    }
}

#[tokio::test]
async fn a_kept_job_can_be_changed_until_it_was_sent_and_by_its_owner_alone() {
    for (_, store) in support::database::stores().await {
        let (owner, token) = (unique("owner"), unique("token"));
        store.keep_submission(&submission(&owner, &token, "a"), 1_000).await.unwrap();
        store.keep_submission(&submission(&owner, &token, "b"), 1_100).await.unwrap();
        store.keep_submission(&submission("another", &token, "theirs"), 1_200).await.unwrap();
        let kept = store.submission(&owner, &token).await.unwrap().unwrap();
        assert_eq!((kept.name.as_str(), kept.state.as_str()), ("b", "pending"));
        assert_eq!(store.submission("another", &token).await.unwrap(), None);
        assert_eq!(store.pending_submissions(&owner).await.unwrap().len(), 1);
        store.settle_submission("another", &token, "refused", Some("no"), 1_300).await.unwrap();
        assert_eq!(store.pending_submissions(&owner).await.unwrap().len(), 1);
        store.settle_submission(&owner, &token, "sent", None, 1_400).await.unwrap();
        store.keep_submission(&submission(&owner, &token, "c"), 1_500).await.unwrap();
        let sent = store.submission(&owner, &token).await.unwrap().unwrap();
        assert_eq!((sent.name.as_str(), sent.state.as_str()), ("b", "sent"), "what was sent stays");
        store.discard_submission("another", &token).await.unwrap();
        assert!(store.submission(&owner, &token).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_was_sent_is_forgotten_after_a_day_and_what_waits_after_a_month() {
    const DAY: i64 = 86_400_000;
    for (_, store) in support::database::stores().await {
        let owner = unique("owner");
        let (sent, waits, next) = (unique("sent"), unique("waits"), unique("next"));
        store.keep_submission(&submission(&owner, &sent, "a"), 0).await.unwrap();
        store.settle_submission(&owner, &sent, "sent", None, 0).await.unwrap();
        store.keep_submission(&submission(&owner, &waits, "b"), 0).await.unwrap();
        let there = async |now: i64| {
            store.keep_submission(&submission(&owner, &next, "c"), now).await.unwrap();
            let known = async |token: &str| store.submission(&owner, token).await.unwrap().is_some();
            (known(&sent).await, known(&waits).await)
        };
        assert_eq!(there(DAY).await, (true, true));
        assert_eq!(there(DAY + 1).await, (false, true));
        assert_eq!(there(30 * DAY + 1).await, (false, false));
    }
}

#[tokio::test]
async fn a_jobs_energy_only_grows_and_is_told_once_however_many_servers_read_it() {
    for (_, store) in support::database::stores().await {
        let job = unique("job");
        let on = |gpu: &str| JobGpu { workload_uid: job.clone(), gpu_uuid: gpu.to_owned() };
        let charge = |measured_millijoules, estimated_millijoules| Charge {
            measured_millijoules,
            estimated_millijoules,
        };
        assert_eq!(store.energy_of(&job).await.unwrap(), None);
        let now = jiff::Timestamp::now();
        for _ in 0..2 {
            let counters = [(on("GPU-1"), charge(500, 20)), (on("GPU-2"), charge(70, 0))];
            store.keep_energy(counters.iter().map(|(on, charge)| (on, charge)), now).await.unwrap();
        }
        assert_eq!(store.energy_of(&job).await.unwrap(), Some(charge(570, 20)));
        // An agent lost its accounts: its counter began anew.
        store.keep_energy([(&on("GPU-1"), &charge(3, 30))], now).await.unwrap();
        assert_eq!(store.energy_of(&job).await.unwrap(), Some(charge(570, 30)));
        let in_three_years = now + jiff::SignedDuration::from_hours(3 * 365 * 24);
        store.forget_energy(in_three_years).await.unwrap();
        assert_eq!(store.energy_of(&job).await.unwrap(), None);
    }
}
