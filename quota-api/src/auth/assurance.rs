//! How well a person is known, from what the provider says (REFEDS Assurance Framework 2.0 and the REFEDS MFA profile), and
//! what is missing for what. Pure. Values are compared whole: a value that is not known gives nothing.

use crate::auth::Principal;
use crate::language::Words;

const MFA: &str = "https://refeds.org/profile/mfa";

/// How well somebody has looked at who the person is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nobody says that anybody has.
    #[default]
    None,
    /// The person says so and an address was tried.
    Low,
    /// Documents were seen.
    Medium,
    /// Documents were checked with who issued them.
    High,
}

/// Who the person is, and that it is the person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Assurance {
    /// How well the person is known.
    pub level: Level,
    /// Whether this login had a second factor.
    pub mfa: bool,
}

/// One thing that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The person must be known better.
    Level {
        /// What there is.
        has: Level,
        /// What it takes.
        needs: Level,
    },
    /// The login had no second factor.
    Mfa,
}

impl Level {
    /// The key of its name among the texts.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::None => "assurance-none",
            Self::Low => "assurance-low",
            Self::Medium => "assurance-medium",
            Self::High => "assurance-high",
        }
    }

    fn of_value(value: &str) -> Self {
        match value {
            "https://refeds.org/assurance/IAP/low" | "https://refeds.org/assurance/IAP/local-enterprise" => {
                Self::Low
            }
            "https://refeds.org/assurance/IAP/medium" | "https://refeds.org/assurance/profile/cappuccino" => {
                Self::Medium
            }
            "https://refeds.org/assurance/IAP/high" | "https://refeds.org/assurance/profile/espresso" => {
                Self::High
            }
            _ => Self::None,
        }
    }
}

impl Assurance {
    /// What the provider says of a person.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        let level = principal.assurance.iter().map(|value| Level::of_value(value)).max().unwrap_or_default();
        Self { level, mfa: principal.authentication.as_deref() == Some(MFA) }
    }

    /// What is missing for something that takes `needed`; nothing when it is enough.
    #[must_use]
    pub fn gaps(self, needed: Self) -> Vec<Gap> {
        let level =
            (self.level < needed.level).then_some(Gap::Level { has: self.level, needs: needed.level });
        let mfa = (needed.mfa && !self.mfa).then_some(Gap::Mfa);
        level.into_iter().chain(mfa).collect()
    }
}

impl Gap {
    /// A sentence for the person, with what to do.
    #[must_use]
    pub fn text(self, words: Words) -> String {
        match self {
            Self::Level { has, needs } => words.with(
                "assurance-gap-level",
                &[("has", words.get(has.key()).into()), ("needs", words.get(needs.key()).into())],
            ),
            Self::Mfa => words.get("assurance-gap-mfa"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(assurance: &[&str], authentication: Option<&str>) -> Principal {
        Principal {
            provider: "p".to_owned(),
            issuer: "https://p.example".to_owned(),
            subject: "s".to_owned(),
            groups: Vec::new(),
            name: None,
            email: None,
            assurance: assurance.iter().map(|value| (*value).to_owned()).collect(),
            authentication: authentication.map(str::to_owned),
        }
    }

    #[test]
    fn the_best_known_value_counts_and_only_whole_values_are_known() {
        let of = |values: &[&str]| Assurance::of(&person(values, None)).level;
        assert_eq!(of(&[]), Level::None);
        assert_eq!(
            of(&["https://refeds.org/assurance/IAP/low", "https://refeds.org/assurance/IAP/medium"]),
            Level::Medium
        );
        assert_eq!(of(&["https://refeds.org/assurance/profile/espresso"]), Level::High);
        for odd in [
            "https://refeds.org/assurance/IAP/highest",
            "IAP/high",
            "https://refeds.org/assurance/IAP/high/",
            "HTTPS://refeds.org/assurance/IAP/high",
            "https://evil.example/assurance/IAP/high",
            "https://refeds.org/assurance",
        ] {
            assert_eq!(of(&[odd]), Level::None, "{odd}");
        }
    }

    #[test]
    fn a_second_factor_is_said_by_one_value_only() {
        assert!(Assurance::of(&person(&[], Some(MFA))).mfa);
        for other in [
            None,
            Some("https://refeds.org/profile/sfa"),
            Some("https://refeds.org/profile/mfa "),
            Some("mfa"),
        ] {
            assert!(!Assurance::of(&person(&[], other)).mfa, "{other:?}");
        }
    }

    #[test]
    fn every_gap_is_told_and_enough_is_enough() {
        let needed = Assurance { level: Level::Medium, mfa: true };
        let gaps = Assurance::default().gaps(needed);
        assert_eq!(gaps, [Gap::Level { has: Level::None, needs: Level::Medium }, Gap::Mfa]);
        assert!(Assurance { level: Level::High, mfa: true }.gaps(needed).is_empty());
        assert_eq!(Assurance { level: Level::Medium, mfa: false }.gaps(needed), [Gap::Mfa]);
        for language in crate::language::Language::ALL {
            for gap in &gaps {
                let text = gap.text(Words(language));
                assert!(!text.contains("assurance-") && text.len() > 20, "{language:?}: {text}");
            }
        }
    }
}
