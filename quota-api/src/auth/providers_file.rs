//! The file of `--providers`: which identity providers this server trusts, and for what. Whatever is wrong is told with the
//! file, the field and what to write instead.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use openidconnect::url::Url;
use serde::Deserialize;

use super::public_url::check_transport;

/// Providers in one file; a choice of more is a list that nobody reads.
const PROVIDERS_MAX: usize = 50;
const TITLE_CHARS_MAX: usize = 100;

/// Whom a provider lets in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// People whom an institution knows.
    #[default]
    Federation,
    /// Anybody; here a reviewer lets each of them in.
    Guest,
}

/// One provider, checked. No `Debug`: it holds the secret.
#[derive(Clone)]
pub struct ProviderConfig {
    /// Short name, a DNS label: prefix of its people's and groups' names in the cluster.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Issuer, exactly as the provider writes it.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: String,
    /// Scopes beyond `openid`.
    pub scopes: Vec<String>,
    /// Claim that holds the groups.
    pub groups_claim: String,
    /// Further certificate authorities, PEM, for a provider with a private one.
    pub ca_pem: Option<Vec<u8>>,
    /// Whom it lets in.
    pub kind: Kind,
    /// Assurance that the operator of this server vouches for when the provider says nothing about it.
    pub vouched: Vec<String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// It, or a file that it names, cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be; the cause names place and field.
    #[error("{} is no list of providers", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_yaml::Error,
    },
    /// A value that cannot work.
    #[error("{}: {field}: {why}", .path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// What is wrong and what to write.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    providers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    title: String,
    issuer: String,
    client_id: String,
    client_secret_file: PathBuf,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default = "groups_claim")]
    groups_claim: String,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    assurance: Vec<String>,
}

fn groups_claim() -> String {
    "groups".to_owned()
}

/// Reads and checks the file. Paths in it count from its own folder.
///
/// # Errors
/// With everything that is needed to mend it.
pub fn load(path: &Path) -> Result<Vec<ProviderConfig>, ProvidersError> {
    let text = read(path)?;
    let file: File = serde_yaml::from_slice(&text)
        .map_err(|source| ProvidersError::Parse { path: path.to_owned(), source })?;
    let refuse = |field: String, why: String| ProvidersError::Field { path: path.to_owned(), field, why };
    if file.providers.is_empty() || file.providers.len() > PROVIDERS_MAX {
        return Err(refuse("providers".to_owned(), format!("must have 1 to {PROVIDERS_MAX} entries")));
    }
    let (mut names, mut issuers) = (HashSet::new(), HashSet::new());
    let mut configs = Vec::new();
    for (position, entry) in file.providers.into_iter().enumerate() {
        entry.check().map_err(|(field, why)| refuse(format!("providers[{position}].{field}"), why))?;
        if !names.insert(entry.name.clone()) {
            let why = format!("{:?} is used twice; each provider needs a name of its own", entry.name);
            return Err(refuse(format!("providers[{position}].name"), why));
        }
        if !issuers.insert(entry.issuer.clone()) {
            let why =
                format!("{:?} is used twice; one person would have two names in the cluster", entry.issuer);
            return Err(refuse(format!("providers[{position}].issuer"), why));
        }
        configs.push(entry.resolve(path.parent().unwrap_or(Path::new("")), position, &refuse)?);
    }
    Ok(configs)
}

impl Entry {
    fn check(&self) -> Result<(), (&'static str, String)> {
        check_name(&self.name).map_err(|why| ("name", why))?;
        if self.title.trim().is_empty() || self.title.chars().count() > TITLE_CHARS_MAX {
            return Err(("title", format!("must be a name for people of 1 to {TITLE_CHARS_MAX} characters")));
        }
        let issuer = Url::parse(&self.issuer)
            .map_err(|error| ("issuer", format!("{:?} is no URL: {error}", self.issuer)))?;
        check_transport(&issuer).map_err(|why| ("issuer", why))?;
        if self.client_id.is_empty() {
            return Err(("clientId", "is empty; the provider gave you one when you registered".to_owned()));
        }
        if let Some(scope) = self.scopes.iter().find(|scope| scope.is_empty() || scope.contains(' ')) {
            return Err(("scopes", format!("{scope:?} is no scope; write one scope an entry")));
        }
        if self.groups_claim.is_empty() {
            return Err(("groupsClaim", "is empty; leave the line out for `groups`".to_owned()));
        }
        Ok(())
    }

