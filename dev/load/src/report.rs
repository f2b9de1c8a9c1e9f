//! What came of a run, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use concord_pool::replay::statistics::Summary;
use serde::Serialize;

use crate::{calls::Writes, equivalent::DIFFERENCES, usage::Usage};

/// One scheduler under one load.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Who scheduled.
    pub scheduler: String,
    /// Workloads made.
    pub workloads: usize,
    /// Workloads that ran to their end.
    pub finished: usize,
    /// From the first workload made to the last one finished.
    pub wall_seconds: f64,
    /// The scheduler's own use, from its start to its end.
    pub usage: Usage,
    /// The API server's use meanwhile.
    pub api_server: Usage,
    /// etcd's use meanwhile.
    pub etcd: Usage,
    /// The scheduler's writes by kind.
    pub writes: Writes,
    /// Everybody's requests by verb and resource.
    pub requests: BTreeMap<String, u64>,
    /// Milliseconds from a workload's first sight to its first admission, by class.
    pub admission_milliseconds: BTreeMap<String, Summary>,
    /// Admissions, those after an eviction counted again.
    pub admissions: u64,
    /// Admissions that were taken back.
    pub evictions: u64,
    /// What went against expectation; empty is good.
    pub faults: Vec<String>,
}

/// Schedulers under the same load.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Name of the load.
    pub load: String,
    /// No scheduler can be faster.
    pub ideal_seconds: f64,
    /// Processor, cores, memory.
    pub machine: String,
    /// Processes that wanted to run, averaged over a minute, when the first run began: what else the machine did.
    pub load_average_before: f64,
    /// By scheduler.
    pub outcomes: Vec<Outcome>,
    /// What differs between the set-ups.
    pub differences: Vec<&'static str>,
}

impl Comparison {
    /// Of these outcomes.
    pub fn new(load: &str, ideal_milliseconds: u64, load_average_before: f64) -> Self {
        Self {
            load: load.to_owned(),
            ideal_seconds: ideal_milliseconds as f64 / 1_000.0,
            machine: machine(),
            load_average_before,
            outcomes: Vec::new(),
            differences: DIFFERENCES.to_vec(),
        }
    }

    /// As a section of a Markdown file.
    ///
    /// # Errors
    /// Never: a string takes everything.
    pub fn markdown(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let workloads = self.outcomes.first().map_or(0, |o| o.workloads);
        writeln!(
            text,
            "## Load `{}`: {workloads} workloads, ideal {:.0} s\n",
            self.load, self.ideal_seconds
        )?;
        writeln!(
            text,
            "Machine: {}; load average before the runs {:.1}.\n",
            self.machine, self.load_average_before
        )?;
        let names: Vec<&str> = self.outcomes.iter().map(|o| o.scheduler.as_str()).collect();
        writeln!(text, "| | {} |", names.join(" | "))?;
        writeln!(text, "|---|{}", "---:|".repeat(names.len()))?;
        for (title, value) in rows(&self.outcomes) {
            let values: Vec<String> = self.outcomes.iter().map(&value).collect();
            writeln!(text, "| {title} | {} |", values.join(" | "))?;
        }
        writeln!(text, "\nWhat differs between the set-ups:\n")?;
        for difference in &self.differences {
            writeln!(text, "- {difference}")?;
        }
        Ok(text)
    }
}

type Row<'a> = (String, Box<dyn Fn(&Outcome) -> String + 'a>);

fn rows<'a>(outcomes: &'a [Outcome]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = vec![
        ("finished".to_owned(), Box::new(|o| format!("{} of {}", o.finished, o.workloads))),
        ("wall, first made to last finished, s".to_owned(), Box::new(|o| format!("{:.1}", o.wall_seconds))),
        ("scheduler CPU, user + system, s".to_owned(), Box::new(|o| cpu(&o.usage))),
        ("scheduler peak memory, MiB".to_owned(), Box::new(|o| format!("{:.0}", o.usage.peak_rss_mebibytes))),
        ("API server CPU, s".to_owned(), Box::new(|o| cpu(&o.api_server))),
        ("etcd CPU, s".to_owned(), Box::new(|o| cpu(&o.etcd))),
    ];
    let mut kinds: Vec<&String> = outcomes.iter().flat_map(|o| o.writes.keys()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let of =
            move |o: &Outcome| o.writes.get(kind).copied().unwrap_or(0) as f64 / o.workloads.max(1) as f64;
        rows.push((format!("writes a workload: {kind}"), Box::new(move |o| format!("{:.2}", of(o)))));
    }
    let all = |o: &Outcome| o.writes.values().sum::<u64>() as f64 / o.workloads.max(1) as f64;
    rows.push(("writes a workload: all".to_owned(), Box::new(move |o| format!("{:.2}", all(o)))));
    let mut classes: Vec<&String> = outcomes.iter().flat_map(|o| o.admission_milliseconds.keys()).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let of = move |o: &Outcome| {
            let summary = o.admission_milliseconds.get(class).copied().unwrap_or_default();
            format!("{:.2} / {:.2}", summary.mean / 1_000.0, summary.p99 / 1_000.0)
        };
        rows.push((format!("time to admission {class}, mean / p99, s"), Box::new(of)));
    }
    rows.push(("admissions taken back".to_owned(), Box::new(|o| o.evictions.to_string())));
    rows
}

fn cpu(usage: &Usage) -> String {
    format!("{:.1} ({:.1} + {:.1})", usage.cpu_seconds(), usage.user_seconds, usage.system_seconds)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Load {}: ideal {:.1} s. {}", self.load, self.ideal_seconds, self.machine)?;
        let names: Vec<String> = self.outcomes.iter().map(|o| format!("{:>26}", o.scheduler)).collect();
        writeln!(f, "{:<48}{}", "", names.concat())?;
        for (title, value) in rows(&self.outcomes) {
            let values: Vec<String> = self.outcomes.iter().map(|o| format!("{:>26}", value(o))).collect();
            writeln!(f, "{title:<48}{}", values.concat())?;
        }
        for outcome in &self.outcomes {
            for fault in &outcome.faults {
                writeln!(f, "FAULT ({}): {fault}", outcome.scheduler)?;
            }
        }
        Ok(())
    }
}

/// Processor, number of cores and memory, as `/proc` has them.
pub fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kibibytes: f64 =
        field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").trim().parse().unwrap_or(0.0);
    format!("{cores} cores ({}), {:.0} GiB", field("/proc/cpuinfo", "model name"), kibibytes / 1_048_576.0)
}

/// Processes that wanted to run, averaged over the last minute.
pub fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}
