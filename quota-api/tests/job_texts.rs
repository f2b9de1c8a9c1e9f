//! Every text that the pages of jobs ask for exists, in every language.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use concord_quota_api::jobs::ask::JobKind;
use concord_quota_api::jobs::catalogue::TEMPLATES;
use concord_quota_api::jobs::fault::Field;
use concord_quota_api::jobs::list::Wanted;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn keys(language: &str) -> BTreeSet<String> {
    let files = ["jobs.ftl", "frame.ftl"].map(|file| read(&format!("locales/{language}/{file}")));
    let names = files.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(" = "));
    names.filter(|(name, _)| !name.starts_with([' ', '#'])).map(|(name, _)| name.to_owned()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Texts in quotes that look like keys, right after the call that looks them up.
fn asked() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for path in [files(&root.join("templates/jobs")), files(&root.join("src/jobs"))].concat() {
        let text = std::fs::read_to_string(path).unwrap();
        for call in ["get(\"", "named(\"", "count(\"", "with(\"", "timed(\"", "words, \""] {
            let keys = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            let is_key = |key: &&str| ["job", "key", "nav"].iter().any(|start| key.starts_with(start));
            found.extend(keys.filter(is_key).filter(|key| key.contains('-')).map(str::to_owned));
        }
    }
    found.extend(
        Field::ALL.iter().flat_map(|f| ["field", "hint"].map(|part| format!("job-{part}-{}", f.name()))),
    );
    found.extend(JobKind::ALL.iter().map(|kind| format!("job-kind-{}", kind.name())));
    found.extend(TEMPLATES.iter().map(concord_quota_api::jobs::catalogue::Template::title));
    found.extend(Wanted::ALL.iter().map(|wanted| format!("jobs-{}", wanted.name())));
    found
}

#[test]
fn every_text_that_is_asked_for_exists() {
    let (known, asked) = (keys("en"), asked());
    assert!(asked.len() > 120, "the search finds the calls: {asked:?}");
    assert_eq!(asked.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_language_has_the_same_texts() {
    for language in ["de", "es", "fr", "ar"] {
        assert_eq!(keys(language), keys("en"), "{language}");
    }
}
