//! Prints what a scenario of the NVML SIMULATOR implies: joules by GPU and by workload, to check a client's books.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use concord_nvml_sim::Scenario;
use concord_nvml_sim::truth::Truth;

/// Joules that a scenario of the NVML SIMULATOR implies, by GPU and by workload. No hardware is measured.
#[derive(Parser)]
#[command(name = "nvml-sim-truth", version)]
struct Arguments {
    /// Scenario file.
    scenario: PathBuf,
    /// Begin of the interval, in scenario seconds.
    #[arg(long, default_value_t = 0.0)]
    from: f64,
    /// End of the interval, in scenario seconds.
    #[arg(long)]
    to: f64,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Json,
    Table,
}

fn main() -> Result<()> {
    let Arguments { scenario, from, to, output } = Arguments::parse();
    ensure!(
        from >= 0.0 && to > from && to.is_finite(),
        "--to {to} must be after --from {from}, both at or above 0"
    );
    let truth = Scenario::read(&scenario)?.truth(from, to);
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&truth)?),
        Output::Table => print_table(&truth),
    }
    Ok(())
}

fn print_table(truth: &Truth) {
    println!(
        "SIMULATOR, node {}: scenario seconds {} to {}\n",
        truth.node, truth.from_seconds, truth.to_seconds
    );
    println!("{:<4} {:<42} {:>14} {:>14} {:>14} {:>10}", "GPU", "UUID", "JOULES", "IDLE", "WORK", "FREE (s)");
    for device in &truth.devices {
        let (joules, idle, work) = (device.joules, device.idle_joules, device.work_joules);
        let (gpu, uuid, free) = (device.gpu, &device.uuid, device.free_seconds);
        println!("{gpu:<4} {uuid:<42} {joules:>14.3} {idle:>14.3} {work:>14.3} {free:>10.1}");
    }
    println!("\n{:<30} {:<46} {:>10} {:>14}", "WORKLOAD", "DEVICE", "SECONDS", "WORK JOULES");
    for work in &truth.workloads {
        for place in &work.places {
            let (name, seconds, device, joules) =
                (&work.name, work.seconds, &place.device_id, place.work_joules);
            println!("{name:<30} {device:<46} {seconds:>10.1} {joules:>14.3}");
        }
    }
}
