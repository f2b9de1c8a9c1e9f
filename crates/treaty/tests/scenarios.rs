//! What the treaty means, one situation a test. Two members, nodes of 8 GPUs, notice 60 s unless said otherwise.

mod support;

use concord_treaty::check::check;
use concord_treaty::decide::decide;
use concord_treaty::document::Document;
use concord_treaty::snapshot::{Basis, Claim, Phase};
use concord_treaty::units::TimestampMillis;
use support::*;

/// Decides at t = 100 s and holds the plan against the judge.
fn plan(document: &Document, node_count: usize, claims: &[Claim]) -> Vec<String> {
    let (treaty, snapshot, now) =
        (treaty(document), snapshot(&nodes(node_count, 8), claims), TimestampMillis(100_000));
    let plan = decide(&treaty, &snapshot, now);
    assert_eq!(check(&treaty, &snapshot, now, &plan), [], "{plan:?}");
    told(&plan)
}

#[test]
fn work_inside_the_guarantee_starts_at_once() {
    let claims = [waiting("a", 0, gang(1, 8), 1), waiting("b", 1, gang(1, 2), 2)];
    let expected = ["start a Guaranteed on n000x8", "start b Guaranteed on n001x2"];
    assert_eq!(plan(&document(&[8, 8], 60), 2, &claims), expected);
}

#[test]
fn idle_gpus_are_borrowed() {
    let claims = [waiting("a1", 0, gang(1, 8), 1), waiting("a2", 0, gang(1, 8), 2)];
    let expected = ["start a1 Guaranteed on n000x8", "start a2 Borrowed on n001x8"];
    assert_eq!(plan(&document(&[8, 8], 60), 2, &claims), expected);
}

