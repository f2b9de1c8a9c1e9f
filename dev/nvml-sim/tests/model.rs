//! The model against sums that share no code with it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use concord_nvml_sim::model::{Device, Scope};
use concord_nvml_sim::{Curve, Scenario};
use proptest::prelude::*;

/// Step of the oracle's sums.
const STEP_SECONDS: f64 = 0.001;

/// Work as the oracle sees it: start, end, and power as points with a period.
#[derive(Debug, Clone)]
struct Work {
    start: f64,
    end: f64,
    points: Vec<(f64, f64)>,
    period: Option<f64>,
}

impl Work {
    /// Power at a time, by walking the points.
    fn watts(&self, at: f64) -> f64 {
        if at < self.start || at >= self.end {
            return 0.0;
        }
        let mut x = at - self.start;
        if let Some(period) = self.period {
            while x >= period {
                x -= period;
            }
        }
        let mut value = self.points[0].1;
        for pair in self.points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            if x >= x1 {
                value = y1;
            } else if x >= x0 {
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
            }
        }
        value
    }

    fn yaml(&self, number: usize) -> String {
        let points: Vec<String> = self.points.iter().map(|(x, y)| format!("[{x}, {y}]")).collect();
        let period = self.period.map(|period| format!(", every_seconds: {period}")).unwrap_or_default();
        format!(
            "  - name: work-{number}\n    on: [{{gpu: 0, share: {number}}}]\n    start_seconds: {}\n    end_seconds: {}\n    power_watts: {{points: [{}]{period}}}\n",
            self.start,
            self.end,
            points.join(", ")
        )
    }
}

fn work() -> impl Strategy<Value = Work> {
    let points = prop::collection::vec((0u32..8, 0u32..150), 1..5);
    (0u32..20, 1u32..30, points, prop::option::of(8u32..12)).prop_map(
        |(start, length, mut points, period)| {
            points.sort_by_key(|(x, _)| *x);
            let points = points.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).collect();
            let start = f64::from(start);
            Work { start, end: start + f64::from(length), points, period: period.map(f64::from) }
        },
    )
}

fn scenario(profile: &str, gpu: &str, works: &[Work], faults: &str) -> Scenario {
    let works: String = works.iter().enumerate().map(|(number, work)| work.yaml(number)).collect();
    let text =
        format!("version: 1\ngpus:\n  - profile: {profile}\n{gpu}\nworkloads:\n{works}\nfaults:\n{faults}\n");
    let text = if works.is_empty() { text.replace("workloads:\n", "") } else { text };
    let text = if faults.is_empty() { text.replace("faults:\n", "") } else { text };
    Scenario::parse(&text, "test").unwrap()
}

/// Joules above idle by midpoints.
fn summed(works: &[Work], from: f64, to: f64) -> f64 {
    let steps = ((to - from) / STEP_SECONDS).round() as u64;
    let at = |step: u64| from + (step as f64 + 0.5) * STEP_SECONDS;
    (0..steps).map(|step| works.iter().map(|work| work.watts(at(step))).sum::<f64>() * STEP_SECONDS).sum()
}

fn counter(scenario: &Scenario, at: f64) -> u64 {
    Device::new(scenario, 0, at).unwrap().counter_millijoules().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_counter_is_the_integral_of_power(works in prop::collection::vec(work(), 0..3), at in 0u32..400) {
        let scenario = scenario("h100", "", &works, "");
        let at = f64::from(at) / 10.0;
        let expected = 69.85 * at + summed(&works, 0.0, at);
        // The oracle's sums err at jumps by half a step.
        prop_assert!((counter(&scenario, at) as f64 / 1000.0 - expected).abs() < 1.0 + expected * 1e-4);
    }

    #[test]
    fn the_counter_never_decreases_and_moves_only_at_updates(
        works in prop::collection::vec(work(), 0..3), milliseconds in 20u32..100, from in 0u32..4000,
    ) {
        let scenario = scenario("h100", &format!("    energy_update_milliseconds: {milliseconds}"), &works, "");
        let step = f64::from(milliseconds) / 1000.0;
        let tick = f64::from(from);
        let inside = [0.01, 0.5, 0.99].map(|part| counter(&scenario, (tick + part) * step));
        prop_assert!(inside.iter().all(|value| *value == inside[0]), "{inside:?}");
        // Idle power alone moves it at every update.
        prop_assert!(counter(&scenario, (tick + 1.01) * step) > inside[0]);
    }

    #[test]
    fn hopper_shows_the_mean_of_a_second_and_ampere_the_instant(
        works in prop::collection::vec(work(), 0..2), at in 10u32..400,
    ) {
        let at = f64::from(at) / 10.0;
        let mean = |seconds: f64| summed(&works, at - seconds, at) / seconds;
        for (profile, idle, seconds) in [("h100", 69.85, 1.0), ("a100", 60.0, 0.025)] {
            let scenario = scenario(profile, "", &works, "");
            let shown = Device::new(&scenario, 0, at).unwrap().power_usage_milliwatts().unwrap();
            let expected = idle + mean(seconds);
            prop_assert!((f64::from(shown) / 1000.0 - expected).abs() < 7.0, "{profile}: {shown} and {expected}");
        }
    }

    #[test]
    fn truth_adds_up(works in prop::collection::vec(work(), 0..4), from in 0u32..20, length in 1u32..30, cut in 0.0f64..1.0) {
        let works: Vec<Work> = works.into_iter().take(4).collect();
        let scenario = scenario("h200", "", &works, "");
        let (from, to) = (f64::from(from), f64::from(from + length));
        let whole = scenario.truth(from, to);
        let device = &whole.devices[0];
        let of_workloads: f64 = whole.workloads.iter().map(|work| work.work_joules).sum();
        prop_assert!((of_workloads - device.work_joules).abs() < 1e-6);
        prop_assert!((device.idle_joules + device.work_joules - device.joules).abs() < 1e-6);
        let middle = from + cut * (to - from);
        let parts = scenario.truth(from, middle).devices[0].joules + scenario.truth(middle, to).devices[0].joules;
        prop_assert!((parts - device.joules).abs() < 1e-6);
        prop_assert!((device.work_joules - summed(&works, from, to)).abs() < 1.0 + device.work_joules * 1e-3);
    }
}

