//! `concord-gpu-agent`: reads a node's GPUs through NVML, charges their energy to claims and publishes both.
#![forbid(unsafe_code)]

mod arguments;
mod run;

use anyhow::bail;
use clap::Parser;

use arguments::{Arguments, Command, Library, Output};
use concord_gpu_agent::nvml::{CallErrors, Session};
use concord_gpu_agent::{metrics, table};

fn main() -> anyhow::Result<()> {
    let Arguments { once: _, output, library, command } = Arguments::parse();
    match command {
        None => print_once(output, library),
        Some(Command::Metrics) => {
            print!("{}", metrics::table()?);
            Ok(())
        }
        Some(Command::Run(options)) => run::run(*options),
    }
}

fn print_once(output: Output, library: Library) -> anyhow::Result<()> {
    let Library { nvml_library } = library;
    let mut session = Session::open(nvml_library.as_deref(), false)?;
    let mut errors = CallErrors::default();
    let node = session.read(&mut errors)?;
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&node)?),
        Output::Table => print!("{}", table::render(&node)),
    }
    if errors.lost_device() {
        bail!("a GPU did not answer ({errors}); see `nvidia-smi` and the kernel log");
    }
    Ok(())
}