#[test]
fn the_lender_gets_its_gpus_back_with_notice() {
    let lent = [
        running(waiting("a1", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        running(waiting("a2", 0, gang(1, 8), 2), Basis::Borrowed, &["n001"], 2),
        waiting("b", 1, gang(1, 4), 90_000),
    ];
    let told = plan(&document(&[8, 8], 60), 2, &lent);
    assert_eq!(told, ["tell a2 by 160000 ReclaimedForGuarantee", "wait b 1 WaitingForReclaim"]);
}

#[test]
fn a_borrower_is_stopped_at_its_deadline_and_not_before() {
    let lent = |deadline| {
        let a2 = running(waiting("a2", 0, gang(1, 8), 2), Basis::Borrowed, &["n001"], 2);
        [
            running(waiting("a1", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
            in_phase(a2, Phase::Noticed { deadline: TimestampMillis(deadline) }),
            waiting("b", 1, gang(1, 4), 90_000),
        ]
    };
    let document = document(&[8, 8], 60);
    assert_eq!(plan(&document, 2, &lent(100_001)), ["wait b 1 WaitingForReclaim"]);
    let told = plan(&document, 2, &lent(100_000));
    assert_eq!(told, ["stop a2 ReclaimedForGuarantee", "wait b 1 WaitingForReclaim"]);
}

#[test]
fn gpus_of_a_stopped_claim_are_not_given_away_before_its_pods_are_gone() {
    let a2 = running(waiting("a2", 0, gang(1, 8), 2), Basis::Borrowed, &["n001"], 2);
    let claims = [
        running(waiting("a1", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        in_phase(a2, Phase::Stopping),
        waiting("b", 1, gang(1, 4), 90_000),
    ];
    assert_eq!(plan(&document(&[8, 8], 60), 2, &claims), ["wait b 1 WaitingForReclaim"]);
}

#[test]
fn a_notice_is_withdrawn_when_nobody_needs_it_any_more() {
    let a2 = running(waiting("a2", 0, gang(1, 8), 2), Basis::Borrowed, &["n001"], 2);
    let claims = [
        running(waiting("a1", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        in_phase(a2, Phase::Noticed { deadline: TimestampMillis(160_000) }),
    ];
    assert_eq!(plan(&document(&[8, 8], 60), 2, &claims), ["keep a2"]);
}

#[test]
fn the_cheapest_borrower_leaves_and_only_as_many_as_needed() {
    let claims = [
        running(waiting("a1", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        running(waiting("long", 0, gang(1, 4), 2), Basis::Borrowed, &["n001"], 2),
        running(waiting("short", 0, gang(1, 4), 3), Basis::Borrowed, &["n001"], 99_000),
        waiting("b", 1, gang(1, 4), 99_500),
    ];
    let told = plan(&document(&[8, 8], 60), 2, &claims);
    assert_eq!(told, ["tell short by 160000 ReclaimedForGuarantee", "wait b 1 WaitingForReclaim"]);
}

#[test]
fn a_put_back_claim_is_first_for_idle_gpus() {
    let claims = [
        running(waiting("a", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        waiting("early", 0, gang(1, 8), 2),
        put_back(waiting("late", 0, gang(1, 8), 3)),
    ];
    let told = plan(&document(&[8, 8], 60), 2, &claims);
    assert_eq!(told, ["start late Borrowed on n001x8", "wait early 1 NoIdleGpus"]);
}

#[test]
fn a_put_back_claim_does_not_pass_an_earlier_one_to_the_guarantee() {
    let claims = [
        waiting("early", 0, gang(1, 8), 1),
        put_back(waiting("late", 0, gang(1, 8), 2)),
        running(waiting("b", 1, gang(1, 8), 3), Basis::Guaranteed, &["n001"], 3),
    ];
    let told = plan(&document(&[8, 8], 60), 2, &claims);
    assert_eq!(told, ["start early Guaranteed on n000x8", "wait late 1 NoIdleGpus"]);
}

#[test]
fn an_own_borrower_leaves_only_for_an_earlier_claim() {
    let full = |submitted_at| {
        [
            running(waiting("b", 1, gang(1, 8), 1), Basis::Guaranteed, &["n001"], 1),
            running(waiting("jumped", 0, gang(1, 4), 50), Basis::Borrowed, &["n000"], 60),
            waiting("head", 0, gang(1, 8), submitted_at),
        ]
    };
    let document = document(&[8, 8], 0);
    assert_eq!(
        plan(&document, 2, &full(10)),
        ["stop jumped ReclaimedForGuarantee", "wait head 1 WaitingForReclaim"]
    );
    assert_eq!(plan(&document, 2, &full(70)), ["book jumped Guaranteed", "wait head 1 NoIdleGpus"]);
}

#[test]
fn a_gang_over_nodes_starts_whole_on_whole_nodes() {
    let claims = [
        running(waiting("small", 1, gang(1, 1), 1), Basis::Guaranteed, &["n001"], 1),
        waiting("wide", 0, gang(2, 8), 2),
        waiting("wider", 0, gang(3, 8), 3),
    ];
    let told = plan(&document(&[16, 8], 60), 3, &claims);
    assert_eq!(told, ["start wide Guaranteed on n000x8+n002x8", "wait wider 1 NoIdleGpus"]);
}

#[test]
fn a_gang_that_fills_no_whole_nodes_is_refused_with_the_reason() {
    let claims = [
        waiting("odd", 0, gang(3, 4), 1),
        waiting("huge", 0, gang(4, 8), 2),
        waiting("wide", 0, gang(1, 16), 3),
    ];
    let told = plan(&document(&[16, 8], 60), 3, &claims);
    assert_eq!(told, ["wait odd 1 UnsupportedShape", "wait huge 2 ExceedsPool", "wait wide 3 ExceedsPool"]);
}

#[test]
fn a_ceiling_holds_also_when_gpus_are_idle() {
    let document = with_ceiling(document(&[8, 8], 60), 0, 12);
    let claims = [
        waiting("a1", 0, gang(1, 8), 1),
        waiting("a2", 0, gang(1, 8), 2),
        waiting("a3", 0, gang(1, 4), 3),
        waiting("a4", 0, gang(2, 8), 4),
    ];
    let told = plan(&document, 2, &claims);
    let expected = [
        "start a1 Guaranteed on n000x8",
        "start a3 Borrowed on n001x4",
        "wait a2 1 CeilingReached",
        "wait a4 2 ExceedsCeiling",
    ];
    assert_eq!(told, expected);
}

#[test]
fn kept_gpus_are_not_lent() {
    let document = keeping(document(&[8, 8], 60), 1, 2);
    let claims = [waiting("a1", 0, gang(1, 8), 1), waiting("a2", 0, gang(1, 1), 2)];
    assert_eq!(plan(&document, 2, &claims), ["start a1 Guaranteed on n000x8", "wait a2 1 KeptByOwners"]);
}

#[test]
fn surplus_goes_to_the_member_that_borrows_least_for_its_share() {
    let claims = [
        running(waiting("a0", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        running(waiting("b0", 1, gang(1, 8), 1), Basis::Guaranteed, &["n001"], 1),
        running(waiting("a1", 0, gang(1, 4), 2), Basis::Borrowed, &["n002"], 2),
        waiting("a2", 0, gang(1, 4), 3),
        waiting("b2", 1, gang(1, 4), 9),
    ];
    let told = plan(&document(&[8, 8, 8], 60), 3, &claims);
    assert_eq!(told, ["start b2 Borrowed on n002x4", "wait a2 1 NoIdleGpus"]);
}

#[test]
fn a_borrower_is_booked_on_the_guarantee_once_that_has_room() {
    let claims = [running(waiting("a", 0, gang(1, 8), 1), Basis::Borrowed, &["n001"], 1)];
    assert_eq!(plan(&document(&[8, 8], 60), 2, &claims), ["book a Guaranteed"]);
}

#[test]
fn a_lowered_guarantee_turns_the_newest_work_into_borrowed_work() {
    let claims = [
        running(waiting("old", 0, gang(1, 4), 1), Basis::Guaranteed, &["n000"], 1),
        running(waiting("new", 0, gang(1, 4), 1), Basis::Guaranteed, &["n000"], 2),
    ];
    assert_eq!(plan(&document(&[4, 8], 60), 2, &claims), ["book new Borrowed"]);
}

#[test]
fn a_lowered_ceiling_converges_with_notice() {
    let document = with_ceiling(document(&[8, 8], 60), 0, 8);
    let claims = [
        running(waiting("a1", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        running(waiting("a2", 0, gang(1, 4), 2), Basis::Borrowed, &["n001"], 2),
    ];
    assert_eq!(plan(&document, 2, &claims), ["tell a2 by 160000 AboveCeiling"]);
}

#[test]
fn work_on_a_lost_node_is_stopped_at_once_and_not_forgotten() {
    let claims = [running(waiting("a", 0, gang(2, 8), 1), Basis::Guaranteed, &["n000", "gone"], 1)];
    assert_eq!(plan(&document(&[16, 8], 60), 2, &claims), ["stop a NodeLost"]);
}

#[test]
fn a_strict_line_keeps_small_work_from_starving_a_large_gang() {
    // The head needs the whole guarantee; the small claim behind may only borrow, so that it can be reclaimed.
    let claims = [
        running(waiting("a0", 0, gang(1, 8), 1), Basis::Guaranteed, &["n000"], 1),
        waiting("head", 0, gang(2, 8), 2),
        waiting("small", 0, gang(1, 1), 3),
    ];
    let told = plan(&document(&[16, 8], 60), 2, &claims);
    assert_eq!(told, ["start small Borrowed on n001x1", "wait head 1 NoIdleGpus"]);
}
