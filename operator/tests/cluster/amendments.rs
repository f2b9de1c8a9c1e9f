//! A treaty that is changed by its members' signatures alone, with the command line that they use.

use std::path::{Path, PathBuf};
use std::process::Command;

use concord_api::amendment::{Amendment, AmendmentState, AmendmentStatus};
use concord_api::{ClaimBasis, ClaimPhase, Treaty};
use concord_ledger::note::{self, MemberSigner};
use concord_pool::Identity;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::support::kept::Kept;
use super::support::{Pool, treaty};

/// What the command line printed.
struct Told {
    out: String,
    err: String,
    done: bool,
}

/// Members' keys and texts in a folder, and the program.
pub struct Desk {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
    path: std::ffi::OsString,
}

impl Desk {
    pub fn new(pool: &Pool) -> Self {
        let kubectl = pool.kubectl_program();
        let mut folders = vec![kubectl.parent().unwrap().to_owned()];
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let path = std::env::join_paths(folders).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), kubeconfig: pool.kubeconfig_of_admin(), path }
    }

    fn concord(&self, arguments: &[&str]) -> Told {
        let built = Path::new(env!("CARGO_BIN_EXE_concord-operator")).with_file_name("concord");
        let mut command = Command::new(&built);
        command.args(arguments).current_dir(self.folder.path());
        command.env("KUBECONFIG", &self.kubeconfig).env("PATH", &self.path);
        let output =
            command.output().unwrap_or_else(|e| panic!("{}: {e}; cargo build --workspace", built.display()));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Told { out: text(output.stdout), err: text(output.stderr), done: output.status.success() }
    }

    fn must(&self, arguments: &[&str]) -> String {
        let told = self.concord(arguments);
        assert!(told.done, "concord {arguments:?}: {}{}", told.out, told.err);
        told.out
    }

    /// A member's new public key; the private one stays in the folder.
    pub fn key(&self, member: &str) -> String {
        self.must(&["key", "new", member]).trim().to_owned()
    }

    fn signer(&self, member: &str) -> MemberSigner {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{member}.key"))).unwrap();
        MemberSigner::of_text(&text).ok().unwrap()
    }

    /// Writes a text, to be proposed.
    fn write(&self, text: &Value) -> String {
        let text = json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": "test"}, "spec": text});
        std::fs::write(self.folder.path().join("new.yaml"), text.to_string()).unwrap();
        "new.yaml".to_owned()
    }

    fn propose(&self, text: &Value, matter: &str, name: &str) -> String {
        let file = self.write(text);
        let arguments = [
            "propose", &file, "--treaty", "test", "--matter", matter, "--name", name, "--nodes", "2",
            "--apply",
        ];
        let told = self.concord(&arguments);
        assert!(told.done, "{}{}", told.out, told.err);
        told.err
    }

    fn sign(&self, amendment: &str, member: &str, vote: Option<&str>) {
        let key = format!("{member}.key");
        let mut arguments = vec!["ratify", amendment, "--member", member, "--key", &key];
        arguments.extend(vote.iter().flat_map(|vote| ["--vote", vote]));
        self.must(&arguments);
    }
}

/// The treaty of [`Pool`] with rules by which it is changed; `members` with their keys.
pub fn with_rules(mut text: Value, keys: &[(&str, String)]) -> Value {
    for member in text["spec"]["members"].as_array_mut().unwrap() {
        let key = keys.iter().find(|(name, _)| member["name"] == *name).map(|(_, key)| key.clone());
        member["keys"] = json!([key.unwrap()]);
    }
    let vote = |matter: &str| json!({"matter": matter, "weightBy": "equal", "weightPercent": "100", "absentCounted": true});
    text["spec"]["votes"] = json!([vote("annex"), vote("body"), vote("emergency")]);
    text["spec"]["amendments"] = json!([
        {"of": "annex", "noticeDays": 0, "entryIntoForceDays": 0},
        {"of": "body", "noticeDays": 0, "entryIntoForceDays": 0, "ratifiedByAll": true},
        {"of": "emergency", "noticeDays": 0, "entryIntoForceDays": 0, "sunsetDays": 30},
    ]);
    text
}

