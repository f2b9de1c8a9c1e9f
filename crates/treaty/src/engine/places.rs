//! Where a claim has GPUs: mostly on one node, and then without a list on the heap.

use super::space::Place;

/// GPUs by node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Places {
    /// On one node.
    One(Place),
    /// On several, or on none.
    Many(Box<[Place]>),
}

impl Default for Places {
    fn default() -> Self {
        Self::Many(Box::default())
    }
}

impl std::ops::Deref for Places {
    type Target = [Place];

    fn deref(&self) -> &[Place] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

impl<'p> IntoIterator for &'p Places {
    type Item = &'p Place;
    type IntoIter = std::slice::Iter<'p, Place>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut places = places.into_iter();
        match (places.next(), places.next()) {
            (Some(one), None) => Self::One(one),
            (first, second) => Self::Many(first.into_iter().chain(second).chain(places).collect()),
        }
    }
}

impl From<Vec<Place>> for Places {
    fn from(places: Vec<Place>) -> Self {
        match *places {
            [one] => Self::One(one),
            _ => Self::Many(places.into()),
        }
    }
}
