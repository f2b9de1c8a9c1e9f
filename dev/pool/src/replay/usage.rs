//! CPU time and memory of the pool's programs while something runs, from `/proc`.

use std::{collections::BTreeMap, fs};

use serde::Serialize;

/// Clock ticks of a second in `/proc`; fixed by the kernel's interface on every platform that the pool runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one program used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// Largest resident memory seen, in MiB.
    pub peak_rss_mebibytes: f64,
}

/// Adds up samples; a program that is restarted goes on under its name.
#[derive(Debug, Default)]
pub struct Meter {
    /// Last ticks by name and process.
    last: BTreeMap<(String, i32), u64>,
    usage: BTreeMap<String, Usage>,
}

impl Meter {
    /// Takes one look at a program. The first look at a process counts from there, unless it is `fresh`: started since
    /// the last look.
    pub fn sample(&mut self, name: &str, pid: i32, fresh: bool) {
        if let Some((ticks, rss_kibibytes)) = look(pid) {
            self.add(name, pid, ticks, rss_kibibytes, fresh);
        }
    }

    fn add(&mut self, name: &str, pid: i32, ticks: u64, rss_kibibytes: u64, fresh: bool) {
        let before = self.last.insert((name.to_owned(), pid), ticks);
        let used = ticks.saturating_sub(before.unwrap_or(if fresh { 0 } else { ticks }));
        let usage = self.usage.entry(name.to_owned()).or_default();
        usage.cpu_seconds += used as f64 / TICKS_PER_SECOND;
        usage.peak_rss_mebibytes = usage.peak_rss_mebibytes.max(rss_kibibytes as f64 / 1_024.0);
    }

    /// What was used so far, by name.
    pub fn usage(&self) -> &BTreeMap<String, Usage> {
        &self.usage
    }
}

/// CPU ticks and resident KiB of a process.
fn look(pid: i32) -> Option<(u64, u64)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the program's name: field 3 is the state, 14 and 15 are the ticks in user and in system mode.
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some((ticks, rss.trim().trim_end_matches(" kB").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Meter, look};

    #[test]
    fn a_restarted_program_goes_on_and_an_old_one_counts_from_the_first_look() {
        let mut meter = Meter::default();
        meter.add("operator", 10, 5_000, 2_048, false);
        meter.add("operator", 10, 5_150, 4_096, false);
        meter.add("operator", 11, 50, 1_024, true);
        let usage = meter.usage()["operator"];
        assert_eq!((usage.cpu_seconds, usage.peak_rss_mebibytes), (2.0, 4.0));
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let (_, rss) = look(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(rss > 0);
    }
}
