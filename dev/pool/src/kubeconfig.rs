//! One kubeconfig file per identity, complete in itself.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::files::write_private;

/// Writes a kubeconfig that holds the authority and the token, so that the file alone is enough.
pub fn write(path: &Path, server: &str, authority_pem: &str, user: &str, token: &str) -> Result<()> {
    // Serialises as base64.
    let authority = ByteString(authority_pem.as_bytes().to_vec());
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pool",
        "clusters": [{ "name": "pool", "cluster": { "server": server, "certificate-authority-data": authority } }],
        "users": [{ "name": user, "user": { "token": token } }],
        "contexts": [{ "name": "pool", "context": { "cluster": "pool", "user": user, "namespace": "default" } }],
    });
    write_private(path, &serde_yaml::to_string(&document)?)
}

/// Writes the kubeconfig of another user of the same API server, who is known by a token.
///
/// # Errors
/// When one file cannot be read, or the other not be written.
pub fn with_token(like: &Path, path: &Path, token: &str) -> Result<()> {
    let mut kubeconfig =
        Kubeconfig::read_from(like).with_context(|| format!("cannot read {}", like.display()))?;
    for user in &mut kubeconfig.auth_infos {
        user.auth_info = Some(serde_json::from_value(json!({"token": token}))?);
    }
    write_private(path, &serde_yaml::to_string(&kubeconfig)?)
}

/// The client settings in a kubeconfig file.
pub async fn load(path: &Path) -> Result<kube::Config> {
    let kubeconfig =
        Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    config.with_context(|| format!("{} is not usable", path.display()))
}
