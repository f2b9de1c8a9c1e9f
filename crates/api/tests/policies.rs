//! The treaties in `policies/` are sound, and the local pool's can be kept by the nodes that it describes.

use concord_api::Treaty;
use concord_treaty::snapshot::Node;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{Labels, NodeName};

#[test]
fn the_ten_institutes_share_185_nodes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/ten-institutes.yaml");
    let treaty: Treaty = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let rules = Rules::validate(&treaty.spec.document()).unwrap();
    let node = |i: u32| Node {
        name: NodeName::from(format!("n{i}").as_str()),
        gpus: 8,
        schedulable: true,
        labels: Labels::default(),
    };
    let nodes: Vec<Node> = (0..185).map(node).collect();
    assert_eq!(rules.shortfalls(&nodes), []);
    assert_eq!(rules.members().iter().map(|m| m.guarantee).sum::<u32>(), 185 * 8);
}
