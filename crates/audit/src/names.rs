//! Names as small numbers: a million runs name the same few parties, and as many claims by UID.

use std::collections::HashMap;

/// Index of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

/// All names that were seen.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

/// A claim. A UID of Kubernetes is its own number, so that it takes 16 bytes; anything else is a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKey {
    /// A UUID in lower case.
    Uid(u128),
    /// Another text.
    Other(Name),
}

impl Names {
    /// The number of a name, a new one if it is new.
    pub fn number(&mut self, text: &str) -> Name {
        if let Some(number) = self.numbers.get(text) {
            return Name(*number);
        }
        // An entry has 70 bytes at least: four billion names are no record that can be read.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        self.texts.push(text.to_owned());
        Name(number)
    }

    /// The number of a name that was seen.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied().map(Name)
    }

    /// The name.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        self.texts.get(name.0 as usize).map_or("", String::as_str)
    }

    /// The key of a claim.
    pub fn claim(&mut self, text: &str) -> ClaimKey {
        uuid(text).map_or_else(|| ClaimKey::Other(self.number(text)), ClaimKey::Uid)
    }

    /// The UID of a claim.
    #[must_use]
    pub fn claim_text(&self, key: ClaimKey) -> String {
        match key {
            ClaimKey::Uid(number) => uuid_text(number),
            ClaimKey::Other(name) => self.text(name).to_owned(),
        }
    }
}

/// The number of a UUID in the form that Kubernetes writes, and in no other.
fn uuid(text: &str) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (uuid_text(number) == text).then_some(number)
}

fn uuid_text(number: u128) -> String {
    let digits = format!("{number:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_keeps_its_name() {
        let mut names = Names::default();
        let uid = "0d4cb2d1-6b2e-4f0f-9a5c-00000000002a";
        for text in [uid, "claim-1", &uid.to_uppercase(), &uid.replace('-', "0"), "", "0d4cb2d1"] {
            let key = names.claim(text);
            assert_eq!(names.claim_text(key), text);
            assert_eq!(matches!(key, ClaimKey::Uid(_)), text == uid, "{text}");
        }
        assert_eq!(names.number("north"), names.number("north"));
        assert_eq!(names.find("south"), None);
    }
}
