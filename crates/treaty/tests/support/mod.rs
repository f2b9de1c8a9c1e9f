//! Builders for engine tests that read as verbs.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

pub mod pool;

use concord_treaty::document::{Document, GpuCount, LendingDocument, MemberDocument, ReclaimDocument};
use concord_treaty::plan::Plan;
use concord_treaty::snapshot::{Claim, Gang, Node, Snapshot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, MemberId, NodeName, TimestampMillis};

/// So many cases, or what `PROPTEST_CASES` says; failing ones are kept beside the test.
pub fn cases(cases: u32) -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: Some(Box::new(persistence)),
        ..Config::default()
    }
}

pub fn document(guarantees: &[i64], notice_seconds: i64) -> Document {
    let member = |(i, gpus): (usize, &i64)| MemberDocument {
        name: format!("m{i}"),
        guarantee: GpuCount { gpus: *gpus },
        ceiling: None,
        lending: None,
    };
    let members = guarantees.iter().enumerate().map(member).collect();
    Document { title: "test".to_owned(), members, reclaim: ReclaimDocument { notice_seconds } }
}

pub fn with_ceiling(mut document: Document, member: usize, gpus: i64) -> Document {
    document.members[member].ceiling = Some(GpuCount { gpus });
    document
}

pub fn keeping(mut document: Document, member: usize, keep_gpus: i64) -> Document {
    document.members[member].lending = Some(LendingDocument { keep_gpus });
    document
}

pub fn treaty(document: &Document) -> Treaty {
    Treaty::validate(document).expect("a sound treaty")
}

pub fn nodes(count: usize, gpus: u32) -> Vec<Node> {
    let node = |i| Node { name: NodeName::from(format!("n{i:03}").as_str()), gpus, schedulable: true };
    (0..count).map(node).collect()
}

pub fn gang(pods: u32, gpus_per_pod: u32) -> Gang {
    Gang { pods, gpus_per_pod }
}

pub fn waiting(id: &str, member: u16, gang: Gang, submitted_at: i64) -> Claim {
    Claim::new(ClaimId::from(id), MemberId(member), gang, TimestampMillis(submitted_at))
}

/// One line an action: a plan as a reviewer reads it.
pub fn told(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for a in &plan.admissions {
        let nodes: Vec<String> = a.slots.iter().map(|s| format!("{}x{}", s.node, s.gpus)).collect();
        lines.push(format!("start {} {:?} on {}", a.claim, a.basis, nodes.join("+")));
    }
    lines.extend(plan.due.iter().map(|d| format!("due {} since {}", d.claim, d.due.since.0)));
    lines.extend(plan.no_longer_due.iter().map(|c| format!("not due {c}")));
    lines.extend(
        plan.notices.iter().map(|n| format!("tell {} by {} {}", n.claim, n.deadline.0, n.reason.code())),
    );
    lines.extend(plan.withdrawals.iter().map(|c| format!("keep {c}")));
    lines.extend(plan.stops.iter().map(|s| format!("stop {} {}", s.claim, s.reason.code())));
    lines.extend(plan.basis_changes.iter().map(|c| format!("book {} {:?}", c.claim, c.to)));
    for r in &plan.reservations {
        let nodes: Vec<String> = r.kept.slots.iter().map(|s| format!("{}x{}", s.node, s.gpus)).collect();
        lines.push(format!("reserve {} for {} {:?}", nodes.join("+"), r.claim, r.kept.basis));
    }
    lines.extend(plan.releases.iter().map(|c| format!("release {c}")));
    lines.extend(plan.waits.iter().map(|w| format!("wait {} {} {}", w.claim, w.place, w.reason.code())));
    lines
}

pub fn snapshot(nodes: &[Node], claims: &[Claim]) -> Snapshot {
    Snapshot::new(nodes.to_vec(), claims.to_vec())
}
