//! What holds for every file of alert rules: Prometheus takes it, each alert has a test and a page, and names only what is
//! exported. The agent's tests use this file too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::promtool::promtool;

/// A file of the repository.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

/// Its text.
pub fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Words of a text that look like metrics of ours.
pub fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("concord_")).map(str::to_owned).collect()
}

/// The files that belong together.
pub struct Alerts {
    /// The rules.
    pub rules: &'static str,
    /// promtool's tests of them.
    pub tests: &'static str,
    /// What stands before an alert's name in a test of it.
    pub mark: &'static str,
    /// The page that says what to do.
    pub page: &'static str,
}

impl Alerts {
    /// Prometheus takes the rules, and their tests pass.
    pub fn assert_taken(&self) {
        promtool(&["check", "rules", path(self.rules).to_str().unwrap()], None);
        promtool(&["test", "rules", path(self.tests).to_str().unwrap()], None);
    }

    /// Each of more than so many alerts has a test, a section on the page and a link to it.
    pub fn assert_told(&self, more_than: usize) {
        let (rules, tests, page) = (read(self.rules), read(self.tests), read(self.page));
        let alerts: Vec<&str> =
            rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
        assert!(alerts.len() > more_than, "{alerts:?}");
        for alert in alerts {
            assert!(tests.contains(&format!("{}{alert}", self.mark)), "{alert} has no test");
            let section = page.split(&format!("\n### {alert}\n")).nth(1);
            let section = section.unwrap_or_else(|| panic!("{} has no section {alert}", self.page));
            let section = section.split("\n#").next().unwrap();
            assert!(section.contains("**Means.**") && section.contains("**Do.**"), "{alert}: {section}");
            assert!(rules.contains(&format!("{}#{}", self.page, alert.to_lowercase())), "{alert}: no link");
        }
    }
}

/// Each file names more than so many metrics, and none that is not exported.
pub fn assert_exported(files: &[&str], exported: &BTreeSet<String>, more_than: usize) {
    for file in files {
        let named = named(&read(file));
        assert!(named.len() > more_than, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(exported).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
}
