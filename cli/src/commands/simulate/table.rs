//! The answer as text: one table of the policies, and one of the members where there is one policy only.

use concord_treaty::simulate::report::Figures;

use super::pool::{ClassNodes, Pool};
use super::trials::{Answer, Nodes, Row};

/// All tables.
pub fn tables(answer: &Answer) -> String {
    let Answer { pool, jobs, refused_jobs, not_eligible_jobs, notice_s, .. } = answer;
    let mut text = format!("{}: {jobs} jobs on {}, notice {notice_s} s", answer.treaty, nodes(pool));
    if *refused_jobs > 0 {
        text += &format!(", {refused_jobs} jobs refused");
    }
    if *not_eligible_jobs > 0 {
        text += &format!(", {not_eligible_jobs} jobs not eligible");
    }
    text += &format!("; second 0 is {}", pool.begins);
    text += "\n\n";
    text += &policies(&answer.policies);
    if let [row] = answer.policies.as_slice() {
        text += "\n";
        text += &members(row);
        if let Some(treaty) = row.treaty {
            text += &format!(
                "\n{} reclaims; {} notices, {} of them withdrawn; {} decisions in {:.2} s: {:.1} us at the median, \
                 {:.1} at 99 %, {:.0} at most\n",
                row.figures.report.reclaims,
                treaty.notices,
                treaty.notices_withdrawn,
                treaty.decisions,
                row.replay_s,
                treaty.decide_us.p50,
                treaty.decide_us.p99,
                treaty.decide_us.max
            );
        }
    }
    text
}

fn nodes(pool: &Pool) -> String {
    if pool.classes.is_empty() {
        return format!("{} nodes of {} GPUs", pool.nodes, pool.gpus_per_node);
    }
    let of_class = |c: &ClassNodes| format!("{} {} nodes of {} GPUs", c.nodes, c.class, c.gpus_per_node);
    pool.classes.iter().map(of_class).collect::<Vec<_>>().join(", ")
}

fn policies(rows: &[Row]) -> String {
    let mut cells = [
        [
            "policy", "nodes", "wait", "p50", "p99", "JCT", "slow-", "in use", "late", "worst", "beyond",
            "lost", "floor", "shape", "p99",
        ],
        [
            "", "", "mean s", "s", "s", "mean s", "down", "%", "%", "s", "notice", "GPU h", "GPU h", "GPU h",
            "us",
        ],
    ]
    .map(|line| line.map(str::to_owned).to_vec())
    .to_vec();
    for row in rows {
        let report = &row.figures.report;
        let mut line =
            vec![row.policy.to_owned(), if row.nodes == Nodes::Pool { "pool" } else { "own" }.to_owned()];
        line.extend(waits(&report.all));
        line.push(format!("{:.1}", report.utilisation * 100.0));
        line.extend(worse(&report.all));
        let hours = |gpu_s: f64| format!("{:.0}", gpu_s / 3600.0);
        line.extend([
            hours(report.lost_gpu_s),
            hours(report.floor.floor_violation_gpu_s),
            hours(report.floor.floor_fragmentation_gpu_s),
        ]);
        line.push(row.treaty.map_or_else(|| "-".to_owned(), |treaty| format!("{:.1}", treaty.decide_us.p99)));
        cells.push(line);
    }
    aligned(&cells, 2)
}

fn members(row: &Row) -> String {
    let mut cells = [
        ["member", "jobs", "ended", "wait", "p50", "p99", "JCT", "slow-", "late", "worst", "beyond"],
        ["", "", "", "mean s", "s", "s", "mean s", "down", "%", "s", "notice"],
    ]
    .map(|line| line.map(str::to_owned).to_vec())
    .to_vec();
    for (name, figures) in &row.figures.members {
        let ended = figures.jobs - figures.never_ended;
        let mut line = vec![name.clone(), figures.jobs.to_string(), ended.to_string()];
        line.extend(waits(figures));
        line.extend(worse(figures));
        cells.push(line);
    }
    aligned(&cells, 1)
}

fn waits(figures: &Figures) -> [String; 5] {
    let seconds = |value: f64| format!("{value:.0}");
    [
        seconds(figures.wait_s.mean),
        seconds(figures.wait_s.p50),
        seconds(figures.wait_s.p99),
        seconds(figures.jct_s.mean),
        format!("{:.2}", figures.bounded_slowdown),
    ]
}

fn worse(figures: &Figures) -> [String; 3] {
    let worse = figures.worse_than_alone;
    [
        format!("{:.2}", worse.share * 100.0),
        format!("{:.0}", worse.worst_s),
        worse.beyond_notice_jobs.to_string(),
    ]
}

/// Columns of equal width: the first ones, which are names, to the left, numbers to the right.
fn aligned(lines: &[Vec<String>], names: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cell = |(column, cell): (usize, &String)| {
            let width = widths[column];
            if column < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        };
        let cells: Vec<String> = line.iter().enumerate().map(cell).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}
