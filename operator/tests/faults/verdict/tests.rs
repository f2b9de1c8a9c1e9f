//! Histories written by hand: the judge must see what is wrong with each, and nothing in a sound one.

use super::*;

const AT: i64 = 1_000_000;

fn at(revision: u64, key: &str, change: Change) -> Record {
    Record { revision, key: key.to_owned(), change }
}

fn claim(state: &str, node: Option<&str>, used: i64) -> SeenClaim {
    let finished = state == "Succeeded";
    SeenClaim {
        gpus: 8,
        state: state.to_owned(),
        placement: node.map(|node| (node.to_owned(), 8)).into_iter().collect(),
        admitted_at_ms: Some(AT),
        finished_at_ms: finished.then_some(AT + 2_000),
        admitted_changed_at_ms: Some(AT + 2_000),
        used_gpu_ms: used,
        reclaimed_gpu_ms: if finished { 0 } else { used },
        ..SeenClaim::default()
    }
}

fn job(suspended: bool, complete: bool) -> Change {
    Change::Job(Some(SeenJob { suspended, complete, completions: 1, ..SeenJob::default() }))
}

fn pod(job: &str, node: &str, over: bool) -> Change {
    Change::Pod(Some(SeenPod {
        uid: "u".to_owned(),
        namespace: "lab".to_owned(),
        job: Some(job.to_owned()),
        node: Some(node.to_owned()),
        gpus: 8,
        succeeded: over,
        failed: false,
    }))
}

/// Submitted, admitted, run, ended, booked.
fn sound() -> Vec<Record> {
    vec![
        at(0, "n1", Change::Node(Some(8))),
        at(1, "a", job(true, false)),
        at(2, "a", Change::Claim(Some(claim("Admitted", Some("n1"), 0)))),
        at(3, "a", job(false, false)),
        at(4, "a-pod", pod("a", "n1", false)),
        at(5, "a-pod", pod("a", "n1", true)),
        at(6, "a", job(false, true)),
        at(7, "a", Change::Claim(Some(claim("Succeeded", None, 16_000)))),
    ]
}

fn losses(change: impl FnOnce(&mut Vec<Record>)) -> Vec<String> {
    let mut records = sound();
    change(&mut records);
    replay(&records, true).losses.into_iter().collect()
}

fn assert_finds(word: &str, change: impl FnOnce(&mut Vec<Record>)) {
    let found = losses(change);
    assert!(found.iter().any(|loss| loss.contains(word)), "{word}: {found:?}");
}

#[test]
fn a_sound_history_has_no_losses_in_whatever_order_it_was_seen() {
    assert_eq!(losses(|_| ()), [""; 0]);
    assert_eq!(losses(|records| records.reverse()), [""; 0]);
    let account = replay(&sound(), true);
    assert_eq!((account.admissions, account.reclaims), (1, 0));
}

#[test]
fn gpus_given_twice_are_found_in_claims_and_in_pods() {
    assert_finds("n1 of 8 GPUs has 16 in use by claims", |records| {
        records.push(at(4, "b", Change::Claim(Some(claim("Admitted", Some("n1"), 0)))));
    });
    assert_finds("n1 of 8 GPUs has 16 in use by pods", |records| {
        records.push(at(4, "b-pod", pod("b", "n1", false)));
    });
}

#[test]
fn whatever_runs_without_gpus_of_its_claim_is_found() {
    assert_finds("Job a runs without an admitted claim", |records| drop(records.remove(2)));
    assert_finds("pods of a have 8 GPUs of n2, its claim 0", |records| {
        records.insert(0, at(0, "n2", Change::Node(Some(8))));
        records.push(at(4, "other-pod", pod("a", "n2", false)));
    });
    // Put back in line while its pod still runs.
    assert_finds("pods of a have 8 GPUs of n1, its claim 0", |records| {
        records.push(at(4, "a", Change::Claim(Some(claim("Queued", None, 16_000)))));
    });
}

#[test]
fn use_that_is_booked_twice_or_wrongly_or_not_at_all_is_found() {
    assert_finds("was booked 16000 GPU-ms while Succeeded -> Succeeded", |records| {
        records.push(at(8, "a", Change::Claim(Some(claim("Succeeded", None, 32_000)))));
    });
    for used in [0, 15_999, 32_000] {
        assert_finds("its admission took 16000", |records| {
            records[7] = at(7, "a", Change::Claim(Some(claim("Succeeded", None, used))));
        });
    }
    assert_finds("was moved", |records| {
        records.insert(0, at(0, "n2", Change::Node(Some(8))));
        records.push(at(3, "a", Change::Claim(Some(claim("Admitted", Some("n2"), 0)))));
    });
}

#[test]
fn nobody_is_accused_of_what_was_not_seen() {
    let found = losses(|records| {
        records.remove(2);
        records.push(at(7, "", Change::Gap(1)));
    });
    assert_eq!(found, [""; 0]);
}
