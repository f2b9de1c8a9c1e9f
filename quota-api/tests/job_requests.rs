//! From what is typed to what is made: the form, the table of faults, the manifests and the way back. No cluster.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use concord_quota_api::jobs::ask::{JobKind, JobRequest, validate};
use concord_quota_api::jobs::catalogue::TEMPLATES;
use concord_quota_api::jobs::fault::{Fault, Field};
use concord_quota_api::jobs::form::JobForm;
use concord_quota_api::jobs::manifest;
use concord_quota_api::language::{Language, Words};
use concord_treaty::clauses::GpuClass;

fn classes(names: &[&str]) -> Vec<GpuClass> {
    let class = |name: &&str| GpuClass {
        name: (*name).to_owned(),
        node_labels: [("concord.dev/gpu-class".to_owned(), (*name).to_owned())].into(),
        charge_per_gpu_hour_thousandths: 1_000,
        charge_whole_nodes: false,
    };
    names.iter().map(class).collect()
}

/// A form without faults.
fn sound() -> JobForm {
    JobForm { project: "lab".to_owned(), ..JobForm::of(&TEMPLATES[0].request()) }
}

fn faults_of(form: &JobForm, classes: &[GpuClass]) -> Vec<Fault> {
    let (request, mut faults) = form.read();
    let known: Vec<Field> = faults.iter().map(|fault| fault.field).collect();
    let more = validate(&request, classes).err().unwrap_or_default();
    faults.extend(more.into_iter().filter(|fault| !known.contains(&fault.field)));
    faults
}

type Change = fn(&mut JobForm);

/// What is typed, and the one fault that it must lead to.
fn bad_inputs() -> Vec<(Field, &'static str, Change)> {
    use Field::{
        Arguments, Checkpoint, Class, Command, Environment, GpusPerPod, Image, Kind, Name, Pods, Port,
        RunLimit, Tasks,
    };
    vec![
        (Kind, "kind", |f| f.kind = "other".to_owned()),
        (Kind, "kind", |f| f.kind = String::new()),
        (Name, "missing", |f| f.name = "  ".to_owned()),
        (Name, "name-letters", |f| f.name = "Train".to_owned()),
        (Name, "name-letters", |f| f.name = "a.b".to_owned()),
        (Name, "name-letters", |f| f.name = "<script>".to_owned()),
        (Name, "name-letters", |f| f.name = "../../secrets".to_owned()),
        (Name, "name-ends", |f| f.name = "-a".to_owned()),
        (Name, "name-ends", |f| f.name = "a-".to_owned()),
        (Name, "name-ends", |f| f.name = "7a".to_owned()),
        (Name, "too-long", |f| f.name = "a".repeat(51)),
        (Image, "missing", |f| f.image = String::new()),
        (Image, "image", |f| f.image = "a b".to_owned()),
        (Image, "image", |f| f.image = "-x".to_owned()),
        (Image, "image", |f| f.image = "x:".to_owned()),
        (Image, "image", |f| f.image = "x\u{202e}y".to_owned()),
        (Image, "too-long", |f| f.image = "a".repeat(256)),
        (Command, "too-many-lines", |f| f.command = "a\n".repeat(101)),
        (Command, "line-too-long", |f| f.command = "a".repeat(4_097)),
        (Arguments, "control-character", |f| f.arguments = "a\0b".to_owned()),
        (Arguments, "line-too-long", |f| f.arguments = "a".repeat(4_097)),
        (Environment, "variable-line", |f| f.environment = "A=1\nnothing".to_owned()),
        (Environment, "variable-twice", |f| f.environment = "A=1\nA=2".to_owned()),
        (Environment, "variable-name", |f| f.environment = "1A=1".to_owned()),
        (Environment, "variable-name", |f| f.environment = "=1".to_owned()),
        (Environment, "variable-reserved", |f| f.environment = "NVIDIA_VISIBLE_DEVICES=all".to_owned()),
        (Environment, "line-too-long", |f| f.environment = format!("A={}", "b".repeat(4_097))),
        (Environment, "control-character", |f| f.environment = "A=\0".to_owned()),
        (GpusPerPod, "missing", |f| f.gpus_per_pod = String::new()),
        (GpusPerPod, "number", |f| f.gpus_per_pod = "eight".to_owned()),
        (GpusPerPod, "number", |f| f.gpus_per_pod = "1.5".to_owned()),
        (GpusPerPod, "number", |f| f.gpus_per_pod = "99999999999999999999".to_owned()),
        (GpusPerPod, "range", |f| f.gpus_per_pod = "0".to_owned()),
        (GpusPerPod, "range", |f| f.gpus_per_pod = "-8".to_owned()),
        (GpusPerPod, "range", |f| f.gpus_per_pod = "1001".to_owned()),
        (Pods, "one-pod", |f| f.pods = "2".to_owned()),
        (Pods, "number", |f| f.pods = "x".to_owned()),
        (Pods, "several-pods", |f| f.kind = "distributed".to_owned()),
        (Pods, "range", |f| {
            f.kind = "distributed".to_owned();
            f.pods = "10001".to_owned();
        }),
        (Tasks, "missing", |f| f.kind = "sweep".to_owned()),
        (Tasks, "range", |f| {
            f.kind = "sweep".to_owned();
            f.tasks = "0".to_owned();
        }),
        (Tasks, "fewer-tasks-than-pods", |f| {
            f.kind = "sweep".to_owned();
            f.pods = "4".to_owned();
            f.tasks = "3".to_owned();
        }),
        (Class, "class-unknown", |f| f.class = "h200".to_owned()),
        (RunLimit, "duration", |f| f.run_limit = "12".to_owned()),
        (RunLimit, "duration-range", |f| f.run_limit = "0s".to_owned()),
        (RunLimit, "duration-range", |f| f.run_limit = "366d".to_owned()),
        (Checkpoint, "duration", |f| f.checkpoint = "often".to_owned()),
        (Checkpoint, "duration-range", |f| f.checkpoint = "0m".to_owned()),
        (Port, "range", |f| {
            f.kind = "inference".to_owned();
            f.port = "70000".to_owned();
        }),
        (Port, "number", |f| {
            f.kind = "inference".to_owned();
            f.port = "http".to_owned();
        }),
    ]
}