#[test]
fn a_curve_with_a_jump_is_integrated_on_both_sides() {
    let curve = Curve::new(vec![(0.0, 10.0), (2.0, 10.0), (2.0, 30.0), (4.0, 0.0)], Some(5.0)).unwrap();
    assert_eq!(curve.value(1.999), 10.0);
    assert_eq!(curve.value(2.0), 30.0);
    assert_eq!(curve.value(4.5), 0.0);
    assert_eq!(curve.value(5.0), 10.0);
    // 20 before the jump, 30 after it, in each of two periods, and 10 of the third.
    assert_eq!(curve.integral(0.0, 11.0), 110.0);
    assert_eq!(curve.integral(1.0, 6.0), 50.0);
}

#[test]
fn the_two_power_fields_differ_while_power_rises() {
    let works = [Work { start: 10.0, end: 30.0, points: vec![(0.0, 500.0)], period: None }];
    let scenario = scenario("h100", "", &works, "");
    let device = Device::new(&scenario, 0, 10.5).unwrap();
    assert_eq!(device.instant_milliwatts(Scope::Gpu), Ok(569_850));
    assert_eq!(device.average_milliwatts(Scope::Gpu), Ok(319_850));
    assert_eq!(device.instant_milliwatts(Scope::Memory), Ok(143_190));
    let later = Device::new(&scenario, 0, 12.0).unwrap();
    assert_eq!(later.instant_milliwatts(Scope::Gpu), later.average_milliwatts(Scope::Gpu));
}

#[test]
fn the_counter_starts_again_at_a_reset_and_at_a_load_of_the_driver() {
    let faults = "  resets: [{gpu: 0, at_seconds: 10, lasts_seconds: 2}]\n  driver_reloads: [{at_seconds: 20, lasts_seconds: 1}]";
    let scenario = scenario("h100", "    energy_at: {seconds: 0, joules: 1000}", &[], faults);
    assert_eq!(counter(&scenario, 9.95), 1_000_000 + 691_515);
    assert_eq!(counter(&scenario, 12.0), 0);
    assert_eq!(counter(&scenario, 13.0), 69_850);
    assert_eq!(counter(&scenario, 22.0), 69_850);
    // What is true does not start again.
    assert!((scenario.truth(0.0, 22.0).devices[0].joules - 69.85 * 22.0).abs() < 1e-9);
}

#[test]
fn bias_changes_readings_and_not_the_truth() {
    let scenario = scenario("h100", "    counter_bias_ratio: -0.43\n    power_bias_ratio: 0.05", &[], "");
    assert_eq!(counter(&scenario, 100.0), 3_981_450);
    let device = Device::new(&scenario, 0, 100.0).unwrap();
    assert_eq!(device.power_usage_milliwatts(), Ok(73_343));
    assert!((scenario.truth(0.0, 100.0).devices[0].joules - 6985.0).abs() < 1e-9);
}

#[test]
fn a_scenario_that_forgets_the_past_goes_on_with_the_same_counter() {
    let works = [Work { start: 0.0, end: 50.0, points: vec![(0.0, 100.0)], period: None }];
    let whole = scenario("h100", "", &works, "");
    let joules = counter(&whole, 60.0) as f64 / 1000.0;
    let pruned = scenario("h100", &format!("    energy_at: {{seconds: 60, joules: {joules}}}"), &[], "");
    assert_eq!(counter(&whole, 60.0), counter(&pruned, 60.0));
    assert!(counter(&whole, 75.5).abs_diff(counter(&pruned, 75.5)) <= 1);
}

#[test]
fn examples_are_sound() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let scenario = Scenario::read(&entry.unwrap().path()).unwrap();
        let truth = scenario.truth(0.0, 300.0);
        assert!(truth.devices.iter().all(|device| device.joules >= device.idle_joules));
        seen += 1;
    }
    assert_eq!(seen, 6);
}
