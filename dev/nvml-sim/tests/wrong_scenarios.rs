//! What a wrong scenario is told: file, line, field.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use concord_nvml_sim::Scenario;

const GPU: &str = "version: 1\ngpus:\n  - profile: h100\n";

fn told(text: &str) -> String {
    Scenario::parse(text, "s.yaml").unwrap_err().to_string()
}

#[test]
fn each_mistake_is_told_with_its_line_and_field() {
    let cases = [
        ("version: 2\ngpus: []\n".to_owned(), "s.yaml:1: version: this release reads version 1"),
        (format!("{GPU}    idle_wats: 3\n"), "s.yaml:4: scenario: gpus[0]: unknown field `idle_wats`"),
        (format!("{GPU}    idle_watts: 900\n"), "s.yaml:4: gpus[0].idle_watts: 900 is not between 0 and 700"),
        (format!("{GPU}    uuid: x\n"), "s.yaml:4: gpus[0].uuid:"),
        (
            format!("{GPU}    mig: [{{profile: 5g.40gb, gpu_instance: 1}}]\n"),
            "s.yaml:4: gpus[0].mig[0].profile: \"5g.40gb\" is none of 1g.10gb",
        ),
        (
            format!(
                "{GPU}    mig: [{{profile: 4g.40gb, gpu_instance: 1}}, {{profile: 4g.40gb, gpu_instance: 2}}]\n"
            ),
            "s.yaml:4: gpus[0].mig: 8 compute and 8 memory slices",
        ),
        (
            format!("{GPU}workloads:\n  - name: a\n    on: [{{gpu: 3}}]\n    power_watts: 1\n"),
            "s.yaml:6: workloads[0].on[0].gpu: there are 1 GPUs",
        ),
        (
            format!("{GPU}workloads:\n  - name: a\n    on: [{{gpu: 0}}]\n    power_watts: 631\n"),
            "s.yaml:7: workloads[0].power_watts: GPU 0 could draw 700.85 W",
        ),
        (
            format!(
                "{GPU}workloads:\n  - {{name: a, on: [{{gpu: 0}}], power_watts: 1}}\n  - {{name: b, on: [{{gpu: 0}}], power_watts: 1}}\n"
            ),
            "s.yaml:6: workloads[1].on[0]: GPU-",
        ),
        (
            format!(
                "{GPU}workloads:\n  - name: a\n    on: [{{gpu: 0}}]\n    power_watts: {{points: [[3, 1], [2, 1]]}}\n"
            ),
            "s.yaml:7: scenario: workloads[0].power_watts: the points go back",
        ),
        (
            format!("{GPU}faults:\n  errors:\n    - {{code: gone, gpu: 0}}\n"),
            "NVML has no return code \"gone\"",
        ),
        (
            format!("{GPU}faults:\n  errors:\n    - code: 999\n      symbols: [nvmlDeviceGetPowerUse]\n"),
            "s.yaml:7: faults.errors[0].symbols[0]: this library has no symbol \"nvmlDeviceGetPowerUse\"; did you mean nvmlDeviceGetPowerUsage?",
        ),
        (format!("{GPU}driver: {{version: new}}\n"), "s.yaml:4: driver.version:"),
    ];
    for (text, expected) in cases {
        let told = told(&text);
        assert!(told.contains(expected), "{told}\nand not {expected}\nof {text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Scenario::read(std::path::Path::new("/nonexistent/s.yaml")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/s.yaml: cannot be read"), "{error}");
}
