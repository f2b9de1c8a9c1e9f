//! The languages of the pages. Texts are Fluent files below `locales/`, one folder a language, compiled in.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, langid, static_loader};

static_loader! {
    static TEXTS = {
        locales: "./locales",
        fallback_language: "en",
        // A name of another script must not turn the sentence around it; only right-to-left texts need the marks for it.
        customise: |bundle| bundle.set_use_isolating(bundle.locales.first() == Some(&langid!("ar"))),
    };
}

/// Cookie that remembers an explicit choice.
pub const COOKIE: &str = "concord-language";

/// A language in which all pages exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English; what is not said otherwise.
    #[default]
    En,
    /// French.
    Fr,
    /// German.
    De,
    /// Spanish.
    Es,
    /// Arabic.
    Ar,
}

impl Language {
    /// All, in the order of the switch.
    pub const ALL: [Self; 5] = [Self::En, Self::Fr, Self::De, Self::Es, Self::Ar];

    /// Code for `lang`, `hreflang` and the address.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::De => "de",
            Self::Es => "es",
            Self::Ar => "ar",
        }
    }

    /// Its own name for itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Fr => "Français",
            Self::De => "Deutsch",
            Self::Es => "Español",
            Self::Ar => "العربية",
        }
    }

    /// `ltr` or `rtl`.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::Ar => "rtl",
            _ => "ltr",
        }
    }

    /// The language with this code; a region is ignored.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        let primary = code.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// What a request asks for: the choice in the address, then the remembered one, then the browser's list.
    #[must_use]
    pub fn of_request(query: Option<&str>, headers: &HeaderMap) -> Self {
        let chosen = query
            .and_then(|query| query.split('&').find_map(|pair| Self::of_code(pair.strip_prefix("lang=")?)));
        chosen.or_else(|| remembered(headers)).or_else(|| accepted(headers)).unwrap_or_default()
    }

    fn id(self) -> LanguageIdentifier {
        match self {
            Self::En => langid!("en"),
            Self::Fr => langid!("fr"),
            Self::De => langid!("de"),
            Self::Es => langid!("es"),
            Self::Ar => langid!("ar"),
        }
    }
}

fn remembered(headers: &HeaderMap) -> Option<Language> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .find_map(|pair| Language::of_code(pair.trim().strip_prefix(COOKIE)?.strip_prefix('=')?))
}

/// RFC 9110 §12.5.4: the known language of the highest weight, the first of equals.
fn accepted(headers: &HeaderMap) -> Option<Language> {
    let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let weighted = list.split(',').filter_map(|entry| {
        let mut parts = entry.split(';');
        let language = Language::of_code(parts.next()?.trim())?;
        let weight =
            parts.find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        (weight > 0.0).then_some((language, weight))
    });
    weighted
        .fold(None, |best: Option<(Language, f32)>, next| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            _ => Some(next),
        })
        .map(|(language, _)| language)
}

/// The texts in one language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Words(pub Language);

impl Words {
    /// A text without variables. A key that no file has is shown as it is; a test finds those.
    #[must_use]
    pub fn get(&self, key: impl AsRef<str>) -> String {
        TEXTS.lookup(&self.0.id(), key.as_ref())
    }

    /// A text with one variable, `$n`, that decides between singular and plural.
    #[must_use]
    pub fn count(&self, key: &str, n: &i64) -> String {
        self.with(key, &[("n", FluentValue::from(*n))])
    }

    /// A text with two numbers, `$n` of `$of`.
    #[must_use]
    pub fn pair(&self, key: &str, pair: &(i64, i64)) -> String {
        self.with(key, &[("n", FluentValue::from(pair.0)), ("of", FluentValue::from(pair.1))])
    }

    /// A text with one variable, `$name`.
    #[must_use]
    pub fn named(&self, key: &str, name: &str) -> String {
        self.with(key, &[("name", FluentValue::from(name.to_owned()))])
    }

    /// A text with several numbers.
    #[must_use]
    pub fn numbers(&self, key: &str, numbers: &[(&'static str, i64)]) -> String {
        let numbers: Vec<_> =
            numbers.iter().map(|(name, number)| (*name, FluentValue::from(*number))).collect();
        self.with(key, &numbers)
    }

    /// A text with variables.
    #[must_use]
    pub fn with(&self, key: &str, variables: &[(&'static str, FluentValue<'static>)]) -> String {
        let variables: HashMap<Cow<'static, str>, FluentValue<'static>> =
            variables.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect();
        TEXTS.lookup_with_args(&self.0.id(), key, &variables)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(accept: &str, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(accept).unwrap());
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers
    }

    #[test]
    fn a_choice_in_the_address_beats_the_remembered_one_and_that_the_browsers() {
        let both = headers("fr-CA, en;q=0.5", "a=b; concord-language=de");
        assert_eq!(Language::of_request(Some("x=1&lang=es"), &both), Language::Es);
        assert_eq!(Language::of_request(Some("lang=xx"), &both), Language::De);
        assert_eq!(Language::of_request(None, &headers("fr-CA, en;q=0.5", "")), Language::Fr);
    }

    #[test]
    fn weights_decide_and_what_has_none_is_wanted_most() {
        let of = |accept| Language::of_request(None, &headers(accept, ""));
        assert_eq!(of("en;q=0.1, ar;q=0.9, zh"), Language::Ar);
        assert_eq!(of("de;q=0, es;q=0.2"), Language::Es);
        assert_eq!(of("xx, ;;;, q=1"), Language::En);
    }
}
