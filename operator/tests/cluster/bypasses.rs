//! Every way to GPUs beside the treaty that anybody could think of, tried with kubectl: by a person of a project, and by
//! one to whom a careless admin gave Kubernetes' own role `edit`; with the operator running and without it. The table is
//! `docs/bypasses.md`: `UPDATE_EXPECTED=1 cargo test -p concord-operator --test cluster bypasses` writes it anew.

mod amended;
mod gated;

use std::fmt::Write;
use std::path::Path;

use concord_api::ClaimPhase;
use concord_pool::Identity;
use serde_json::{Value, json};

use super::support::{EDITOR, Pool, RESEARCHER, job};

const LAB: &str = "alpha-lab";
/// Accepted, and nobody has GPUs by it.
const GATED: &str = "it waits behind the gate: MutatingAdmissionPolicy concord-gate-pods";

/// One attempt.
struct Attempt {
    what: &'static str,
    who: &'static str,
    command: Vec<&'static str>,
    input: Option<Value>,
    /// Accepted, and still nobody gets GPUs by it: why.
    harmless: Option<&'static str>,
}

fn attempt(what: &'static str, who: &'static str, command: &str) -> Attempt {
    let command: &'static str = command.to_owned().leak();
    Attempt { what, who, command: command.split_whitespace().collect(), input: None, harmless: None }
}

fn create(what: &'static str, who: &'static str, input: Value) -> Attempt {
    Attempt { input: Some(input), ..attempt(what, who, "create -n alpha-lab -f -") }
}

fn patch(what: &'static str, object: &str, patch: &Value) -> Attempt {
    let patch: &'static str = patch.to_string().leak();
    let mut tried = attempt(what, EDITOR, &format!("patch -n alpha-lab {object} --type=merge -p"));
    tried.command.push(patch);
    tried
}

fn gpu_job(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!(job(name, 1, 1, 60.0));
    object["apiVersion"] = json!("batch/v1");
    object["kind"] = json!("Job");
    change(&mut object["spec"]);
    object
}

fn pod(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let limits = json!({"limits": {"nvidia.com/gpu": "1"}});
    let mut object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"restartPolicy": "Never",
        "containers": [{"name": "train", "image": "training", "resources": limits}]}});
    change(&mut object);
    object
}

fn with_limit(resource: &str, count: &str) -> impl FnOnce(&mut Value) {
    let limits = json!({resource: count});
    move |spec| spec["template"]["spec"]["containers"][0]["resources"]["limits"] = limits
}

fn submitted_badly() -> Vec<Attempt> {
    let job =
        |what, name, change: Box<dyn FnOnce(&mut Value)>| create(what, RESEARCHER, gpu_job(name, change));
    let pod_of = |what, name, field: &'static str, value: Value| {
        job(what, name, Box::new(move |s: &mut Value| s["template"]["spec"][field] = value))
    };
    let no_gpu_env = |s: &mut Value| {
        s["template"]["spec"]["containers"][0]["resources"] = json!({});
        s["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]);
    };
    vec![
        pod_of("a node of one's own choice", "own-node", "nodeName", json!("node-000")),
        pod_of("another scheduler", "own-scheduler", "schedulerName", json!("mine")),
        pod_of("a priority above others", "priority", "priorityClassName", json!("system-cluster-critical")),
        pod_of("another container runtime", "own-runtime", "runtimeClassName", json!("nvidia")),
        pod_of(
            "a device claim beside the count (DRA)",
            "device-claim",
            "resourceClaims",
            json!([{"name": "gpu", "resourceClaimName": "gpu"}]),
        ),
        job(
            "all GPUs of the node by environment, without asking for one",
            "by-environment",
            Box::new(no_gpu_env),
        ),
        job("a part of a GPU (MIG)", "mig", Box::new(with_limit("nvidia.com/mig-1g.5gb", "1"))),
        job("a GPU of another name", "other-name", Box::new(with_limit("amd.com/gpu", "1"))),
        job("a negative number of GPUs", "negative", Box::new(with_limit("nvidia.com/gpu", "-8"))),
        job("half a GPU", "half", Box::new(with_limit("nvidia.com/gpu", "500m"))),
        job(
            "more than 64 bits of GPUs",
            "overflow",
            Box::new(with_limit("nvidia.com/gpu", "99999999999999999999")),
        ),
        job(
            "pods times GPUs beyond 64 bits",
            "product",
            Box::new(|s: &mut Value| {
                s["parallelism"] = json!(i32::MAX);
                s["completions"] = json!(i32::MAX);
                s["template"]["spec"]["containers"][0]["resources"]["limits"] =
                    json!({"nvidia.com/gpu": "9223372036854775807"});
            }),
        )
        .harmless("its claim is refused by its schema, or waits: larger than the pool"),
        job("a Job that starts at once", "at-once", Box::new(|s: &mut Value| s["suspend"] = json!(false)))
            .harmless("MutatingAdmissionPolicy concord-hold-jobs suspends it"),
    ]
}

