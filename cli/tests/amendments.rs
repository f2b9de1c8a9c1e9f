//! From a changed text to a signed ballot on the command line, without a cluster: a script plays kubectl. After a change of what
//! is printed: `UPDATE_EXPECTED=1 cargo test -p concord-cli --test amendments`, then read the difference in `tests/amend`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use concord_ledger::note::{self, MemberSigner};
use serde_json::{Value, json};

/// A folder with two members' keys, a treaty with rules, and a kubectl that answers with files of the folder.
struct Desk {
    folder: tempfile::TempDir,
    text: String,
}

struct Told {
    code: i32,
    out: String,
    err: String,
}

const KUBECTL: &str = r#"#!/bin/sh
echo "$@" >> "$0.log"
case "$1 $2" in
  "get treaty") cat "$(dirname "$0")/treaty.yaml" ;;
  "get amendment") cat "$(dirname "$0")/amendment.json" ;;
  "get amendments") cat "$(dirname "$0")/amendments.json" ;;
  "create -f") cat > "$(dirname "$0")/created.json"; echo amendment.concord.dev/more-gpus created ;;
  "patch amendment") echo amendment.concord.dev/more-gpus patched ;;
  *) echo "error: unknown $1 $2" >&2; exit 1 ;;
esac
"#;

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Self { text: String::new(), folder };
        let kubectl = desk.path("kubectl");
        fs::write(&kubectl, KUBECTL).unwrap();
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
        let key = |member: &str| desk.must(&["key", "new", member]).out.trim().to_owned();
        let text = format!(
            "apiVersion: concord.dev/v1alpha1
kind: Treaty
metadata: {{name: two-states}}
spec:
  title: Treaty of two states
  members:
    - name: north
      guarantee: {{gpus: 64}}
      contributions: [{{amount: 3}}]
      keys: [{}]
    - name: south
      guarantee: {{gpus: 32}}
      contributions: [{{amount: 2}}]
      keys: [{}]
  reclaim: {{noticeSeconds: 600}}
  votes:
    - {{matter: annex, weightBy: contribution, weightPercent: \"66.67\", headsPercent: \"50\", quorumPercent: \"50\"}}
    - {{matter: body, weightBy: equal, weightPercent: \"100\", absentCounted: true}}
  amendments:
    - {{of: annex, noticeDays: 30, entryIntoForceDays: 10}}
    - {{of: body, noticeDays: 90, entryIntoForceDays: 30, ratifiedByAll: true, provisional: true}}
  withdrawal: {{noticeDays: 365}}
",
            key("north"),
            key("south")
        );
        let desk = Self { text, folder: desk.folder };
        desk.write("treaty.yaml", &desk.text);
        desk.write("new.yaml", &desk.text.replace("gpus: 64", "gpus: 72").replace("gpus: 32", "gpus: 24"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn concord(&self, arguments: &[&str]) -> Told {
        let mut path = vec![self.folder.path().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let output = Command::new(env!("CARGO_BIN_EXE_concord"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(path).unwrap())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn must(&self, arguments: &[&str]) -> Told {
        let told = self.concord(arguments);
        assert_eq!(told.code, 0, "concord {arguments:?}: {}{}", told.out, told.err);
        told
    }

    fn propose(&self, more: &[&str]) -> Told {
        let mut all = vec![
            "propose",
            "new.yaml",
            "--treaty",
            "treaty.yaml",
            "--matter",
            "annex",
            "--name",
            "more-gpus",
        ];
        all.extend(more);
        self.must(&all)
    }

    /// What the cluster would keep of the proposal once the operator has looked at it.
    fn publish(&self) -> Value {
        let mut object: Value = serde_json::from_str(&self.propose(&["-o", "json"]).out).unwrap();
        object["metadata"]["creationTimestamp"] = json!("2027-03-01T08:00:00Z");
        let treaty: Value = serde_yaml::from_str(&self.text).unwrap();
        object["status"] = json!({"before": treaty["spec"]});
        self.write("amendment.json", &object.to_string());
        object
    }
}

fn golden(name: &str, found: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/amend").join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, found).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == found, "{name} changed; see the head of this file\n{found}");
}

#[test]
fn a_key_is_private_and_never_written_over() {
    let desk = Desk::new();
    let mode = fs::metadata(desk.path("north.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = desk.concord(&["key", "new", "north"]);
    assert_eq!(again.code, 2);
    assert!(
        again.err.contains("a key file is never written over, name another with --file"),
        "{}",
        again.err
    );
    assert!(desk.concord(&["key", "new", "North"]).err.contains("is no name of a member"));
    let told = desk.must(&["key", "new", "isle"]);
    assert!(note::is_public_key(told.out.trim()) && told.err.contains("by an amendment of matter admission"));
    assert!(!told.out.contains("PRIVATE") && !told.err.contains("PRIVATE"));
}

#[test]
fn a_key_that_was_typed_wrong_is_found_on_the_desk() {
    let desk = Desk::new();
    let key = desk.text.split_once("keys: [").unwrap().1.split_once(']').unwrap().0.to_owned();
    let (_, id) = key.split_once('+').unwrap();
    desk.write("typed.yaml", &desk.text.replace(&key, &format!("north+{}{}", "00000000", &id[8..])));
    let told = desk.concord(&["check", "typed.yaml", "-o", "line"]);
    assert_eq!(told.code, 1);
    assert!(
        told.out.contains("TR060 error: members[0].keys[0]: nobody can sign with the key"),
        "{}",
        told.out
    );
    assert_eq!(desk.must(&["check", "treaty.yaml"]).out, "no errors; 1 treaty in 1 file\n");
}

#[test]
fn new_keys_are_told_by_their_short_names() {
    let desk = Desk::new();
    let key = desk.text.split_once("keys: [").unwrap().1.split_once(']').unwrap().0.to_owned();
    let other = desk.must(&["key", "new", "north", "--file", "second.key"]).out.trim().to_owned();
    desk.write("keys.yaml", &desk.text.replace(&key, &other));
    let told = desk.must(&["diff", "treaty.yaml", "keys.yaml"]).out;
    let short = |key: &str| key.splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
    let words = format!("north signs with other keys: new {}, no longer {}", short(&other), short(&key));
    assert!(told.contains(&words), "{told}");
}

#[test]
fn a_proposal_shows_who_gains_and_what_has_to_happen() {
    let desk = Desk::new();
    let told = desk.propose(&["--note", "as agreed in March"]);
    golden("propose-annex.out", &told.err);
    let object: Value = serde_yaml::from_str(&told.out).unwrap();
    let treaty: Value = serde_yaml::from_str(&desk.text).unwrap();
    assert_eq!(object["spec"]["replaces"], json!(note::text_sha256(&treaty["spec"]).unwrap()));
    assert_eq!(
        (&object["spec"]["matter"], &object["spec"]["note"]),
        (&json!("annex"), &json!("as agreed in March"))
    );
    assert_eq!(object["spec"]["text"]["members"][0]["guarantee"]["gpus"], json!(72));
    // From the cluster, and into it.
    let told = desk.must(&[
        "propose",
        "new.yaml",
        "--treaty",
        "two-states",
        "--matter",
        "annex",
        "--name",
        "more-gpus",
        "--apply",
    ]);
    assert!(
        told.out.contains("created") && told.err.contains("Members sign: concord ratify more-gpus"),
        "{}",
        told.err
    );
    let created: Value =
        serde_json::from_str(&fs::read_to_string(desk.path("created.json")).unwrap()).unwrap();
    assert_eq!(created["spec"]["text"], object["spec"]["text"]);
}

#[test]
fn a_proposal_that_cannot_be_decided_on_is_not_made() {
    let desk = Desk::new();
    desk.write("new.yaml", &desk.text.replace("noticeDays: 90", "noticeDays: 9"));
    let told = desk.concord(&[
        "propose",
        "new.yaml",
        "--treaty",
        "treaty.yaml",
        "--matter",
        "annex",
        "--name",
        "soon",
    ]);
    assert_eq!((told.code, told.out.as_str()), (1, ""));
    assert_eq!(
        told.err,
        "concord: it is proposed as annex, and changes amendments[body].noticeDays (body); propose it as body\n"
    );
    desk.write("new.yaml", &desk.text.replace("name: two-states", "name: three-states"));
    let told =
        desk.concord(&["propose", "new.yaml", "--treaty", "treaty.yaml", "--matter", "body", "--name", "x"]);
    assert!(told.code == 2 && told.err.contains("a treaty keeps its name"), "{}", told.err);
    let told =
        desk.concord(&["propose", "new.yaml", "--treaty", "treaty.yaml", "--matter", "body", "--name", "X"]);
    assert!(told.err.contains("is no name of an amendment"), "{}", told.err);
    assert_eq!(desk.concord(&["propose", "new.yaml", "--treaty", "treaty.yaml", "--name", "x"]).code, 2);
}

#[test]
fn a_member_leaves_by_one_command() {
    let desk = Desk::new();
    let told =
        desk.must(&["propose", "--withdraw", "south", "--treaty", "treaty.yaml", "--name", "south-leaves"]);
    let treaty: Value = serde_yaml::from_str(&desk.text).unwrap();
    let key = treaty.pointer("/spec/members/1/keys/0").unwrap().as_str().unwrap();
    golden("propose-withdrawal.out", &told.err.replace(key, "KEY"));
    let object: Value = serde_yaml::from_str(&told.out).unwrap();
    assert_eq!(
        (&object["spec"]["matter"], &object["spec"]["concerns"]),
        (&json!("withdrawal"), &json!(["south"]))
    );
    let told = desk.concord(&["propose", "--withdraw", "isle", "--treaty", "treaty.yaml", "--name", "x"]);
    assert!(told.err.contains("has no member \"isle\""), "{}", told.err);
}

#[test]
fn a_ballot_is_signed_and_counts_only_by_its_key() {
    let desk = Desk::new();
    let object = desk.publish();
    let sign = |more: &[&str]| {
        let mut all = vec!["ratify", "more-gpus", "--member", "north", "--vote", "yes"];
        all.extend(more);
        desk.concord(&all)
    };
    let shown = sign(&["--show"]);
    let hash = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let text = note::text_sha256(&object["spec"]["text"]).unwrap();
    let expected = format!(
        "concord.dev/amendment/v1\ntreaty two-states\namendment more-gpus\nmatter annex\nreplaces {}\ntext {text}\n\
         published 2027-03-01T08:00:00Z\nmember north\nact yes\n",
        hash("/spec/replaces")
    );
    assert_eq!(shown.out, expected);

    let told = sign(&["--key", "north.key"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(
        told.err.contains("members[north].guarantee.gpus: 64 -> 72"),
        "what is signed is seen: {}",
        told.err
    );
    assert!(told.out.ends_with("north signed yes; see concord amendments more-gpus for how it is counted\n"));
    let log = fs::read_to_string(desk.path("kubectl.log")).unwrap();
    let patch = log.lines().last().unwrap().split_once("-p ").unwrap().1;
    let patch: Value = serde_json::from_str(patch).unwrap();
    let (id, ballot) = patch["spec"]["ballots"].as_object().unwrap().iter().next().unwrap();
    assert!(id.starts_with("north-yes-") && ballot["act"] == "approve", "{patch}");
    let treaty: Value = serde_yaml::from_str(&desk.text).unwrap();
    let key = treaty.pointer("/spec/members/0/keys/0").unwrap().as_str().unwrap().to_owned();
    assert_eq!(note::verify(&expected, ballot["signature"].as_str().unwrap(), &[key]), Ok(()));

    let wrong = sign(&["--key", "south.key"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("the signature would not count; sign with the key that the treaty gives north"),
        "{}",
        wrong.err
    );
    assert!(sign(&[]).err.contains("with which key? --key FILE, or --sign-with COMMAND"));
    assert!(sign(&["--key", "nowhere.key"]).err.contains("cannot read nowhere.key"));
    let unknown = desk.concord(&["ratify", "more-gpus", "--member", "isle", "--key", "north.key"]);
    assert!(
        unknown.err.contains("no member is named \"isle\"; the members are north, south"),
        "{}",
        unknown.err
    );
}

#[test]
fn a_key_on_a_device_signs_by_a_command() {
    let desk = Desk::new();
    desk.publish();
    // The same program plays the device: it signs what it is given.
    let signer = MemberSigner::of_text(&fs::read_to_string(desk.path("south.key")).unwrap()).ok().unwrap();
    let shown = desk.must(&["ratify", "more-gpus", "--member", "south", "--show"]).out;
    desk.write("answer", &format!("some words\n{}\n", signer.sign(&shown).unwrap()));
    let arguments = ["ratify", "--file", "amendment.json", "--member", "south", "-o", "json"];
    let with = |command: &str| {
        let mut all = arguments.to_vec();
        all.extend(["--sign-with", command]);
        desk.concord(&all)
    };
    let told = with("cat > asked; cat answer");
    let object: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(object["spec"]["ballots"].as_object().unwrap().len(), 1);
    assert_eq!(fs::read_to_string(desk.path("asked")).unwrap(), shown);
    assert!(with("echo nothing").err.contains("printed no signature line"));
    assert!(with("false").err.contains("failed; nothing was signed"));
}

#[test]
fn amendments_are_listed_with_what_is_missing() {
    let desk = Desk::new();
    let item = |name: &str, status: &Value| {
        json!({"kind": "Amendment", "metadata": {"name": name},
            "spec": {"treaty": "two-states", "matter": "annex", "note": "as agreed in March"}, "status": status})
    };
    let waiting = json!({"state": "WaitingForSignatures", "why": "Passed: yes has 2 of 2 by heads, 50 % needed. Decided at 2027-03-31 08:00:00 UTC. It waits for the signatures of south.",
        "publishedAt": "2027-03-01T08:00:00Z", "missing": ["south"],
        "counts": {"approving": 2, "rejecting": 0, "abstained": 0, "absent": 0, "recused": 0},
        "received": [{"member": "north", "act": "approve", "at": "2027-03-02T09:00:00.000000Z", "valid": true},
            {"member": "south", "act": "reject", "at": "2027-03-02T10:00:00.000000Z", "valid": false, "refused": "it was made with the key north+1a2b3c4d, and the text that is changed gives the member the keys south+4d3c2b1a"}]});
    let list = json!({"kind": "List", "items": [item("more-gpus", &waiting), item("new", &json!({}))]});
    desk.write("amendments.json", &list.to_string());
    golden("amendments.out", &desk.must(&["amendments"]).out);
    golden("amendments-one.out", &desk.must(&["amendments", "more-gpus"]).out);
    let unknown = desk.concord(&["amendments", "other"]);
    assert!(
        unknown.err.contains("no amendment is named \"other\"; there are: [more-gpus, new]"),
        "{}",
        unknown.err
    );
    desk.write("amendments.json", "{\"items\": []}");
    assert_eq!(desk.must(&["amendments"]).out, "nothing is proposed; see concord propose --help\n");
}
