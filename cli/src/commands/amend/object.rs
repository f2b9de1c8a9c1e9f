//! An amendment as a text in a file or as kubectl prints it.

use anyhow::{Context, Result, bail, ensure};
use concord_ledger::note::{self, Proposal};
use concord_treaty::document::Document;
use concord_treaty::ratify::{Change, changes};
use serde::Deserialize;
use serde_json::{Value, json};

/// Kind and version of the object.
const KIND: &str = "Amendment";
const VERSION: &str = "concord.dev/v1alpha1";

/// What of an amendment the commands use.
#[derive(Debug, Clone)]
pub struct Amendment {
    /// As it was read.
    pub object: Value,
    /// Its name.
    pub name: String,
    spec: Spec,
    created: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
struct Spec {
    treaty: String,
    matter: String,
    replaces: String,
    text: Document,
}

/// A new one. No time and no ballots: the cluster gives it the one, members the others.
#[must_use]
pub fn new(name: &str, treaty: &str, matter: &str, texts: Texts<'_>, note: &str) -> Value {
    let mut spec =
        json!({"treaty": treaty, "matter": matter, "replaces": texts.replaces, "text": texts.text});
    if !texts.concerns.is_empty() {
        spec["concerns"] = json!(texts.concerns);
    }
    if !note.is_empty() {
        spec["note"] = json!(note);
    }
    json!({"apiVersion": VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec})
}

/// What is changed into what.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'t> {
    /// SHA-256 of the text that is changed.
    pub replaces: &'t str,
    /// The new text.
    pub text: &'t Document,
    /// Whom it is about.
    pub concerns: &'t [String],
}

impl Amendment {
    /// Reads one from YAML or JSON.
    ///
    /// # Errors
    /// When the text holds something else; what is missing is named.
    pub fn read(bytes: &[u8], file: &str) -> Result<Self> {
        let object: Value =
            serde_yaml::from_slice(bytes).with_context(|| format!("{file} is neither YAML nor JSON"))?;
        Self::of(object).with_context(|| format!("{file} holds no amendment"))
    }

    /// From an object of the cluster.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of(object: Value) -> Result<Self> {
        let kind = object["kind"].as_str().unwrap_or("nothing");
        ensure!(kind == KIND, "found {kind} where {KIND} was expected");
        let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else {
            bail!("metadata.name is missing");
        };
        let spec = Spec::deserialize(&object["spec"]).context("its spec cannot be read")?;
        let created = object["metadata"]["creationTimestamp"].as_str();
        let created = created.map(|text| text.parse().context("metadata.creationTimestamp is no time"));
        let created = created.transpose()?;
        Ok(Self { object, name, spec, created })
    }

    /// What its note says.
    ///
    /// # Errors
    /// When it is not in the cluster yet, so that it has no day of publication.
    pub fn proposal(&self) -> Result<Proposal> {
        let Spec { treaty, matter, replaces, text } = &self.spec;
        let Some(published) = self.created else {
            bail!(
                "amendment {} was not published yet: store it with kubectl create -f FILE, and read it back with \
                 kubectl get amendment {} -o yaml",
                self.name,
                self.name
            );
        };
        Ok(Proposal {
            treaty: treaty.clone(),
            amendment: self.name.clone(),
            matter: matter.clone(),
            replaces: replaces.clone(),
            text: note::text_sha256(text)?,
            published,
        })
    }

    /// The text that is changed, where the operator has looked at the amendment.
    ///
    /// # Errors
    /// When the text in the status is not the one that is changed.
    fn before(&self) -> Result<Option<Document>> {
        let Some(before) = self.object.pointer("/status/before") else { return Ok(None) };
        let before = Document::deserialize(before).context("status.before cannot be read")?;
        let found = note::text_sha256(&before)?;
        ensure!(
            found == self.spec.replaces,
            "status.before has the hash {found}, and the amendment replaces {}; do not sign, and ask the operator of the pool",
            self.spec.replaces
        );
        Ok(Some(before))
    }

    /// What the new text changes, clause by clause; nothing where the operator has not looked at it.
    ///
    /// # Errors
    /// As [`Self::keys_of`].
    pub fn changes(&self) -> Result<Vec<Change>> {
        let before = self.before()?;
        Ok(before.map(|before| changes(&before, &self.spec.text)).transpose()?.unwrap_or_default())
    }

    /// The keys of a member by the text that is changed; `None` while the operator has not looked at the amendment, or where it
    /// was read without its status.
    ///
    /// # Errors
    /// When the text in the status is not the one that is changed, or has no such member.
    pub fn keys_of(&self, member: &str) -> Result<Option<Vec<String>>> {
        let Some(before) = self.before()? else { return Ok(None) };
        let known = before.members.iter().find(|m| m.name == member);
        let Some(known) = known else {
            let names: Vec<&str> = before.members.iter().map(|m| m.name.as_str()).collect();
            bail!("no member is named {member:?}; the members are {}", names.join(", "));
        };
        Ok(Some(known.keys.clone()))
    }
}