impl Attempt {
    fn harmless(self, why: &'static str) -> Self {
        Self { harmless: Some(why), ..self }
    }

    fn shown(&self) -> String {
        let words: Vec<String> = self
            .command
            .iter()
            .map(|w| if w.starts_with('{') { format!("'{w}'") } else { (*w).to_owned() })
            .collect();
        format!("kubectl {}", words.join(" "))
    }
}

fn by_the_person() -> Vec<Attempt> {
    let mut all = submitted_badly();
    let owned = json!({"apiVersion": "concord.dev/v1alpha1", "kind": "GpuClaim", "metadata": {"name": "mine"},
        "spec": {"member": "alpha", "project": LAB, "pods": 1, "gpusPerPod": 1, "gpus": 1,
            "workload": {"kind": "Job", "name": "mine", "uid": "1"}, "submittedAt": "2020-01-01T00:00:00Z"}});
    all.extend([
        create("a pod without a Job", RESEARCHER, pod("bare", |_| ())).harmless(GATED),
        create("a claim of one's own", RESEARCHER, owned),
        attempt("starting the held Job", RESEARCHER, "patch -n alpha-lab job held --type=merge -p {\"spec\":{\"suspend\":false}}"),
        attempt("taking the project's label off the namespace", RESEARCHER, "label namespace alpha-lab concord.dev/project-"),
        attempt("making a namespace that looks like a project", RESEARCHER, "create namespace beside"),
        attempt("work in a namespace of others", RESEARCHER, "create -n elsewhere job other --image=training"),
        attempt("the operator's token", RESEARCHER, "create token concord-operator -n concord-system"),
        attempt(
            "acting as the operator",
            RESEARCHER,
            "patch -n alpha-lab job held --type=merge -p {\"spec\":{\"suspend\":false}} --as=system:serviceaccount:concord-system:concord-operator",
        ),
        attempt("binding a pod to a node", RESEARCHER, "create -n alpha-lab --raw /api/v1/namespaces/alpha-lab/pods/x/binding -f /dev/null"),
        attempt("changing the treaty", RESEARCHER, "patch treaty test --type=merge -p {\"spec\":{\"title\":\"mine\"}}"),
        attempt("another project for oneself", RESEARCHER, "patch project beta-lab --type=merge -p {\"spec\":{\"people\":[]}}"),
    ]);
    all
}