/// Puts that text into force, which is free as long as the one before has no such rules.
pub async fn put_into_force(pool: &Pool, text: &Value) {
    pool.apply(text);
    let treaties: Api<Treaty> = Api::all(pool.admin.clone());
    pool.eventually("the treaty with rules is in force", async || {
        let treaty = treaties.get("test").await.unwrap();
        let seen = treaty.status.as_ref().and_then(|s| s.observed_generation) == treaty.metadata.generation;
        (seen && treaty.is_in_force() && !treaty.spec.amendments.is_empty()).then_some(())
    })
    .await;
    // Policies are read by the API server some time after they were stored.
    pool.eventually("the treaty is held to its rules", async || {
        let (out, done) =
            pool.try_kubectl(Identity::ADMIN, &["delete", "treaty", "test", "--dry-run=server"], None);
        (!done && out.contains("concord-treaties-change-by-amendment")).then_some(())
    })
    .await;
}

async fn status(
    pool: &Pool,
    name: &str,
    what: &str,
    wanted: impl Fn(&AmendmentStatus) -> bool,
) -> AmendmentStatus {
    let amendments: Api<Amendment> = Api::all(pool.admin.clone());
    let last = std::sync::Mutex::new(None);
    let found = pool.eventually(what, async || {
        let status = amendments.get(name).await.unwrap().status?;
        *last.lock().unwrap() = Some(status.why.clone());
        wanted(&status).then_some(status)
    });
    found.await
}

async fn in_state(pool: &Pool, name: &str, state: AmendmentState) -> AmendmentStatus {
    status(pool, name, &format!("{name} is {state:?}"), |status| status.state == Some(state)).await
}

async fn applied(pool: &Pool, name: &str) -> AmendmentStatus {
    status(pool, name, &format!("the text of {name} is in the treaty"), |status| status.applied_at.is_some())
        .await
}

fn refused(said: (String, bool), by: &str) {
    let (text, done) = said;
    assert!(!done, "was let through: {text}");
    assert!(text.contains(by), "refused by something else than {by:?}: {text}");
}

