//! The answer as a drawing: who waits how long, how full the pool is, and who ends later than alone.

use std::fmt::Write as _;

use concord_treaty::units::{Gpus, TimestampMillis};

use super::svg::{Axis, Panel, STYLES, drawing};
use super::trials::{Answer, Nodes, Question, Row};

const PANEL_HEIGHT: f64 = 330.0;
/// Steps of the curve of use: at 800 pixels more would only flicker.
const USE_STEPS: usize = 90;
const DAY_MILLIS: f64 = 86_400_000.0;

/// Draws the answer. With many policies, those in one pool and the first of those on own nodes.
pub fn draw(question: &Question<'_>, answer: &Answer) -> String {
    let mut shown: Vec<&Row> = answer.policies.iter().filter(|row| row.nodes == Nodes::Pool).collect();
    shown.extend(answer.policies.iter().find(|row| row.nodes == Nodes::Own));
    shown.truncate(STYLES.len());
    let names: Vec<String> = shown.iter().map(|row| name(row)).collect();
    let legend: Vec<(usize, &str)> = names.iter().map(String::as_str).enumerate().collect();
    let panels = vec![
        waits(question, &shown, &legend, 0.0),
        use_of_pool(question, &shown, &legend, PANEL_HEIGHT),
        lateness(answer, &shown, &legend, 2.0 * PANEL_HEIGHT),
    ];
    let title = format!("{}: {} jobs on {} nodes", answer.treaty, answer.jobs, answer.pool.nodes);
    drawing(&title, &description(&shown), panels)
}

fn name(row: &Row) -> String {
    match row.nodes {
        Nodes::Pool => row.policy.to_owned(),
        Nodes::Own => format!("{} on own nodes", row.policy),
    }
}

fn description(shown: &[&Row]) -> String {
    let mut text = String::new();
    for row in shown {
        let all = &row.figures.report.all;
        let _ = write!(
            text,
            "{}: mean wait {:.0} s, {:.2} % of the jobs end later than alone. ",
            name(row),
            all.wait_s.mean,
            all.worse_than_alone.share * 100.0
        );
    }
    text
}

fn waits(question: &Question<'_>, shown: &[&Row], legend: &[(usize, &str)], top: f64) -> Panel {
    let members = question.pool.parties();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let wait = |row: &Row, member: &str| row.figures.members.get(member).map_or(0.0, |f| f.wait_s.mean);
    let longest =
        shown.iter().flat_map(|row| members.iter().map(|member| wait(row, member))).fold(1.0, f64::max);
    let x = Axis::names("member", &members);
    let y = Axis::durations("mean wait, logarithmic", longest);
    let title = "Mean wait of each member's jobs (no bar: at most 1 s)";
    let mut panel = Panel::new(top, PANEL_HEIGHT, title, legend, x, y);
    let width = 0.84 / shown.len().max(1) as f64;
    for (index, member) in members.iter().enumerate() {
        for (series, row) in shown.iter().enumerate() {
            let left = index as f64 + 0.08 + series as f64 * width;
            let seconds = wait(row, member);
            let text = format!("{member}, {}: {seconds:.0} s", legend[series].1);
            panel.bar((left, left + width * 0.9), seconds, series, &text);
        }
    }
    panel
}

/// Only three curves, or none could be followed: the first two in one pool, and the one on own nodes.
fn use_of_pool(question: &Question<'_>, shown: &[&Row], legend: &[(usize, &str)], top: f64) -> Panel {
    let begin = question.trace.jobs.first().map_or(TimestampMillis(0), |job| job.submitted_at);
    // Until the last arrival: what comes after it is only the end of the trace.
    let end = question.trace.jobs.last().map_or(begin, |job| job.submitted_at);
    let days = (end.since(begin).0 as f64 / DAY_MILLIS).max(0.01);
    let x = Axis::linear("days since the first arrival, until the last", days);
    let y = Axis::linear("GPUs in use, % of the pool", 100.0);
    let drawn = |series: usize| series < 2 || shown[series].nodes == Nodes::Own;
    let legend: Vec<(usize, &str)> = legend.iter().copied().filter(|(series, _)| drawn(*series)).collect();
    let mut panel = Panel::new(top, PANEL_HEIGHT, "Use of the pool", &legend, x, y);
    let pool_gpus = question.pool.gpus as f64;
    for (series, _) in legend {
        let means = means_by_step(&shown[series].in_use, begin, end);
        let at = |step: usize| (step as f64 + 0.5) / USE_STEPS as f64 * days;
        panel.line(means.into_iter().enumerate().map(|(i, gpus)| (at(i), gpus / pool_gpus * 100.0)), series);
    }
    panel
}

/// Mean GPUs in use in equal steps of time.
fn means_by_step(
    in_use: &[(TimestampMillis, Gpus)],
    begin: TimestampMillis,
    end: TimestampMillis,
) -> Vec<f64> {
    let step_millis = (end.since(begin).0 as f64 / USE_STEPS as f64).max(1.0);
    let mut sums = vec![0.0; USE_STEPS];
    let nexts = in_use.iter().skip(1).map(|(at, _)| *at).chain([end]);
    for ((at, gpus), next) in in_use.iter().zip(nexts) {
        let (mut from, until) = (at.since(begin).0 as f64, next.min(end).since(begin).0 as f64);
        while from < until {
            let step = ((from / step_millis) as usize).min(USE_STEPS - 1);
            let border =
                if step + 1 == USE_STEPS { until } else { until.min((step + 1) as f64 * step_millis) };
            sums[step] += f64::from(*gpus) * (border - from);
            // Rounding may put a border where the step begins; time goes on all the same.
            from = border.max(from + 1e-3);
        }
    }
    sums.into_iter().map(|sum| sum / step_millis).collect()
}

fn lateness(answer: &Answer, shown: &[&Row], legend: &[(usize, &str)], top: f64) -> Panel {
    let legend: Vec<(usize, &str)> =
        legend.iter().copied().filter(|(series, _)| shown[*series].nodes == Nodes::Pool).collect();
    let curves: Vec<(usize, Vec<f64>)> =
        legend.iter().map(|(series, _)| (*series, late_seconds(shown[*series]))).collect();
    let longest = curves.iter().filter_map(|(_, late)| late.last().copied()).fold(notice(answer), f64::max);
    let most =
        shown.iter().map(|row| row.figures.report.all.worse_than_alone.share * 100.0).fold(0.1, f64::max);
    let x = Axis::durations("later than alone by more than this, logarithmic", longest);
    let y = Axis::linear("% of all jobs", most);
    let title = "Jobs that end later than on their member's own nodes alone, same policy";
    let mut panel = Panel::new(top, PANEL_HEIGHT, title, &legend, x, y);
    for (series, late) in curves {
        let jobs = shown[series].lateness_millis.len().max(1) as f64;
        let above = |from: f64| late.len() - late.partition_point(|seconds| *seconds <= from);
        let points = (0..=240).map(|i| (longest * 2.0).powf(f64::from(i) / 240.0));
        panel.line(points.map(|from| (from, above(from) as f64 / jobs * 100.0)), series);
    }
    if answer.notice_s > 0 {
        panel.mark(notice(answer), "notice");
    }
    panel
}

fn notice(answer: &Answer) -> f64 {
    answer.notice_s as f64
}

/// Seconds of the jobs that end later than alone, sorted.
fn late_seconds(row: &Row) -> Vec<f64> {
    let late = row.lateness_millis.iter().filter(|millis| **millis > 0);
    let mut seconds: Vec<f64> = late.map(|millis| *millis as f64 / 1000.0).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}
