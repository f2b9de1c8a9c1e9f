//! Builders for engine tests that read as verbs.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

pub mod history;
pub mod limits;
pub mod pool;

use std::collections::BTreeMap;

use concord_treaty::document::{
    CeilingDocument, Document, GuaranteeDocument, LendingDocument, LineDocument, MemberDocument,
    ReclaimDocument,
};
use concord_treaty::plan::Plan;
use concord_treaty::snapshot::{Claim, Gang, Node, RACK_LABEL, ROW_LABEL, Snapshot};
use concord_treaty::source::read;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, Labels, MemberId, NodeName, TimestampMillis};

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
        guarantee: GuaranteeDocument::of_gpus(*gpus),
        ..MemberDocument::default()
    };
    let members = guarantees.iter().enumerate().map(member).collect();
    let reclaim = ReclaimDocument { notice_seconds, ..ReclaimDocument::default() };
    let line = Some(LineDocument { alone: None, shortest_first: true, aging_hours: None });
    Document { title: "test".to_owned(), members, reclaim, line, ..Document::default() }
}

pub fn with_ceiling(mut document: Document, member: usize, gpus: i64) -> Document {
    document.members[member].ceiling = Some(CeilingDocument::of_gpus(gpus));
    document
}

pub fn keeping(mut document: Document, member: usize, keep_gpus: i64) -> Document {
    document.members[member].lending =
        Some(LendingDocument { keep_gpus: Some(keep_gpus), ..LendingDocument::default() });
    document
}

pub fn treaty(document: &Document) -> Treaty {
    Treaty::validate(document).expect("a sound treaty")
}

/// The treaty of a text: the clauses of its `spec` beside the title.
pub fn treaty_of(clauses: &str) -> Treaty {
    let indented: String = clauses.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "apiVersion: concord.dev/v1alpha1\nkind: Treaty\nmetadata: {{name: t}}\nspec:\n  title: t\n{indented}"
    );
    let mut reading = read(text.as_bytes());
    let faults: Vec<String> = reading.all().filter(|d| d.is_error()).map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{faults:?}\n{text}");
    reading.treaties.pop().expect("one treaty").treaty.expect("without faults")
}

pub fn nodes(count: usize, gpus: u32) -> Vec<Node> {
    let node = |i| Node {
        name: NodeName::from(format!("n{i:03}").as_str()),
        gpus,
        schedulable: true,
        labels: Labels::default(),
    };
    (0..count).map(node).collect()
}

/// Labels from `KEY=VALUE`; `rack` and `row` stand for the labels of the place.
pub fn labels<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Labels {
    let full = |key: &str| match key {
        "rack" => RACK_LABEL.to_owned(),
        "row" => ROW_LABEL.to_owned(),
        other => other.to_owned(),
    };
    let pairs = pairs.into_iter().map(|pair| pair.split_once('=').expect("KEY=VALUE"));
    Labels::from(pairs.map(|(key, value)| (full(key), value.to_owned())).collect::<BTreeMap<_, _>>())
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
