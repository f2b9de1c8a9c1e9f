//! A bounded map with expiry, for logins under way and for sessions. In memory: a restart logs everybody out, and only
//! one replica can serve logins.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::secret::Hash;

/// Values by the hash of a secret.
pub struct Vault<T> {
    entries: Mutex<HashMap<Hash, Entry<T>>>,
    max: usize,
}

struct Entry<T> {
    expires: Timestamp,
    value: T,
}

impl<T> Vault<T> {
    /// An empty one that never holds more than `max`.
    pub fn new(max: usize) -> Self {
        Self { entries: Mutex::new(HashMap::new()), max: max.max(1) }
    }

    /// Adds; when full, first what has expired goes, then what would expire next.
    pub fn insert(&self, key: Hash, value: T, now: Timestamp, lifetime: SignedDuration) {
        let mut entries = self.lock();
        if entries.len() >= self.max {
            entries.retain(|_, entry| entry.expires > now);
        }
        while entries.len() >= self.max {
            let Some(next) = entries.iter().min_by_key(|(_, entry)| entry.expires).map(|(key, _)| *key)
            else {
                break;
            };
            entries.remove(&next);
        }
        let expires = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        entries.insert(key, Entry { expires, value });
    }

    /// Takes the value out if it is still valid and `wanted`.
    pub fn take_if(&self, key: &Hash, now: Timestamp, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut entries = self.lock();
        entries.get(key).filter(|entry| entry.expires > now && wanted(&entry.value))?;
        entries.remove(key).map(|entry| entry.value)
    }

    /// Forgets.
    pub fn remove(&self, key: &Hash) {
        self.lock().remove(key);
    }

    /// Entries kept, expired ones included.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    // No method panics while it holds the lock, so what a poisoned lock guards is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Vault<T> {
    /// The value if it is still valid.
    pub fn get(&self, key: &Hash, now: Timestamp) -> Option<T> {
        self.lock().get(key).filter(|entry| entry.expires > now).map(|entry| entry.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::hash;

    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_entry_is_valid_until_it_expires_and_not_at_that_moment() {
        let vault = Vault::new(9);
        vault.insert(hash("a"), 1, at(0), MINUTE);
        assert_eq!((vault.get(&hash("a"), at(59)), vault.get(&hash("a"), at(60))), (Some(1), None));
        assert_eq!(vault.take_if(&hash("a"), at(60), |_| true), None);
    }

    #[test]
    fn taking_works_once_and_an_unwanted_value_stays() {
        let vault = Vault::new(9);
        vault.insert(hash("a"), 1, at(0), MINUTE);
        assert_eq!(vault.take_if(&hash("a"), at(1), |v| *v == 2), None);
        assert_eq!(vault.take_if(&hash("a"), at(1), |v| *v == 1), Some(1));
        assert_eq!(vault.take_if(&hash("a"), at(1), |_| true), None);
    }

    #[test]
    fn it_never_grows_beyond_its_limit_and_the_expired_go_first() {
        let vault = Vault::new(2);
        vault.insert(hash("long"), 0, at(0), MINUTE * 9);
        vault.insert(hash("short"), 1, at(0), MINUTE);
        vault.insert(hash("new"), 2, at(61), MINUTE);
        assert_eq!((vault.len(), vault.get(&hash("long"), at(61))), (2, Some(0)));
        vault.insert(hash("newer"), 3, at(62), MINUTE);
        assert_eq!(
            (vault.len(), vault.get(&hash("new"), at(62)), vault.get(&hash("newer"), at(62))),
            (2, None, Some(3))
        );
    }
}
