//! Who is logged in, as the provider says it. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names kept of one claim: 200 names of 255 characters are 50 KB, more than any directory gave so far.
const NAMES_MAX: usize = 200;
/// Longest name kept; a longer one is left out, not cut, because a cut name is another group's name.
const NAME_CHARS_MAX: usize = 255;

/// Group of everybody whom a provider has logged in, so that rights can be given to all of them.
const EVERYBODY: &str = "everybody";

/// The group of guests whom a reviewer has let in; a guest has no other one.
pub const ADMITTED: &str = "admitted";

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

/// Whether a name can stand in the cluster as it is. The API server gets names in headers, which lose spaces at their ends and
/// would so turn one name into another; OpenID itself keeps subjects to 255 characters of ASCII.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_graphic() || c == ' ';
    !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(inner) && name.trim() == name
}

/// The names in a claim that is a list of names, or one name. Anything else gives none: a claim that we do not understand
/// must not make anybody a member of anything.
#[must_use]
pub fn names(claim: Option<&Value>) -> Vec<String> {
    let names: Vec<&str> = match claim {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name],
        _ => Vec::new(),
    };
    let plain = names.into_iter().filter(|name| is_plain(name));
    let mut names: Vec<String> = plain.take(NAMES_MAX).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_or_one_name_is_read_sorted_and_without_repeats() {
        assert_eq!(names(Some(&json!(["b", "a", "b", ""]))), ["a", "b"]);
        assert_eq!(names(Some(&json!("one"))), ["one"]);
    }

    #[test]
    fn what_is_not_understood_gives_no_group() {
        for odd in [json!({"admin": true}), json!(7), json!([["admin"], {"name": "admin"}]), json!(null)] {
            assert!(names(Some(&odd)).is_empty(), "{odd}");
        }
        assert!(names(None).is_empty());
    }

    #[test]
    fn a_name_that_would_become_another_one_on_its_way_is_left_out() {
        for odd in [
            "admins ",
            " admins",
            "ad\nmins",
            "admins\r\nImpersonate-Group: x",
            "ädmins",
            "\u{202e}snimda",
            "",
        ] {
            assert!(names(Some(&json!([odd]))).is_empty(), "{odd:?}");
        }
        assert_eq!(names(Some(&json!(["urn:x:group:a b:role=member#id.example"]))).len(), 1);
    }

    #[test]
    fn a_name_that_is_too_long_is_left_out_and_the_number_is_bounded() {
        assert!(names(Some(&json!(["x".repeat(256)]))).is_empty());
        let many: Vec<String> = (0..1000).map(|n| format!("g{n}")).collect();
        assert_eq!(names(Some(&json!(many))).len(), NAMES_MAX);
    }
}
