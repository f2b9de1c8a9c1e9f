//! What happens to a driver and its GPUs over time: in which state the agent is meanwhile and afterwards. The table is in
//! `docs/node-agent.md`.

use std::fmt::Write;
use std::time::Duration;

use crate::faults::said;
use crate::page;
use crate::process::{Agent, Metrics, Simulator};

/// What happens to two GPUs, what the agent is waited for to be in meanwhile, and whether it comes back.
struct Event {
    title: &'static str,
    faults: &'static str,
    state: &'static str,
    second_gpu: &'static str,
    ends: bool,
}

const EVENTS: [Event; 5] = [
    Event {
        title: "a GPU falls off the bus, and comes back after 4 s",
        faults: "lost: [{gpu: 1, from_seconds: 2, to_seconds: 6}]",
        state: "ready",
        second_gpu: "Lost",
        ends: false,
    },
    Event {
        title: "a GPU is reset for 4 s",
        faults: "resets: [{gpu: 1, at_seconds: 2, lasts_seconds: 4}]",
        state: "ready",
        second_gpu: "",
        ends: false,
    },
    Event {
        title: "the driver is loaded again, away for 4 s",
        faults: "driver_reloads: [{at_seconds: 2, lasts_seconds: 4}]",
        state: "driver_not_loaded",
        second_gpu: "DriverUnavailable",
        ends: false,
    },
    Event {
        title: "the driver is upgraded in place, the library 6 s later",
        faults: "driver_reloads: [{at_seconds: 2, lasts_seconds: 1, version: \"595.10.02\", library_replaced_at_seconds: 9}]",
        state: "version_mismatch",
        second_gpu: "DriverUnavailable",
        ends: false,
    },
    Event {
        title: "the driver is upgraded in place, the library never",
        faults: "driver_reloads: [{at_seconds: 2, lasts_seconds: 1, version: \"595.10.02\", library_replaced_at_seconds: 9999}]",
        state: "version_mismatch",
        second_gpu: "DriverUnavailable",
        ends: true,
    },
];

/// Epochs of the second GPU by cause, and whether it lost time.
fn books(metrics: &Metrics) -> String {
    let causes = metrics.0.lines().filter(|line| {
        line.starts_with("concord_gpu_energy_epochs_total{")
            && line.contains("GPU-b")
            && !line.ends_with(" 0")
    });
    let mut causes: Vec<&str> =
        causes.filter_map(|line| line.split("cause=\"").nth(1)?.split('"').next()).collect();
    causes.sort_unstable();
    let gap = metrics.sum("concord_gpu_energy_gap_seconds_total", &["GPU-b"]).unwrap_or(0.0);
    let causes = if causes.is_empty() { "none".to_owned() } else { causes.join(" ") };
    format!("{causes} | {}", if gap > 0.0 { "a gap" } else { "no gap" })
}

fn row(event: &Event) -> String {
    let Event { title, faults, state, second_gpu, ends } = *event;
    let text = format!(
        "version: 1\nnode: events\ngpus:\n  - {{profile: h100, uuid: GPU-a}}\n  - {{profile: h100, uuid: GPU-b}}\nfaults:\n  {faults}\n"
    );
    let simulator = Simulator::new(&text);
    let agent = Agent::start(&simulator, &[]);
    let is_well = |m: &Metrics| said(m).starts_with("`ready` | 2 | 2 | healthy");
    let before = agent.wait("both GPUs are read", is_well);
    let energy = |m: &Metrics| m.sum("concord_gpu_energy_joules_total", &["GPU-b"]);
    let meanwhile =
        agent.wait(title, |m| m.state() == Some(state) && !is_well(m) && said(m).contains(second_gpu));
    // Without the errors, which are counted as long as it lasts.
    let meanwhile = said(&meanwhile);
    let meanwhile = meanwhile.rsplit_once(" | ").map_or(&*meanwhile, |(most, _)| most);
    if ends {
        let status = agent.end(Duration::from_secs(150));
        assert!(!status.success(), "{title}: it ends with an error");
        return format!(
            "| {title} | {meanwhile} | it ends with an error, for a new process with fresh mounts | | |"
        );
    }
    let after = agent.wait("both GPUs are read again", |m| is_well(m) && energy(m) > energy(&before));
    let after_state = after.state().unwrap_or("-");
    format!("| {title} | {meanwhile} | `{after_state}`, both healthy | {} |", books(&after))
}

#[test]
fn the_agent_says_what_happens_and_comes_back() {
    let mut table =
        "| what happens | state | GPUs with power | GPUs with energy | second GPU | afterwards | \
        new epochs of the second GPU | its energy |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    let rows = std::thread::scope(|scope| {
        let all: Vec<_> = EVENTS.iter().map(|event| scope.spawn(|| row(event))).collect();
        all.into_iter().map(|row| row.join().unwrap()).collect::<Vec<_>>()
    });
    for row in rows {
        writeln!(table, "{row}").unwrap();
    }
    page::hold("events", &table);
}
