//! The books: held against sums and formulas of their own, and what they do to the order of borrowing, end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod ledger;
mod past_orders_surplus;
mod promise;
#[path = "../support/mod.rs"]
mod support;

use concord_treaty::snapshot::{Node, Snapshot};
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{Gpus, Labels, TimestampMillis};

const HOUR: i64 = 3_600_000;

/// A treaty by its clauses, as they stand below `spec`, without notice.
fn treaty_of(clauses: &str) -> Treaty {
    let clauses = clauses.trim_end();
    support::treaty_of(&format!("{clauses}\nreclaim: {{noticeSeconds: 0}}"))
}

/// Nodes of each class, in the treaty's order.
fn nodes_of(treaty: &Treaty, nodes_by_class: &[usize], gpus: Gpus) -> Vec<Node> {
    let labels = |class: usize| match treaty.classes().get(class) {
        Some(class) => Labels::from(class.node_labels.clone()),
        None => Labels::default(),
    };
    let of_class = |(class, count): (usize, &usize)| vec![labels(class); *count];
    let labels: Vec<Labels> = nodes_by_class.iter().enumerate().flat_map(of_class).collect();
    let node = |(node, labels): (Node, Labels)| Node { labels, ..node };
    support::nodes(labels.len(), gpus).into_iter().zip(labels).map(node).collect()
}

/// What the treaty says on these nodes.
fn terms_of(treaty: &Treaty, nodes: &[Node]) -> Terms {
    Terms::at(treaty, &Snapshot::new(nodes.to_vec(), Vec::new()), TimestampMillis(0))
}
