//! The CRDs of the chart are those of the code. To renew them: `cargo run -p concord-api --bin concord-crds helm/concord/crds`.

use std::path::Path;

#[test]
fn the_chart_carries_the_crds_of_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../helm/concord/crds");
    for crd in concord_api::custom_resource_definitions() {
        let file = folder.join(format!("{}.yaml", crd.spec.names.plural));
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        let printed = serde_yaml::to_string(&crd).unwrap();
        assert!(
            golden == printed,
            "{} differs from the code; run `make crds` and review the diff",
            file.display()
        );
    }
}

#[test]
fn specs_refuse_unknown_fields_and_are_immutable_where_promised() {
    for crd in concord_api::custom_resource_definitions() {
        let text = serde_json::to_string(&crd).unwrap();
        assert!(
            !text.contains("uint32") && !text.contains("uint64"),
            "the API server warns of unsigned formats"
        );
        assert!(
            text.contains(r#""x-kubernetes-list-map-keys":["type"]"#),
            "{}: conditions merge by type",
            crd.spec.names.kind
        );
    }
    let claim = serde_json::to_string(&concord_api::custom_resource_definitions()[2]).unwrap();
    assert!(claim.contains("self == oldSelf"));
}
