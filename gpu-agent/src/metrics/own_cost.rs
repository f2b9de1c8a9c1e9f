//! What the agent itself costs. The collector of the `prometheus` crate counts whole seconds of CPU time, of which an agent
//! that uses little has none for minutes.

use super::spec::{Families, Spec};

const CPU: Spec = Spec::new(
    "concord_gpu_agent_cpu_seconds_total",
    &[],
    "CPU time of the agent, user and system, in steps of the kernel's clock (10 ms).",
);

/// All that are here.
pub const SPECS: &[Spec] = &[CPU];

/// CPU time so far.
pub fn cpu(families: &mut Families) {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(ticks);
    #[expect(clippy::cast_precision_loss, reason = "centuries of ticks are exact")]
    let seconds = ticks.map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    families.add_some(&CPU, &[], seconds);
}

/// User and system time of `/proc/<pid>/stat`: fields 14 and 15, counted from 1. Field 2 is the name in parentheses, which
/// may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 37 5 0 0 20 0 3 0 100 1 1";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
