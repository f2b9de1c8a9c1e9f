//! Every text exists in every language, with the same variables, and every text that a template or a program asks for
//! exists at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LANGUAGES: [&str; 5] = ["en", "fr", "de", "es", "ar"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Key, and the variables in its text.
fn texts(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in std::fs::read_dir(root().join("locales").join(language)).unwrap() {
        let path = file.unwrap().path();
        let mut key = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some((name, _)) = line.split_once(" =")
                && line.starts_with(|c: char| c.is_ascii_alphabetic())
            {
                name.clone_into(&mut key);
                let twice = texts.insert(key.clone(), BTreeSet::new());
                assert!(twice.is_none(), "{key} stands twice in {language}");
            }
            let variables = line.split('$').skip(1);
            let names = variables.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect());
            if let Some(known) = texts.get_mut(&key) {
                known.extend(names.collect::<Vec<String>>());
            }
        }
    }
    texts
}

#[test]
fn every_language_has_the_same_texts_with_the_same_variables() {
    let english = texts("en");
    for language in LANGUAGES {
        let other = texts(language);
        let missing: Vec<_> = english.keys().filter(|key| !other.contains_key(*key)).collect();
        let odd: Vec<_> = other.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(
            missing.is_empty() && odd.is_empty(),
            "{language}: missing {missing:?}, not in English {odd:?}"
        );
        for (key, variables) in &english {
            assert_eq!(&other[key], variables, "variables of {key} in {language}");
        }
    }
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn every_text_that_is_asked_for_exists() {
    let english = texts("en");
    let mut sources = Vec::new();
    files(&root().join("templates"), &mut sources);
    files(&root().join("src"), &mut sources);
    let mut asked = 0;
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for call in ["words.get(\"", "words.count(\"", "words.named(\"", "words.with(\"", "words.pair(\""] {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                asked += 1;
                assert!(english.contains_key(key), "{} asks for {key}", path.display());
            }
        }
    }
    assert!(asked > 100, "the search found only {asked}");
}
