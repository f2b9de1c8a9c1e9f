//! `concord explain` as people call it: golden texts (`UPDATE_EXPECTED=1 cargo test -p concord-cli --test explain`
//! writes them; review the difference), JSON, kubectl, faults and wrong use.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const NOW: &str = "2027-03-01T10:00:00Z";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain")
}

fn concord(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_concord"))
        .arg("explain")
        .args(arguments)
        .current_dir(folder())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn of_trace(job: &str, at: &str, more: &[&str]) -> Output {
    let trace = ["--treaty", "two-states.yaml", "--trace", "jobs.csv", "--nodes", "4", "--at", at];
    concord(&[&[job], &trace[..], more].concat())
}

/// A trace that names institutions and projects.
fn of_paths(job: &str, at: &str, more: &[&str]) -> Output {
    let trace = ["--treaty", "two-states.yaml", "--trace", "paths.csv", "--nodes", "4", "--at", at];
    concord(&[&[job], &trace[..], more].concat())
}

fn of_cluster(claim: &str, more: &[&str]) -> Output {
    concord(&[&[claim, "--from", "cluster.json", "--at", NOW], more].concat())
}

#[test]
fn explanations_read_as_reviewed() {
    let quota = ["--quota", "north-quota.yaml"];
    let cases: [(&str, Output); 12] = [
        ("trace-behind-ceiling", of_trace("large", "50", &[])),
        ("trace-waits-for-borrower", of_trace("owner", "50", &[])),
        ("trace-told-to-leave", of_trace("lent", "50", &[])),
        ("trace-runs", of_trace("early", "50", &[])),
        ("trace-ended", of_trace("early", "1500", &[])),
        ("trace-too-large", of_trace("too-large", "50", &[])),
        ("cluster-no-run-times", of_cluster("climate/train", &[])),
        ("cluster-waits-for-borrower", of_cluster("job/fold", &[])),
        ("cluster-second-in-line", of_cluster("train-2", &["-n", "climate"])),
        ("cluster-share-ceiling", of_cluster("climate/train", &quota)),
        ("trace-share-ceiling", of_paths("b", "50", &quota)),
        ("cluster-ended", of_cluster("gpuclaim/old", &[])),
    ];
    let texts = cases.map(|(name, output)| {
        let out = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {out}");
        (name, out)
    });
    support::are_as_reviewed(&folder(), texts);
}

#[test]
fn json_says_the_same_in_milliseconds() {
    let output = of_trace("owner", "50", &["--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["claim"], "owner");
    let zero = json["zeroMillis"].as_i64().unwrap();
    let millis = |value: &Value| value.as_i64().unwrap() - zero;
    assert_eq!((millis(&json["nowMillis"]), millis(&json["dueSinceMillis"])), (50_000, 40_000));
    assert_eq!(json["state"]["kind"], "reserved");
    let leaving = &json["state"]["leaving"][0];
    assert_eq!((&leaving["claim"], millis(&leaving["deadlineMillis"])), (&"lent".into(), 100_000));
    assert_eq!(millis(&json["promise"]["latestStartMillis"]), 100_000);
    assert_eq!(json["start"]["earliest"]["kind"], "at");
    assert_eq!(millis(&json["start"]["earliest"]["atMillis"]), 100_000);
    assert_eq!(json["reason"]["code"], "WaitingForReclaim");
    assert_eq!(json["whatIfs"][0]["ask"]["pods"], 1);
}

/// What the list does not have is said, and a quota in the list counts like one on the command line.
#[test]
fn a_cluster_is_explained_with_what_is_in_the_list_and_the_rest_is_told() {
    let list = fs::read_to_string(folder().join("cluster.json")).unwrap();
    let mut list: Value = serde_json::from_str(&list).unwrap();
    let spec = &mut list["items"][0]["spec"];
    spec["budget"] = serde_json::json!({"period": "month", "gpuHours": {"north": 10}});
    spec["eligibility"] = serde_json::json!({"countries": ["FI"]});
    let quota = serde_json::json!({
        "kind": "MemberQuota", "metadata": {"name": "north", "creationTimestamp": "2027-01-01T00:00:00Z"},
        "spec": {"institutions": [{"name": "polar-institute", "ceiling": {"gpus": 24}, "projects": [{"name": "climate"}]}]},
        "status": {"inForceSince": "2027-01-01T00:00:05.000000Z", "conditions": [{"type": "InForce", "status": "True"}]},
    });
    list["items"].as_array_mut().unwrap().push(quota);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), list.to_string()).unwrap();
    let from = file.path().to_str().unwrap();
    let output = concord(&["climate/train", "--from", from, "--at", NOW]);
    assert!(text(&output.stdout).contains("[NotEligible; clause eligibility]"), "nothing is stated");
    let project = serde_json::json!({"kind": "Project", "metadata": {"name": "climate"},
        "spec": {"applicant": {"organisationKind": "academic", "country": "FI", "purpose": "civil"}}});
    list["items"].as_array_mut().unwrap().push(project);
    fs::write(file.path(), list.to_string()).unwrap();
    let output = concord(&["climate/train", "--from", from, "--at", NOW]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(told.contains("[ShareCeilingReached; clause quota/north/polar-institute]"), "{told}");
    for note in ["the books of the past are not in the list", "shares inside north"] {
        assert!(told.contains(note), "{told}");
    }
    let output = concord(&["climate/train", "--from", from, "--at", NOW, "--quota", "north-quota.yaml"]);
    assert!(text(&output.stderr).contains("and --quota another; keep one of the two"));
    let output = of_cluster("climate/train", &["--open", "emergency=north@60"]);
    assert!(text(&output.stderr).contains("\"emergency\" is no reserve of the treaty"));
}

#[test]
fn unknown_run_times_are_no_promise() {
    let output = of_cluster("climate/train", &["-o", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["start"]["latest"]["kind"], "unknown");
    assert_eq!(json["start"]["latest"]["because"][0], "climate/ocean");
}

#[test]
fn a_claim_that_is_not_there_gets_near_names() {
    for (output, expected) in [
        (
            of_cluster("climate/tarin", &[]),
            "cluster.json: no claim climate/tarin; did you mean climate/train",
        ),
        (of_cluster("zzz", &[]), "cluster.json: no claim zzz among 8"),
        (
            of_cluster("train", &[]),
            "cluster.json: several claims train; name one of climate/train, genome/train",
        ),
        (of_cluster("climate/train", &["-n", "genome"]), "of namespace \"climate\", but -n says \"genome\""),
        (of_cluster("a/b/c", &[]), "\"a/b/c\" is no claim"),
        (
            of_cluster("legacy/left", &[]),
            "spec.member: \"east\" is not in the treaty \"Two states\"; its members: north, south",
        ),
        (of_trace("smal", "50", &[]), "the trace has no job smal; did you mean small?"),
        (of_trace("owner", "5", &[]), "job owner arrives at second 40, after --at 5"),
        (of_trace("owner", "soon", &[]), "--at \"soon\" is not a second of a trace"),
        (concord(&["owner", "--trace", "jobs.csv"]), "required arguments were not provided"),
        (concord(&["owner", "--nodes", "4"]), "are for a trace; name it: --trace CSV"),
        (concord(&["owner", "--from", "cluster.json", "--at", "noon"]), "--at \"noon\" is not a time"),
        (concord(&["owner", "--from", "nowhere.json"]), "cannot read nowhere.json"),
        (concord(&["owner", "--from", "jobs.csv"]), "jobs.csv: is no JSON"),
        (concord(&[]), "required arguments were not provided"),
    ] {
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(expected), "{expected}:\n{err}");
    }
}

/// Each change of the good list, by pointer, and the fault that it makes.
#[test]
fn a_fault_names_file_object_and_field() {
    let good: Value =
        serde_json::from_str(&fs::read_to_string(folder().join("cluster.json")).unwrap()).unwrap();
    let claim = |name: &str| {
        let items = good["items"].as_array().unwrap();
        items.iter().position(|i| i["kind"] == "GpuClaim" && i["metadata"]["name"] == name).unwrap()
    };
    let ice = claim("ice");
    let cases = [
        (
            format!("/items/{ice}/spec/pods"),
            Value::from("two"),
            "GpuClaim climate/ice: spec.pods: is not a whole number",
        ),
        (
            format!("/items/{ice}/spec/nodeSelector"),
            Value::from(3),
            "climate/ice: spec.nodeSelector: is not a map",
        ),
        (
            format!("/items/{ice}/spec/runLimitSeconds"),
            Value::from("1h"),
            "spec.runLimitSeconds: is not a whole number",
        ),
        (format!("/items/{ice}/spec/pods"), Value::Null, "GpuClaim climate/ice: spec.pods: is missing"),
        (format!("/items/{ice}/spec/gpusPerPod"), Value::from(1_u64 << 40), "spec.gpusPerPod: is too large"),
        (
            format!("/items/{ice}/status/state"),
            Value::from("Paused"),
            "climate/ice: status.state: \"Paused\" is none of",
        ),
        (
            format!("/items/{ice}/status/noticeDeadline"),
            Value::from("noon"),
            "status.noticeDeadline: \"noon\" is not a time",
        ),
        (
            format!("/items/{ice}/status/placement/0/node"),
            Value::from(3),
            "climate/ice: status.placement[0].node: is not a text",
        ),
        (
            "/items/0/spec/members/0/guarantee/gpus".to_owned(),
            Value::from(-1),
            "Treaty two-states: spec: members[0].guarantee",
        ),
        ("/items/0/spec/title".to_owned(), Value::from(3), "Treaty two-states: spec: invalid type"),
        (
            "/items/2/status/allocatable/nvidia.com~1gpu".to_owned(),
            Value::from("many"),
            "Node n0: status.allocatable: nvidia.com/gpu",
        ),
        ("/items".to_owned(), Value::Null, "has no `items`"),
        ("/items".to_owned(), Value::Array(Vec::new()), "has no Treaty"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    for (pointer, value, expected) in cases {
        let mut list = good.clone();
        if pointer.starts_with("/items/0") {
            // The only treaty, so that no other one rules in its place.
            list["items"].as_array_mut().unwrap().remove(1);
        }
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let field = field.replace("~1", "/");
        match list.pointer_mut(parent).unwrap() {
            Value::Array(entries) => entries[field.parse::<usize>().unwrap()] = value,
            object => object[&field] = value,
        }
        fs::write(&file, list.to_string()).unwrap();
        let output = concord(&["climate/ice", "--from", file.to_str().unwrap(), "--at", NOW]);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{pointer}: {err}");
        assert!(err.contains(expected) && err.contains("list.json"), "{expected}:\n{err}");
    }
}

#[test]
fn standard_input_is_read() {
    let list = fs::File::open(folder().join("cluster.json")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_concord"))
        .args(["explain", "climate/train", "--from", "-", "--at", NOW])
        .stdin(list)
        .output()
        .unwrap();
    assert_eq!(output.stdout, of_cluster("climate/train", &[]).stdout);
}

#[cfg(unix)]
#[test]
fn kubectl_is_asked_with_its_own_flags() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kubectl");
    let list = self::folder().join("cluster.json");
    let script = format!(
        "#!/bin/sh\necho \"$@\" > {0}/asked\n[ \"$6\" = --context=broken ] && {{ echo no such context >&2; exit 1; }}\ncat {1}\n",
        folder.path().display(),
        list.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let ask = |path: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_concord"))
            .args(["explain", "job/train-job", "-n", "climate", "--at", NOW])
            .args(more)
            .env("PATH", path)
            .output()
            .unwrap()
    };
    let output = ask(&path, &["--kubeconfig", "/tmp/k", "--context", "pool"]);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.stdout, of_cluster("climate/train", &[]).stdout);
    let asked = fs::read_to_string(folder.path().join("asked")).unwrap();
    let flags = "--kubeconfig=/tmp/k --context=pool";
    let kinds =
        "treaties.concord.dev,memberquotas.concord.dev,projects.concord.dev,gpuclaims.concord.dev,nodes";
    assert_eq!(asked, format!("get {kinds} -A -o json {flags}\n"));
    let output = ask(&path, &["--context", "broken"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).ends_with("failed:\nno such context\n"), "{}", text(&output.stderr));
    let output = ask("/nowhere", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("install it, or read a file: --from FILE"));
}

/// Every field that is read is one of the CRD.
#[test]
fn field_names_are_those_of_the_crd() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crd = fs::read_to_string(root.join("helm/concord/crds/gpuclaims.yaml")).unwrap();
    let crd: serde_json::Value = serde_yaml::from_str(&crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let source = fs::read_to_string(root.join("cli/src/commands/explain/cluster/claim.rs")).unwrap();
    let mut fields: Vec<&str> =
        source.split('"').filter(|word| word.starts_with("spec.") || word.starts_with("status.")).collect();
    fields.extend(["status.due.since", "status.due.places.node", "status.due.places.gpus"]);
    fields.extend(["status.placement.node", "status.reserved.gpus"]);
    assert!(fields.len() > 15, "the fields are not found: {fields:?}");
    for field in fields {
        let mut part = schema;
        for name in field.split('.') {
            let object = if part["type"] == "array" { &part["items"] } else { part };
            part = &object["properties"][name];
            assert!(!part.is_null(), "the CRD has no {field}");
        }
    }
}
