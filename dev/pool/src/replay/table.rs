//! The report for people.

use std::fmt::{self, Display};

use super::report::{LATENCY_ALLOWANCE_MS, Report, WaitFigures};

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Replay {} of {}", self.run, self.selection)?;
        writeln!(f, "{}\n", self.note)?;
        self.jobs_and_gpus(f)?;
        self.waiting(f)?;
        self.audit_result(f)?;
        self.costs(f)
    }
}

impl Report {
    fn jobs_and_gpus(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = &self.jobs;
        writeln!(
            f,
            "jobs          {} submitted, {} finished, {} failed, {} lost; {} were running at the start, {} cut short",
            jobs.submitted, jobs.finished, jobs.failed, jobs.lost, jobs.carried_in, jobs.cut
        )?;
        writeln!(
            f,
            "time          {:.0} s; the latest submission was {:.1} s late",
            self.wall_seconds, self.latest_submission_seconds
        )?;
        writeln!(
            f,
            "utilisation   {} until the last job ended (simulated: {} without latency, {} in partitions)\n",
            per_cent(self.utilisation),
            per_cent(self.utilisation_without_latency),
            per_cent(self.utilisation_partitioned)
        )
    }

    fn waiting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Wait in seconds of the trace: end - submission - run time, so all time lost for any reason."
        )?;
        writeln!(f, "One second of latency in the pool counts as {} s here.\n", self.speed)?;
        writeln!(
            f,
            "{:<10} {:>6} | {:^26} | {:^26} | {:^26}",
            "", "", "pool, measured", "partitions, simulated", "treaty, simulated"
        )?;
        let heading = format!("{:>8} {:>8} {:>8}", "mean", "p50", "p99");
        writeln!(f, "{:<10} {:>6} | {heading} | {heading} | {heading}", "member", "jobs")?;
        for WaitFigures { member, measured, partitioned, without_latency, .. } in &self.waits {
            write!(f, "{member:<10} {:>6}", partitioned.count)?;
            for column in [measured, partitioned, without_latency] {
                write!(f, " | {:>8.0} {:>8.0} {:>8.0}", column.mean, column.p50, column.p99)?;
            }
            writeln!(f)?;
        }
        if let Some(all) = self.waits.first() {
            writeln!(
                f,
                "\nlater than alone, by more than the notice: {} jobs simulated; by more than the notice and {:.0} s of \
                 the pool: {} jobs measured\n",
                all.later_than_alone_without_latency,
                LATENCY_ALLOWANCE_MS / 1_000.0,
                all.later_than_alone
            )?;
        }
        Ok(())
    }

    fn audit_result(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audit = &self.audit;
        let seconds = |gpu_ms: u64| gpu_ms as f64 / 1_000.0;
        writeln!(f, "Audit, from {} events of the API, with an auditor's rights:", audit.events)?;
        writeln!(f, "GPUs in use   {} at most, of {}", audit.max_gpus_in_use, audit.capacity_gpus)?;
        writeln!(f, "violations    {} of a node's, the pool's or a member's limit", audit.violations)?;
        writeln!(f, "faults        {} Jobs or claims that are not as they should be", audit.faults)?;
        if audit.interruptions > 0 {
            writeln!(f, "interruptions {} of a watch; moments may be missing", audit.interruptions)?;
        }
        writeln!(
            f,
            "claims        {} admitted on borrowed GPUs, {} told to leave, {} stopped (simulated: {})",
            audit.borrows, audit.notices, audit.reclaims, self.reclaims_without_latency
        )?;
        if audit.discarded_runs > 0 {
            writeln!(
                f,
                "run again     {} pods ended while their Job was being suspended; Kubernetes does not count such an end",
                audit.discarded_runs
            )?;
        }
        let booked = seconds(audit.claimed_gpu_milliseconds);
        let reclaimed = seconds(audit.reclaimed_gpu_milliseconds);
        writeln!(
            f,
            "GPU-seconds   {booked:.0} booked = {:.0} of complete runs + {reclaimed:.0} lost to reclaims + {:.0} of \
             starting and ending",
            self.run_gpu_seconds,
            booked - self.run_gpu_seconds - reclaimed
        )?;
        for complaint in audit.complaints() {
            writeln!(f, "  ! {complaint}")?;
        }
        writeln!(f)
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "admissions    {:.1} a second on average, {:.1} in the busiest 10 s",
            self.admissions_per_second_mean, self.admissions_per_second_peak
        )?;
        if self.operator_kills > 0 {
            writeln!(f, "kills         {} of the operator (seed {})", self.operator_kills, self.seed)?;
        }
        for (name, usage) in &self.usage {
            writeln!(f, "{name:<26} {:>7.1} CPU s {:>7.0} MiB", usage.cpu_seconds, usage.peak_rss_mebibytes)?;
        }
        Ok(())
    }
}

fn per_cent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
