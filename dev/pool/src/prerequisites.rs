//! Are the programs here that the pool is built with?
//!
//! Asked before anything is built, so that a missing compiler is one clear sentence and not the last line of a long log.

use std::process::Command;

use anyhow::{Result, bail};

/// Oldest Go that builds this Kubernetes (the `go` line of its go.mod).
const OLDEST_GO: (u32, u32) = (1, 26);

/// A program that is needed, what for, and the command that installs it.
struct Prerequisite {
    program: &'static str,
    version_argument: &'static str,
    needed_for: &'static str,
    install: &'static str,
    acceptable: fn(&str) -> bool,
}

const PREREQUISITES: [Prerequisite; 3] = [
    Prerequisite {
        program: "go",
        version_argument: "version",
        needed_for: "building etcd, Kubernetes and kwok (Go 1.26 or newer)",
        install: "sudo apt-get install golang-go, if that is Go 1.26 or newer; else take Go 1.26 or newer from go.dev",
        acceptable: is_go_recent_enough,
    },
    Prerequisite {
        program: "cargo",
        version_argument: "--version",
        needed_for: "building Concord",
        install: "sudo apt-get install rustup && rustup toolchain install",
        acceptable: |_| true,
    },
    Prerequisite {
        program: "cc",
        version_argument: "--version",
        needed_for: "linking, and the cryptography library's assembly",
        install: "sudo apt-get install build-essential",
        acceptable: |_| true,
    },
];

/// Succeeds when everything is installed; otherwise the error names all that is missing and how to install it.
pub fn check() -> Result<()> {
    let missing: Vec<String> = PREREQUISITES.iter().filter_map(complaint).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the local pool needs programs that are not here:\n{}", missing.join("\n"))
}

fn complaint(wanted: &Prerequisite) -> Option<String> {
    let Prerequisite { program, version_argument, needed_for, install, acceptable } = wanted;
    let found = match Command::new(program).arg(version_argument).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => format!("`{program} {version_argument}` failed with {}", output.status),
        Err(error) => format!("`{program}` cannot be run: {error}"),
    };
    let runs = found.starts_with(program) || !found.starts_with('`');
    (!runs || !acceptable(&found))
        .then(|| format!("  {program}: {needed_for}\n    found:   {found}\n    install: {install}"))
}

/// Reads `go version go1.26.8 linux/amd64`; a development build (`go version devel …`) is taken as recent.
fn is_go_recent_enough(version_line: &str) -> bool {
    let Some(version) = version_line.split_whitespace().nth(2) else { return false };
    let Some(numbers) = version.strip_prefix("go") else { return version == "devel" };
    let mut parts = numbers.split('.').map(|part| {
        part.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().unwrap_or_default()
    });
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) >= OLDEST_GO
}

#[cfg(test)]
mod tests {
    use super::is_go_recent_enough;

    #[test]
    fn go_versions_are_compared_as_numbers() {
        for good in
            ["go version go1.26.8 linux/amd64", "go version go1.27rc1 linux/amd64", "go version go2.0 x"]
        {
            assert!(is_go_recent_enough(good), "{good}");
        }
        for bad in ["go version go1.25.9 linux/amd64", "go version go1.9 linux/amd64", "nonsense", ""] {
            assert!(!is_go_recent_enough(bad), "{bad}");
        }
    }
}
