//! Keys and certificates of one control plane: its own authorities, nothing shared with another.
//!
//! Two authorities, because etcd trusts whoever its authority has signed: no certificate of the API server's side may
//! open the store. Files that exist are kept, so that a restart serves the same authority to kubeconfigs handed out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::files::{write_private, write_public};

/// Names under which everything is reached; nothing listens on another address than loopback.
const SERVING_NAMES: [&str; 5] =
    ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
/// First address of the service range, which in-cluster clients would use.
const SERVICE_ADDRESS: &str = "10.96.0.1";

/// Paths of a certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key, mode 0600.
    pub key: PathBuf,
}

/// All certificate files of a control plane.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Authority that signed `serving`; clients trust it.
    pub authority: PathBuf,
    /// Serving pair of the API server, controller manager and scheduler.
    pub serving: Pair,
    /// Authority of etcd.
    pub etcd_authority: PathBuf,
    /// etcd's own pair, for clients and for the (absent) peers.
    pub etcd_serving: Pair,
    /// The pair with which the API server speaks to etcd.
    pub etcd_client: Pair,
    /// Authority of aggregated API servers' callers. It has signed nobody, so nobody can speak for others; it exists
    /// because the components complain about its absence in every log.
    pub front_proxy_authority: PathBuf,
    /// Signs service account tokens.
    pub service_account: Pair,
}

impl Certificates {
    /// Loads the files in `directory`, writing them first if there are none.
    pub fn ensure(directory: &Path) -> Result<Self> {
        let pair = |name: &str| Pair {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        let mut service_account = pair("service-account");
        service_account.certificate.set_extension("pub");
        let certificates = Self {
            authority: directory.join("authority.crt"),
            serving: pair("serving"),
            etcd_authority: directory.join("etcd-authority.crt"),
            etcd_serving: pair("etcd-serving"),
            etcd_client: pair("etcd-client"),
            front_proxy_authority: directory.join("front-proxy-authority.crt"),
            service_account,
        };
        // All or none: a part of an older or unfinished set fits nothing.
        if !certificates.files().iter().all(|file| file.exists()) {
            certificates.write().context("cannot make the certificates")?;
        }
        Ok(certificates)
    }

    /// The API server's authority, PEM.
    pub fn authority_pem(&self) -> Result<String> {
        std::fs::read_to_string(&self.authority)
            .with_context(|| format!("cannot read {}", self.authority.display()))
    }

    fn files(&self) -> [&Path; 11] {
        // Without `..`: a file that is forgotten here would be missing after an upgrade.
        let Self {
            authority,
            serving,
            etcd_authority,
            etcd_serving,
            etcd_client,
            front_proxy_authority,
            service_account,
        } = self;
        [
            authority,
            &serving.certificate,
            &serving.key,
            etcd_authority,
            &etcd_serving.certificate,
            &etcd_serving.key,
            &etcd_client.certificate,
            &etcd_client.key,
            front_proxy_authority,
            &service_account.certificate,
            &service_account.key,
        ]
    }

    fn write(&self) -> Result<()> {
        let etcd = Authority::new("concord-pool-etcd")?;
        // etcd's gateway calls itself with the serving certificate, so that one is for both sides.
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        etcd.sign("etcd", &both, &self.etcd_serving)?;
        etcd.sign("kube-apiserver-etcd-client", &both[1..], &self.etcd_client)?;
        write_public(&self.etcd_authority, &etcd.certificate.pem())?;

        write_public(
            &self.front_proxy_authority,
            &Authority::new("concord-pool-front-proxy")?.certificate.pem(),
        )?;

        let signing = KeyPair::generate()?;
        write_private(&self.service_account.key, &signing.serialize_pem())?;
        write_public(&self.service_account.certificate, &signing.public_key_pem())?;

        let main = Authority::new("concord-pool")?;
        main.sign("kube-apiserver", &both[..1], &self.serving)?;
        write_public(&self.authority, &main.certificate.pem())
    }
}

/// A certificate authority while it signs; its key is never written, since nothing is signed later.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        // The validity is rcgen's default, 1975 to 4096: a throw-away authority has no need of a clock.
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    fn sign(&self, name: &str, usages: &[ExtendedKeyUsagePurpose], files: &Pair) -> Result<()> {
        let names = SERVING_NAMES.into_iter().chain([SERVICE_ADDRESS]).map(str::to_owned);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        write_private(&files.key, &key.serialize_pem())?;
        write_public(&files.certificate, &certificate.pem())
    }
}
