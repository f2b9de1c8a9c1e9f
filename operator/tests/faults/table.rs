//! The table of results: printed, and appended to the file that `CONCORD_FAULT_REPORT` names.

use std::fmt::Write;
use std::io::Write as _;

use super::scene::Outcome;

const HEAD: &str = "| fault | runs | injected | admissions | borrowed | notices | reclaims | losses |\n|---|---|---|---|---|---|---|---|\n";

#[derive(Default)]
struct Row {
    runs: u64,
    injected: u64,
    admissions: u64,
    borrows: u64,
    notices: u64,
    reclaims: u64,
    losses: usize,
}

/// One row a fault, in the order in which they came.
#[derive(Default)]
pub struct Table {
    rows: Vec<(&'static str, Row)>,
    losses: Vec<String>,
}

impl Table {
    pub fn add(&mut self, fault: &'static str, seed: u64, outcome: &Outcome) {
        let (account, seconds) = (&outcome.account, outcome.took.as_secs_f64());
        println!(
            "seed {seed}, {fault}: {seconds:.1} s, {} injected, {} notices, {} reclaims, {} gaps, {} losses",
            outcome.injected,
            account.notices,
            account.reclaims,
            account.gaps,
            account.losses.len()
        );
        account.losses.iter().for_each(|loss| println!("  {loss}"));
        self.losses.extend(account.losses.iter().map(|loss| format!("seed {seed}, {fault}: {loss}")));
        let found = self.rows.iter().position(|(name, _)| *name == fault);
        let index = found.unwrap_or_else(|| {
            self.rows.push((fault, Row::default()));
            self.rows.len() - 1
        });
        let row = &mut self.rows[index].1;
        row.runs += 1;
        row.injected += outcome.injected;
        row.admissions += account.admissions;
        row.borrows += account.borrows;
        row.notices += account.notices;
        row.reclaims += account.reclaims;
        row.losses += account.losses.len();
    }

    /// Prints it; panics if anything was lost.
    pub fn finish(&self, group: &str, log: &str) {
        let mut text = String::new();
        for (fault, row) in &self.rows {
            let Row { runs, injected, admissions, borrows, notices, reclaims, losses } = row;
            writeln!(
                text,
                "| {fault} | {runs} | {injected} | {admissions} | {borrows} | {notices} | {reclaims} | {losses} |"
            )
            .unwrap();
        }
        println!("{HEAD}{text}");
        if let Ok(path) = std::env::var("CONCORD_FAULT_REPORT") {
            let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            if file.metadata().unwrap().len() == 0 {
                file.write_all(HEAD.as_bytes()).unwrap();
            }
            file.write_all(text.as_bytes()).unwrap();
        }
        let kept = format!("{}/faults-{group}.log", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&kept, log).unwrap();
        if !self.losses.is_empty() {
            panic!("{} losses; the operator's log is {kept}\n{}", self.losses.len(), self.losses.join("\n"));
        }
    }
}
