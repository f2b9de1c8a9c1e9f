//! Who is logged in, as the provider says it. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Groups kept of one person: 200 names of 256 characters are 50 KB, more than any directory gave so far.
const GROUPS_MAX: usize = 200;
/// Longest group name kept; a longer one is left out, not cut, because a cut name is another group's name.
const GROUP_CHARS_MAX: usize = 256;

/// Group of everybody whom a provider has logged in, so that rights can be given to all of them.
const EVERYBODY: &str = "everybody";

/// One person. The pair of issuer and subject is the identity; everything else may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Short name of the provider in this server's configuration, which is also the prefix of names in the cluster.
    pub provider: String,
    /// Provider.
    pub issuer: String,
    /// The provider's id for the person.
    pub subject: String,
    /// Groups, sorted, as the provider names them.
    pub groups: Vec<String>,
    /// Name for people, if the provider tells it.
    pub name: Option<String>,
    /// Address for notifications, only if the provider says that it was verified.
    pub email: Option<String>,
    /// How well the provider knows the person: `eduperson_assurance`, such as
    /// <https://refeds.org/assurance/IAP/medium>.
    pub assurance: Vec<String>,
    /// How the person logged in (`acr`), such as <https://refeds.org/profile/mfa>.
    pub authentication: Option<String>,
}

impl Principal {
    /// Name as which the API server knows the person. The prefix keeps one provider's people apart from another's, and
    /// from the cluster's own users.
    #[must_use]
    pub fn user_name(&self) -> String {
        format!("{}:{}", self.provider, self.subject)
    }

    /// Groups as the API server knows them, and that of everybody whom the provider has logged in.
    #[must_use]
    pub fn group_names(&self) -> Vec<String> {
        let named = self.groups.iter().map(String::as_str).chain([EVERYBODY]);
        named.map(|group| format!("{}:{group}", self.provider)).collect()
    }

    /// How pages address the person.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.subject)
    }
}

/// The groups in a claim that is a list of names, or one name. Anything else gives none: a claim that we do not
/// understand must not make anybody a member of anything.
#[must_use]
pub fn groups(claim: Option<&Value>) -> Vec<String> {
    let names: Vec<&str> = match claim {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name],
        _ => Vec::new(),
    };
    let mut groups: Vec<String> = names
        .into_iter()
        .filter(|name| !name.is_empty() && name.chars().count() <= GROUP_CHARS_MAX)
        .take(GROUPS_MAX)
        .map(str::to_owned)
        .collect();
    groups.sort();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_or_one_name_is_read_sorted_and_without_repeats() {
        assert_eq!(groups(Some(&json!(["b", "a", "b", ""]))), ["a", "b"]);
        assert_eq!(groups(Some(&json!("one"))), ["one"]);
    }

    #[test]
    fn what_is_not_understood_gives_no_group() {
        for odd in [json!({"admin": true}), json!(7), json!([["admin"], {"name": "admin"}]), json!(null)] {
            assert!(groups(Some(&odd)).is_empty(), "{odd}");
        }
        assert!(groups(None).is_empty());
    }

    #[test]
    fn a_name_that_is_too_long_is_left_out_and_the_number_is_bounded() {
        assert!(groups(Some(&json!(["x".repeat(257)]))).is_empty());
        let many: Vec<String> = (0..1000).map(|n| format!("g{n}")).collect();
        assert_eq!(groups(Some(&json!(many))).len(), GROUPS_MAX);
    }
}