    fn resolve(
        self,
        folder: &Path,
        position: usize,
        refuse: &dyn Fn(String, String) -> ProvidersError,
    ) -> Result<ProviderConfig, ProvidersError> {
        let Self {
            name,
            title,
            issuer,
            client_id,
            client_secret_file,
            scopes,
            groups_claim,
            ca_file,
            kind,
            assurance,
        } = self;
        let secret = read(&folder.join(client_secret_file))?;
        let client_secret = String::from_utf8_lossy(&secret).trim_end_matches(['\r', '\n']).to_owned();
        if client_secret.is_empty() {
            let why = "the file is empty; put the secret into it that the provider gave you".to_owned();
            return Err(refuse(format!("providers[{position}].clientSecretFile"), why));
        }
        let ca_pem = ca_file.map(|file| read(&folder.join(file))).transpose()?;
        let vouched = assurance;
        Ok(ProviderConfig {
            name,
            title,
            issuer,
            client_id,
            client_secret,
            scopes,
            groups_claim,
            ca_pem,
            kind,
            vouched,
        })
    }
}

/// A DNS label. `system` would make people look like parts of the cluster.
fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let whole = !name.is_empty() && name.len() <= 63 && name.chars().all(allowed);
    if !whole || name.starts_with('-') || name.ends_with('-') {
        return Err(format!(
            "{name:?} must be a DNS label such as `my-university`: it is the prefix of names in the cluster"
        ));
    }
    if name == "system" {
        return Err("`system` is the prefix of the cluster's own users; choose another name".to_owned());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, ProvidersError> {
    std::fs::read(path).map_err(|source| ProvidersError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "{name: one, title: One, issuer: 'https://one.example', clientId: c, clientSecretFile: secret}";

    fn load_text(text: &str) -> Result<Vec<ProviderConfig>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "s3cret\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let path = folder.path().join("providers.yaml");
        std::fs::write(&path, text).unwrap();
        load(&path).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}").replace(&path.display().to_string(), "FILE")
        })
    }

    #[test]
    fn a_whole_file_is_read_and_what_is_left_out_has_a_default() {
        let guest = "{name: guests, title: Guests, issuer: 'http://localhost:9998/', clientId: c, clientSecretFile: secret, kind: guest, scopes: [profile], groupsClaim: roles, assurance: ['https://refeds.org/assurance/IAP/low']}";
        let read = load_text(&format!("providers: [{GOOD}, {guest}]")).unwrap();
        let [one, guests] = read.as_slice() else { panic!() };
        assert_eq!(
            (one.kind, one.groups_claim.as_str(), one.client_secret.as_str()),
            (Kind::Federation, "groups", "s3cret")
        );
        assert_eq!(
            (guests.kind, guests.groups_claim.as_str(), guests.vouched.len()),
            (Kind::Guest, "roles", 1)
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_file_field_and_remedy() {
        let with = |change: &str| {
            format!("providers: [{GOOD}, {}]", GOOD.replace("one", "two").replace("{name: two", change))
        };
        let cases = [
            ("providers: []".to_owned(), "FILE: providers: must have 1 to 50 entries"),
            ("{}".to_owned(), "missing field `providers`"),
            (with("{colour: red, name: two"), "unknown field `colour`"),
            (
                with("{name: Two"),
                "FILE: providers[1].name: \"Two\" must be a DNS label such as `my-university`",
            ),
            (
                with("{name: system"),
                "FILE: providers[1].name: `system` is the prefix of the cluster's own users",
            ),
            (with("{name: one"), "FILE: providers[1].name: \"one\" is used twice"),
            (
                format!("providers: [{GOOD}, {}]", GOOD.replace("name: one", "name: two")),
                "providers[1].issuer: \"https://one.example\" is used twice",
            ),
            (
                format!("providers: [{}]", GOOD.replace("https://one", "http://one")),
                "providers[0].issuer: http://one.example/ must begin with https://",
            ),
            (
                format!("providers: [{}]", GOOD.replace("secret}", "empty}")),
                "providers[0].clientSecretFile: the file is empty",
            ),
            (format!("providers: [{}]", GOOD.replace("secret}", "nowhere}")), "nowhere cannot be read"),
        ];
        for (text, expected) in cases {
            let error = load_text(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
            assert!(error.contains(expected), "{text}\n  {error}\n  lacks {expected}");
        }
    }
}
