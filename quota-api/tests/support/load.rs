//! What measurements share: wrk, a load generator of others, and what this process takes.

use std::process::Command;

/// Asks for the address for 15 s over 32 connections; what wrk tells. An answer that is no success ends the test.
pub async fn wrk(address: String, headers: Vec<String>) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let headers = headers.iter().flat_map(|header| ["-H", header.as_str()]);
        Command::new("wrk").args(["-t2", "-c32", "-d15s", "--latency"]).args(headers).arg(address).output()
    });
    let told = asked.await.unwrap().expect("wrk: apt-get install wrk").stdout;
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(!told.contains("Non-2xx"), "{told}");
    told
}

/// A line of the kernel about the memory of this process.
pub fn memory(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}
