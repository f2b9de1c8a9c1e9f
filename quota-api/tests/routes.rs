//! No route without a row: every one that the program has stands in a matrix of who may do what, or is open to everybody and
//! stands in the `OpenAPI` document or among the public pages.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What stands in quotes after each of these words.
fn quoted_after(text: &str, word: &str) -> Vec<String> {
    let after = |rest: &str| Some(rest.split_once('"')?.1.split('"').next()?.to_owned());
    text.split(word).skip(1).filter_map(after).collect()
}

/// Addresses in quotes, without their queries.
fn addresses(text: &str) -> Vec<String> {
    let text = text.replace("\\\"", "'").replace("'\"'", "");
    let quoted = text.split('"').skip(1).step_by(2);
    let addresses =
        quoted.filter(|text| text.starts_with(['/', '{'])).filter_map(|text| text.split('?').next());
    addresses.map(str::to_owned).collect()
}

/// `{…}` stands for one part, whatever it is; in a matrix also for what comes before.
fn is_of(address: &str, route: &str) -> bool {
    let address = address.replace("{draft}", "/apply/drafts/{id}");
    let (address, route): (Vec<&str>, Vec<&str>) = (address.split('/').collect(), route.split('/').collect());
    address.len() == route.len() && route.iter().zip(&address).all(|(r, a)| r.starts_with('{') || r == a)
}

#[test]
fn every_route_is_in_a_matrix() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: Vec<String> = files(&here.join("src")).iter().map(|path| text(path)).collect();
    let mut routes: Vec<String> = sources
        .iter()
        .flat_map(|source| [quoted_after(source, ".route("), quoted_after(source, ", path = ")].concat())
        .filter(|route| route.starts_with('/'))
        .collect();
    routes.sort();
    routes.dedup();
    assert!(routes.len() > 60, "{routes:?}");

    let document: serde_json::Value = serde_json::from_str(&text(&here.join("openapi.json"))).unwrap();
    let is_open = |methods: &serde_json::Value| {
        methods.as_object().unwrap().values().all(|operation| operation.get("security").is_none())
    };
    let open = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| is_open(methods));
    let mut rows: Vec<String> = open.map(|(path, _)| path.clone()).collect();
    for name in ["applications/matrix.rs", "jobs/matrix.rs", "pages/browser.rs", "pages/common.rs"] {
        rows.extend(addresses(&text(&here.join("tests").join(name))));
    }
    // The draft and its file stand there by their variables.
    rows.extend(["/apply/drafts/{id}", "/apply/drafts/{id}/files/{file}"].map(str::to_owned));
    let missing: Vec<&String> =
        routes.iter().filter(|route| !rows.iter().any(|row| is_of(row, route))).collect();
    assert!(missing.is_empty(), "in no matrix: {missing:?}");
}
