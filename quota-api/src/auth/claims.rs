//! What a provider says of a person: from the ID token first, else from the user info. Pure.

use openidconnect::core::CoreGenderClaim;
use openidconnect::{IdTokenClaims, UserInfoClaims};
use serde_json::Value;

use super::principal::{Principal, is_plain, names};
use super::provider::{OtherClaims, Provider};
use super::providers_file::Kind;

/// Longest name for people that is kept.
const SHOWN_CHARS_MAX: usize = 200;
/// RFC 5321 allows no longer address.
const EMAIL_CHARS_MAX: usize = 254;

/// What one of the two sources says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    name: Option<String>,
    email: Option<String>,
    groups: Option<Value>,
    assurance: Option<Value>,
    authentication: Option<String>,
}

impl Facts {
    pub(super) fn of_id_token(
        claims: &IdTokenClaims<OtherClaims, CoreGenderClaim>,
        groups_claim: &str,
    ) -> Self {
        let other = &claims.additional_claims().0;
        Self {
            name: claims.name().and_then(|name| name.get(None)).and_then(|name| shown(name)),
            email: claims.email().and_then(|email| verified(email, claims.email_verified())),
            groups: other.get(groups_claim).cloned(),
            assurance: other.get("eduperson_assurance").cloned(),
            authentication: claims.auth_context_ref().and_then(|acr| plain(acr)),
        }
    }

    pub(super) fn of_user_info(
        claims: &UserInfoClaims<OtherClaims, CoreGenderClaim>,
        groups_claim: &str,
    ) -> Self {
        let other = &claims.additional_claims().0;
        Self {
            name: claims.name().and_then(|name| name.get(None)).and_then(|name| shown(name)),
            email: claims.email().and_then(|email| verified(email, claims.email_verified())),
            groups: other.get(groups_claim).cloned(),
            assurance: other.get("eduperson_assurance").cloned(),
            authentication: other.get("acr").and_then(Value::as_str).and_then(plain),
        }
    }

    /// Nothing is left to ask for.
    pub(super) fn are_complete(&self) -> bool {
        let Self { name, email, groups, assurance, authentication: _ } = self;
        name.is_some() && email.is_some() && groups.is_some() && assurance.is_some()
    }

    /// What the first source does not say, from the second.
    pub(super) fn or(self, second: Self) -> Self {
        Self {
            name: self.name.or(second.name),
            email: self.email.or(second.email),
            groups: self.groups.or(second.groups),
            assurance: self.assurance.or(second.assurance),
            authentication: self.authentication.or(second.authentication),
        }
    }
}

/// The person. What the operator of this server vouches for counts only where the provider says nothing.
pub(super) fn person(provider: &Provider, subject: &str, facts: Facts) -> Principal {
    let Facts { name, email, groups, assurance, authentication } = facts;
    // Whoever lets in anybody says nothing about anybody's groups.
    let groups = groups.filter(|_| provider.kind == Kind::Federation);
    let assurance = match assurance {
        Some(said) => names(Some(&said)),
        None => provider.vouched.clone(),
    };
    Principal {
        provider: provider.name.clone(),
        issuer: provider.issuer().to_owned(),
        subject: subject.to_owned(),
        groups: names(groups.as_ref()),
        name,
        email,
        assurance,
        authentication,
    }
}

/// A name for people, in any script, without what could turn the text around it.
fn shown(name: &str) -> Option<String> {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept: String = name.chars().filter(|c| !c.is_control() && !turns(*c)).take(SHOWN_CHARS_MAX).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Mail goes only where the provider says that the person reads it.
fn verified(email: &str, verified: Option<bool>) -> Option<String> {
    let is_address = email.len() <= EMAIL_CHARS_MAX
        && email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
        && email
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';' | '"'));
    (is_address && verified == Some(true)).then(|| email.to_owned())
}

fn plain(text: &str) -> Option<String> {
    is_plain(text).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_verified_address_is_one() {
        assert_eq!(verified("a@b.example", Some(true)).as_deref(), Some("a@b.example"));
        for (address, said) in
            [("a@b.example", None), ("a@b.example", Some(false)), ("a", Some(true)), ("a@b", Some(true))]
        {
            assert_eq!(verified(address, said), None, "{address} {said:?}");
        }
        assert_eq!(verified("a@b.example\r\nBcc: c@d.example", Some(true)), None);
    }

    #[test]
    fn a_shown_name_cannot_turn_the_text_around_it() {
        assert_eq!(shown(" \u{202e}Élodie\u{0} ").as_deref(), Some("Élodie"));
        assert_eq!(shown("\u{202e}"), None);
    }

    #[test]
    fn the_first_source_wins_even_with_less() {
        let first = Facts { groups: Some(json!([])), ..Facts::default() };
        let second =
            Facts { groups: Some(json!(["admins"])), name: Some("N".to_owned()), ..Facts::default() };
        let both = first.or(second);
        assert_eq!((both.groups, both.name.as_deref()), (Some(json!([])), Some("N")));
    }
}