fn patch(pool: &Pool, kind: &str, name: &str, patch: &Value) -> (String, bool) {
    pool.try_kubectl(Identity::ADMIN, &["patch", kind, name, "--type=merge", "-p", &patch.to_string()], None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_treaty_changes_by_the_signatures_of_its_members_and_in_no_other_way() {
    let mut pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 2).await;
    pool.kill_operator();
    let kept = Kept::new(pool.folder());
    let options = kept.options();
    pool.start_operator_with(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let desk = Desk::new(&pool);
    let mut text = treaty(&[("alpha", 8), ("beta", 8), ("gamma", 0)], 2);
    text["spec"]["members"][2]["suspended"] = json!({"from": "2026-01-01", "reason": "dues not paid"});
    let keys = ["alpha", "beta", "gamma"].map(|member| (member, desk.key(member)));
    let text = with_rules(text, &keys);
    put_into_force(&pool, &text).await;

    // Nobody edits it, whoever they are.
    let more = json!({"spec": {"title": "mine"}});
    refused(patch(&pool, "treaty", "test", &more), "changes by an amendment alone: concord propose");
    refused(pool.try_kubectl(Identity::ADMIN, &["delete", "treaty", "test"], None), "is not deleted");
    let fake = json!({"metadata": {"annotations": {"concord.dev/amendment": "fake"}}});
    refused(patch(&pool, "treaty", "test", &fake), "are set by concord-operator");
    let (out, done) = patch(&pool, "treaty", "test", &json!({"metadata": {"labels": {"for": "people"}}}));
    assert!(done, "labels are free: {out}");

    // A gang of 16 runs on borrowed GPUs before, and on the guarantee afterwards.
    pool.submit("alpha", "large", 2, 8, 3600.0).await;
    let claim = pool.wait_for_state("alpha", "large", ClaimPhase::Admitted).await;
    assert_eq!(claim.status.unwrap().basis, Some(ClaimBasis::Borrowed));
    let mut new = text["spec"].clone();
    new["members"][0]["guarantee"]["gpus"] = json!(16);
    new["members"][1]["guarantee"]["gpus"] = json!(0);
    let softer = {
        let mut softer = new.clone();
        softer["votes"][0]["weightPercent"] = json!("1");
        desk.write(&softer)
    };
    let told = desk.concord(&[
        "propose", &softer, "--treaty", "test", "--matter", "annex", "--name", "soft", "--nodes", "2",
    ]);
    assert!(!told.done && told.err.contains("changes votes[annex].weightPercent (body)"), "{}", told.err);
    let preview = desk.propose(&new, "annex", "more");
    assert!(preview.contains("guaranteed GPUs: gains alpha (+8); loses beta (-8)"), "{preview}");
    in_state(&pool, "more", AmendmentState::Voting).await;

    // The proposal stays as it is.
    refused(
        patch(&pool, "amendment", "more", &json!({"spec": {"note": "other"}})),
        "cannot be changed once it was published",
    );
    refused(
        patch(&pool, "amendment", "more", &json!({"spec": {"text": {"title": "x"}}})),
        "cannot be changed once it was published",
    );
    let status_patch = json!({"status": {"state": "InForce"}}).to_string();
    let by_hand = ["patch", "amendment", "more", "--subresource=status", "--type=merge", "-p", &status_patch];
    refused(pool.try_kubectl(Identity::ADMIN, &by_hand, None), "written by concord-operator alone");

    // A wrong key: the command line sees it, and who goes past it is told in the status.
    let told = desk.concord(&["ratify", "more", "--member", "beta", "--vote", "yes", "--key", "alpha.key"]);
    assert!(!told.done && told.err.contains("the signature would not count"), "{}", told.err);
    forge(&pool, &desk).await;
    desk.sign("more", "gamma", Some("no"));
    desk.sign("more", "alpha", Some("yes"));
    let seen = status(&pool, "more", "three ballots are received", |status| status.received.len() == 3).await;
    assert_eq!(seen.state, Some(AmendmentState::Voting));
    let why = |member: &str, act: &str| {
        let of = seen.received.iter().find(|b| b.member == member && b.act.act().word() == act);
        of.unwrap().refused.clone().unwrap_or_default()
    };
    assert!(why("beta", "yes").contains("it was made with the key alpha+"), "{}", why("beta", "yes"));
    assert!(why("gamma", "no").contains("rights rest since 2026-01-01"), "{}", why("gamma", "no"));
    assert_eq!(why("alpha", "yes"), "");
    let ballot = seen.received[0].id.clone();
    refused(
        patch(&pool, "amendment", "more", &json!({"spec": {"ballots": {ballot: null}}})),
        "cannot be taken back",
    );

    desk.sign("more", "beta", Some("yes"));
    let seen = applied(&pool, "more").await;
    assert_eq!(seen.state, Some(AmendmentState::InForce));
    assert!(seen.why.starts_with("Passed: yes has 2 of 2 by weight, 100 % needed."), "{}", seen.why);
    let treaties: Api<Treaty> = Api::all(pool.admin.clone());
    pool.eventually("the new guarantee is in the treaty's status", async || {
        let found = treaties.get("test").await.unwrap();
        let guarantee = found.status.as_ref()?.members.first()?.guarantee_gpus;
        (guarantee == Some(16)).then_some(())
    })
    .await;
    let found = treaties.get("test").await.unwrap();
    assert_eq!(found.annotations()["concord.dev/amendment"], "more");
    assert_eq!(note::text_sha256(&found.spec).unwrap(), seen.text_sha256);
    pool.eventually("the claim runs on the guarantee", async || {
        let basis = pool.claim("alpha", "large").await?.status?.basis;
        (basis == Some(ClaimBasis::Guaranteed)).then_some(())
    })
    .await;
    let told = desk.must(&["amendments", "more"]);
    assert!(
        told.contains("more (annex of treaty test): InForce")
            && told.contains("does not count: gamma's rights"),
        "{told}"
    );
    refused(
        pool.try_kubectl(Identity::ADMIN, &["delete", "amendment", "more"], None),
        "an amendment that was decided stays",
    );

    // Under the new text: the body needs the signature of each after the vote.
    new["title"] = json!("Treaty of a test, amended");
    desk.propose(&new, "body", "longer");
    in_state(&pool, "longer", AmendmentState::Voting).await;
    desk.sign("longer", "alpha", Some("yes"));
    desk.sign("longer", "beta", Some("yes"));
    desk.sign("longer", "alpha", None);
    let waiting = status(&pool, "longer", "one signature is missing", |s| s.missing == ["beta"]).await;
    assert_eq!(waiting.state, Some(AmendmentState::WaitingForSignatures));
    assert_eq!(treaties.get("test").await.unwrap().spec.title, "Treaty of a test");
    desk.sign("longer", "beta", None);
    applied(&pool, "longer").await;
    assert_eq!(treaties.get("test").await.unwrap().spec.title, "Treaty of a test, amended");
    assert!(desk.must(&["amendments"]).contains("longer"));

    // Whoever reads the record finds the same, by the signatures alone.
    pool.eventually("both amendments are recorded, and carried by what members signed", async || {
        let report = kept.audited().await;
        let counted = report.checks.iter().any(|check| check.what.starts_with("2 amendments"));
        // Until the last step is recorded it may look otherwise.
        (counted && report.findings.is_empty()).then_some(())
    })
    .await;
    pool.stop().await;
}

/// A ballot in beta's name, signed by alpha.
async fn forge(pool: &Pool, desk: &Desk) {
    let amendments: Api<Amendment> = Api::all(pool.admin.clone());
    let amendment = amendments.get("more").await.unwrap();
    let note = format!("{}member beta\nact yes\n", amendment.status.unwrap().note);
    let ballot =
        json!({"member": "beta", "act": "approve", "signature": desk.signer("alpha").sign(&note).unwrap()});
    let (out, done) = patch(pool, "amendment", "more", &json!({"spec": {"ballots": {"forged": ballot}}}));
    assert!(done, "{out}");
}

/// Takes a right from the operator, or gives it back, as if it had crashed before that write.
fn operator_may(pool: &Pool, rule: &Value, may: bool) {
    let role = pool.kubectl(&["get", "clusterrole", "concord-operator", "-o", "json"]);
    let mut role: Value = serde_json::from_str(&role).unwrap();
    let rules = role["rules"].as_array_mut().unwrap();
    rules.retain(|known| known != rule);
    if may {
        rules.push(rule.clone());
    }
    pool.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "concord-operator"}, "rules": role["rules"]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_dies_between_two_writes_leaves_what_the_next_one_ends() {
    let mut pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 2).await;
    let desk = Desk::new(&pool);
    let keys = ["alpha", "beta"].map(|member| (member, desk.key(member)));
    let text = with_rules(treaty(&[("alpha", 8), ("beta", 8)], 2), &keys);
    put_into_force(&pool, &text).await;
    let treaties: Api<Treaty> = Api::all(pool.admin.clone());
    let mut new = text["spec"].clone();
    new["title"] = json!("Treaty of a test");
    new["members"][0]["guarantee"]["gpus"] = json!(4);
    desk.propose(&new, "emergency", "less");
    in_state(&pool, "less", AmendmentState::Voting).await;

    // Dies after the status, before the treaty.
    let treaty_right = json!({"apiGroups": ["concord.dev"], "resources": ["treaties"], "verbs": ["update"]});
    operator_may(&pool, &treaty_right, false);
    desk.sign("less", "alpha", Some("yes"));
    desk.sign("less", "beta", Some("yes"));
    let told = in_state(&pool, "less", AmendmentState::InForce).await;
    assert!(told.applied_at.is_none() && told.sunset.is_some());
    pool.eventually("the write of the treaty was tried", async || {
        pool.operator_log().contains("amendment not carried on").then_some(())
    })
    .await;
    pool.kill_operator();
    assert_eq!(treaties.get("test").await.unwrap().spec.members[0].guarantee.gpus, Some(8));

    // The next one dies after the treaty, before the status.
    let statuses = [
        "treaties/status",
        "amendments/status",
        "memberquotas/status",
        "applications/status",
        "projects/status",
        "gpuclaims/status",
    ];
    let status_right =
        json!({"apiGroups": ["concord.dev"], "resources": statuses, "verbs": ["update", "patch"]});
    operator_may(&pool, &treaty_right, true);
    operator_may(&pool, &status_right, false);
    pool.start_operator();
    pool.eventually("the treaty has the text", async || {
        let found = treaties.get("test").await.unwrap();
        (found.spec.members[0].guarantee.gpus == Some(4)).then_some(())
    })
    .await;
    pool.kill_operator();
    operator_may(&pool, &status_right, true);
    let version = treaties.get("test").await.unwrap().metadata.generation;
    pool.start_operator();
    let ended = applied(&pool, "less").await;
    assert_eq!(
        (ended.acts_from, ended.received),
        (told.acts_from, told.received),
        "nothing was received anew"
    );
    assert_eq!(treaties.get("test").await.unwrap().metadata.generation, version, "written once");
    pool.stop().await;
}
