//! The page that is made of what happened.

use std::fmt::Write as _;
use std::path::Path;

use super::attempts::Outcome;

const HEAD: &str = "# Attacks on login and logout

Each line is an honest login or logout with one thing forged, done by the test `hostile` against the portal. The honest ones
succeed. The person sees the status and a sentence; the reason is in the portal's log. This page is written by
`UPDATE_EXPECTED=1 cargo test -p concord-quota-api --test hostile`, and the test fails when it is no longer true.

";

/// Holds what happened against the page.
pub fn check(logins: &[Outcome], logouts: &[Outcome]) {
    let mut page = HEAD.to_owned();
    for (title, outcomes) in [("Login", logins), ("Back-channel logout", logouts)] {
        writeln!(page, "## {title}\n\n| attack | answer | reason in the log |\n|---|---|---|").unwrap();
        for Outcome { attack, status, reason } in outcomes {
            writeln!(page, "| {attack} | {} | {} |", status.as_u16(), plain(reason)).unwrap();
        }
        page.push('\n');
    }
    let page = format!("{}\n", page.trim_end());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/login-attacks.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(old == page, "docs/login-attacks.md is old; UPDATE_EXPECTED=1 writes it anew:\n{page}");
}

/// Without what differs from run to run: times, and ports of this machine.
fn plain(reason: &str) -> String {
    let is_time = |word: &str| {
        word.len() >= 8 && word.starts_with(|c: char| c.is_ascii_digit()) && word.contains([':', '-'])
    };
    let mut after_host = false;
    // Lists and places in a text differ too.
    let ends = [" is not one of", ", expected one of", ", line:", " at line"];
    let end = ends.iter().filter_map(|end| reason.find(end)).min().unwrap_or(reason.len());
    let words = reason[..end].replace(['|', '\n'], " ");
    let words = words.split(' ').map(|word| match word {
        word if is_time(word) => "…".to_owned(),
        word => word
            .split(':')
            .map(|part| {
                let port = after_host && part.starts_with(|c: char| c.is_ascii_digit());
                after_host = part.ends_with("//127.0.0.1");
                if port {
                    part.trim_start_matches(|c: char| c.is_ascii_digit()).replacen("", "PORT", 1)
                } else {
                    part.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join(":"),
    });
    words.collect::<Vec<_>>().join(" ")
}
