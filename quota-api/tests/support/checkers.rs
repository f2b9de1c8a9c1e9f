//! Runs the programs of `browser/`. Needs Node, Java and Debian's chromium: `make test-prerequisites`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::installed;

/// The folder of the programs.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// The folder with their modules, as `package-lock.json` says.
fn modules() -> PathBuf {
    installed::npm("browser", &programs(), &[])
}

/// Each page as whoever has that cookie sees it, held against rule sets and validators that we did not write; see
/// `browser/check.mjs`. It tells each finding as it goes, also when the test is stopped.
pub async fn check(name: &str, cookie: Option<&str>, addresses: &[String]) {
    let pictures = pictures(name);
    let checked = tokio::process::Command::new("node")
        .arg(programs().join("check.mjs"))
        .arg("--modules")
        .arg(modules())
        .args(cookie.iter().flat_map(|cookie| ["--cookie", cookie]))
        .arg("--out")
        .arg(&pictures)
        .args(addresses)
        .kill_on_drop(true)
        .status()
        .await
        .unwrap();
    assert!(checked.success(), "findings above; pictures: {}", pictures.display());
}

/// People's way through the portal in a real Chromium, at the width of a phone; see `browser/journey.mjs`. What `meanwhile` does is
/// done again every few seconds.
pub async fn journey(
    story: &str,
    origin: &str,
    sessions: &[(&str, String)],
    options: &[&str],
    mut meanwhile: impl FnMut(),
) {
    let pictures = pictures(&format!("journey-{story}-{}", options.last().unwrap_or(&"on")));
    let mut walking = tokio::process::Command::new("node")
        .arg(programs().join("journey.mjs"))
        .args([story, "--origin", origin])
        .arg("--modules")
        .arg(modules())
        .args(sessions.iter().flat_map(|(name, cookie)| ["--session".to_owned(), format!("{name}={cookie}")]))
        .args(options)
        .arg("--out")
        .arg(&pictures)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let done = loop {
        tokio::select! {
            done = walking.wait() => break done.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(4)) => meanwhile(),
        }
    };
    assert!(done.success(), "see above; pictures: {}", pictures.display());
}

fn pictures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
