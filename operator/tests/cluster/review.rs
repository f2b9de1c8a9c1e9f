//! A text with faults is refused before it is stored, with the same diagnostics as `concord check`.

use concord_pool::{Identity, pool, setup};
use serde_json::{Value, json};

use super::support::{Pool, treaty};

fn faulty() -> Value {
    let mut faulty = treaty(&[("alpha", 8), ("beta", 8)], 1);
    faulty["metadata"]["name"] = json!("faulty");
    faulty["spec"]["members"][0]["guarantee"] = json!({"percent": "70"});
    faulty["spec"]["members"][1]["guarantee"] = json!({"percent": "60"});
    faulty
}

fn quota(gpus: u32) -> Value {
    let north = json!({"name": "north", "guarantee": {"gpus": gpus}});
    json!({"apiVersion": "concord.dev/v1alpha1", "kind": "MemberQuota", "metadata": {"name": "alpha"},
        "spec": {"institutions": [north]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_a_text_with_faults_is_told_all_of_them_at_once() {
    let mut pool = Pool::start(1, &[("alpha", 8)], 1).await;
    pool.kill_operator();
    let url = pool.start_reviewing_operator();
    setup::let_operator_review(&pool.admin, &pool::chart(), &url).await.unwrap();
    let apply = |object: &Value| pool.try_kubectl(Identity::ADMIN, &["apply", "-f", "-"], Some(object));
    // Until the operator has told the API server its certificate, nobody asks it.
    let said = pool
        .eventually("the faulty treaty is refused", async || {
            let (said, stored) = apply(&faulty());
            if stored {
                pool.kubectl(&["delete", "treaty", "faulty"]);
            }
            (!stored).then_some(said)
        })
        .await;
    assert!(said.contains("review.concord.dev") && said.contains("nothing was stored"), "{said}");
    assert!(said.contains("TR0") && said.contains("at members"), "code and field: {said}");
    let (said, stored) = apply(&quota(9));
    assert!(!stored && said.contains("at institutions[0].guarantee"), "{said}");
    let (said, stored) = apply(&quota(8));
    assert!(stored, "{said}");
    // What only touches the object's metadata is no new text; also a sound one is taken.
    pool.kubectl(&["label", "treaty", "test", "a=b"]);
    let (said, stored) = apply(&treaty(&[("alpha", 4)], 2));
    assert!(stored, "{said}");

    // Without an operator the text is stored, and does not come into force.
    pool.kill_operator();
    let (said, stored) = pool.try_kubectl(Identity::ADMIN, &["apply", "-f", "-"], Some(&faulty()));
    assert!(stored, "{said}");
    pool.start_operator();
    pool.eventually("the operator says what is wrong with it", async || {
        let path = r#"jsonpath={.status.conditions[?(@.type=="InForce")].message}"#;
        let said = pool.kubectl(&["get", "treaty", "faulty", "-o", path]);
        said.contains("TR0").then_some(())
    })
    .await;
    pool.stop().await;
}
