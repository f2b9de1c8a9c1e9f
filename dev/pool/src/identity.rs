//! Who may speak to the API server, and the secret by which it knows them.
//!
//! Every identity has a random bearer token in the server's token file. What an identity may do is RBAC's business;
//! only [`Identity::admin`] and the control plane's own parts come with rights.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use ring::rand::{SecureRandom, SystemRandom};

use crate::files::write_private;

/// A caller of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Short name: of the kubeconfig file and for [`crate::ControlPlane::client`].
    pub name: String,
    /// User name that the API server sees; the short name unless set otherwise.
    pub user: String,
    /// Groups that the API server sees.
    pub groups: Vec<String>,
}

impl Identity {
    /// Short name of [`Identity::admin`].
    pub const ADMIN: &'static str = "admin";

    /// An identity without any rights of its own.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { user: name.clone(), name, groups: Vec::new() }
    }

    /// Sets the user name, for instance `system:serviceaccount:concord:operator`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// May do everything; for setting up, never for a part of Concord.
    pub fn admin() -> Self {
        Self::new(Self::ADMIN).group("system:masters")
    }

    /// The parts of the control plane that call the API server. Kubernetes' bootstrap roles know the first two by user
    /// name; kwok's rights are in `kwok/rbac.yaml`.
    pub(crate) fn components() -> [Self; 3] {
        let system = |name: &str| Self::new(name).user(format!("system:{name}"));
        [system("kube-controller-manager"), system("kube-scheduler"), Self::new("kwok")]
    }
}

/// The token file of an API server.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    by_user: BTreeMap<String, String>,
}

impl Tokens {
    /// Writes the token file. Tokens of users that it already holds are kept, so kubeconfigs survive a restart.
    pub fn ensure(path: PathBuf, identities: &[Identity]) -> Result<Self> {
        let known = read(&path)?;
        let mut by_user = BTreeMap::new();
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for identity in identities {
            let token = known.get(&identity.user).cloned().map_or_else(random_token, Ok)?;
            writer.write_record([
                token.as_str(),
                &identity.user,
                &identity.user,
                &identity.groups.join(","),
            ])?;
            by_user.insert(identity.user.clone(), token);
        }
        let text = writer.into_inner().map_err(|error| anyhow!("cannot write tokens: {error}"))?;
        write_private(&path, &String::from_utf8(text)?)?;
        Ok(Self { path, by_user })
    }

    /// The file, for `--token-auth-file`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bearer token of an identity.
    pub fn of(&self, identity: &Identity) -> Result<&str> {
        let token = self.by_user.get(&identity.user);
        token.map(String::as_str).with_context(|| format!("no token for {}", identity.user))
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let mut tokens = BTreeMap::new();
    if path.exists() {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path)?;
        for record in reader.records() {
            let record = record.with_context(|| format!("cannot read {}", path.display()))?;
            if let (Some(token), Some(user)) = (record.get(0), record.get(1)) {
                tokens.insert(user.to_owned(), token.to_owned());
            }
        }
    }
    Ok(tokens)
}

/// 256 bits from the operating system, in hexadecimal.
fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system's random source failed"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{Identity, Tokens};

    #[test]
    fn tokens_are_private_distinct_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.csv");
        let (operator, auditor) = (Identity::new("operator"), Identity::new("auditor").group("a").group("b"));

        let first = Tokens::ensure(path.clone(), &[operator.clone(), auditor.clone()]).unwrap();
        assert_ne!(first.of(&operator).unwrap(), first.of(&auditor).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains(",auditor,auditor,\"a,b\"\n"));

        let second = Tokens::ensure(path, std::slice::from_ref(&operator)).unwrap();
        assert_eq!(first.of(&operator).unwrap(), second.of(&operator).unwrap());
        assert!(second.of(&auditor).is_err(), "an identity that is no longer listed loses its access");
    }
}
