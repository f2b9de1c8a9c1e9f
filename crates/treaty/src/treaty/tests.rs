use super::*;
use crate::document::{CeilingDocument, GuaranteeDocument, LendingDocument, MemberDocument, ReclaimDocument};
use crate::units::{Labels, NodeName};

fn document(guarantees: &[(&str, i64)]) -> Document {
    let member = |(name, gpus): &(&str, i64)| MemberDocument {
        name: (*name).to_owned(),
        guarantee: GuaranteeDocument::of_gpus(*gpus),
        ..MemberDocument::default()
    };
    Document {
        title: "test".to_owned(),
        members: guarantees.iter().map(member).collect(),
        reclaim: ReclaimDocument { notice_seconds: 60, ..ReclaimDocument::default() },
        ..Document::default()
    }
}

fn codes(document: &Document) -> Vec<(&'static str, String)> {
    Treaty::validate(document)
        .map_or_else(|f| f.into_iter().map(|d| (d.code, d.path)).collect(), |_| Vec::new())
}

#[test]
fn a_sound_treaty_is_accepted() {
    let treaty = Treaty::validate(&document(&[("a", 8), ("b", 16)])).unwrap();
    assert_eq!(treaty.member_id("b"), Some(MemberId(1)));
    assert_eq!(treaty.clause_id(Clause::Guarantee(MemberId(1))), "guarantee/b");
    assert_eq!(treaty.reclaim_notice(), DurationMillis(60_000));
}

#[test]
fn all_faults_are_found_in_one_pass() {
    let mut bad = document(&[("a", 8), ("Ä", -1), ("a", 2_000_000)]);
    bad.members[0].ceiling = Some(CeilingDocument::of_gpus(4));
    bad.members[0].lending = Some(LendingDocument { keep_gpus: Some(9), ..LendingDocument::default() });
    bad.reclaim.notice_seconds = -5;
    let expected = [
        ("TR005", "members[0].ceiling.gpus"),
        ("TR007", "members[0].lending.keepGpus"),
        ("TR002", "members[1].name"),
        ("TR004", "members[1].guarantee.gpus"),
        ("TR004", "members[2].guarantee.gpus"),
        ("TR003", "members[2].name"),
        ("TR006", "reclaim.noticeSeconds"),
    ];
    assert_eq!(codes(&bad), expected.map(|(c, p)| (c, p.to_owned())));
}

#[test]
fn an_empty_treaty_is_refused() {
    assert_eq!(codes(&document(&[])), [("TR001", "members".to_owned())]);
}

#[test]
fn promises_above_the_pool_are_reported() {
    let node = |i: u32| Node {
        name: NodeName::from(format!("n{i}").as_str()),
        gpus: 8,
        schedulable: true,
        labels: Labels::default(),
    };
    let nodes: Vec<Node> = (0..2).map(node).collect();
    let treaty = |guarantees: &[(&str, i64)]| Treaty::validate(&document(guarantees)).unwrap();
    let codes = |t: &Treaty| t.shortfalls(&nodes).iter().map(|d| d.code).collect::<Vec<_>>();
    assert!(codes(&treaty(&[("a", 8), ("b", 8)])).is_empty());
    assert_eq!(codes(&treaty(&[("a", 8), ("b", 16)])), ["TR010"]);
    assert_eq!(codes(&treaty(&[("a", 4), ("b", 4), ("c", 8)])), ["TR011"]);
}