fn workload(kind: &str, name: &str, replicas: u32) -> Value {
    let mut template = json!({"metadata": {"labels": {"app": name}}, "spec": pod(name, |_| ())["spec"]});
    template["spec"]["restartPolicy"] = json!("Always");
    let mut spec =
        json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template});
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
    }
    if kind == "DaemonSet" {
        spec.as_object_mut().unwrap().remove("replicas");
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// With `edit` in the project's namespace, and in one that is no project.
fn by_the_editor() -> Vec<Attempt> {
    let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "running", "uid": "00000000-0000-0000-0000-000000000001",
        "controller": true}]);
    let elsewhere =
        |what, input| Attempt { input: Some(input), ..attempt(what, EDITOR, "create -n elsewhere -f -") };
    vec![
        create("a pod without a Job", EDITOR, pod("bare", |_| ())).harmless(GATED),
        create(
            "a pod that names a running Job as its owner",
            EDITOR,
            pod("forged", |p| p["metadata"]["ownerReferences"] = owner),
        ),
        create(
            "a pod whose init container asks",
            EDITOR,
            pod("init", |p| {
                p["spec"]["initContainers"] = p["spec"]["containers"].clone();
                p["spec"]["initContainers"][0]["name"] = json!("first");
                p["spec"]["containers"][0]["resources"] = json!({});
            }),
        )
        .harmless(GATED),
        create(
            "a pod straight onto a node",
            EDITOR,
            pod("placed", |p| p["spec"]["nodeName"] = json!("node-000")),
        ),
        create(
            "a privileged pod that asks for none and sees all",
            EDITOR,
            pod("privileged", |p| {
                p["spec"]["containers"][0]["resources"] = json!({});
                p["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
            }),
        ),
        create(
            "the node's devices as a folder",
            EDITOR,
            pod("devices", |p| {
                p["spec"]["containers"][0]["resources"] = json!({});
                p["spec"]["volumes"] = json!([{"name": "dev", "hostPath": {"path": "/dev"}}]);
            }),
        ),
        create(
            "all GPUs of the node by environment",
            EDITOR,
            pod("environment", |p| {
                p["spec"]["containers"][0]["resources"] = json!({});
                p["spec"]["containers"][0]["env"] =
                    json!([{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]);
            }),
        ),
        patch("starting the held Job", "job held", &json!({"spec": {"suspend": false}})),
        patch("more pods for the held Job", "job held", &json!({"spec": {"parallelism": 64}})),
        patch("more pods for the running Job", "job running", &json!({"spec": {"parallelism": 64}})),
        patch(
            "more time for the running Job",
            "job running",
            &json!({"spec": {"activeDeadlineSeconds": 999_999}}),
        ),
        patch(
            "more GPUs for the held Job",
            "job held",
            &json!({"spec": {"template": {"spec": {"containers": [{"name": "train", "image": "training",
                "resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8"}}}]}}}}),
        ),
        patch(
            "GPUs for a held Job that asked for none, started in the same write",
            "job plain",
            &json!({"spec": {"suspend": false, "template": {"spec": {"containers": [{"name": "train", "image": "training",
                "resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8"}}}]}}}}),
        ),
        attempt(
            "the running pod cut off from its Job",
            EDITOR,
            "label -n alpha-lab pod -l job-name=running batch.kubernetes.io/controller-uid-",
        ),
        Attempt {
            input: Some(gpu_job("held", |s| s["suspend"] = json!(false))),
            ..attempt(
                "the operator's field manager",
                EDITOR,
                "apply -n alpha-lab --server-side --force-conflicts --field-manager=concord-operator -f -",
            )
        },
        elsewhere("a pod in a namespace that is no project", pod("bare", |_| ())),
        elsewhere("a Job in a namespace that is no project", gpu_job("beside", |_| ()))
            .harmless("its pods are refused: ValidatingAdmissionPolicy concord-no-gpus-outside-projects"),
        attempt(
            "the account itself",
            EDITOR,
            "patch -n alpha-lab gpuclaim held --type=merge -p {\"metadata\":{\"labels\":{\"a\":\"b\"}}}",
        ),
    ]
}

