//! Following a node: pods keep their GPUs, and forgetting the past changes no counter.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use concord_nvml_sim::follow::PodOnNode;
use concord_nvml_sim::model::Device;
use concord_nvml_sim::{Clock, Follower, Profile, Scenario};
use proptest::prelude::*;

fn pod(name: &str, gpus: usize) -> PodOnNode {
    PodOnNode { namespace: "physics".to_owned(), name: name.to_owned(), gpus }
}

fn follower(gpus: usize, keep_seconds: f64) -> Follower {
    Follower::new("node-1", Profile::H100, gpus, Clock { start_unix_seconds: 1e9, speed: 60.0 }, keep_seconds)
}

/// GPUs of each pod that runs then.
fn held(text: &str, at: f64) -> Vec<(String, Vec<usize>)> {
    let scenario = Scenario::parse(text, "test").unwrap();
    let running = scenario.workloads.iter().filter(|work| work.runs(at));
    running
        .map(|work| (work.pod.clone().unwrap().name, work.places.iter().map(|place| place.gpu).collect()))
        .collect()
}

#[test]
fn pods_keep_their_gpus_and_wait_for_free_ones() {
    let mut node = follower(4, 100.0);
    node.observe(10.0, &[pod("a", 2), pod("b", 1)]).unwrap();
    let text = node.observe(20.0, &[pod("b", 1), pod("c", 1), pod("d", 3)]).unwrap();
    assert_eq!(held(&text, 15.0), [("a".into(), vec![0, 1]), ("b".into(), vec![2])]);
    assert_eq!(held(&text, 20.0), [("b".into(), vec![2]), ("c".into(), vec![0])], "d does not fit");
    let text = node.observe(30.0, &[pod("d", 3)]).unwrap();
    assert_eq!(held(&text, 30.0), [("d".into(), vec![0, 1, 2])]);
    // The same name again is other work.
    let text = node.observe(40.0, &[pod("a", 2)]).unwrap();
    assert_eq!(held(&text, 40.0), [("a".into(), vec![0, 1])]);
    assert!(text.starts_with("# SIMULATOR"));
    let scenario = Scenario::parse(&text, "test").unwrap();
    assert_eq!((scenario.start_unix_seconds, scenario.speed), (Some(1e9), 60.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn forgetting_the_past_changes_no_counter(steps in prop::collection::vec((1u32..40, 0usize..8), 1..60)) {
        let (mut forgets, mut remembers) = (follower(2, 50.0), follower(2, 1e9));
        let (mut seconds, mut longest) = (0.0, 0);
        for (step, mask) in steps {
            seconds += f64::from(step);
            let pods: Vec<PodOnNode> = ["a", "b", "c"].iter().enumerate()
                .filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| pod(name, 1)).collect();
            let short = forgets.observe(seconds, &pods).unwrap();
            let long = remembers.observe(seconds, &pods).unwrap();
            longest = longest.max(short.matches("\"name\": \"physics/").count());
            let read = |text: &str, gpu: usize, at: f64| {
                let scenario = Scenario::parse(text, "test").unwrap();
                Device::new(&scenario, gpu, at).unwrap().counter_millijoules().unwrap()
            };
            for gpu in 0..2 {
                // Each forgetting rounds nothing away but what floating point does.
                prop_assert!(read(&short, gpu, seconds + 1.0).abs_diff(read(&long, gpu, seconds + 1.0)) <= 1);
            }
        }
        // At most three pods at a time, and what ended within 75 s of at least one second each.
        prop_assert!(longest <= 3 * 76);
    }
}
