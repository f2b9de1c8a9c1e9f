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

/// Without what differs from run to run: times and ports.
fn plain(reason: &str) -> String {
    let mut text = String::new();
    let mut number = false;
    for c in reason.replace(['|', '\n'], " ").chars() {
        match (c.is_ascii_digit(), number) {
            (true, true) => {}
            (true, false) => text.push('N'),
            (false, _) => text.push(c),
        }
        number = c.is_ascii_digit();
    }
    text
}
