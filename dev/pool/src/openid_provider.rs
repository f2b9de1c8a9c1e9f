//! The OpenID provider with demo people, built once from `dev/openid-provider`. DEMO ONLY: the passwords are in the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{Launch, go_module::GoModule, progress::Progress};

/// Our name at the provider.
pub const CLIENT: &str = "concord";
/// Our secret there.
pub const SECRET: &str = "concord-demo";

/// Somebody who can log in, as the files say.
#[derive(Debug, Clone, Deserialize)]
pub struct DemoPerson {
    /// The provider's id.
    pub id: String,
    /// What is typed first.
    pub username: String,
    /// What is typed then.
    pub password: String,
    /// Role.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// How to start one provider.
#[derive(Debug, Clone)]
pub struct OpenIdProvider {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// File of its people.
    pub people: PathBuf,
    /// Origin of the portal, the only relying party.
    pub portal: String,
    /// The portal's short name for it.
    pub name: &'static str,
}

/// The folder of its source and its people.
#[must_use]
pub fn folder() -> PathBuf {
    crate::pool::repository().join("dev/openid-provider")
}

/// Path of the program; it is built first if it has never been built here.
///
/// # Errors
/// When Go is missing or does not build it.
pub fn program(progress: &Progress) -> Result<PathBuf> {
    const PROGRAM: &str = "openid-provider";
    let main = folder().join("main.go");
    let module = GoModule {
        directory: folder(),
        cache: PROGRAM,
        title: "the OpenID provider with demo people",
        programs: &[(PROGRAM, &main.to_string_lossy())],
        linker_flags: "-s -w",
    };
    Ok(module.ensure(progress)?.join(PROGRAM))
}

/// Who can log in by a file.
///
/// # Errors
/// When the file cannot be read.
pub fn people(file: &Path) -> Result<Vec<DemoPerson>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no list of people", file.display()))
}

impl OpenIdProvider {
    /// Its name as an issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// What to run.
    #[must_use]
    pub fn launch(&self, program: &Path) -> Launch {
        let Self { port, people, portal, name } = self;
        Launch::new(format!("openid-provider-{name}"), program)
            .flag("port", port)
            .flag("people", people.display())
            .flag("client", CLIENT)
            .flag("secret", SECRET)
            .flag("redirect", format!("{portal}/callback/{name}"))
            .flag("after-logout", format!("{portal}/"))
            .flag("back-channel", format!("{portal}/backchannel-logout"))
    }

    /// Its entry in the portal's file of providers; `secret` is the file that holds [`SECRET`].
    #[must_use]
    pub fn entry(&self, title: &str, kind: &str, secret: &Path) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "title": title,
            "issuer": self.issuer(),
            "clientId": CLIENT,
            "clientSecretFile": secret,
            "scopes": ["profile", "email"],
            "kind": kind,
        })
    }
}
