//! The line that tells a waiting person how the replay goes.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use crate::audit::watch::State;

use super::submit::Board;

/// How a replay stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Jobs submitted.
    pub submitted: usize,
    /// Jobs whose claim has GPUs.
    pub running: usize,
    /// Jobs that are complete or have failed.
    pub ended: usize,
    /// Claims that say so too.
    pub booked: usize,
    /// GPUs of bound pods.
    pub gpus: u32,
    /// GPUs of all nodes.
    pub capacity: u32,
    /// GPUs on guarantees and on loan, by member.
    pub by_member: BTreeMap<String, (u64, u64)>,
    /// Reclaims so far.
    pub reclaims: u64,
}

impl Standing {
    /// Reads it off the audit.
    pub fn of<'a>(state: &State, board: &Board, keys: impl Iterator<Item = &'a String>) -> Self {
        let mut standing = Self {
            submitted: board.submitted().iter().flatten().count(),
            gpus: state.books.total(),
            capacity: state.books.capacity(),
            ..Self::default()
        };
        for key in keys {
            let job = state.stories.jobs.get(key).map(|story| &story.last);
            standing.ended += usize::from(job.is_some_and(|job| job.complete || job.failed));
            let Some(story) = state.stories.claims.get(key) else { continue };
            let claim = &story.last;
            standing.booked += usize::from(claim.is_finished());
            standing.reclaims += claim.reclaims;
            if claim.holds() {
                standing.running += 1;
                let sums = standing.by_member.entry(claim.member.clone()).or_default();
                *(if claim.borrowed { &mut sums.1 } else { &mut sums.0 }) += claim.gpus;
            }
        }
        standing
    }

    /// One line.
    pub fn line(&self, seconds: u64) -> String {
        let Self { submitted, running, ended, gpus, capacity, reclaims, .. } = self;
        let queued = submitted.saturating_sub(running + ended);
        let mut line = format!(
            "{:>2}:{:02}  jobs {submitted} submitted {running} running {queued} queued {ended} finished  \
             GPUs {gpus}/{capacity}  reclaims {reclaims}  ",
            seconds / 60,
            seconds % 60,
        );
        for (member, (guaranteed, borrowed)) in &self.by_member {
            let short = member.trim_start_matches("cluster");
            // Writing to a String cannot fail.
            let _ = match borrowed {
                0 => write!(line, " {short}:{guaranteed}"),
                _ => write!(line, " {short}:{guaranteed}+{borrowed}"),
            };
        }
        line
    }
}

/// Rewrites one line on a terminal, prints a line each time elsewhere.
pub fn show(line: &str, terminal: bool) {
    if terminal {
        eprint!("\r\x1b[2K{line}");
        // A terminal that does not take it is no reason to stop.
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;

    #[test]
    fn the_line_says_what_is_guaranteed_and_what_is_borrowed() {
        let standing = Standing {
            submitted: 10,
            running: 3,
            ended: 5,
            gpus: 20,
            capacity: 32,
            reclaims: 1,
            by_member: [("cluster01".into(), (8, 4)), ("cluster02".into(), (8, 0))].into(),
            ..Standing::default()
        };
        let expected =
            " 1:05  jobs 10 submitted 3 running 2 queued 5 finished  GPUs 20/32  reclaims 1   01:8+4 02:8";
        assert_eq!(standing.line(65), expected);
    }
}
