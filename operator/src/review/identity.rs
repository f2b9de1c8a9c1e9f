//! The certificate of the review: made by whichever operator comes first, kept in a Secret that all of them read, told
//! to the API server in the webhook's configuration, renewed before it ends.

use anyhow::Context;
use concord_api::names::{OPERATOR, OPERATOR_NAMESPACE, REVIEW};
use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::json;

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Annotation of the Secret: from this day on a new certificate is made.
const RENEW_ON: &str = "concord.dev/renew-on";

/// A certificate that vouches for itself, and its key; PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, which is also what the API server trusts.
    pub certificate: Vec<u8>,
    /// The key; never logged.
    pub key: Vec<u8>,
}

/// Looks after it.
pub struct Keeper {
    client: Client,
    secrets: Api<Secret>,
}

impl Keeper {
    /// In the operator's namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client.clone(), namespace), client }
    }

    /// The one that all operators use; made when there is none, or when it ends soon.
    ///
    /// # Errors
    /// When the API server cannot be asked, or what it holds is no certificate.
    pub async fn present(&self) -> anyhow::Result<Identity> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        if let Some(identity) = self.secrets.get_opt(REVIEW).await?.and_then(|found| of_secret(&found, today))
        {
            return Ok(identity);
        }
        let (identity, renew_on) = made(today)?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": REVIEW, "annotations": {RENEW_ON: renew_on.to_string()}},
            "data": {CERTIFICATE: ByteString(identity.certificate), KEY: ByteString(identity.key)},
        });
        let params = PatchParams::apply(OPERATOR).force();
        let stored = self.secrets.patch(REVIEW, &params, &Patch::Apply(secret)).await?;
        tracing::info!(%renew_on, "made a certificate for the review of treaties");
        of_secret(&stored, today).context("the Secret does not hold what was stored")
    }

    /// Has the API server trust it. Without the webhook's configuration nobody asks for reviews.
    pub async fn tell_api_server(&self, identity: &Identity) {
        let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let trusted = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": REVIEW},
            "webhooks": [{"name": "review.concord.dev",
                "clientConfig": {"caBundle": ByteString(identity.certificate.clone())}}],
        });
        let params = PatchParams::apply(OPERATOR).force();
        if let Err(error) = webhooks.patch(REVIEW, &params, &Patch::Apply(trusted)).await {
            tracing::warn!(%error, "the API server was not told the certificate of the review; trying again");
        }
    }
}

fn of_secret(secret: &Secret, today: civil::Date) -> Option<Identity> {
    let renew_on: civil::Date = secret.metadata.annotations.as_ref()?.get(RENEW_ON)?.parse().ok()?;
    let data = secret.data.as_ref()?;
    let identity = Identity { certificate: data.get(CERTIFICATE)?.0.clone(), key: data.get(KEY)?.0.clone() };
    (today < renew_on).then_some(identity)
}

/// Valid for a year, and the day on which its successor is due.
fn made(today: civil::Date) -> anyhow::Result<(Identity, civil::Date)> {
    let (from, until, renew_on) =
        (today.checked_sub(1.day())?, today.checked_add(1.year())?, today.checked_add(11.months())?);
    let service = format!("{OPERATOR}.{OPERATOR_NAMESPACE}.svc");
    let mut params = CertificateParams::new(vec![service.clone(), "127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, service);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let day = |date: civil::Date| {
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (day(from), day(until));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let identity =
        Identity { certificate: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() };
    Ok((identity, renew_on))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_certificate_serves_until_its_successor_is_due() {
        let today = civil::date(2027, 1, 31);
        let (identity, renew_on) = made(today).unwrap();
        assert_eq!(renew_on, civil::date(2027, 12, 31));
        let (certificate, key) = (identity.certificate.clone(), identity.key.clone());
        let data = [(CERTIFICATE.to_owned(), ByteString(certificate)), (KEY.to_owned(), ByteString(key))];
        let mut secret = Secret { data: Some(data.into()), ..Secret::default() };
        assert!(of_secret(&secret, today).is_none(), "of unknown age");
        secret.metadata.annotations = Some(BTreeMap::from([(RENEW_ON.to_owned(), renew_on.to_string())]));
        assert!(of_secret(&secret, civil::date(2027, 12, 30)).is_some_and(|found| found == identity));
        assert!(of_secret(&secret, renew_on).is_none());
    }
}
