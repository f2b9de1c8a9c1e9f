//! Review before a text is stored: the API server asks here about every new or changed treaty and member's quota, and
//! whoever wrote it gets the diagnostics of `concord check` at once, instead of in a status that has to be looked up.
//!
//! A courtesy, not a lock: the webhook's failure policy is `Ignore`, because a text that came past it is looked at again
//! by the cycle and does not come into force while it has faults.

mod identity;
mod verdict;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use concord_api::{Treaty, conditions};
use concord_treaty::treaty::Treaty as Rules;
use kube::api::ListParams;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use kube::core::{DynamicObject, Status};
use kube::{Api, Client};

use identity::Keeper;
use verdict::{Verdict, verdict};

/// An object takes 1.5 MiB at most in etcd, and a review carries the old one too.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Of the five seconds that the API server waits.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);
/// How often the certificate is looked at: another operator may have renewed it.
const LOOK_PERIOD: Duration = Duration::from_secs(60);

/// Serves `POST /review` over TLS until the process ends.
///
/// # Errors
/// When the address cannot be bound, or there is no certificate to begin with.
pub async fn serve(listen: SocketAddr, client: Client, namespace: &str) -> anyhow::Result<()> {
    let keeper = Keeper::new(client.clone(), namespace);
    let mut known = keeper.present().await.context("no certificate for the review of treaties")?;
    let config = RustlsConfig::from_pem(known.certificate.clone(), known.key.clone()).await?;
    let app = Router::new()
        .route("/review", post(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(client);
    let reload = config.clone();
    let keep = async move {
        loop {
            keeper.tell_api_server(&known).await;
            tokio::time::sleep(LOOK_PERIOD).await;
            match keeper.present().await {
                Ok(found) if found != known => {
                    known = found;
                    let (certificate, key) = (known.certificate.clone(), known.key.clone());
                    if let Err(error) = reload.reload_from_pem(certificate, key).await {
                        tracing::warn!(%error, "the renewed certificate cannot be used");
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot look at the certificate of the review; trying again");
                }
            }
        }
    };
    tokio::select! {
        served = axum_server::bind_rustls(listen, config).serve(app.into_make_service()) => served.with_context(|| format!("cannot serve on {listen}")),
        () = keep => Ok(()),
    }
}

async fn answer(
    State(client): State<Client>,
    Json(review): Json<AdmissionReview<DynamicObject>>,
) -> Json<AdmissionReview<DynamicObject>> {
    let request: AdmissionRequest<DynamicObject> = match review.try_into() {
        Ok(request) => request,
        Err(error) => return Json(AdmissionResponse::invalid(error.to_string()).into_review()),
    };
    let rules = rules_in_force(&client).await;
    let mut response = AdmissionResponse::from(&request);
    let Verdict { refusal, warnings } = verdict(&request, rules.as_ref());
    if let Some(refusal) = refusal {
        tracing::info!(name = request.name, kind = request.kind.kind, user = ?request.user_info.username, "text refused at review");
        response = response.deny(&refusal);
        // Beside the text the code, so that clients know that sending it again is of no use.
        response.result = Status { code: 422, reason: "Invalid".to_owned(), ..response.result };
    }
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    Json(response.into_review())
}

/// The treaty that the operator says rules; `None` while there is none, or nobody could be asked.
async fn rules_in_force(client: &Client) -> Option<Rules> {
    let treaties: Api<Treaty> = Api::all(client.clone());
    let listed =
        tokio::time::timeout(LOOK_UP_LIMIT, treaties.list(&ListParams::default())).await.ok()?.ok()?;
    let rules = |treaty: &Treaty| {
        let status = treaty.status.as_ref()?;
        conditions::holds(&status.conditions, "InForce").then(|| treaty.spec.document())
    };
    Rules::validate_for_cluster(&listed.items.iter().find_map(rules)?).ok()
}
