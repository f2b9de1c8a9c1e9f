use super::*;
use crate::reading::InstanceReading;

fn device(uuid: &str) -> DeviceReading {
    DeviceReading { uuid: uuid.to_owned(), utilisation_percent: Some(0), ..DeviceReading::default() }
}

fn node(devices: Vec<DeviceReading>) -> NodeReading {
    NodeReading { driver_version: Some("590".to_owned()), nvml_version: None, devices }
}

fn read(second: i64, millijoules: u64) -> NodeReading {
    let energy_millijoules = Some(millijoules);
    node(vec![DeviceReading { wall_microseconds: second * 1_000_000, energy_millijoules, ..device("GPU-a") }])
}

#[test]
fn a_gpu_that_is_missed_is_lost_until_it_is_back_or_the_node_was_started_again() {
    let mut state = NodeState::default();
    state.boot("b1");
    state.take(&read(0, 1), None, None);
    let both = |state: &NodeState, reading: &NodeReading| state.judge(NvmlState::Ready, Some(reading));
    assert_eq!(both(&state, &read(0, 1)), [("GPU-a".to_owned(), None)]);
    assert_eq!(both(&state, &node(vec![])), [("GPU-a".to_owned(), Some(Trouble::Lost))]);
    state.boot("b2");
    assert_eq!(both(&state, &node(vec![])), [], "it may have been taken out");
}

#[test]
fn a_lost_gpu_begins_an_epoch_of_its_own_and_none_of_the_others() {
    let of = |second: i64, uuids: &[&str]| {
        let device = |uuid: &&str| DeviceReading {
            wall_microseconds: second * 1_000_000,
            energy_millijoules: Some(5),
            ..device(uuid)
        };
        node(uuids.iter().map(device).collect())
    };
    let mut state = NodeState::default();
    state.boot("b1");
    assert_eq!(state.take(&of(0, &["GPU-a", "GPU-b"]), None, None), []);
    assert!(!state.misses_a_gpu());
    for second in 1..3 {
        assert_eq!(state.take(&of(second, &["GPU-a"]), None, None), []);
        assert!(state.misses_a_gpu());
    }
    let began = state.take(&of(3, &["GPU-a", "GPU-b"]), None, None);
    assert_eq!(began, [("GPU-b".to_owned(), EpochCause::Session)]);
    assert_eq!(state.accounts["GPU-b"].meter.gap_microseconds, 3_000_000);
}

#[test]
fn an_xid_is_forgotten_with_the_reset_of_the_gpu_and_not_with_the_agent() {
    let mut state = NodeState::default();
    state.boot("b1");
    state.take(&read(0, 1_000), None, None);
    assert!(!state.see_xid("GPU-a", 31, &[31]) && state.see_xid("GPU-a", 79, &[31]));
    let json = serde_json::to_string(&state).unwrap();
    let mut state: NodeState = serde_json::from_str(&json).unwrap();
    state.take(&read(1, 1_001), None, None);
    assert_eq!(state.judge(NvmlState::Ready, Some(&read(1, 1_001)))[0].1, Some(Trouble::Xid(79)));
    let began = state.take(&read(2, 5), None, None);
    assert_eq!(began, [("GPU-a".to_owned(), EpochCause::CounterDecreased)]);
    assert_eq!(state.judge(NvmlState::Ready, Some(&read(2, 5)))[0].1, None);
}

#[test]
fn while_nvml_is_gone_or_let_go_no_gpu_gets_work() {
    let mut state = NodeState::default();
    state.boot("b1");
    state.take(&read(0, 1), None, None);
    assert_eq!(state.judge(NvmlState::Released, None)[0].1, Some(Trouble::Released));
    assert_eq!(state.judge(NvmlState::VersionMismatch, None)[0].1, Some(Trouble::DriverUnavailable));
}

#[test]
fn activity_is_weighted_by_multiprocessors_and_unknown_when_one_is_silent() {
    let instance = |gpu_instance, multiprocessors, sm: Option<f64>| InstanceReading {
        gpu_instance,
        multiprocessors,
        activity_ratio: sm.map(|sm| [("sm", sm)].into()),
        ..InstanceReading::default()
    };
    let mut gpu = device("GPU-a");
    gpu.mig_slices = Some(7);
    gpu.utilisation_percent = None;
    gpu.instances = vec![instance(1, 60, Some(0.5)), instance(2, 16, Some(1.0))];
    let found = activity(&gpu, None);
    assert_eq!(found.instances.unwrap(), [(1, 300_000), (2, 160_000)].into());
    assert!(!found.idle);
    gpu.instances.push(instance(3, 16, None));
    assert_eq!(activity(&gpu, None).instances, None);
}

#[test]
fn processes_are_added_up_by_pod() {
    let gpu = DeviceReading { processes: Some([(7, 40), (8, 2), (9, 5)].into()), ..device("GPU-a") };
    let pods = [(7, "u1".to_owned()), (8, "u1".to_owned())].into();
    let expected = [("u1".to_owned(), 42), (String::new(), 5)].into();
    assert_eq!(activity(&gpu, Some(&pods)).pods, Some(expected));
    assert_eq!(activity(&gpu, None).pods, None);
}
