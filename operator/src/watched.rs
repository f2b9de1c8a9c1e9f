//! One kind's objects as a watch and the answers to our own writes show them, whichever is newer.

use std::collections::{BTreeMap, BTreeSet};

use kube::Resource;
use kube::runtime::watcher::Event;

use crate::view::{Key, View};

/// Objects of one kind by key.
#[derive(Debug)]
pub struct Watched<V> {
    items: BTreeMap<Key, V>,
    /// Keys seen while the watch lists anew; what is not among them afterwards is gone.
    listing: BTreeSet<Key>,
    /// The newest version among them: the list was read at this one or later.
    listing_version: u64,
    listed: bool,
    /// Not in the last list, and perhaps only because they were made after it had been read.
    doubtful: BTreeSet<Key>,
}

impl<V> Default for Watched<V> {
    fn default() -> Self {
        let (listing, doubtful) = (BTreeSet::new(), BTreeSet::new());
        Self { items: BTreeMap::new(), listing, listing_version: 0, listed: false, doubtful }
    }
}

impl<V: View> Watched<V> {
    /// Takes in one event of the watch; returns the keys that it changed.
    pub fn see(&mut self, event: Event<V::Object>) -> Vec<Key> {
        match event {
            Event::Init => {
                self.listing.clear();
                self.listing_version = 0;
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listing.insert(Key::of(&object));
                let version = V::of(&object).map_or(0, |view| view.resource_version());
                self.listing_version = self.listing_version.max(version);
                self.absorb(&object)
            }
            Event::Apply(object) => self.absorb(&object),
            Event::Delete(object) => {
                let key = Key::of(&object);
                // Another object of the same name may have taken its place.
                let same = self
                    .items
                    .get(&key)
                    .is_some_and(|known| Some(known.uid()) == object.meta().uid.as_deref());
                if same { self.forget(&key) } else { Vec::new() }
            }
            Event::InitDone => {
                self.listed = true;
                let missing = self.items.iter().filter(|(key, _)| !self.listing.contains(*key));
                let (newer, gone): (Vec<_>, Vec<_>) = missing
                    .partition(|(_, view)| V::MADE_HERE && view.resource_version() > self.listing_version);
                self.doubtful.extend(newer.into_iter().map(|(key, _)| key.clone()));
                let gone: Vec<Key> = gone.into_iter().map(|(key, _)| key.clone()).collect();
                gone.iter().flat_map(|key| self.forget(key)).collect()
            }
        }
    }

    /// Takes in an object from a watch or from the answer to a write, if it is newer than what is known.
    pub fn absorb(&mut self, object: &V::Object) -> Vec<Key> {
        let key = Key::of(object);
        let Some(view) = V::of(object) else { return self.forget(&key) };
        let known = self.items.get(&key);
        if known.is_some_and(|k| k.uid() == view.uid() && k.resource_version() >= view.resource_version()) {
            return Vec::new();
        }
        self.items.insert(key.clone(), view);
        vec![key]
    }

    /// Removes an object that is known to be gone.
    pub fn forget(&mut self, key: &Key) -> Vec<Key> {
        self.items.remove(key).map(|_| key.clone()).into_iter().collect()
    }

    /// Keys that must be read again before anybody decides, because a list neither showed nor disproved them.
    pub fn take_doubtful(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.doubtful)
    }

    /// True once the watch has listed everything.
    pub const fn is_listed(&self) -> bool {
        self.listed
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<&V> {
        self.items.get(key)
    }

    /// All, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &V)> {
        self.items.iter()
    }

    /// All, by key.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.items.keys()
    }

    /// All, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.items.values()
    }

    /// Puts a view there, for tests of what reads it.
    #[cfg(test)]
    pub fn put(&mut self, key: Key, view: V) {
        self.items.insert(key, view);
    }
}

#[cfg(test)]
mod tests {
    use concord_api::GpuClaim;
    use serde_json::json;

    use super::*;
    use crate::view::ClaimView;

    fn claim(name: &str, uid: &str, version: u32) -> GpuClaim {
        let object = json!({"metadata": {"name": name, "namespace": "lab", "uid": uid, "resourceVersion": version.to_string()},
            "spec": {"member": "a", "project": "lab", "pods": 1, "gpusPerPod": 1, "gpus": 1,
                     "workload": {"kind": "Job", "name": name, "uid": "j"}, "submittedAt": "1970-01-01T00:00:10Z"}});
        serde_json::from_value(object).unwrap()
    }

    fn known(watched: &Watched<ClaimView>) -> Vec<(String, u64)> {
        watched.iter().map(|(k, v)| (format!("{}:{}", k.name, v.uid), v.resource_version)).collect()
    }

    #[test]
    fn an_older_sighting_does_not_undo_our_own_write() {
        let mut watched = Watched::<ClaimView>::default();
        assert_eq!(watched.absorb(&claim("x", "u1", 7)).len(), 1);
        assert!(watched.see(Event::Apply(claim("x", "u1", 6))).is_empty());
        assert!(watched.see(Event::Apply(claim("x", "u1", 7))).is_empty());
        assert_eq!(known(&watched), [("x:u1".to_owned(), 7)]);
    }

    #[test]
    fn what_a_new_list_does_not_show_is_gone() {
        let mut watched = Watched::<ClaimView>::default();
        assert!(!watched.is_listed());
        for event in [
            Event::Init,
            Event::InitApply(claim("x", "u1", 1)),
            Event::InitApply(claim("y", "u2", 2)),
            Event::InitDone,
        ] {
            watched.see(event);
        }
        assert!(watched.is_listed());
        watched.see(Event::Init);
        watched.see(Event::InitApply(claim("y", "u2", 2)));
        let gone = watched.see(Event::InitDone);
        assert_eq!((gone.len(), known(&watched)), (1, vec![("y:u2".to_owned(), 2)]));
    }

    #[test]
    fn what_was_made_after_the_list_was_read_is_doubtful_and_not_gone() {
        let mut watched = Watched::<ClaimView>::default();
        watched.absorb(&claim("old", "u1", 1));
        watched.absorb(&claim("listed", "u2", 5));
        // The answer to our own write, while a list of an earlier version is on its way.
        watched.absorb(&claim("new", "u3", 6));
        for event in [Event::Init, Event::InitApply(claim("listed", "u2", 5)), Event::InitDone] {
            watched.see(event);
        }
        assert_eq!(known(&watched), [("listed:u2".to_owned(), 5), ("new:u3".to_owned(), 6)]);
        assert_eq!(watched.take_doubtful().len(), 1);
        assert!(watched.take_doubtful().is_empty());
    }

    #[test]
    fn a_late_deletion_does_not_remove_the_successor() {
        let mut watched = Watched::<ClaimView>::default();
        watched.absorb(&claim("x", "new", 9));
        assert!(watched.see(Event::Delete(claim("x", "old", 8))).is_empty());
        assert_eq!(watched.see(Event::Delete(claim("x", "new", 10))).len(), 1);
    }
}