/// What not even the cluster's admin does by mistake. Who takes a policy away for it leaves a trace in the audit log.
fn by_the_admin() -> Vec<Attempt> {
    let labelled = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "beside", "labels": {"concord.dev/project": "alpha-lab"}}});
    vec![
        attempt(
            "taking the project's label off the namespace",
            Identity::ADMIN,
            "label namespace alpha-lab concord.dev/project-",
        ),
        attempt(
            "booking a project on another member",
            Identity::ADMIN,
            "label namespace alpha-lab --overwrite concord.dev/member=beta",
        ),
        attempt(
            "weaker pod security",
            Identity::ADMIN,
            "label namespace alpha-lab --overwrite pod-security.kubernetes.io/enforce=privileged",
        ),
        Attempt {
            input: Some(labelled),
            ..attempt("a namespace that looks like a project", Identity::ADMIN, "create -f -")
        },
        attempt(
            "a claim admitted by hand",
            Identity::ADMIN,
            "patch -n alpha-lab gpuclaim held --subresource=status --type=merge -p {\"status\":{\"state\":\"Admitted\"}}",
        ),
        attempt(
            "the place in line of a claim",
            Identity::ADMIN,
            "patch -n alpha-lab gpuclaim held --type=merge -p {\"spec\":{\"submittedAt\":\"2020-01-01T00:00:00Z\"}}",
        ),
        attempt(
            "use taken off the account",
            Identity::ADMIN,
            "patch -n alpha-lab gpuclaim running --subresource=status --type=merge -p {\"status\":{\"usedGpuMilliseconds\":0}}",
        ),
        attempt(
            "starting the held Job",
            Identity::ADMIN,
            "patch -n alpha-lab job held --type=merge -p {\"spec\":{\"suspend\":false}}",
        ),
        create("a pod without a Job", Identity::ADMIN, pod("bare", |_| ())).harmless(GATED),
    ]
}

/// By whom and why it was refused, without what changes from run to run.
fn stopped_by(out: &str) -> String {
    let after = |mark: &str| out.split_once(mark).map(|(_, rest)| rest);
    if let Some(rest) = after("ValidatingAdmissionPolicy '") {
        let (policy, rest) = rest.split_once('\'').unwrap_or((rest, ""));
        let message = rest
            .split_once("denied request: ")
            .map_or("", |(_, message)| message.lines().next().unwrap_or(""));
        return format!("policy {policy}: {message}");
    }
    if out.contains("violates PodSecurity") {
        return "pod security of the namespace (baseline)".to_owned();
    }
    let invalid = out.contains(" is invalid: ");
    if !invalid && out.contains("cannot") && (out.contains("Forbidden") || out.contains("forbidden")) {
        return "RBAC: no such right".to_owned();
    }
    let first = out.lines().find(|line| line.contains("nvalid") || line.contains("rror")).unwrap_or(out);
    let words: Vec<&str> = first.split_whitespace().collect();
    format!("API server: {}", words.join(" "))
}

async fn try_all(pool: &Pool, attempts: &[Attempt]) -> Vec<String> {
    let mut rows = Vec::new();
    for tried in attempts {
        let (out, succeeded) = pool.try_kubectl(tried.who, &tried.command, tried.input.as_ref());
        let stopped = match (succeeded, tried.harmless) {
            (false, _) => stopped_by(&out),
            (true, Some(why)) => why.to_owned(),
            (true, None) => panic!("{} ({}) succeeded: {out}", tried.what, tried.who),
        };
        rows.push(format!("| {} | {} | `{}` | {stopped} |", tried.what, tried.who, tried.shown()));
        if succeeded && let Some(input) = &tried.input {
            let namespace = tried.command[2];
            let (kind, name) = (input["kind"].as_str().unwrap(), input["metadata"]["name"].as_str().unwrap());
            // Long enough for a controller to make pods, if it could.
            tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
            assert_eq!(pool.gpus_by_node().await.values().sum::<u32>(), 8, "{} got GPUs", tried.what);
            pool.kubectl(&["delete", "-n", namespace, kind, name, "--wait=true"]);
        }
    }
    rows
}

