//! Every treaty of `policies/` on a real API server: what the schema takes, what it refuses, and what only the operator
//! can refuse. After a change of a file, a rule or a message: `UPDATE_EXPECTED=1 cargo test -p concord-operator --test
//! cluster policies`, then read the difference of `policies.expected`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::support::Pool;
use concord_api::Treaty;
use concord_pool::Identity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};

/// The treaty that [`Pool`] starts with; it is the oldest, so that no other comes into force.
const RULING: &str = "test";

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// Files of a folder, without members' quotas.
fn files(folder: &Path) -> Vec<PathBuf> {
    let treaty = |path: &PathBuf| {
        let text = std::fs::read(path).unwrap();
        !String::from_utf8_lossy(&text).contains("kind: MemberQuota")
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let yaml = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml"));
    let mut files: Vec<PathBuf> = yaml.filter(treaty).collect();
    files.sort();
    files
}

/// What became of a file.
enum Answer {
    /// kubectl could not even send it.
    Unreadable(String),
    /// The API server refused it: nothing was stored.
    Refused(String),
    /// Stored; what the operator says of each treaty in it.
    Stored(Vec<Condition>),
}

async fn submit(pool: &Pool, file: &Path) -> Answer {
    let (out, ok) = pool.try_kubectl(Identity::ADMIN, &["apply", "-f", &file.display().to_string()], None);
    let treaties: Api<Treaty> = Api::all(pool.admin.clone());
    let stored = async || {
        let all = treaties.list(&ListParams::default()).await.unwrap().items;
        all.into_iter().filter(|t| t.name_any() != RULING).collect::<Vec<_>>()
    };
    if !ok {
        assert_eq!(stored().await.len(), 0, "{}: refused, and stored all the same: {out}", file.display());
        return if out.starts_with("error: ") { Answer::Unreadable(out) } else { Answer::Refused(out) };
    }
    let what = format!("the operator says what it thinks of {}", file.display());
    let said =
        pool.eventually(&what, async || stored().await.iter().map(verdict).collect::<Option<Vec<_>>>()).await;
    for treaty in stored().await {
        treaties.delete(&treaty.name_any(), &DeleteParams::default()).await.unwrap();
    }
    pool.eventually("it is gone", async || stored().await.is_empty().then_some(())).await;
    Answer::Stored(said)
}

fn verdict(treaty: &Treaty) -> Option<Condition> {
    treaty.status.as_ref()?.conditions.iter().find(|c| c.type_ == "InForce").cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_treaties_are_stored_and_broken_ones_refused_by_schema_or_operator() {
    let pool = Pool::start(1, &[("alpha", 8)], 2).await;
    let treaties: Api<Treaty> = Api::all(pool.admin.clone());
    pool.eventually("the pool's own treaty rules", async || {
        treaties.get(RULING).await.unwrap().is_in_force().then_some(())
    })
    .await;
    for file in files(&policies()).into_iter().chain(files(&policies().join("examples"))) {
        let treaties = usize::from(!file.ends_with("projects.yaml"));
        match submit(&pool, &file).await {
            Answer::Stored(said) => {
                assert_eq!(said.len(), treaties, "{}", file.display());
                let waits = |c: &Condition| match c.reason.as_str() {
                    "AnotherTreatyInForce" | "OutOfTime" => true,
                    // What only the simulator keeps is refused, and nothing else of an example.
                    "Invalid" => c.message.lines().all(|line| line.starts_with("TR091 ")),
                    _ => false,
                };
                assert!(said.iter().all(waits), "{}: {said:?}", file.display());
            }
            Answer::Unreadable(out) | Answer::Refused(out) => panic!("{}: {out}", file.display()),
        }
    }

    let mut found = String::new();
    for file in files(&policies().join("broken")) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let (who, what) = match submit(&pool, &file).await {
            Answer::Unreadable(_) => ("kubectl", String::new()),
            Answer::Refused(out) => ("API server", gist(&out)),
            Answer::Stored(said) if said.iter().any(|c| c.reason == "Invalid") => {
                ("operator", said.iter().map(|c| c.message.as_str()).collect::<Vec<_>>().join("\n"))
            }
            Answer::Stored(_) => ("nobody", String::new()),
        };
        let told: String = what.lines().map(|line| format!("\n    {line}")).collect();
        writeln!(found, "{name}: {who}{told}").unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/policies.expected");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == expected, "answers changed; see the head of this file\n{found}");
    pool.stop().await;
}

/// The first of the API server's reasons, without the paths of this machine. It has them in no order.
fn gist(answer: &str) -> String {
    let answer = answer.replace(&policies().display().to_string(), "policies");
    let mut lines: Vec<&str> = answer.lines().map(|l| l.trim_start_matches("* ").trim()).collect();
    lines.retain(|line| !line.is_empty() && !line.starts_with("<nil>"));
    lines[1..].sort_unstable();
    lines[..lines.len().min(3)].join("\n")
}
