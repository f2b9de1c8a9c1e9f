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
            !text.contains(r#""conditions":{"#) || text.contains(r#""x-kubernetes-list-map-keys":["type"]"#),
            "{}: conditions merge by type",
            crd.spec.names.kind
        );
    }
    let claim =
        concord_api::custom_resource_definitions().into_iter().find(|c| c.spec.names.kind == "GpuClaim");
    let claim = serde_json::to_string(&claim.unwrap()).unwrap();
    assert!(claim.contains("self == oldSelf"));
}

/// kubectl and the API server read YAML 1.1, in which these are switches: a field `on` would arrive as `true`.
#[test]
fn no_name_is_a_switch_in_yaml() {
    const SWITCHES: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    fn names(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(fields) = schema.as_object() {
            for list in ["required", "enum", "x-kubernetes-list-map-keys"] {
                let list = fields.get(list).and_then(|l| l.as_array()).into_iter().flatten();
                found.extend(list.filter_map(|name| Some(name.as_str()?.to_owned())));
            }
            let properties = fields.get("properties").and_then(|p| p.as_object());
            found.extend(properties.into_iter().flat_map(|p| p.keys().cloned()));
        }
        let below: Vec<&serde_json::Value> = match schema {
            serde_json::Value::Object(fields) => fields.values().collect(),
            serde_json::Value::Array(entries) => entries.iter().collect(),
            _ => Vec::new(),
        };
        below.into_iter().for_each(|value| names(value, found));
    }
    for crd in concord_api::custom_resource_definitions() {
        let mut found = Vec::new();
        names(&serde_json::to_value(&crd).unwrap(), &mut found);
        assert!(found.contains(&"spec".to_owned()), "the search finds names");
        let switches: Vec<&String> =
            found.iter().filter(|n| SWITCHES.contains(&n.to_lowercase().as_str())).collect();
        assert!(switches.is_empty(), "{}: {switches:?}", crd.spec.names.kind);
    }
}