#[test]
fn every_bad_input_is_told_once_beside_its_field_and_in_every_language() {
    assert_eq!(faults_of(&sound(), &[]), []);
    for (field, code, change) in bad_inputs() {
        let mut form = sound();
        change(&mut form);
        let faults = faults_of(&form, &[]);
        assert_eq!(faults.len(), 1, "{field:?} {code}: {faults:?}");
        assert_eq!((faults[0].field, faults[0].code), (field, code));
        for language in Language::ALL {
            let sentence = faults[0].sentence(Words(language));
            assert!(!sentence.contains("job-fault") && !sentence.contains('$'), "{language:?}: {sentence}");
        }
    }
}

#[test]
fn every_field_that_can_be_wrong_is_in_the_table() {
    let tried: Vec<Field> = bad_inputs().into_iter().map(|(field, ..)| field).collect();
    // A project is known or not known; that is the server's to say.
    let missing: Vec<Field> =
        Field::ALL.into_iter().filter(|f| *f != Field::Project && !tried.contains(f)).collect();
    assert_eq!(missing, []);
}

#[test]
fn of_several_classes_one_is_chosen_and_the_only_one_is_taken() {
    let chosen = |typed: &str, names: &[&str]| {
        let (request, _) = JobForm { class: typed.to_owned(), ..sound() }.read();
        validate(&request, &classes(names))
            .map(|ask| ask.class.map(|class| class.name))
            .map_err(|f| f[0].code)
    };
    assert_eq!(chosen("", &[]), Ok(None));
    assert_eq!(chosen("", &["a100"]), Ok(Some("a100".to_owned())));
    assert_eq!(chosen("h100", &["a100", "h100"]), Ok(Some("h100".to_owned())));
    assert_eq!(chosen("", &["a100", "h100"]), Err("class-missing"));
    assert_eq!(chosen("b200", &["a100", "h100"]), Err("class-unknown"));
}

#[test]
fn what_a_kind_has_no_use_for_is_left_out_of_the_form_and_refused_from_programs() {
    let form = JobForm { kind: "inference".to_owned(), tasks: "9".to_owned(), ..sound() };
    assert_eq!(faults_of(&form, &[]), [], "the run limit and the tasks are left where they are");
    let request =
        JobRequest { kind: JobKind::Inference, port: None, tasks: Some(9), ..TEMPLATES[0].request() };
    let faults = validate(&request, &[]).unwrap_err();
    let fields: Vec<(Field, &str)> = faults.iter().map(|fault| (fault.field, fault.code)).collect();
    assert_eq!(
        fields,
        [
            (Field::Tasks, "not-for-kind"),
            (Field::RunLimit, "not-for-kind"),
            (Field::Checkpoint, "not-for-kind")
        ]
    );
}

#[test]
fn lines_of_windows_are_lines_and_values_keep_their_signs() {
    let form = JobForm {
        command: "python\r\n\r\ntrain.py\r\n".to_owned(),
        environment: "A=b=c\r\nEMPTY=\r\n".to_owned(),
        ..sound()
    };
    let (request, faults) = form.read();
    assert_eq!((request.command, faults), (vec!["python".to_owned(), "train.py".to_owned()], Vec::new()));
    assert_eq!(request.environment.get("A").map(String::as_str), Some("b=c"));
    assert_eq!(request.environment.get("EMPTY").map(String::as_str), Some(""));
}

#[test]
fn manifests_of_the_templates() {
    for template in &TEMPLATES {
        let ask = validate(&template.request(), &classes(&["a100"])).unwrap();
        let yaml = manifest::yaml(&manifest::objects(&ask, "lab", "TOKEN"));
        insta::assert_snapshot!(format!("manifest_{}", template.name), yaml);
    }
}

#[test]
fn what_was_made_can_be_submitted_again() {
    for template in &TEMPLATES {
        let request =
            JobRequest { environment: [("A".to_owned(), "1".to_owned())].into(), ..template.request() };
        let ask = validate(&request, &[]).unwrap();
        let object = manifest::objects(&ask, "lab", "TOKEN").remove(0);
        let again = if request.kind == JobKind::Inference {
            manifest::request_of_deployment(&serde_json::from_value(object).unwrap())
        } else {
            manifest::request_of_job(&serde_json::from_value(object).unwrap())
        };
        assert_eq!(again, Some(request), "{}", template.name);
    }
}

#[test]
fn text_of_people_stays_text_in_the_manifest() {
    let nasty = "'; rm -rf / #\n\"}: <script>alert(1)</script> \u{202e}";
    let request = JobRequest {
        arguments: vec![nasty.to_owned()],
        environment: [("A".to_owned(), nasty.to_owned())].into(),
        ..TEMPLATES[0].request()
    };
    let ask = validate(&request, &[]).unwrap();
    let yaml = manifest::yaml(&manifest::objects(&ask, "lab", "TOKEN"));
    let read: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
    let container = &read["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["args"][0], &container["env"][0]["value"]), (&nasty.into(), &nasty.into()));
}