/// Deleted without its pods and submitted again under the same name: the pods that run on keep the GPUs booked.
async fn a_job_left_and_made_again_waits_for_its_own_pods(pool: &mut Pool) {
    pool.start_operator();
    for name in ["held", "plain"] {
        pool.kubectl(&["delete", "job", "-n", LAB, name, "--wait=true"]);
    }
    let (out, ok) = pool.try_kubectl(
        RESEARCHER,
        &["delete", "job", "-n", LAB, "running", "--cascade=orphan", "--wait=true"],
        None,
    );
    assert!(ok, "{out}");
    pool.submit("alpha", "running", 1, 8, 3600.0).await;
    for _ in 0..40 {
        assert_eq!(pool.gpus_by_node().await.values().sum::<u32>(), 8);
        let started = pool
            .claim("alpha", "running")
            .await
            .and_then(|c| c.status)
            .is_some_and(|s| s.state == ClaimPhase::Admitted);
        let job_uid = |c: &concord_api::GpuClaim| c.spec.workload.uid.clone();
        let old = pool.claim("alpha", "running").await.map(|c| job_uid(&c));
        let jobs: kube::Api<k8s_openapi::api::batch::v1::Job> =
            kube::Api::namespaced(pool.admin.clone(), LAB);
        let new = jobs.get("running").await.unwrap();
        assert!(!started || old != new.metadata.uid, "the new Job started beside the old one's pods");
        assert_eq!(new.spec.unwrap().suspend, Some(true));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_gpus_beside_the_treaty() {
    let mut pool = Pool::start(1, &[("alpha", 8), ("beta", 0)], 60).await;
    pool.kubectl(&["create", "namespace", "elsewhere"]);
    for namespace in [LAB, "elsewhere"] {
        pool.kubectl(&[
            "create",
            "-n",
            namespace,
            "rolebinding",
            "careless",
            "--clusterrole=edit",
            "--user=editor",
        ]);
    }
    // The pool is full with one Job; another is held, and a third asks for none and is suspended by its owner.
    pool.submit("alpha", "running", 1, 8, 3600.0).await;
    pool.wait_for_state("alpha", "running", ClaimPhase::Admitted).await;
    pool.submit("alpha", "held", 1, 8, 3600.0).await;
    pool.wait_for_state("alpha", "held", ClaimPhase::Queued).await;
    let plain = gpu_job("plain", |s| {
        s["suspend"] = json!(true);
        s["template"]["spec"]["containers"][0]["resources"] = json!({});
    });
    let (out, ok) = pool.try_kubectl(RESEARCHER, &["create", "-n", LAB, "-f", "-"], Some(&plain));
    assert!(ok, "{out}");
    // A pod waits behind the gate, as a gang of its own.
    let solo = pod("waiting", |p| {
        p["metadata"]["labels"] = json!({"concord.dev/gang": "solo", "concord.dev/gang-size": "1"});
        p["spec"]["activeDeadlineSeconds"] = json!(3600);
    });
    let (out, ok) = pool.try_kubectl(RESEARCHER, &["create", "-n", LAB, "-f", "-"], Some(&solo));
    assert!(ok, "{out}");
    pool.wait_for_state("alpha", "gang.solo", ClaimPhase::Queued).await;
    pool.apply(&json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}));
    pool.eventually("the running Job has its pod", async || {
        (pool.gpus_by_node().await.values().sum::<u32>() == 8).then_some(())
    })
    .await;
    // Policies are read by the API server some time after they are stored.
    pool.eventually("policies are enforced", async || {
        let (out, ok) = pool.try_kubectl(
            EDITOR,
            &["create", "-n", "elsewhere", "--dry-run=server", "-f", "-"],
            Some(&pod("x", |_| ())),
        );
        (!ok && out.contains("concord-no-gpus-outside-projects")).then_some(())
    })
    .await;

    let text = amended::prepare(&pool, &[("alpha", 8), ("beta", 0)], 60).await;
    let attempts: Vec<Attempt> = by_the_person()
        .into_iter()
        .chain(gated::by_the_person())
        .chain(by_the_editor())
        .chain(gated::attempts())
        .chain(by_the_admin())
        .chain(amended::attempts(&text))
        .collect();
    let with_operator = try_all(&pool, &attempts).await;
    pool.kill_operator();
    let without_operator = try_all(&pool, &attempts).await;
    assert_eq!(with_operator, without_operator, "the operator is not what stops anybody");
    let (out, _) = pool.try_kubectl(
        Identity::ADMIN,
        &["get", "job", "-n", LAB, "held", "-o", "jsonpath={.spec.suspend}"],
        None,
    );
    assert_eq!(out, "true");
    a_job_left_and_made_again_waits_for_its_own_pods(&mut pool).await;

    let mut table = String::from(include_str!("bypasses.head.md"));
    for row in &with_operator {
        writeln!(table, "{row}").unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bypasses.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    assert!(
        std::fs::read_to_string(&golden).unwrap_or_default() == table,
        "docs/bypasses.md is old; see the head of this file\n{table}"
    );
    pool.stop().await;
}
