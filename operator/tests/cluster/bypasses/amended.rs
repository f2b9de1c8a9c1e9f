//! Ways around the signatures of the members: the text of a treaty that says how it is amended.

use concord_pool::Identity;
use serde_json::{Value, json};

use super::super::amendments::{Desk, put_into_force, with_rules};
use super::super::support::{OPERATOR, Pool, RESEARCHER, treaty};
use super::{Attempt, attempt};
use concord_ledger::note;

/// Gives the pool's treaty rules of amendment, and proposes something. The text that is in force.
pub async fn prepare(pool: &Pool, members: &[(&str, u32)], notice_seconds: u32) -> Value {
    let desk = Desk::new(pool);
    let keys: Vec<(&str, String)> = members.iter().map(|(name, _)| (*name, desk.key(name))).collect();
    let text = with_rules(treaty(members, notice_seconds), &keys);
    put_into_force(pool, &text).await;
    pool.apply(&proposal("pending", &text));
    text
}

fn proposal(name: &str, text: &Value) -> Value {
    let spec: concord_api::TreatySpec = serde_json::from_value(text["spec"].clone()).unwrap();
    let replaces = note::text_sha256(&spec).unwrap();
    let mut new = text["spec"].clone();
    new["members"][1]["guarantee"]["gpus"] = json!(1);
    json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Amendment", "metadata": {"name": name},
        "spec": {"treaty": "test", "matter": "annex", "replaces": replaces, "text": new}})
}

pub fn attempts(text: &Value) -> Vec<Attempt> {
    let mut mine = text.clone();
    mine["spec"]["title"] = json!("mine");
    let mut signed = mine.clone();
    signed["metadata"]["annotations"] = json!({"concord.dev/amendment": "mine"});
    vec![
        Attempt {
            input: Some(proposal("mine", text)),
            ..attempt("proposing an amendment", RESEARCHER, "create -f -")
        },
        attempt(
            "the text of a treaty that says how it is amended",
            Identity::ADMIN,
            "patch treaty test --type=merge -p {\"spec\":{\"title\":\"mine\"}}",
        ),
        Attempt {
            input: Some(mine),
            ..attempt(
                "the same with the operator's field manager",
                Identity::ADMIN,
                "apply --server-side --force-conflicts --field-manager=concord-operator -f -",
            )
        },
        attempt("deleting that treaty", Identity::ADMIN, "delete treaty test"),
        attempt(
            "saying that it is not in force",
            Identity::ADMIN,
            "patch treaty test --subresource=status --type=merge -p {\"status\":{\"conditions\":[]}}",
        ),
        attempt(
            "saying that an amendment made it",
            Identity::ADMIN,
            "annotate treaty test concord.dev/amendment=mine --overwrite",
        ),
        Attempt { input: Some(signed), ..attempt("the text of that treaty", OPERATOR, "replace -f -") },
        attempt(
            "a vote won by hand",
            Identity::ADMIN,
            "patch amendment pending --subresource=status --type=merge -p {\"status\":{\"state\":\"InForce\"}}",
        ),
        attempt(
            "another text under the same signatures",
            Identity::ADMIN,
            "patch amendment pending --type=merge -p {\"spec\":{\"text\":{\"title\":\"mine\"}}}",
        ),
    ]
}
